package capture

import "pfsight/capture/stream"

// onFlow handles a TCP segment of a flow.
func (t *tracker) onFlow(s *segment, ref uint32, f *flow) {
	if t.idle(f, t.now) {
		t.end(ref, f, stream.EndIdle)
		t.onNew(s)
		return
	}
	e := s.fromB
	if s.flags&flagSYN != 0 && t.onSYN(s, ref, f) {
		return
	}
	if f.bits&(hasNext<<e) != 0 && s.seq != f.next[e] {
		if len(s.payload) > 0 && t.beginsAnother(s, f) {
			t.startSecond(s, ref, f)
			return
		}
		if s.flags&flagRST == 0 && (f.outOfWindow(s) || f.bits&(hasFIN|hasFINB) == hasFIN|hasFINB && f.seqOutOfWindow(s)) {
			return // of another connection, which has shown no handshake yet
		}
	}
	if f.bits&((hasNext|hasISN)<<e) == 0 && f.ackOutOfWindow(s) {
		if len(s.payload) > 0 && t.opt.SniffTCP(s.payload) >= leastSniff {
			t.startSecond(s, ref, f)
		}
		return
	}
	f.last, f.clock = t.last, t.clocks.active
	f.packets++
	end := s.seq + uint32(s.wire)
	if f.bits&(hasFIN<<e) != 0 && int32(end-f.fin[e]) > 0 {
		end = f.fin[e] // a FIN takes a sequence number, but is not a byte
	}
	if f.bits&(hasNext<<e) == 0 {
		f.bits |= hasNext << e
		f.domain[e] = s.domain
		f.next[e] = end
		if f.bits&(hasISN<<e) == 0 {
			f.isn[e] = s.seq
		}
		f.bytes[e] = uint64(s.wire)
		if off := end - f.isn[e]; f.bits&(hasISN<<e) != 0 && off < maxAhead {
			f.bytes[e] = uint64(off)
		}
	} else if d := int32(end - f.next[e]); d > 0 && (s.wire > 0 || s.flags&flagFIN != 0) {
		// An empty segment may follow a FIN that was not seen, which has a
		// sequence number and is no byte.
		if d > 1<<24 {
			d = int32(min(s.wire, 1<<24)) // no window is larger: another sender, or a false number
		}
		f.bytes[e] += uint64(d)
		f.next[e] = end
	}
	if s.flags&flagFIN != 0 && f.bits&(hasFIN<<e) == 0 {
		f.fin[e] = end
		f.bits |= hasFIN << e
		if d := uint64(f.next[e] - end); int32(f.next[e]-end) > 0 && d <= f.bytes[e] {
			f.next[e], f.bytes[e] = end, f.bytes[e]-d
		}
	}
	if s.flags&flagRST != 0 {
		f.bits |= sawRST << e
	}
	if f.opening != 0 {
		t.feed(s, ref, f)
	}
	if f.bits&(hasFIN|hasFINB|sawRST|sawRSTB) != 0 {
		t.countClosed(f)
	}
}

// countClosed counts a flow that was delivered and then closed by both
// endpoints or reset. It remains for late packets.
func (t *tracker) countClosed(f *flow) {
	if f.bits&(countedClosed|evicted) == 0 && f.opening == 0 && (f.bits&(sawRST|sawRSTB) != 0 || f.bits&(hasFIN|hasFINB) == hasFIN|hasFINB) {
		f.bits |= countedClosed
		t.peak.Closed++
	}
}

// onSYN handles a SYN on a flow. It reports whether the segment needs no
// further handling.
func (t *tracker) onSYN(s *segment, ref uint32, f *flow) bool {
	e := s.fromB
	isn := s.seq + 1
	if f.bits&(hasISN<<e) != 0 {
		if f.isn[e] == isn {
			s.seq++ // a copy; its data, if any, follows the SYN in sequence
			return false
		}
	} else if f.opening != 0 {
		hs, h := &t.opens[f.opening-1].half[dirOf(f, e)], &t.opens[f.opening-1].conv.Half[dirOf(f, e)]
		if !hs.known && (!hs.acks || inWindow(isn, hs.ack)) || hs.known && (hs.base == isn || t.rebase(hs, h, isn)) {
			// The SYN arrives late.
			hs.base, hs.known, hs.tentative = isn, true, false
			h.SYN, h.Midstream = true, false
			s.seq++
			f.setISN(e, isn)
			return false
		}
		if d := int32(hs.base - isn); hs.known && d > 0 && d <= maxAhead && fitDomain(f.bits, &f.domain, s) >= 0 && (s.flags&flagACK == 0 || !t.answersOtherSYN(s, f)) {
			// The SYN arrives late. The beginning of the handshake is known,
			// and is kept.
			s.seq++
			f.setISN(e, isn)
			return false
		}
	} else if o := e ^ 1; s.flags&flagACK != 0 && f.bits&(hasISN<<o) != 0 && s.ack == f.isn[o] {
		// The SYN answers that of f, and arrives after the handshake.
		s.seq++
		f.setISN(e, isn)
		return false
	} else if d := int32(f.isn[e] - isn); f.bits&(hasNext<<e) != 0 && d >= 0 && d <= maxAhead && fitDomain(f.bits, &f.domain, s) >= 0 && (s.flags&flagACK == 0 || !t.answersOtherSYN(s, f)) {
		// The SYN precedes the first segment that was seen, and arrives after
		// the handshake.
		s.seq++
		f.setISN(e, isn)
		return false
	}
	if s.flags&flagACK != 0 && f.bits&(sawRST|sawRSTB|hasFIN|hasFINB) == 0 && !t.answersOtherSYN(s, f) {
		return true // a stray segment on a live connection
	}
	t.startSecond(s, ref, f)
	return true
}

// setISN sets the first sequence number of endpoint e, after its data was
// seen.
func (f *flow) setISN(e uint8, isn uint32) {
	f.isn[e] = isn
	f.bits |= hasISN << e
	if n := f.next[e] - isn; f.bits&(hasNext<<e) != 0 && n < maxForeign {
		f.bytes[e] = uint64(n) // with the bytes before the first segment that was seen
	}
}

// answersOtherSYN reports whether a SYN with ACK answers a SYN of another
// connection than f.
func (t *tracker) answersOtherSYN(s *segment, f *flow) bool {
	o := s.fromB ^ 1
	switch {
	case f.bits&(hasISN<<o) != 0:
		return s.ack != f.isn[o]
	case f.bits&(hasNext<<o) != 0:
		return !inWindow(s.ack, f.next[o])
	}
	return false
}

// feed adds a segment to the opening of its flow.
func (t *tracker) feed(s *segment, ref uint32, f *flow) {
	o := t.opens[f.opening-1]
	d := dirOf(f, s.fromB)
	o.last = t.last
	hs, h := &o.half[d], &o.conv.Half[d]
	h.Packets++
	if s.flags&(flagACK|flagRST) == flagACK {
		o.half[d.Opposite()].acknowledged(s.ack)
	}
	if f.hello == 0 && len(s.payload) > 0 {
		t.identify(s, f)
	}
	if s.wire > 0 && !hs.stop && !h.Done {
		if !hs.known {
			if sniffed := t.opt.SniffTCP(s.payload); sniffed != stream.SniffNone {
				hs.base, hs.known = s.seq, true
				hs.tentative = sniffed < leastSniff
				h.Midstream = true
			}
		} else if hs.tentative && len(s.payload) > 0 && int32(s.seq-hs.base) < 0 {
			if sniffed := t.opt.SniffTCP(s.payload); sniffed != stream.SniffNone && t.rebase(hs, h, s.seq) {
				hs.tentative = sniffed < leastSniff
			}
		}
		if hs.known && t.add(hs, h, s) && h.Contiguous() >= h.Want && !hs.mayBePreceded(h) {
			switch t.opt.Ask(&o.conv, d) {
			case stream.Enough:
				t.deliver(f, false)
				return
			case stream.Refuse:
				t.discard(ref, f)
				return
			}
		}
	}
	if t.finished(f, o) {
		t.deliver(f, true)
		return
	}
	t.noteSilence(f.opening, o)
}

// finished reports whether both directions are complete up to their FIN.
func (t *tracker) finished(f *flow, o *opening) bool {
	if f.bits&(hasFIN|hasFINB) != hasFIN|hasFINB {
		return false
	}
	for e := uint8(0); e < 2; e++ {
		d := dirOf(f, e)
		hs, h := &o.half[d], &o.conv.Half[d]
		if hs.stop || h.Done {
			continue
		}
		if !hs.known || uint32(h.Contiguous()) < f.fin[e]-hs.base {
			return false
		}
	}
	return true
}
