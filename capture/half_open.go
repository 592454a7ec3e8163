package capture

import "pfsight/capture/stream"

// onLite takes a segment of a connection of which only SYNs were seen.
func (t *tracker) onLite(s *segment, ref uint32, l *lite) {
	e := s.fromB
	if l.packets < 255 {
		l.packets++
	}
	if s.flags&flagSYN != 0 {
		o := e ^ 1
		ack := s.flags&flagACK != 0
		if l.bits&(hasISN<<e) != 0 && l.isn[e] != s.seq+1 || ack && l.bits&(hasISN<<o) != 0 && l.isn[o] != s.ack {
			// Another connection with the same endpoints.
			if l.fitDomain(s) <= 0 {
				t.beside(s)
				return
			}
			*l = lite{check: l.check, tag: l.tag, start: s.time, bits: liteUsed | l.bits&liteShared, packets: 1}
		}
		if !ack {
			l.bits |= liteClient << e
		} else {
			l.bits |= liteClient << o
			l.isn[o] = s.ack
			l.bits |= hasISN << o
		}
		l.isn[e] = s.seq + 1
		l.bits |= hasISN<<e | liteSYN<<e
		l.domain[e] = s.domain
		l.clock = t.clocks.active
		if s.wire == 0 {
			return
		}
		// Data in a SYN, RFC 7413, begins behind it.
		s.seq++
		s.flags &^= flagSYN
	}
	if s.flags&flagRST != 0 {
		l.ends |= liteRST << e
	}
	if s.wire == 0 {
		if s.flags&flagFIN == 0 || l.bits&(hasISN<<e) == 0 {
			return
		}
		switch off := int32(s.seq - l.isn[e]); {
		case off == 0:
			l.ends |= liteFIN << e
		case off > 0 && off < maxAhead:
			t.promote(s, ref, l) // what it said before may come late
		}
		return
	}
	if l.bits&(hasISN<<e) != 0 {
		off := int32(s.seq - l.isn[e])
		if off == 0 && len(s.payload) > 0 && t.opt.SniffTCP(s.payload) == stream.SniffNone {
			t.table.remove(l.tag, ref)
			t.lites.release(ref &^ liteRef)
			return
		}
		if off >= 0 && off < maxAhead {
			t.promote(s, ref, l)
			return
		}
	}
	if len(s.payload) == 0 || t.opt.SniffTCP(s.payload) < leastSniff {
		return
	}
	if l.fitDomain(s) <= 0 || s.flags&flagACK != 0 && l.bits&(hasISN<<(e^1)) != 0 && !near(s.ack, l.isn[e^1]) {
		t.beside(s) // in another domain, or an answer to something else
		return
	}
	t.promote(s, ref, l)
}

// promote makes a flow of a lite entry and gives it the segment.
func (t *tracker) promote(s *segment, ref uint32, l *lite) {
	was := *l
	t.lites.release(ref &^ liteRef)
	fref, f := t.newFlow(s, false)
	t.table.replace(was.tag, ref, fref)
	f.isn = was.isn
	f.bits |= uint16(was.bits & (hasISN | hasISNb))
	if was.bits&liteShared != 0 {
		f.bits |= shared
	}
	f.packets = uint64(was.packets) - 1 // onFlow counts the segment in hand again
	o := t.opens[f.opening-1]
	o.conv.Start = was.start
	switch {
	case was.bits&liteClient != 0:
		f.client = 0
		f.bits |= clientSYN
	case was.bits&liteClientB != 0:
		f.client = 1
		f.bits |= clientSYN
	default:
		f.client = s.fromB
	}
	o.conv.ClientKnown = f.bits&clientSYN != 0
	t.setEndpoints(o, f)
	for e := uint8(0); e < 2; e++ {
		if was.bits&(hasISN<<e) == 0 {
			continue
		}
		d := dirOf(f, e)
		if off := int32(s.seq - was.isn[e]); e == s.fromB && (off < 0 || off >= maxAhead) {
			continue // the SYN belongs to something else
		}
		o.half[d] = half{base: was.isn[e], known: true}
		o.conv.Half[d].SYN = true
		if was.bits&(liteSYN<<e) != 0 {
			o.conv.Half[d].Packets = 1
		}
		if was.ends&(liteFIN<<e) != 0 {
			f.bits |= hasFIN << e
			f.fin[e] = was.isn[e]
		}
		if was.ends&(liteRST<<e) != 0 {
			f.bits |= sawRST << e
		}
		if was.ends&(liteCut<<e) != 0 {
			o.conv.Half[d].Cut = true
			o.conv.Half[d].Packets++
		}
	}
	d := dirOf(f, s.fromB)
	if hs, answer := &o.half[d], &o.half[d.Opposite()]; hs.known && hs.base == s.seq && !answer.known && s.flags&flagACK != 0 && len(s.payload) > 0 && t.opt.SniffTCP(s.payload) == stream.SniffClient {
		// The answer begins with what is acknowledged, unless this is a dialog
		// before TLS, in which the server may have spoken first.
		*answer = half{base: s.ack, known: true, guess: !record(s.payload)}
	}
	t.onFlow(s, fref, f)
}
