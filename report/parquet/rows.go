package parquet

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// object appends the JSON object of a group to r.line.
func (r *Reader) object(n *node) error {
	start := len(r.line)
	r.line = append(r.line, '{')
	for _, c := range n.children {
		before := len(r.line)
		if before > start+1 {
			r.line = append(r.line, ',')
		}
		r.line = append(r.line, c.key...)
		key := len(r.line)
		present, err := r.node(c)
		if err != nil {
			return err
		}
		if !present || len(r.line) == key {
			r.line = r.line[:before]
		}
		if len(r.line)-start > MaxRow {
			return failf("a row of more than %d bytes", MaxRow)
		}
	}
	r.line = append(r.line, '}')
	return nil
}

// node appends the value of a node and reports whether it has one.
func (r *Reader) node(n *node) (bool, error) {
	switch {
	case n.list:
		return r.list(n)
	case n.leaf != nil:
		l := n.leaf
		if err := l.need(); err != nil {
			return false, err
		}
		v, null, err := l.take()
		if err != nil || null {
			return false, err
		}
		if l.shape == asText && len(v.text) == 0 {
			return false, nil
		}
		r.line = l.append(r.line, v)
		return true, nil
	}
	if n.optional {
		l := n.first()
		if err := l.need(); err != nil {
			return false, err
		}
		if l.def < n.def {
			return false, n.pass()
		}
	}
	return true, r.object(n)
}

// list appends the list that starts at the next entry of a column and reports
// whether it has an element.
func (r *Reader) list(n *node) (bool, error) {
	l := n.leaf
	if err := l.need(); err != nil {
		return false, err
	}
	start := len(r.line)
	if l.rep != 0 {
		return false, l.fail("a row begins inside a list")
	}
	if l.def < n.elements { // null, or empty
		_, _, err := l.take()
		return false, err
	}
	for c := byte('['); ; c = ',' {
		v, null, err := l.take()
		if err != nil {
			return false, err
		}
		r.line = append(r.line, c)
		if null {
			r.line = append(r.line, "null"...)
		} else {
			r.line = l.append(r.line, v)
		}
		if len(r.line)-start > MaxRow {
			return false, l.fail("a list of more than %d bytes", MaxRow)
		}
		more, err := l.peek()
		if err != nil {
			return false, err
		}
		if !more || l.rep == 0 {
			break
		}
		if l.def < n.elements {
			return false, l.fail("an empty list inside a list")
		}
	}
	r.line = append(r.line, ']')
	return true, nil
}

// first returns the first column of a group.
func (n *node) first() *leaf {
	for n.leaf == nil {
		n = n.children[0]
	}
	return n.leaf
}

// pass takes the entry of each column of a group that is null.
func (n *node) pass() error {
	if n.leaf != nil {
		if err := n.leaf.need(); err != nil {
			return err
		}
		if n.leaf.rep != 0 || n.leaf.def == n.leaf.maxDef {
			return n.leaf.fail("a value where its group is null")
		}
		_, _, err := n.leaf.take()
		return err
	}
	for _, c := range n.children {
		if err := c.pass(); err != nil {
			return err
		}
	}
	return nil
}

// append appends a value as JSON.
func (l *leaf) append(b []byte, v value) []byte {
	switch l.shape {
	case asBool:
		return strconv.AppendBool(b, v.n != 0)
	case asInt:
		return strconv.AppendInt(b, v.n, 10)
	case asUint:
		if l.kind == typeInt32 {
			v.n = int64(uint32(v.n))
		}
		return strconv.AppendUint(b, uint64(v.n), 10)
	case asFloat:
		f := math.Float64frombits(uint64(v.n))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return append(b, "null"...)
		}
		if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return strconv.AppendInt(b, int64(f), 10)
		}
		return strconv.AppendFloat(b, f, 'g', -1, 64)
	case asTime:
		var t time.Time
		switch l.unit {
		case perMilli:
			t = time.UnixMilli(v.n)
		case perMicro:
			t = time.UnixMicro(v.n)
		default:
			t = time.Unix(0, v.n)
		}
		b = append(b, '"')
		b = t.UTC().AppendFormat(b, time.RFC3339Nano)
		return append(b, '"')
	}
	return appendString(b, v.text)
}

// appendString appends text as a JSON string. It writes a byte that is not UTF-8
// as report.Text does.
func appendString(b, text []byte) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(text); {
		plain := i
		for i < len(text) && text[i] >= ' ' && text[i] < 0x7f && text[i] != '"' && text[i] != '\\' {
			i++
		}
		if b = append(b, text[plain:i]...); i == len(text) {
			break
		}
		c := text[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < utf8.RuneSelf:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			r, n := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(b, '\\', '\\', 'x', digits[c>>4], digits[c&15])
			} else {
				b = append(b, text[i:i+n]...)
			}
			i += n
			continue
		}
		i++
	}
	return append(b, '"')
}
