package parquet

import "slices"

// Physical types.
const (
	typeBoolean = iota
	typeInt32
	typeInt64
	typeInt96
	typeFloat
	typeDouble
	typeByteArray
	typeFixed
)

// Repetition types.
const (
	required = iota
	optional
	repeated
)

// A rowGroup is a group of rows and the places of its columns in the file.
type rowGroup struct {
	rows   int64
	chunks []chunk // of Reader.leaves
}

// A chunk is the place of a column of a row group.
type chunk struct {
	offset, size int64 // bytes
	values       int64 // nulls included
	codec        int64
}

// An element is a SchemaElement.
type element struct {
	name       string
	kind       int64 // physical type; -1: a group
	length     int64
	repetition int64
	children   int64
	converted  int64 // -1: none
	logical    int   // field number in the union LogicalType; 0: none
	unit       int   // of a timestamp: 1 ms, 2 µs, 3 ns
	unsigned   bool
}

// metadata reads FileMetaData.
func (r *Reader) metadata(b []byte, opt Options) error {
	t := &thrift{b: b}
	var elements []element
	var rows int64 = -1
	var failed error
	seen := false
	t.fields(func(id int, kind byte) bool {
		switch {
		case id == 2 && kind == tList:
			t.list(tStruct, func() {
				if len(elements) == maxElements {
					failed = failf("its schema has more than %d elements", maxElements)
					t.fail()
					return
				}
				elements = append(elements, t.element())
			})
			if !t.bad {
				if failed = r.schema(elements, opt); failed != nil {
					t.fail()
				}
			}
		case id == 3:
			return t.integer(kind, &rows)
		case id == 4 && kind == tList:
			if r.root == nil {
				failed = failf("it has no schema before its row groups")
				t.fail()
				return true
			}
			seen = true
			t.list(tStruct, func() {
				if failed == nil {
					failed = r.rowGroup(t)
				}
				if failed != nil {
					t.fail()
				}
			})
		case id == 8:
			failed = failf("it is encrypted")
			t.fail()
		default:
			return false
		}
		return true
	})
	switch {
	case failed != nil:
		return failed
	case t.bad:
		return failf("%w", errThrift)
	case r.root == nil || !seen && rows != 0:
		return failf("its schema or its row groups are missing")
	case rows != r.Rows():
		return failf("it announces %d rows, but its row groups have %d", rows, r.Rows())
	}
	return nil
}

func (t *thrift) element() element {
	e := element{kind: -1, converted: -1}
	var n int64
	t.fields(func(id int, kind byte) bool {
		switch {
		case id == 1:
			return t.integer(kind, &e.kind)
		case id == 2:
			return t.integer(kind, &e.length)
		case id == 3:
			return t.integer(kind, &e.repetition)
		case id == 4 && kind == tBinary:
			e.name = string(t.binary())
			return true
		case id == 5:
			return t.integer(kind, &e.children)
		case id == 6:
			return t.integer(kind, &e.converted)
		case id == 10 && kind == tStruct:
			t.fields(func(id int, kind byte) bool {
				e.logical = id
				if kind != tStruct {
					return false
				}
				t.fields(func(inner int, kind byte) bool {
					switch {
					case id == 8 && inner == 2 && kind == tStruct: // TIMESTAMP: unit
						t.fields(func(unit int, _ byte) bool {
							e.unit = unit
							return false
						})
						return true
					case id == 10 && inner == 2: // INTEGER: isSigned
						e.unsigned = kind == tFalse
					case id == 10 && inner == 1:
						return t.integer(kind, &n)
					}
					return false
				})
				return true
			})
			return true
		}
		return false
	})
	return e
}

// rowGroup reads a RowGroup.
func (r *Reader) rowGroup(t *thrift) error {
	g := rowGroup{rows: -1, chunks: make([]chunk, len(r.leaves))}
	column, next := 0, 0
	var failed error
	t.fields(func(id int, kind byte) bool {
		switch {
		case id == 1 && kind == tList:
			t.list(tStruct, func() {
				if next < len(r.leaves) && r.leaves[next].column == column {
					if failed == nil {
						g.chunks[next], failed = r.chunk(t, r.leaves[next])
					}
					next++
				} else {
					t.skip(tStruct, true)
				}
				column++
			})
			return true
		case id == 3:
			return t.integer(kind, &g.rows)
		}
		return false
	})
	switch {
	case failed != nil:
		return failed
	case t.bad:
		return failf("%w", errThrift)
	case next < len(r.leaves):
		return failf("a row group has %d columns, fewer than the schema", column)
	case g.rows < 0:
		return failf("a row group of %d rows", g.rows)
	}
	for i, l := range r.leaves {
		c := &g.chunks[i]
		if c.values < g.rows || l.maxRep == 0 && c.values != g.rows {
			return l.fail("%d values in %d rows", c.values, g.rows)
		}
		// Refuse a file that exceeds the limit before its first row.
		if r.values += c.values; c.values > r.work/valueWork || r.values > r.work/valueWork {
			return failf("%d values in a file of %d bytes exceed the limit", r.values, r.size)
		}
	}
	r.groups = append(r.groups, g)
	return nil
}

// chunk reads a ColumnChunk.
func (r *Reader) chunk(t *thrift, l *leaf) (chunk, error) {
	var c chunk
	physical, data, dict := int64(-1), int64(-1), int64(-1)
	elsewhere, described := false, false
	var path []string
	t.fields(func(id int, kind byte) bool {
		switch {
		case id == 1 && kind == tBinary:
			elsewhere = len(t.binary()) > 0
			return true
		case id == 3 && kind == tStruct:
			described = true
			t.fields(func(id int, kind byte) bool {
				switch id {
				case 1:
					return t.integer(kind, &physical)
				case 3:
					if kind != tList {
						return false
					}
					t.list(tBinary, func() {
						if b := t.binary(); len(path) <= maxDepth {
							path = append(path, string(b))
						}
					})
					return true
				case 4:
					return t.integer(kind, &c.codec)
				case 5:
					return t.integer(kind, &c.values)
				case 7:
					return t.integer(kind, &c.size)
				case 9:
					return t.integer(kind, &data)
				case 11:
					return t.integer(kind, &dict)
				}
				return false
			})
			return true
		}
		return false
	})
	if t.bad {
		return c, failf("%w", errThrift)
	}
	switch {
	case elsewhere || !described:
		return c, l.fail("it is in another file, or encrypted")
	case physical != l.kind || !slices.Equal(path, l.path):
		return c, l.fail("a row group has another column in its place")
	}
	if c.offset = data; dict > 0 && dict < data {
		c.offset = dict
	}
	if c.size < 0 || c.values < 0 || c.offset < 4 || c.offset > r.size || c.size > r.size-c.offset {
		return c, l.fail("it has %d bytes at %d in a file of %d", c.size, c.offset, r.size)
	}
	return c, nil
}
