package capture

import (
	"unsafe"

	"pfsight/capture/stream"
)

// shortList is how many gaps and how many marks are taken to be part of what an
// opening costs in any case.
const freeEntries = 32

// listed returns how many bytes the gaps and marks of h take beyond that.
func extraBytes(h *stream.Half) int {
	if cap(h.Marks) <= freeEntries && cap(h.Gaps) <= freeEntries {
		return 0
	}
	return max(cap(h.Marks)-freeEntries, 0)*int(unsafe.Sizeof(stream.Mark{})) + max(cap(h.Gaps)-freeEntries, 0)*int(unsafe.Sizeof(stream.Gap{}))
}

// A pool keeps the buffers of openings that ended, by size.
type pool struct {
	free [8][][]byte // 1 KiB << i
	kept int         // bytes of them
	room int         // that they may take
	held int         // bytes of openings that were not handed over
}

const poolKeep = 64 // buffers kept of each size

func sizeClass(n int) (int, int) {
	c, size := 0, 1<<10
	for size < n {
		c, size = c+1, size<<1
	}
	return c, size
}

// grow returns a buffer with b's bytes and room for n, n <= maxPrefix.
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
