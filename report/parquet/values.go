package parquet

import (
	"encoding/binary"
	"math"
)

// Encodings.
const (
	encodingPlain           = 0
	encodingPlainDictionary = 2
	encodingRLE             = 3
	encodingDelta           = 5
	encodingDeltaLength     = 6
	encodingDeltaBytes      = 7
	encodingDictionary      = 8
)

// A value is a value of a column: an integer, the bits of a float64, or text,
// which is valid until the next value is read.
type value struct {
	n    int64
	text []byte
}

// values reads the values of a page.
type values struct {
	encoding int64
	b        []byte // the values; or the texts after their lengths
	bit      uint64 // PLAIN booleans
	hybrid   hybrid // RLE, dictionary
	delta    delta  // numbers, or lengths
	prefix   delta  // DELTA_BYTE_ARRAY
	text     []byte // DELTA_BYTE_ARRAY: the previous text
}

// begin starts to read the values of a page, which are in b.
func (v *values) begin(l *leaf, encoding int64, b []byte) error {
	v.encoding, v.b, v.bit, v.text = encoding, b, 0, v.text[:0]
	ok := true
	switch {
	case encoding == encodingPlain:
	case encoding == encodingPlainDictionary, encoding == encodingDictionary:
		if !l.hasDict {
			return l.fail("a page without its dictionary")
		}
		v.encoding = encodingDictionary
		if len(b) == 0 {
			v.hybrid.reset(nil, 0) // all values are null
			break
		}
		ok = b[0] <= 32
		v.hybrid.reset(b[1:], int(b[0]))
	case encoding == encodingRLE && l.kind == typeBoolean:
		if ok = len(b) >= 4; ok {
			v.hybrid.reset(b[4:], 1)
		}
	case encoding == encodingDelta && (l.kind == typeInt32 || l.kind == typeInt64):
		ok = v.delta.begin(b)
	case encoding == encodingDeltaLength && l.kind == typeByteArray:
		ok = v.lengths(l, b)
	case encoding == encodingDeltaBytes && l.kind == typeByteArray:
		if ok = v.prefix.begin(b); ok {
			var rest []byte
			d := v.prefix
			if rest, ok = v.rest(l, &d); ok {
				ok = v.lengths(l, rest)
			}
		}
	default:
		return l.fail("encoding %d of type %d is not supported", encoding, l.kind)
	}
	if !ok {
		return l.fail("the values of a page are damaged")
	}
	return nil
}

// rest returns the bytes after the numbers of d. d has at most as many numbers
// as the page has values.
func (v *values) rest(l *leaf, d *delta) ([]byte, bool) {
	if d.left > uint64(l.inPage) {
		return nil, false
	}
	return d.end()
}

// lengths finds the lengths of texts in b, and after them the texts.
func (v *values) lengths(l *leaf, b []byte) (ok bool) {
	if !v.delta.begin(b) {
		return false
	}
	d := v.delta
	v.b, ok = v.rest(l, &d)
	return ok
}

// next returns the next value. ok is false where the page is damaged.
func (v *values) next(l *leaf) (x value, ok bool) {
	switch v.encoding {
	case encodingPlain:
		if l.kind == typeBoolean {
			if v.bit/8 >= uint64(len(v.b)) {
				return x, false
			}
			x.n = int64(v.b[v.bit/8] >> (v.bit % 8) & 1)
			v.bit++
			return x, true
		}
		x, n := l.plain(v.b)
		if n == 0 {
			return x, false
		}
		v.b = v.b[n:]
		return x, true
	case encodingDictionary:
		i, ok := v.hybrid.next()
		if !ok || int64(i) >= int64(l.entries) {
			return x, false
		}
		if l.width > 0 {
			x, _ = l.plain(l.dict[int(i)*l.width:])
		} else {
			x, _ = l.plain(l.dict[l.starts[i]:])
		}
		return x, true
	case encodingRLE:
		n, ok := v.hybrid.next()
		x.n = int64(n)
		return x, ok
	case encodingDelta:
		x.n, ok = v.delta.next()
		if l.kind == typeInt32 {
			x.n = int64(int32(x.n))
		}
		return x, ok
	case encodingDeltaLength:
		x.text, ok = v.cut()
		return x, ok
	case encodingDeltaBytes:
		n, more := v.prefix.next()
		rest, ok := v.cut()
		if !ok || !more || n < 0 || n > int64(len(v.text)) || n+int64(len(rest)) > MaxRow {
			return x, false
		}
		v.text = append(v.text[:n], rest...)
		x.text = v.text
		return x, true
	}
	return x, false
}

// cut takes the next text, whose length is the next of the lengths.
func (v *values) cut() ([]byte, bool) {
	n, ok := v.delta.next()
	if !ok || n < 0 || n > int64(len(v.b)) {
		return nil, false
	}
	text := v.b[:n]
	v.b = v.b[n:]
	return text, true
}

// plain reads a value in PLAIN encoding and returns its length, 0 where it is
// truncated.
func (l *leaf) plain(b []byte) (x value, n int) {
	if len(b) < l.width {
		return x, 0
	}
	switch l.kind {
	case typeInt32:
		x.n = int64(int32(binary.LittleEndian.Uint32(b)))
	case typeInt64, typeDouble:
		x.n = int64(binary.LittleEndian.Uint64(b))
	case typeFloat:
		x.n = int64(math.Float64bits(float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))))
	case typeInt96: // nanoseconds of the day, and the Julian day
		const epoch = 2440588
		day := int64(binary.LittleEndian.Uint32(b[8:])) - epoch
		nano := int64(binary.LittleEndian.Uint64(b))
		if day < -100000 || day > 100000 || nano < 0 || nano > 1e14 {
			x.n = math.MaxInt64 // out of range
		} else {
			x.n = day*86400e9 + nano
		}
	default:
		if len(b) < 4 {
			return x, 0
		}
		n := binary.LittleEndian.Uint32(b)
		if uint64(n) > uint64(len(b)-4) {
			return x, 0
		}
		x.text = b[4 : 4+n]
		return x, 4 + int(n)
	}
	return x, l.width
}
