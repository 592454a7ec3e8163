package parquet

import "encoding/binary"

// A hybrid reads numbers in the RLE and bit-packing hybrid encoding. It does not
// expand a run, so a run of any length takes no memory.
type hybrid struct {
	b     []byte // the bytes after the run
	width int    // bits of a number, at most 32
	run   uint64 // numbers of the run that are not read
	value uint32 // of a run of equal numbers
	bits  []byte // of a run of packed numbers; nil: the numbers are equal
	bit   uint64 // offset in bits
}

func (h *hybrid) reset(b []byte, width int) { *h = hybrid{b: b, width: width} }

// next returns the next number. ok is false where there is none.
func (h *hybrid) next() (v uint32, ok bool) {
	for h.run == 0 {
		n, size := binary.Uvarint(h.b)
		if size <= 0 {
			return 0, false
		}
		h.b = h.b[size:]
		if n&1 == 0 {
			size := (h.width + 7) / 8
			if len(h.b) < size {
				return 0, false
			}
			h.bits, h.run, h.value = nil, n>>1, 0
			for i := range size {
				h.value |= uint32(h.b[i]) << (8 * i)
			}
			h.b = h.b[size:]
			continue
		}
		groups := n >> 1
		if h.width == 0 {
			h.bits, h.run, h.value = nil, min(groups, 1<<40)*8, 0
			continue
		}
		// The last run may end after the last number.
		packed := min(uint64(len(h.b)), min(groups, 1<<40)*uint64(h.width))
		h.bits, h.bit, h.run = h.b[:packed:packed], 0, packed*8/uint64(h.width)
		h.b = h.b[packed:]
		if h.run == 0 {
			return 0, false
		}
	}
	h.run--
	if h.bits == nil {
		return h.value, true
	}
	v = uint32(bitsAt(h.bits, h.bit, h.width))
	h.bit += uint64(h.width)
	return v, true
}

// bitsAt returns the number of width bits, least significant bit first, at an
// offset in bits. The number is within b.
func bitsAt(b []byte, bit uint64, width int) uint64 {
	at, shift := bit/8, int(bit%8)
	var v uint64
	if at+9 <= uint64(len(b)) {
		v = binary.LittleEndian.Uint64(b[at:]) >> shift
		if shift+width > 64 {
			v |= uint64(b[at+8]) << (64 - shift)
		}
	} else {
		for i := 0; i*8 < shift+width; i++ {
			if i*8 >= shift {
				v |= uint64(b[at+uint64(i)]) << (i*8 - shift)
			} else {
				v |= uint64(b[at+uint64(i)]) >> shift
			}
		}
	}
	return v & (1<<width - 1)
}

// maxBlock is the largest block of DELTA_BINARY_PACKED, numbers. Writers use
// blocks of 128 to 1024.
const maxBlock = 1 << 16

// A delta reads numbers in DELTA_BINARY_PACKED encoding.
type delta struct {
	b           []byte // the bytes after the miniblock, or the header
	size, minis uint64 // numbers in a block, miniblocks in it
	left        uint64 // numbers not read
	last        int64  // the number that was read last
	first       bool   // no number was read: last is the first one
	least       int64  // minimum of the differences in the block
	widths      []byte // of the following miniblocks
	bits        []byte // of the miniblock
	bit         uint64
	inMini      uint64 // numbers of the miniblock that are not read
	width       int
}

// begin reads the header.
func (d *delta) begin(b []byte) bool {
	*d = delta{first: true}
	var head [3]uint64
	for i := range head {
		n, k := binary.Uvarint(b)
		if k <= 0 {
			return false
		}
		head[i], b = n, b[k:]
	}
	first, k := binary.Varint(b)
	d.size, d.minis, d.left, d.last = head[0], head[1], head[2], first
	if k <= 0 || d.size == 0 || d.size > maxBlock || d.minis == 0 || d.size%d.minis != 0 || d.size/d.minis%8 != 0 || d.left > 1<<31 {
		return false
	}
	d.b = b[k:]
	return true
}

func (d *delta) next() (v int64, ok bool) {
	if d.left == 0 {
		return 0, false
	}
	if d.first {
		d.first = false
		d.left--
		return d.last, true
	}
	if d.inMini == 0 && !d.mini() {
		return 0, false
	}
	d.left--
	d.inMini--
	d.last += d.least
	if d.width > 0 {
		d.last += int64(bitsAt(d.bits, d.bit, d.width))
		d.bit += uint64(d.width)
	}
	return d.last, true
}

// mini starts to read the next miniblock.
func (d *delta) mini() bool {
	if len(d.widths) == 0 {
		n, k := binary.Varint(d.b)
		if k <= 0 || uint64(len(d.b)-k) < d.minis {
			return false
		}
		d.least, d.widths, d.b = n, d.b[k:uint64(k)+d.minis], d.b[uint64(k)+d.minis:]
	}
	d.width, d.widths = int(d.widths[0]), d.widths[1:]
	d.inMini = d.size / d.minis
	size := d.inMini / 8 * uint64(d.width)
	if d.width > 64 {
		return false
	}
	if size > uint64(len(d.b)) { // the last miniblock may end after the last number
		if d.left > d.inMini || (d.left*uint64(d.width)+7)/8 > uint64(len(d.b)) {
			return false
		}
		size = uint64(len(d.b))
	}
	d.bits, d.bit, d.b = d.b[:size:size], 0, d.b[size:]
	return true
}

// end reads all numbers and returns the bytes after them.
func (d *delta) end() ([]byte, bool) {
	for d.left > 0 {
		if _, ok := d.next(); !ok {
			return nil, false
		}
	}
	return d.b, true
}
