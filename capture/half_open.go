package capture

import "pfsight/capture/stream"

// A halfOpen is a connection of which only SYNs were seen. Scans and floods
// make millions of them, so it has 32 bytes only.
type halfOpen struct {
	check   uint32    // bits of the key's hash that are not in tag
	tag     uint32    // its tag in the table, for removal
	isn     [2]uint32 // by endpoint: first sequence number of the data
	start   int64     // time of the first SYN
	domain  [2]uint16 // as in flow
	packets uint8
	bits    uint8 // hasISN, hasISNB; halfOpenSYN, halfOpenClient, halfOpenShared, halfOpenUsed
	clock   uint8 // as in flow
	ends    uint8 // halfOpenFIN, halfOpenRST, halfOpenCut
}

// Bits of halfOpen.ends. The bit of endpoint b is one to the left of that of
// endpoint a.
const (
	halfOpenFIN = 1 << iota // the endpoint closed the connection without sending data
	halfOpenFINB
	halfOpenRST // the endpoint reset the connection
	halfOpenRSTB
	halfOpenCut // the snaplen cut a segment of the endpoint inside its header
	halfOpenCutB
)

// Bits of halfOpen.bits. The lowest two are hasISN and hasISNB.
const (
	halfOpenSYN     = 1 << 2 // a SYN of endpoint a was seen
	halfOpenSYNB    = 1 << 3 // likewise for b
	halfOpenClient  = 1 << 4 // a SYN shows that endpoint a is the client
	halfOpenClientB = 1 << 5 // likewise for b
	halfOpenShared  = 1 << 6 // several connections have this key, see match.go
	halfOpenUsed    = 1 << 7
)

// halfOpenRef marks a reference in the table as that of a halfOpen.
const halfOpenRef = 1 << 31

// onHalfOpen handles a segment of a half-open connection.
func (t *tracker) onHalfOpen(s *segment, ref uint32, p *halfOpen) {
	e := s.fromB
	if p.packets < 255 {
		p.packets++
	}
	if s.flags&flagSYN != 0 {
		o := e ^ 1
		ack := s.flags&flagACK != 0
		if p.bits&(hasISN<<e) != 0 && p.isn[e] != s.seq+1 || ack && p.bits&(hasISN<<o) != 0 && p.isn[o] != s.ack {
			// A new connection with the same endpoints.
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
		// Data in a SYN, RFC 7413, follows the SYN in sequence.
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
			t.promote(s, ref, p) // earlier data may still arrive
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
		t.addSecond(s) // in another network, or the answer to another segment
		return
	}
	t.promote(s, ref, p)
}

// promote turns a half-open connection into a flow, and hands it the segment.
func (t *tracker) promote(s *segment, ref uint32, p *halfOpen) {
	was := *p
	t.halfOpens.release(ref &^ halfOpenRef)
	fref, f := t.newFlow(s, false)
	t.table.replace(was.tag, ref, fref)
	f.isn = was.isn
	f.bits |= uint16(was.bits & (hasISN | hasISNB))
	if was.bits&halfOpenShared != 0 {
		f.bits |= shared
	}
	f.packets = uint64(was.packets) - 1 // onFlow counts the current segment again
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
			continue // the SYN belongs to another connection
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
		// The answer begins at the acknowledged number. It may begin earlier
		// if a dialog precedes TLS, where the server may have sent data first.
		*answer = half{base: s.ack, known: true, tentative: !mayBeRecord(s.payload)}
	}
	t.onFlow(s, fref, f)
}
