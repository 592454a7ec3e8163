package parquet

import (
	"slices"
	"strings"
)

// A node is a column, a list of values or a group of nodes.
type node struct {
	name     string
	key      []byte // as JSON writes it before the value
	optional bool
	def      int   // definition level from which the node is present
	leaf     *leaf // of a column or a list; nil: a group
	list     bool
	elements int // of a list: definition level from which it has elements
	children []*node
}

// A shape says how a value of a column is written.
type shape uint8

const (
	asText shape = iota
	asBool
	asInt
	asUint
	asFloat
	asTime
)

// The LogicalType, ConvertedType and TimeUnit values that make a difference.
const (
	logicalList      = 3
	logicalDecimal   = 5
	logicalTimestamp = 8
	logicalFloat16   = 15

	convertedMap       = 1
	convertedMapEntry  = 2
	convertedDecimal   = 5
	convertedMillis    = 9
	convertedMicros    = 10
	convertedUint8     = 11
	convertedUint64    = 14
	convertedInterval  = 21
	perMilli, perMicro = int64(1e6), int64(1e3)
)

// schema makes nodes of the elements, which are in depth-first order.
func (r *Reader) schema(list []element, opt Options) error {
	if len(list) == 0 || list[0].kind >= 0 {
		return failf("its schema has no root")
	}
	s := &elements{list: list, next: 1, r: r}
	r.root = &node{}
	names := map[string]bool{}
	for range list[0].children {
		if s.next >= len(list) {
			return failf("its schema is truncated")
		}
		name := list[s.next].name
		if !opt.Wanted(name) {
			if err := s.pass(0); err != nil {
				return err
			}
			continue
		}
		if names[name] {
			return failf("column %.64q is in the schema twice", name)
		}
		names[name] = true
		n, err := s.node(nil, 0, 0)
		if err != nil {
			return err
		}
		r.root.children = append(r.root.children, n)
	}
	if s.next != len(list) {
		return failf("its schema has elements outside of its root")
	}
	for _, name := range opt.Needed {
		if !names[name] {
			return failf("it has no column %s", name)
		}
	}
	return nil
}

// elements makes nodes of the elements of a schema, one after the other.
type elements struct {
	list   []element
	next   int // index in list
	column int // number of the next leaf; leaves that are not read count
	r      *Reader
}

// pass skips an element and the elements in it.
func (s *elements) pass(depth int) error {
	if s.next >= len(s.list) || depth > maxDepth {
		return failf("its schema is truncated or nested deeper than %d", maxDepth)
	}
	e := &s.list[s.next]
	s.next++
	if e.kind >= 0 {
		s.column++
		return nil
	}
	for range e.children {
		if err := s.pass(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

// node makes a node of the next element. def is the definition level of the node
// around it.
func (s *elements) node(path []string, def, depth int) (*node, error) {
	if s.next >= len(s.list) || depth > maxDepth {
		return nil, failf("its schema is truncated or nested deeper than %d", maxDepth)
	}
	e := &s.list[s.next]
	s.next++
	path = append(slices.Clip(path), e.name)
	n := &node{name: e.name, def: def}
	n.key = append(appendString(nil, []byte(e.name)), ':')
	switch e.repetition {
	case required:
	case optional:
		n.optional = true
		n.def++
	case repeated:
		if e.kind < 0 {
			return nil, failf("column %.200q is a list of groups; no field of a record is one", strings.Join(path, "."))
		}
		n.list, n.elements = true, def+1
		var err error
		n.leaf, err = s.leaf(e, path, def+1, 1)
		return n, err
	default:
		return nil, failf("column %.200q has an unknown repetition", strings.Join(path, "."))
	}
	if e.kind >= 0 {
		var err error
		n.leaf, err = s.leaf(e, path, n.def, 0)
		return n, err
	}
	if e.children == 1 && s.next < len(s.list) && s.list[s.next].repetition == repeated {
		return n, s.listOf(n, path)
	}
	if e.children <= 0 || e.converted == convertedMap || e.converted == convertedMapEntry {
		return nil, failf("column %.200q is a group of a kind that no field of a record is", strings.Join(path, "."))
	}
	for range e.children {
		c, err := s.node(path, n.def, depth+1)
		if err != nil {
			return nil, err
		}
		n.children = append(n.children, c)
	}
	return n, nil
}

// listOf reads the inside of a group that is a list: a repeated column, or a
// repeated group with one column, the element.
func (s *elements) listOf(n *node, path []string) error {
	e := &s.list[s.next]
	s.next++
	path = append(slices.Clip(path), e.name)
	n.list, n.elements = true, n.def+1
	def := n.elements
	if e.kind < 0 {
		if e.children != 1 || s.next >= len(s.list) {
			return failf("column %.200q is a list of groups; no field of a record is one", strings.Join(path, "."))
		}
		e = &s.list[s.next]
		s.next++
		path = append(slices.Clip(path), e.name)
		switch {
		case e.kind < 0 || e.repetition == repeated:
			return failf("column %.200q is a list of lists; no field of a record is one", strings.Join(path, "."))
		case e.repetition == optional:
			def++
		}
	}
	var err error
	n.leaf, err = s.leaf(e, path, def, 1)
	return err
}

// leaf adds a column that is read.
func (s *elements) leaf(e *element, path []string, def, rep int) (*leaf, error) {
	l := &leaf{r: s.r, path: path, column: s.column, kind: e.kind, maxDef: def, maxRep: rep}
	s.column++
	switch e.kind {
	case typeBoolean:
		l.shape = asBool
	case typeInt32, typeInt64:
		l.shape, l.width = asInt, 4
		if e.kind == typeInt64 {
			l.width = 8
		}
		switch {
		case e.logical == logicalTimestamp && e.unit >= 1 && e.unit <= 3:
			l.shape, l.unit = asTime, [...]int64{perMilli, perMicro, 1}[e.unit-1]
		case e.logical == 0 && (e.converted == convertedMillis || e.converted == convertedMicros):
			l.shape, l.unit = asTime, [...]int64{perMilli, perMicro}[e.converted-convertedMillis]
		case e.unsigned || e.converted >= convertedUint8 && e.converted <= convertedUint64:
			l.shape = asUint
		}
	case typeInt96: // a time of older writers
		l.shape, l.width, l.unit = asTime, 12, 1
	case typeFloat:
		l.shape, l.width = asFloat, 4
	case typeDouble:
		l.shape, l.width = asFloat, 8
	case typeByteArray:
		l.shape = asText
	default:
		return nil, l.fail("no field of a record has its physical type %d", e.kind)
	}
	if e.logical == logicalDecimal || e.logical == logicalFloat16 || e.converted == convertedDecimal || e.converted == convertedInterval {
		return nil, l.fail("no field of a record has its logical type")
	}
	s.r.leaves = append(s.r.leaves, l)
	return l, nil
}
