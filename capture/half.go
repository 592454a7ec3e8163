package capture

import (
	"bytes"
	"slices"
	"unsafe"

	"pfsight/capture/stream"
)

// Limits of the opening of one direction.
const (
	// maxPrefix is how many bytes of a direction are kept for the handshake.
	// Real ones end before 10 KiB, those with large certificate chains before
	// 64 KiB.
	maxPrefix = 128 << 10
	// maxAhead is how far behind the first gap bytes are kept: TCP's usual
	// initial windows, and some retransmission time.
	maxAhead = 48 << 10
	// maxFar is how many segments beyond that end the waiting for the gap.
	maxFar = 16
	// maxForeign is how far ahead a segment may be to belong to the same
	// stream: no window is larger. Middleboxes that change sequence numbers
	// show both kinds to a tap that sees both their sides.
	maxForeign = 1 << 24
	// maxGaps bounds the work that segments in a hostile order cause.
	maxGaps = 256
)

// A half puts one direction's opening together. The bytes are written into
// stream.Half in place; what is missing is in its Gaps.
type half struct {
	base  uint32 // sequence number of Data[0]
	known bool   // base is set
	stop  bool   // no more bytes are wanted or possible
	acks  bool   // ack is set
	guess bool   // base is that of the first segment seen, which may not be the first one
	far   uint8  // segments too far ahead
	ack   uint32 // the highest acknowledgment number of the other direction
}

// waits reports whether what came before the bytes of h may still come: it
// begins with a record of TLS that is no hello, and nobody knows that it is the
// first one.
func (hs *half) waits(h *stream.Half) bool { return hs.guess && record(h.Data) }

// record reports whether b may begin with a record of TLS or a message of SSL
// 2.0, by the first byte.
func record(b []byte) bool { return len(b) > 0 && (b[0] >= 20 && b[0] <= 24 || b[0]&0x80 != 0) }

// rebase moves the bytes of h so that they begin with sequence number base,
// which is before those that are there, and reports whether it did. What is
// between is a gap.
func (t *tracker) rebase(hs *half, h *stream.Half, base uint32) bool {
	n := int(int32(hs.base - base))
	if !hs.guess || n <= 0 || n > maxAhead || len(h.Data)+n > maxPrefix || len(h.Gaps) >= maxGaps || h.Done {
		return false
	}
	size, lists := len(h.Data), listed(h)
	if size+n > cap(h.Data) {
		h.Data = t.pool.grow(h.Data, size+n)
	}
	h.Data = h.Data[:size+n]
	copy(h.Data[n:], h.Data[:size])
	clear(h.Data[:n])
	for i := range h.Gaps {
		h.Gaps[i].From += n
		h.Gaps[i].To += n
	}
	if len(h.Gaps) > 0 && h.Gaps[0].From == n {
		h.Gaps[0].From = 0
	} else {
		h.Gaps = slices.Insert(h.Gaps, 0, stream.Gap{To: n})
	}
	for i := range h.Marks {
		h.Marks[i].From += uint32(n)
		h.Marks[i].To += uint32(n)
	}
	t.pool.held += listed(h) - lists
	h.Note, h.Want = stream.Note{}, 1
	hs.base = base
	return true
}

// acknowledged notes what the other direction acknowledges.
func (hs *half) acknowledged(ack uint32) {
	if !hs.acks || int32(ack-hs.ack) > 0 {
		hs.acks, hs.ack = true, ack
	}
}

// lost reports whether the end of the direction was sent and not seen: its FIN
// lies behind what was seen, or the other endpoint acknowledged more. fin is
// the sequence number of the FIN, if closed.
func (hs *half) lost(h *stream.Half, closed bool, fin uint32) bool {
	if !hs.known || hs.stop || h.Done || h.Packets == 0 {
		return false
	}
	end := hs.base + uint32(len(h.Data))
	behind := func(n uint32, least int32) bool {
		d := int32(n - end)
		return d >= least && d < maxForeign
	}
	return closed && behind(fin, 1) || hs.acks && behind(hs.ack, 2) // a FIN that was not seen counts one
}

// add takes the captured bytes b of a segment that had wire bytes. It
// reports whether gapless data grew.
func (t *tracker) add(hs *half, h *stream.Half, s *segment) bool {
	b, wire := s.payload, s.wire
	off := int(int32(s.seq - hs.base))
	if off < 0 {
		if -off >= len(b) {
			return false
		}
		b = b[-off:]
		wire += off
		off = 0
	}
	end := off + len(b)
	before := h.Contiguous()
	if end <= before && len(b) > 0 {
		if !bytes.Equal(h.Data[off:end], b) {
			h.Conflict = true
		}
		return false
	}
	if len(b) < wire && off+wire > before && off <= before+maxAhead {
		h.Cut = true
		t.drops[CutPayload]++
	}
	if len(b) == 0 {
		return false
	}
	if off > before+maxAhead {
		if off < maxForeign {
			t.drops[GapLimit]++
			if hs.far++; hs.far >= maxFar {
				hs.stop = true
			}
		}
		return false
	}
	if end > maxPrefix {
		h.Full = true
		if off >= maxPrefix {
			hs.stop = true
			return false
		}
		b, end = b[:maxPrefix-off], maxPrefix
	}
	n, lists := len(h.Data), listed(h)
	if off > n && len(h.Gaps) >= maxGaps {
		t.drops[GapLimit]++
		return false
	}
	if end > cap(h.Data) {
		h.Data = t.pool.grow(h.Data, end)
	}
	switch {
	case off == n:
		h.Data = append(h.Data, b...)
	case off > n:
		// First what may fail: b may lie in a file that is cut just now.
		data := h.Data[:end]
		copy(data[off:], b)
		clear(data[n:off]) // of what an earlier connection said
		h.Data, h.Gaps = data, append(h.Gaps, stream.Gap{From: n, To: off})
	default:
		t.fill(h, off, min(end, n), b)
		if end > n {
			h.Data = append(h.Data, b[n-off:]...)
		}
	}
	var seq, ack uint32
	if s.flags&flagACK != 0 {
		seq, ack = hs.base+uint32(end), s.ack
	}
	mark(h, off, end, s, seq, ack)
	t.pool.held += listed(h) - lists
	return h.Contiguous() > before
}

// fill writes the bytes of [off, end) that lie in gaps; the first bytes seen
// for a place are kept.
func (t *tracker) fill(h *stream.Half, off, end int, b []byte) {
	at := off
	for i := 0; i < len(h.Gaps) && h.Gaps[i].From < end; {
		g := h.Gaps[i]
		if g.To <= off {
			i++
			continue
		}
		if at < g.From && !bytes.Equal(h.Data[at:g.From], b[at-off:g.From-off]) {
			h.Conflict = true
		}
		from, to := max(g.From, off), min(g.To, end)
		copy(h.Data[from:to], b[from-off:to-off])
		at = to
		left, right := stream.Gap{From: g.From, To: from}, stream.Gap{From: to, To: g.To}
		switch {
		case left.From < left.To && right.From < right.To:
			if len(h.Gaps) >= maxGaps {
				// No room to split: the bytes stay unseen.
				t.drops[GapLimit]++
				return
			}
			h.Gaps[i] = left
			h.Gaps = slices.Insert(h.Gaps, i+1, right)
			i += 2
		case left.From < left.To:
			h.Gaps[i] = left
			i++
		case right.From < right.To:
			h.Gaps[i] = right
			i++
		default:
			h.Gaps = slices.Delete(h.Gaps, i, i+1)
		}
	}
	if at < end && !bytes.Equal(h.Data[at:end], b[at-off:end-off]) {
		h.Conflict = true
	}
}

// mark records which packet brought which bytes. It sets the fields in place:
// a copy of a Mark that was just written waits for its stores.
func mark(h *stream.Half, from, to int, s *segment, seq, ack uint32) {
	n := len(h.Marks)
	if n >= stream.MaxMarks {
		markFull(h, stream.Mark{From: uint32(from), To: uint32(to), Seq: seq, Ack: ack, Packet: s.packet, Time: s.time})
		return
	}
	if n == cap(h.Marks) {
		h.Marks = slices.Grow(h.Marks, 1)
	}
	h.Marks = h.Marks[:n+1]
	m := &h.Marks[n]
	m.From, m.To, m.Seq, m.Ack, m.Packet, m.Time = uint32(from), uint32(to), seq, ack, s.packet, s.time
}

// markFull is mark where there are MaxMarks already.
func markFull(h *stream.Half, m stream.Mark) {
	if joinMarks(h); len(h.Marks) < stream.MaxMarks {
		h.Marks = append(h.Marks, m)
		return
	}
	last := &h.Marks[len(h.Marks)-1]
	m.From = min(last.From, m.From)
	if last.To > m.To {
		m.To, m.Seq = last.To, last.Seq
	}
	*last = m
}

// keptMarks is how many of the first marks stay as they are: those of the hello
// tell in how many packets it came.
const keptMarks = 32

// joinMarks makes one mark of those that touch each other and acknowledge the
// same, as of many small segments in whatever order: what they say of the order
// of the two directions is the same.
func joinMarks(h *stream.Half) {
	out := h.Marks[:keptMarks]
	for _, m := range h.Marks[keptMarks:] {
		for i := len(out) - 1; i >= max(keptMarks, len(out)-joinAmong); i-- {
			x := &out[i]
			if x.To != m.From && x.From != m.To || x.Ack != m.Ack || x.Seq == 0 || m.Seq == 0 {
				continue
			}
			if x.To > m.To {
				m.To, m.Seq = x.To, x.Seq
			}
			m.From = min(m.From, x.From)
			out = slices.Delete(out, i, i+1)
			i = len(out) // what it touches now
		}
		out = append(out, m)
	}
	h.Marks = out
}

// joinAmong is how many of the last marks are looked at for one that another one
// touches: segments do not overtake more.
const joinAmong = 24

// shortList is how many gaps and how many marks are taken to be part of what an
// opening costs in any case.
const shortList = 32

// listed returns how many bytes the gaps and marks of h take beyond that.
func listed(h *stream.Half) int {
	if cap(h.Marks) <= shortList && cap(h.Gaps) <= shortList {
		return 0
	}
	return max(cap(h.Marks)-shortList, 0)*int(unsafe.Sizeof(stream.Mark{})) + max(cap(h.Gaps)-shortList, 0)*int(unsafe.Sizeof(stream.Gap{}))
}

// A pool keeps the buffers of openings that ended, by size.
type pool struct {
	free [8][][]byte // 1 KiB << i
	kept int         // bytes of them
	room int         // that they may take
	held int         // bytes of openings that were not handed over
}

const poolKeep = 64 // buffers kept of each size

func class(n int) (int, int) {
	c, size := 0, 1<<10
	for size < n {
		c, size = c+1, size<<1
	}
	return c, size
}

// grow returns a buffer with b's bytes and room for n, n <= maxPrefix.
func (p *pool) grow(b []byte, n int) []byte {
	c, size := class(n)
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
	c, _ := class(cap(b))
	if len(p.free[c]) < poolKeep && p.kept+cap(b) <= p.room {
		p.free[c] = append(p.free[c], b[:0])
		p.kept += cap(b)
	}
}
