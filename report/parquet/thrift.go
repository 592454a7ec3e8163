package parquet

import "errors"

// A thrift reads a struct of Thrift's compact protocol. After an error it is bad,
// and every loop over it ends. Every element of a list takes at least one byte,
// so that an announced count cannot make it run longer than its bytes.
//
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
type thrift struct {
	b     []byte
	i     int
	depth int
	bad   bool
	short bool // bad because b is too short
}

// Types of the compact protocol.
const (
	tStop   = 0
	tTrue   = 1
	tFalse  = 2
	tByte   = 3
	tI16    = 4
	tI32    = 5
	tI64    = 6
	tDouble = 7
	tBinary = 8
	tList   = 9
	tSet    = 10
	tMap    = 11
	tStruct = 12
	tUUID   = 13
)

// maxNesting is how deep structs and lists can be nested. Metadata needs 8
// levels.
const maxNesting = 32

var errThrift = errors.New("the metadata is damaged")

func (t *thrift) fail() { t.bad = true }

func (t *thrift) byte() byte {
	if t.bad || t.i >= len(t.b) {
		t.short = t.short || !t.bad
		t.bad = true
		return 0
	}
	c := t.b[t.i]
	t.i++
	return c
}

func (t *thrift) uvarint() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		c := t.byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	t.fail()
	return 0
}

func (t *thrift) varint() int64 {
	v := t.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// binary takes a string. The result aliases b.
func (t *thrift) binary() []byte {
	n := t.uvarint()
	if t.bad || n > uint64(len(t.b)-t.i) {
		t.short = t.short || !t.bad
		t.bad = true
		return nil
	}
	v := t.b[t.i : t.i+int(n)]
	t.i += int(n)
	return v
}

// fields calls f for each field of a struct. f reports whether it took the value;
// otherwise fields skips it.
func (t *thrift) fields(f func(id int, kind byte) bool) {
	if t.depth++; t.depth > maxNesting {
		t.fail()
	}
	id := 0
	for !t.bad {
		h := t.byte()
		if t.bad || h == tStop {
			break
		}
		if d := int(h >> 4); d != 0 {
			id += d
		} else {
			id = int(int16(t.varint()))
		}
		if kind := h & 15; !f(id, kind) {
			t.skip(kind, false)
		}
	}
	t.depth--
}

// list calls f for each element of a list whose elements must be of a kind.
func (t *thrift) list(want byte, f func()) {
	kind, n := t.listHeader()
	if kind != want && n > 0 {
		t.fail()
	}
	for ; n > 0 && !t.bad; n-- {
		f()
	}
}

func (t *thrift) listHeader() (kind byte, n uint64) {
	h := t.byte()
	if n = uint64(h >> 4); n == 15 {
		n = t.uvarint()
	}
	return h & 15, n
}

// skip skips a value. A boolean takes a byte in a list only.
func (t *thrift) skip(kind byte, inList bool) {
	switch kind {
	case tTrue, tFalse:
		if inList {
			t.byte()
		}
	case tByte:
		t.byte()
	case tI16, tI32, tI64:
		t.uvarint()
	case tDouble:
		t.advance(8)
	case tUUID:
		t.advance(16)
	case tBinary:
		t.binary()
	case tList, tSet:
		if t.depth++; t.depth > maxNesting {
			t.fail()
		}
		kind, n := t.listHeader()
		for ; n > 0 && !t.bad; n-- {
			t.skip(kind, true)
		}
		t.depth--
	case tMap:
		if t.depth++; t.depth > maxNesting {
			t.fail()
		}
		if n := t.uvarint(); n > 0 {
			kinds := t.byte()
			for ; n > 0 && !t.bad; n-- {
				t.skip(kinds>>4, true)
				t.skip(kinds&15, true)
			}
		}
		t.depth--
	case tStruct:
		t.fields(func(int, byte) bool { return false })
	default:
		t.fail()
	}
}

func (t *thrift) advance(n int) {
	if t.bad || n > len(t.b)-t.i {
		t.short = t.short || !t.bad
		t.bad = true
		return
	}
	t.i += n
}

// integer takes a field into to and reports whether it is an integer.
func (t *thrift) integer(kind byte, to *int64) bool {
	switch kind {
	case tI16, tI32, tI64:
		*to = t.varint()
	case tByte:
		*to = int64(int8(t.byte()))
	default:
		return false
	}
	return true
}
