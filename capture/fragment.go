package capture

import (
	"hash/maphash"
	"slices"
	"unsafe"
)

// Limits of IP reassembly. At a limit the oldest datagram is dropped, so the
// work per packet is the same during a flood of fragments.
const (
	maxFragmented    = 8192             // incomplete datagrams
	maxFragmentTime  = 30 * 1e9         // nanoseconds of capture time, RFC 791 section 3.2; RFC 8200 section 4.5 has 60 s
	maxFragmentMem   = 16 << 20         // bytes of all buffers, including spare ones
	leastFragmentMem = 1 << 20          // minimum of that limit
	fragmentShare    = 16               // 1/fragmentShare of Options.Memory is for fragments, up to maxFragmentMem
	maxHoles         = 64               // separate ranges of one datagram
	maxDatagram      = 65535 - 20 + 255 // bytes of payload
	maxFragmentSums  = 16               // fragments of a datagram whose copies are recognized later, 4 bytes each
	maxWhole         = 1024             // completed datagrams that are remembered, for maxFragmentTime
)

// A fragKey identifies an IP datagram, RFC 791 section 3.2.
type fragKey struct {
	srcHi, srcLo, dstHi, dstLo uint64
	id                         uint32
	proto                      uint8
}

// A reassembly is an incomplete datagram.
type reassembly struct {
	key        fragKey
	prev, next *reassembly // in the order of the first fragments
	data       []byte      // only the ranges in have are valid
	have       []span      // ascending and disjoint, with gaps between them
	total      int         // payload length; 0 until the last fragment was seen
	start      int64       // time of the first fragment
	cut        int         // offset of the first byte that was not captured
	sums       []uint32    // of its fragments, up to maxFragmentSums
	copies     bool        // all its fragments are copies of fragments of a completed datagram
}

type span struct{ from, to int }

// fragments reassembles IP datagrams in bounded memory. It is made by
// newFragments.
type fragments struct {
	open map[fragKey]*reassembly
	// ring is the head of the list of incomplete datagrams, the oldest first.
	ring      reassembly
	free      []*reassembly // unused, without buffers
	spare     [8][][]byte   // unused buffers by sizeClass
	mem       int           // bytes of all buffers, including spare ones, and of long lists of ranges
	kept      int           // bytes of spare
	room      int           // limit of mem
	last      []byte        // the buffer that the last add returned
	completed completedTable
}

// newFragments returns an empty table. memory is the number of bytes that the
// tracker may use, of which it takes its share. 0 means defaultMemory.
func newFragments(memory int64) *fragments {
	if memory <= 0 {
		memory = defaultMemory
	}
	f := &fragments{
		open:      make(map[fragKey]*reassembly),
		room:      int(min(max(memory/fragmentShare, leastFragmentMem), maxFragmentMem)),
		completed: completedTable{at: make(map[fragKey]int), seed: maphash.MakeSeed()},
	}
	f.ring.prev, f.ring.next = &f.ring, &f.ring
	return f
}

// add adds a fragment with its offset and the flag that more follow. If that
// completes the datagram, it returns the payload, which is valid until the
// next call, and its length on the wire. Of overlapping fragments the first
// byte is kept. If the snaplen cut a fragment (len(b) < wire), the returned
// payload ends at the first missing byte.
func (f *fragments) add(k fragKey, off int, more bool, b []byte, wire int, now int64, drops *Counters) (payload []byte, total int, ok bool) {
	// With fragments inside a tunnel whose packets are fragments too, b may
	// alias the buffer of the last result.
	last := f.last
	f.last = nil
	payload, total, ok = f.take(k, off, more, b, wire, now, drops)
	f.put(last)
	return payload, total, ok
}

func (f *fragments) take(k fragKey, off int, more bool, b []byte, wire int, now int64, drops *Counters) ([]byte, int, bool) {
	if wire <= 0 || off+wire > maxDatagram {
		drops[FragmentLimit]++
		return nil, 0, false
	}
	b = b[:min(len(b), wire)]
	sum := f.completed.sum(off, more, b)
	isCopy := f.completed.has(k, sum, now)
	g := f.open[k]
	if g != nil && g.copies && !isCopy {
		f.remove(g) // a new datagram with the same identification
		g = nil
	}
	if g != nil && (now-g.start > maxFragmentTime || now < g.start-maxFragmentTime) {
		f.drop(g, drops)
		g = nil
	}
	if g == nil {
		if len(f.open) >= maxFragmented {
			f.drop(f.ring.next, drops)
		}
		g = f.begin(k, now)
		g.copies = isCopy
	}
	if len(g.sums) < maxFragmentSums && !slices.Contains(g.sums, sum) {
		g.sums = append(g.sums, sum)
	}
	end := off + wire
	if end > len(g.data) && !f.grow(g, end, drops) {
		drops[FragmentLimit]++
		return nil, 0, false
	}
	listed := g.extraBytes()
	if !g.fill(off, end, b) {
		drops[FragmentLimit]++
		return nil, 0, false
	}
	f.mem += g.extraBytes() - listed
	if len(b) < wire {
		g.cut = min(g.cut, off+len(b))
	}
	if !more {
		g.total = end
	}
	if g.total == 0 || len(g.have) != 1 || g.have[0].from != 0 || g.have[0].to < g.total {
		return nil, 0, false
	}
	f.last = g.data
	payload, total := g.data[:min(g.total, g.cut)], g.total
	g.data = nil
	f.completed.remember(g, now)
	f.remove(g)
	return payload, total, true
}

// begin adds a datagram, the newest one.
func (f *fragments) begin(k fragKey, now int64) *reassembly {
	var g *reassembly
	if n := len(f.free); n > 0 {
		g = f.free[n-1]
		f.free = f.free[:n-1]
	} else {
		g = new(reassembly)
	}
	*g = reassembly{key: k, have: g.have, sums: g.sums[:0], cut: maxDatagram, start: now, prev: f.ring.prev, next: &f.ring}
	g.prev.next, f.ring.prev = g, g
	f.open[k] = g
	return g
}

// remove removes a datagram.
func (f *fragments) remove(g *reassembly) {
	delete(f.open, g.key)
	g.prev.next, g.next.prev = g.next, g.prev
	g.prev, g.next = nil, nil
	f.put(g.data)
	g.data = nil
	if n := g.extraBytes(); n > 0 {
		f.mem -= n
		g.have = nil // too large to keep
	}
	g.have = g.have[:0]
	f.free = append(f.free, g)
}

// freeRanges is the number of ranges that the fixed cost of a datagram
// includes.
const freeRanges = 4

// extraBytes returns the number of bytes of the ranges beyond freeRanges.
func (g *reassembly) extraBytes() int {
	if cap(g.have) <= freeRanges {
		return 0
	}
	return cap(g.have) * int(unsafe.Sizeof(span{}))
}

// drop removes an incomplete datagram. It is no loss if its fragments are
// copies of those of a completed datagram.
func (f *fragments) drop(g *reassembly, drops *Counters) {
	if !g.copies {
		drops[FragmentLost]++
	}
	f.remove(g)
}

// grow gives g a buffer of at least n bytes. It drops older datagrams if
// necessary, but not g. It reports false if that does not suffice.
func (f *fragments) grow(g *reassembly, n int, drops *Counters) bool {
	b, ok := f.get(n, g, drops)
	if !ok {
		return false
	}
	for _, h := range g.have {
		copy(b[h.from:h.to], g.data[h.from:h.to])
	}
	f.put(g.data)
	g.data = b
	return true
}

// get returns a buffer of at least n bytes with undefined content. It drops
// other datagrams than g if necessary.
func (f *fragments) get(n int, g *reassembly, drops *Counters) ([]byte, bool) {
	c, size := sizeClass(n)
	for {
		if k := len(f.spare[c]); k > 0 {
			b := f.spare[c][k-1]
			f.spare[c] = f.spare[c][:k-1]
			f.kept -= len(b)
			return b, true
		}
		if f.mem+size <= f.room {
			f.mem += size
			return make([]byte, size), true
		}
		if f.kept > 0 {
			f.shed()
			continue
		}
		old := f.ring.next
		if old == g {
			if old = g.next; old == &f.ring {
				return nil, false
			}
		}
		f.drop(old, drops)
	}
}

// put keeps a buffer for reuse.
func (f *fragments) put(b []byte) {
	if len(b) == 0 {
		return
	}
	c, _ := sizeClass(len(b))
	f.spare[c] = append(f.spare[c], b)
	f.kept += len(b)
}

// shed frees the largest spare buffer.
func (f *fragments) shed() {
	for c := len(f.spare) - 1; c >= 0; c-- {
		if k := len(f.spare[c]); k > 0 {
			n := len(f.spare[c][k-1])
			f.spare[c][k-1] = nil
			f.spare[c] = f.spare[c][:k-1]
			f.kept -= n
			f.mem -= n
			return
		}
	}
}

// fill copies the parts of [off, end) that are still missing. b is shorter
// than the range if the snaplen cut its end.
func (g *reassembly) fill(off, end int, b []byte) bool {
	if len(g.have) >= maxHoles {
		return false
	}
	at := off
	for _, h := range g.have {
		if h.to <= at {
			continue
		}
		if h.from >= end {
			break
		}
		if at < h.from {
			copy(g.data[at:h.from], b[min(at-off, len(b)):])
		}
		at = max(at, h.to)
	}
	if at < end {
		copy(g.data[at:end], b[min(at-off, len(b)):])
	}
	i := 0
	for i < len(g.have) && g.have[i].to < off {
		i++
	}
	j := i
	for j < len(g.have) && g.have[j].from <= end {
		off, end = min(off, g.have[j].from), max(end, g.have[j].to)
		j++
	}
	g.have = slices.Replace(g.have, i, j, span{off, end})
	return true
}

// end counts the incomplete datagrams at the end of the input.
func (f *fragments) end(drops *Counters) {
	for g := f.ring.next; g != &f.ring; g = g.next {
		if !g.copies {
			drops[FragmentLost]++
		}
	}
}

// shift adds d to all times, see tracker.shift.
func (f *fragments) shift(d int64) {
	for g := f.ring.next; g != &f.ring; g = g.next {
		g.start += d
	}
	f.completed.shift(d)
}
