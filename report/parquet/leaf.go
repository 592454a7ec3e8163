package parquet

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"strings"
)

// A leaf is a column. Its values are read one after the other.
type leaf struct {
	r              *Reader
	path           []string
	column         int // index among all leaves of the schema
	kind           int64
	shape          shape
	width          int   // bytes of a value; 0: variable
	unit           int64 // of a time, nanoseconds
	maxDef, maxRep int

	chunk
	end  int64 // of the chunk, offset in the file
	left int64 // values of the chunk after the current page

	page       []byte // the current page, decompressed
	inPage     int64  // values of the page that are not taken
	defs, reps hybrid
	values     values

	dict    []byte   // the values of the dictionary
	starts  []uint32 // their offsets, if their width is variable
	hasDict bool
	entries int

	def, rep int // levels of the next entry
	peeked   bool
}

func (l *leaf) fail(format string, args ...any) error {
	return failf("column %.200q: %w", strings.Join(l.path, "."), fmt.Errorf(format, args...))
}

// begin starts to read a chunk.
func (l *leaf) begin(c *chunk) {
	l.chunk, l.end, l.left, l.inPage, l.peeked = *c, c.offset+c.size, c.values, 0, false
	l.dict, l.starts, l.hasDict, l.entries = l.dict[:0], l.starts[:0], false, 0
}

// peek reads the levels of the next entry. ok is false at the end of the chunk.
func (l *leaf) peek() (ok bool, err error) {
	if l.peeked {
		return true, nil
	}
	for l.inPage == 0 {
		if l.left == 0 {
			return false, nil
		}
		if err := l.nextPage(); err != nil {
			return false, err
		}
	}
	l.def, l.rep = l.maxDef, 0
	if l.maxRep > 0 {
		v, ok := l.reps.next()
		if l.rep = int(v); !ok || l.rep > l.maxRep {
			return false, l.fail("its repetition levels are damaged")
		}
	}
	if l.maxDef > 0 {
		v, ok := l.defs.next()
		if l.def = int(v); !ok || l.def > l.maxDef {
			return false, l.fail("its definition levels are damaged")
		}
	}
	l.peeked = true
	return true, nil
}

// need is like peek, but the end of the chunk is an error.
func (l *leaf) need() error {
	ok, err := l.peek()
	if err == nil && !ok {
		err = l.fail("its values end before the rows")
	}
	return err
}

// take takes the entry whose levels peek has read.
func (l *leaf) take() (v value, null bool, err error) {
	l.peeked = false
	l.inPage--
	if err := l.r.spend(valueWork); err != nil {
		return v, false, err
	}
	if l.def < l.maxDef {
		return v, true, nil
	}
	v, ok := l.values.next(l)
	if !ok {
		return v, false, l.fail("its values are damaged")
	}
	return v, false, nil
}

// Kinds of pages.
const (
	pageData = iota
	pageIndex
	pageDictionary
	pageDataV2
)

// A pageHeader is the PageHeader of a page.
type pageHeader struct {
	kind             int64
	size, packed     int64 // bytes, decompressed and in the file
	crc              int64
	hasCRC           bool
	values           int64
	encoding         int64
	defEnc, repEnc   int64
	defSize, repSize int64 // version 2: bytes of the levels
	stored           bool  // version 2: the values are not compressed
	headed           bool  // it has the header of its kind
}

// header reads the header of the page at l.offset and returns its length.
func (l *leaf) header(h *pageHeader) (n int, err error) {
	for size := int64(512); ; size *= 8 {
		b := make([]byte, min(size, l.end-l.offset, maxPageHeader))
		if err := l.r.readAt(b, l.offset); err != nil {
			return 0, err
		}
		t := &thrift{b: b}
		*h = pageHeader{kind: -1, size: -1, packed: -1}
		h.read(t)
		if !t.bad {
			return t.i, nil
		}
		if !t.short || int64(len(b)) < size {
			return 0, l.fail("a page's header is damaged")
		}
	}
}

func (h *pageHeader) read(t *thrift) {
	data := func(values, encoding, def, rep int) func(int, byte) bool {
		h.headed = true
		return func(id int, kind byte) bool {
			switch id {
			case values:
				return t.integer(kind, &h.values)
			case encoding:
				return t.integer(kind, &h.encoding)
			case def:
				return t.integer(kind, &h.defEnc)
			case rep:
				return t.integer(kind, &h.repEnc)
			}
			return false
		}
	}
	t.fields(func(id int, kind byte) bool {
		switch {
		case id == 1:
			return t.integer(kind, &h.kind)
		case id == 2:
			return t.integer(kind, &h.size)
		case id == 3:
			return t.integer(kind, &h.packed)
		case id == 4:
			h.hasCRC = true
			return t.integer(kind, &h.crc)
		case id == 5 && kind == tStruct && h.kind == pageData:
			t.fields(data(1, 2, 3, 4))
			return true
		case id == 7 && kind == tStruct && h.kind == pageDictionary:
			t.fields(data(1, 2, -1, -1))
			return true
		case id == 8 && kind == tStruct && h.kind == pageDataV2:
			common := data(1, 4, -1, -1)
			t.fields(func(id int, kind byte) bool {
				switch id {
				case 5:
					return t.integer(kind, &h.defSize)
				case 6:
					return t.integer(kind, &h.repSize)
				case 7:
					h.stored = kind == tFalse
				}
				return common(id, kind)
			})
			return true
		}
		return false
	})
}

// nextPage reads pages up to the next one with values.
func (l *leaf) nextPage() error {
	if l.offset >= l.end {
		return l.fail("its pages end before its values")
	}
	var h pageHeader
	n, err := l.header(&h)
	if err != nil {
		return err
	}
	l.offset += int64(n)
	if h.packed < 0 || h.size < 0 || h.packed > l.end-l.offset || h.size > 1<<31 {
		return l.fail("a page of %d bytes, decompressed %d", h.packed, h.size)
	}
	at := l.offset
	l.offset += h.packed
	if err := l.r.spend(int64(n) + h.packed + h.size); err != nil {
		return err
	}
	if h.kind != pageData && h.kind != pageDictionary && h.kind != pageDataV2 {
		return nil // an index, or what later versions have
	}
	if !h.headed || h.values < 0 || h.values > 1<<31 {
		return l.fail("a page of %d values", h.values)
	}
	if h.kind == pageDictionary {
		return l.dictionary(&h, at)
	}
	if h.values > l.left {
		return l.fail("its pages have more values than the column")
	}
	levels := int64(0)
	if h.kind == pageDataV2 {
		if h.defSize < 0 || h.repSize < 0 || h.defSize > h.size || h.repSize > h.size-h.defSize || h.defSize+h.repSize > h.packed {
			return l.fail("levels of %d and %d bytes in a page of %d", h.repSize, h.defSize, h.size)
		}
		levels = h.defSize + h.repSize
	}
	if l.page, err = l.unpack(l.page, &h, at, levels); err != nil {
		return err
	}
	l.left -= h.values
	l.inPage = h.values
	return l.start(&h)
}

// start finds the levels and the values in l.page.
func (l *leaf) start(h *pageHeader) error {
	b := l.page
	level := func(to *hybrid, most int, size, enc int64) bool {
		if most == 0 && h.kind == pageData {
			return true
		}
		if h.kind == pageData {
			if enc != encodingRLE || len(b) < 4 {
				return false
			}
			size = int64(binary.LittleEndian.Uint32(b))
			b = b[4:]
		}
		if size > int64(len(b)) {
			return false
		}
		to.reset(b[:size], bits.Len(uint(most)))
		b = b[size:]
		return true
	}
	if !level(&l.reps, l.maxRep, h.repSize, h.repEnc) || !level(&l.defs, l.maxDef, h.defSize, h.defEnc) {
		return l.fail("the levels of a page are damaged, or not in RLE")
	}
	return l.values.begin(l, h.encoding, b)
}

// dictionary reads a dictionary page.
func (l *leaf) dictionary(h *pageHeader, at int64) error {
	if l.hasDict || l.left != l.chunk.values {
		return l.fail("a dictionary after its first page")
	}
	if h.encoding != encodingPlain && h.encoding != encodingPlainDictionary || l.kind == typeBoolean {
		return l.fail("a dictionary in encoding %d", h.encoding)
	}
	var err error
	if l.dict, err = l.unpack(l.dict, h, at, 0); err != nil {
		return err
	}
	l.hasDict, l.entries = true, int(h.values)
	if l.width > 0 {
		if h.values > int64(len(l.dict)/l.width) {
			return l.fail("a dictionary of %d values in %d bytes", h.values, len(l.dict))
		}
		return nil
	}
	if h.values > int64(len(l.dict)/4) {
		return l.fail("a dictionary of %d values in %d bytes", h.values, len(l.dict))
	}
	if more := h.values - int64(cap(l.starts)); more > 0 {
		if err := l.r.hold(4 * more); err != nil {
			return err
		}
		l.starts = make([]uint32, 0, h.values)
	}
	i := 0
	for range h.values {
		if len(l.dict)-i < 4 || uint64(binary.LittleEndian.Uint32(l.dict[i:])) > uint64(len(l.dict)-i-4) {
			return l.fail("its dictionary is damaged")
		}
		l.starts = append(l.starts, uint32(i))
		i += 4 + int(binary.LittleEndian.Uint32(l.dict[i:]))
	}
	return nil
}

// checkSums is false in tests that read damaged pages.
var checkSums = true

// unpack reads the page at an offset and decompresses it into b. The levels
// before the values, levels bytes, are not compressed.
func (l *leaf) unpack(b []byte, h *pageHeader, at, levels int64) ([]byte, error) {
	packed, err := l.r.unpacker.read(l.r, at, h.packed)
	if err != nil {
		return b, err
	}
	if checkSums && h.hasCRC && crc32.ChecksumIEEE(packed) != uint32(h.crc) {
		return b, l.fail("the page at %d has another checksum", at)
	}
	codec := l.codec
	if h.stored || h.packed == levels && h.size == levels {
		codec = codecNone
	}
	if h.size-levels > mostUnpacked(codec, h.packed-levels) {
		return b, l.fail("a page of %d bytes cannot have %d decompressed", h.packed, h.size)
	}
	if more := h.size - int64(cap(b)); more > 0 {
		if err := l.r.hold(more); err != nil {
			return b, err
		}
		b = make([]byte, h.size)
	}
	b = b[:h.size]
	copy(b, packed[:levels])
	if err := l.r.unpacker.unpack(codec, b[levels:], packed[levels:]); err != nil {
		return b, l.fail("decompressing the page at %d: %w", at, err)
	}
	return b, nil
}
