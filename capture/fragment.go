package capture

import "slices"

// Limits of IP reassembly. A datagram is at most 64 KiB by its own header.
const (
	maxFragmented   = 1024             // datagrams being put together at once
	maxFragmentTime = 30 * 1e9         // nanoseconds of capture time, RFC 791 section 3.2 and RFC 8200 section 4.5 (60 s there)
	maxFragmentMem  = 16 << 20         // bytes of all of them
	maxHoles        = 64               // pieces of one datagram in an order that leaves holes
	maxDatagram     = 65535 - 20 + 255 // bytes of payload
)

// A fragKey names a datagram, RFC 791 section 3.2.
type fragKey struct {
	srcHi, srcLo, dstHi, dstLo uint64
	id                         uint32
	proto                      uint8
}

// A datagram is being put together. Its holes are the ranges not yet seen.
type datagram struct {
	data  []byte
	have  []span // ascending, disjoint, not touching
	total int    // payload length; 0 until the last fragment was seen
	start int64
}

type span struct{ from, to int }

// fragments puts IP datagrams together in bounded memory. The zero value is
// ready.
type fragments struct {
	open map[fragKey]*datagram
	mem  int
	last []byte // the datagram handed out by add; reused
}

// add takes one fragment: its offset and whether more follow. It returns the
// payload of the datagram when that is whole; the bytes are valid until the
// next call. The first of two bytes for one place is kept. A fragment cut by
// snaplen (len(b) < wire) can never become whole, so it is dropped.
func (f *fragments) add(k fragKey, off int, more bool, b []byte, wire int, now int64, drops *Counters) ([]byte, bool) {
	if len(b) < wire || wire <= 0 || off+wire > maxDatagram {
		drops[FragmentLimit]++
		return nil, false
	}
	b = b[:wire]
	if f.open == nil {
		f.open = make(map[fragKey]*datagram)
	}
	g := f.open[k]
	if g != nil && (now-g.start > maxFragmentTime || now < g.start-maxFragmentTime) {
		f.drop(k, g, drops)
		g = nil
	}
	if g == nil {
		if len(f.open) >= maxFragmented || f.mem+off+wire > maxFragmentMem {
			f.expire(now, drops)
			if len(f.open) >= maxFragmented || f.mem+off+wire > maxFragmentMem {
				drops[FragmentLimit]++
				return nil, false
			}
		}
		g = &datagram{start: now}
		f.open[k] = g
	}
	end := off + wire
	if !more {
		g.total = end
	}
	if end > len(g.data) {
		if f.mem += end - len(g.data); f.mem > maxFragmentMem {
			f.mem -= end - len(g.data)
			drops[FragmentLimit]++
			return nil, false
		}
		g.data = slices.Grow(g.data, end-len(g.data))[:end]
	}
	if !g.fill(off, end, b) {
		drops[FragmentLimit]++
		return nil, false
	}
	if g.total == 0 || len(g.have) != 1 || g.have[0].from != 0 || g.have[0].to < g.total {
		return nil, false
	}
	f.mem -= len(g.data)
	delete(f.open, k)
	f.last = g.data[:g.total]
	return f.last, true
}

// fill copies the parts of [off, end) that were not seen before.
func (g *datagram) fill(off, end int, b []byte) bool {
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
			copy(g.data[at:h.from], b[at-off:])
		}
		at = max(at, h.to)
	}
	if at < end {
		copy(g.data[at:end], b[at-off:])
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

// expire drops what is older than the limit and, where nothing is, the
// oldest one.
func (f *fragments) expire(now int64, drops *Counters) {
	var oldest fragKey
	var old *datagram
	dropped := false
	for k, g := range f.open {
		if now-g.start > maxFragmentTime || now < g.start-maxFragmentTime {
			f.drop(k, g, drops)
			dropped = true
		} else if old == nil || g.start < old.start {
			oldest, old = k, g
		}
	}
	if !dropped && old != nil {
		f.drop(oldest, old, drops)
	}
}

func (f *fragments) drop(k fragKey, g *datagram, drops *Counters) {
	drops[FragmentLost]++
	f.mem -= len(g.data)
	delete(f.open, k)
}

// end counts what never became whole.
func (f *fragments) end(drops *Counters) { drops[FragmentLost] += uint64(len(f.open)) }

// shift is the tracker's.
func (f *fragments) shift(d int64) {
	for _, g := range f.open {
		g.start += d
	}
}
