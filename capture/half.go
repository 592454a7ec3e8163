package capture

import (
	"bytes"
	"slices"

	"pfsight/capture/stream"
)

// Limits of an opening, per direction.
const (
	// maxPrefix is the maximum number of bytes kept. Real handshakes have less
	// than 10 KiB, with large certificate chains less than 64 KiB.
	maxPrefix = 128 << 10
	// maxAhead is the maximum distance of kept bytes behind the first gap. It
	// covers TCP's usual initial windows and the time of a retransmission.
	maxAhead = 48 << 10
	// maxFar is the number of segments beyond maxAhead after which the gap is
	// given up.
	maxFar = 16
	// maxForeign is the maximum distance of a segment that belongs to the same
	// stream: no window is larger. If a middlebox changes sequence numbers and
	// both its sides are captured, the capture has both kinds of numbers.
	maxForeign = 1 << 24
	// maxGaps limits the work for segments in a hostile order.
	maxGaps = 256
)

// A half reassembles one direction of an opening. The bytes and gaps are in
// the stream.Half.
type half struct {
	base      uint32 // sequence number of Data[0]
	known     bool   // base is set
	stop      bool   // no further bytes are needed or possible
	acks      bool   // ack is set
	tentative bool   // base is that of the first segment seen, but an earlier one may follow
	far       uint8  // number of segments too far ahead
	ack       uint32 // highest acknowledgment number from the other endpoint
}

// mayBePreceded reports whether earlier bytes than those of h may still
// arrive: h begins with a TLS record that contains no hello, and it is
// undetermined whether that is the first record.
func (hs *half) mayBePreceded(h *stream.Half) bool { return hs.tentative && mayBeRecord(h.Data) }

// mayBeRecord reports whether b may begin with a TLS record or an SSL 2.0
// message, according to the first byte.
func mayBeRecord(b []byte) bool { return len(b) > 0 && (b[0] >= 20 && b[0] <= 24 || b[0]&0x80 != 0) }

// rebase moves the beginning of h to sequence number base, which is before its
// current beginning. The bytes between them become a gap. It reports whether
// the limits allow it.
func (t *tracker) rebase(hs *half, h *stream.Half, base uint32) bool {
	n := int(int32(hs.base - base))
	if !hs.tentative || n <= 0 || n > maxAhead || len(h.Data)+n > maxPrefix || len(h.Gaps) >= maxGaps || h.Done {
		return false
	}
	size, lists := len(h.Data), extraBytes(h)
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
	t.pool.held += extraBytes(h) - lists
	h.Note, h.Want = stream.Note{}, 1
	hs.base = base
	return true
}

// acknowledged records an acknowledgment number from the other endpoint.
func (hs *half) acknowledged(ack uint32) {
	if !hs.acks || int32(ack-hs.ack) > 0 {
		hs.acks, hs.ack = true, ack
	}
}

// lost reports whether bytes after those of h were sent but not captured: the
// FIN has a higher sequence number, or the other endpoint acknowledged more.
// fin is the sequence number of the FIN if closed is true.
func (hs *half) lost(h *stream.Half, closed bool, fin uint32) bool {
	if !hs.known || hs.stop || h.Done || h.Packets == 0 {
		return false
	}
	end := hs.base + uint32(len(h.Data))
	behind := func(n uint32, least int32) bool {
		d := int32(n - end)
		return d >= least && d < maxForeign
	}
	return closed && behind(fin, 1) || hs.acks && behind(hs.ack, 2) // 2, because a FIN that was not captured counts as one
}

// add adds the captured payload of a segment to h. It reports whether the data
// before the first gap grew.
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
	n, lists := len(h.Data), extraBytes(h)
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
		// Copy first: it may fail, because b may be in a mapped file that was
		// truncated.
		data := h.Data[:end]
		copy(data[off:], b)
		clear(data[n:off]) // left from an earlier use of the buffer
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
	t.pool.held += extraBytes(h) - lists
	return h.Contiguous() > before
}

// fill writes the bytes of [off, end) that are in gaps. Bytes that were seen
// before are kept.
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
				// The gap cannot be split, so the bytes remain missing.
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
