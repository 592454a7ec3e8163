package capture

import "pfsight/capture/stream"

// A lite entry is a connection of which only SYNs were seen. It is small,
// since a scan or a flood makes millions. 32 bytes.
type halfOpen struct {
	check   uint32    // other bits of the hash than the table's
	tag     uint32    // the table's, to take it out again
	isn     [2]uint32 // by endpoint: first sequence number of the data
	start   int64     // time of the first SYN
	domain  [2]uint16 // as in flow
	packets uint8
	bits    uint8 // hasISN, hasISNb; liteClient, liteClientB; liteShared; liteUsed
	clock   uint8 // as in flow
	ends    uint8 // liteFIN, liteFINb; liteRST, liteRSTb; liteCut, liteCutB
}

// Bits of lite.ends.
const (
	halfOpenFIN  = 1 << iota // endpoint a closed without having said anything
	halfOpenFINb             // the same of the other
	halfOpenRST              // endpoint a reset the connection
	halfOpenRSTb             // the same of the other
	halfOpenCut              // endpoint a sent a segment that was cut inside its header
	halfOpenCutB             // the same of the other
)

const (
	halfOpenSYN     = 1 << 2 // a SYN of endpoint a was seen
	halfOpenSYNb    = 1 << 3 // the same of the other
	halfOpenClient  = 1 << 4 // endpoint a sent a SYN without ACK, or b one with
	halfOpenClientB = 1 << 5 // the same of the other
	halfOpenShared  = 1 << 6 // other connections have the same key
	halfOpenUsed    = 1 << 7
)

// liteRef marks a reference of the table that is a lite entry's.
const halfOpenRef = 1 << 31

// onLite takes a segment of a connection of which only SYNs were seen.
func (t *tracker) onHalfOpen(s *segment, ref uint32, p *halfOpen) {
	e := s.fromB
	if p.packets < 255 {
		p.packets++
	}
	if s.flags&flagSYN != 0 {
		o := e ^ 1
		ack := s.flags&flagACK != 0
		if p.bits&(hasISN<<e) != 0 && p.isn[e] != s.seq+1 || ack && p.bits&(hasISN<<o) != 0 && p.isn[o] != s.ack {
			// Another connection with the same endpoints.
			if p.fitDomain(s) <= 0 {
				t.addSecond(s)
				return
			}
			*p = halfOpen{check: p.check, tag: p.tag, start: s.time, bits: halfOpenUsed | p.bits&halfOpenShared, packets: 1}
		}
		if !ack {
			p.bits |= halfOpenClient << e
		} else {
			p.bits |= halfOpenClient << o
			p.isn[o] = s.ack
			p.bits |= hasISN << o
		}
		p.isn[e] = s.seq + 1
		p.bits |= hasISN<<e | halfOpenSYN<<e
		p.domain[e] = s.domain
		p.clock = t.clocks.active
		if s.wire == 0 {
			return
		}
		// Data in a SYN, RFC 7413, begins behind it.
		s.seq++
		s.flags &^= flagSYN
	}
	if s.flags&flagRST != 0 {
		p.ends |= halfOpenRST << e
	}
	if s.wire == 0 {
		if s.flags&flagFIN == 0 || p.bits&(hasISN<<e) == 0 {
			return
		}
		switch off := int32(s.seq - p.isn[e]); {
		case off == 0:
			p.ends |= halfOpenFIN << e
		case off > 0 && off < maxAhead:
			t.promote(s, ref, p) // what it said before may come late
		}
		return
	}
	if p.bits&(hasISN<<e) != 0 {
		off := int32(s.seq - p.isn[e])
		if off == 0 && len(s.payload) > 0 && t.opt.SniffTCP(s.payload) == stream.SniffNone {
			t.table.remove(p.tag, ref)
			t.halfOpens.release(ref &^ halfOpenRef)
			return
		}
		if off >= 0 && off < maxAhead {
			t.promote(s, ref, p)
			return
		}
	}
	if len(s.payload) == 0 || t.opt.SniffTCP(s.payload) < leastSniff {
		return
	}
	if p.fitDomain(s) <= 0 || s.flags&flagACK != 0 && p.bits&(hasISN<<(e^1)) != 0 && !inWindow(s.ack, p.isn[e^1]) {
		t.addSecond(s) // in another domain, or an answer to something else
		return
	}
	t.promote(s, ref, p)
}

// promote makes a flow of a lite entry and gives it the segment.
func (t *tracker) promote(s *segment, ref uint32, p *halfOpen) {
	was := *p
	t.halfOpens.release(ref &^ halfOpenRef)
	fref, f := t.newFlow(s, false)
	t.table.replace(was.tag, ref, fref)
	f.isn = was.isn
	f.bits |= uint16(was.bits & (hasISN | hasISNb))
	if was.bits&halfOpenShared != 0 {
		f.bits |= shared
	}
	f.packets = uint64(was.packets) - 1 // onFlow counts the segment in hand again
	o := t.opens[f.opening-1]
	o.conv.Start = was.start
	switch {
	case was.bits&halfOpenClient != 0:
		f.client = 0
		f.bits |= clientSYN
	case was.bits&halfOpenClientB != 0:
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
		if was.bits&(halfOpenSYN<<e) != 0 {
			o.conv.Half[d].Packets = 1
		}
		if was.ends&(halfOpenFIN<<e) != 0 {
			f.bits |= hasFIN << e
			f.fin[e] = was.isn[e]
		}
		if was.ends&(halfOpenRST<<e) != 0 {
			f.bits |= sawRST << e
		}
		if was.ends&(halfOpenCut<<e) != 0 {
			o.conv.Half[d].Cut = true
			o.conv.Half[d].Packets++
		}
	}
	d := dirOf(f, s.fromB)
	if hs, answer := &o.half[d], &o.half[d.Opposite()]; hs.known && hs.base == s.seq && !answer.known && s.flags&flagACK != 0 && len(s.payload) > 0 && t.opt.SniffTCP(s.payload) == stream.SniffClient {
		// The answer begins with what is acknowledged, unless this is a dialog
		// before TLS, in which the server may have spoken first.
		*answer = half{base: s.ack, known: true, tentative: !mayBeRecord(s.payload)}
	}
	t.onFlow(s, fref, f)
}
