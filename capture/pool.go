package capture

import (
	"unsafe"

	"pfsight/capture/stream"
)

// freeEntries is the number of gaps, and of marks, that openingCost includes.
const freeEntries = 32

// extraBytes returns the number of bytes of the gaps and marks of h beyond
// freeEntries.
func extraBytes(h *stream.Half) int {
	if cap(h.Marks) <= freeEntries && cap(h.Gaps) <= freeEntries {
		return 0
	}
	return max(cap(h.Marks)-freeEntries, 0)*int(unsafe.Sizeof(stream.Mark{})) + max(cap(h.Gaps)-freeEntries, 0)*int(unsafe.Sizeof(stream.Gap{}))
}

// A pool keeps the buffers of delivered openings for reuse, by size.
type pool struct {
	free [8][][]byte // index i has buffers of 1 KiB << i
	kept int         // bytes in free
	room int         // limit of kept
	held int         // bytes of openings that are not delivered yet
}

const poolKeep = 64 // maximum number of free buffers of each size

// sizeClass returns the smallest size of a buffer for n bytes, and its index in
// pool.free.
func sizeClass(n int) (int, int) {
	c, size := 0, 1<<10
	for size < n {
		c, size = c+1, size<<1
	}
	return c, size
}

// grow returns a buffer with the content of b and room for n bytes. n is at
// most maxPrefix. It takes b over.
func (p *pool) grow(b []byte, n int) []byte {
	c, size := sizeClass(n)
	p.held += size - cap(b)
	var out []byte
	if k := len(p.free[c]); k > 0 {
		out = p.free[c][k-1]
		p.free[c] = p.free[c][:k-1]
		p.kept -= cap(out)
	} else {
		out = make([]byte, 0, size)
	}
	out = append(out[:0], b...)
	p.put(b)
	return out
}

// put keeps the buffer b for reuse if the limits allow it.
func (p *pool) put(b []byte) {
	if cap(b) == 0 {
		return
	}
	c, _ := sizeClass(cap(b))
	if len(p.free[c]) < poolKeep && p.kept+cap(b) <= p.room {
		p.free[c] = append(p.free[c], b[:0])
		p.kept += cap(b)
	}
}
