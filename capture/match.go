package capture

import "pfsight/capture/stream"

// Connections over TCP may have the same addresses and ports: one after the
// other (RFC 9293 section 3.4.1), or at once, in two VLANs or tunnels. The first
// is found by its key alone. Once there are several, all have the bit shared,
// and choose compares them. Those over UDP are told apart by stream.Splitter.

const (
	// maxShared is how many connections with the same key are followed at once.
	// Beyond it the one that was silent longest ends (FlowEvict).
	maxShared = 16
	// maxWindow is how far from the expected sequence number a segment of the
	// same connection is at most. RFC 7323 section 2.3 allows windows up to 1
	// GiB, but no stack opens one above 16 MiB by default.
	maxWindow = maxForeign
)

// near reports whether sequence number a is within a window of b.
func inWindow(a, b uint32) bool {
	d := int32(a - b)
	return d < maxWindow && d > -maxWindow
}

// each calls do for every entry with the key of s, from slot i on.
func (t *tracker) eachWithKey(s *segment, i uint32, do func(ref uint32, p *halfOpen, f *flow)) {
	tag, check := tagOf(s.hash), uint32(s.hash)
	for tb := &t.table; tb.slots[i].ref != 0; i = (i + 1) & tb.mask {
		sl := tb.slots[i]
		if sl.tag != tag {
			continue
		}
		if sl.ref&halfOpenRef != 0 {
			if p := t.halfOpens.get(sl.ref &^ halfOpenRef); p.check == check {
				do(sl.ref, p, nil)
			}
		} else if f := t.flows.get(sl.ref); f.key.is(&s.key) {
			do(sl.ref, nil, f)
		}
	}
}

// choose returns the entry that s fits best of those with its key, from slot i
// on. Of entries that it fits alike, the one with the latest packet is chosen.
func (t *tracker) bestMatch(s *segment, i uint32) (best uint32) {
	most, latest := 0, int64(0)
	t.eachWithKey(s, i, func(ref uint32, p *halfOpen, f *flow) {
		fits, last := 0, int64(0)
		if p != nil {
			fits, last = fitHalfOpen(s, p), p.start
		} else {
			fits, last = fitFlow(s, f), f.last
		}
		if best == 0 || fits > most || fits == most && last > latest {
			best, most, latest = ref, fits, last
		}
	})
	return best
}

// fitFlow rates how well a segment fits a connection: by its numbers first, by
// its domain second.
func fitFlow(s *segment, f *flow) (fits int) {
	e, o := s.fromB, s.fromB^1
	switch {
	case f.bits&(hasISN<<e) != 0 && s.flags&flagSYN != 0:
		fits = score(f.isn[e] == s.seq+1, 8)
	case f.bits&(hasNext<<e) != 0:
		fits = score(inWindow(s.seq, f.next[e]), 4)
	case f.bits&(hasISN<<e) != 0:
		fits = score(inWindow(s.seq, f.isn[e]), 4)
	}
	if s.flags&flagACK != 0 {
		switch {
		case f.bits&(hasNext<<o) != 0:
			fits += score(inWindow(s.ack, f.next[o]), 4)
		case f.bits&(hasISN<<o) != 0:
			fits += score(inWindow(s.ack, f.isn[o]), 4)
		}
	}
	return fits + fitDomain(f.bits, &f.domain, s)
}

// fitLite is fitFlow for a connection of which only SYNs were seen.
func fitHalfOpen(s *segment, p *halfOpen) (fits int) {
	e, o := s.fromB, s.fromB^1
	if p.bits&(hasISN<<e) != 0 {
		if s.flags&flagSYN != 0 {
			fits = score(p.isn[e] == s.seq+1, 8)
		} else {
			fits = score(inWindow(s.seq, p.isn[e]), 4)
		}
	}
	if s.flags&flagACK != 0 && p.bits&(hasISN<<o) != 0 {
		if s.flags&flagSYN != 0 {
			fits += score(p.isn[o] == s.ack, 8)
		} else {
			fits += score(inWindow(s.ack, p.isn[o]), 4)
		}
	}
	return fits + p.fitDomain(s)
}

func (p *halfOpen) fitDomain(s *segment) int {
	return fitDomain(uint16(p.bits&(halfOpenSYN|halfOpenSYNb)), &p.domain, s)
}

// fitDomain rates the domain of s. Where its endpoint was not seen, that of the
// other one is the best guess.
func fitDomain(bits uint16, domain *[2]uint16, s *segment) int {
	e, o := s.fromB, s.fromB^1
	switch {
	case bits&(hasNext<<e) != 0:
		return score(domain[e] == s.domain, 2)
	case bits&(hasNext<<o) != 0 && domain[o] == s.domain:
		return 1
	}
	return 0
}

func score(fits bool, points int) int {
	if fits {
		return points
	}
	return -points
}

// another takes the first segment of another connection with the key of f. The
// two are followed at once if they may be in different domains, else f has
// ended.
func (t *tracker) startSecond(s *segment, ref uint32, f *flow) {
	if fitDomain(f.bits, &f.domain, s) > 0 {
		t.end(ref, f, stream.EndReused)
	}
	t.addSecond(s)
}

// beside takes the first segment of a connection with a key that others may
// have.
func (t *tracker) addSecond(s *segment) {
	t.onNew(s)
	n, oldest := 0, uint32(0)
	var quiet int64
	t.eachWithKey(s, tagOf(s.hash)&t.table.mask, func(ref uint32, p *halfOpen, f *flow) {
		n++
		last := int64(0)
		if p != nil {
			last = p.start
		} else {
			last = f.last
		}
		if oldest == 0 || last < quiet {
			oldest, quiet = ref, last
		}
	})
	if n < 2 {
		return
	}
	if n > maxShared {
		t.drops[FlowEvict]++
		if oldest&halfOpenRef != 0 {
			t.dropHalfOpens([]uint32{oldest &^ halfOpenRef})
		} else {
			t.end(oldest, t.flows.get(oldest), stream.EndEvict)
		}
	}
	t.eachWithKey(s, tagOf(s.hash)&t.table.mask, func(_ uint32, p *halfOpen, f *flow) {
		if p != nil {
			p.bits |= halfOpenShared
		} else {
			f.bits |= shared
		}
	})
}

// restarts reports whether a segment that is not the next one of f begins
// another connection, whose SYN was not seen: a hello that is none of f's.
func (t *tracker) beginsAnother(s *segment, f *flow) bool {
	sniffed := t.opt.SniffTCP(s.payload)
	if sniffed < leastSniff {
		return false
	}
	e := s.fromB
	if sniffed == stream.SniffServer && f.opening != 0 && f.bits&(hasNext<<(e^1)) != 0 {
		return false // of the server that is waited for, or of none
	}
	id := t.hello(s)
	if id == 0 || f.hello == 0 || f.helloFrom() != e {
		return f.outOfWindow(s)
	}
	if id == f.hello {
		return false
	}
	if back := int32(f.next[e] - s.seq); back > 0 && uint64(back) <= f.bytes[e] {
		// In the place of bytes that were seen: a retransmission with other
		// bytes, unless the numbers say otherwise.
		return f.outOfWindow(s)
	}
	return true
}

// strange reports whether the numbers of s, from an endpoint that was seen, are
// far from all that are known of f. A middlebox that changes sequence numbers
// shows two kinds of them to a tap on both its sides: those that f began with,
// and those that came last.
func (f *flow) outOfWindow(s *segment) bool {
	o := s.fromB ^ 1
	return f.seqOutOfWindow(s) && (s.flags&flagACK == 0 || f.bits&(hasNext<<o) == 0 || !inWindow(s.ack, f.next[o]) && !inWindow(s.ack, f.isn[o]))
}

// answersNone reports whether s, from an endpoint that was not seen, acknowledges
// what is far from all that the other endpoint said.
func (f *flow) ackOutOfWindow(s *segment) bool {
	o := s.fromB ^ 1
	return s.flags&(flagACK|flagRST|flagSYN) == flagACK && f.bits&(hasNext<<o) != 0 && !inWindow(s.ack, f.next[o]) && !inWindow(s.ack, f.isn[o])
}

// farFrom reports whether the sequence number of s is far from those of its
// endpoint in f.
func (f *flow) seqOutOfWindow(s *segment) bool {
	e := s.fromB
	return !inWindow(s.seq, f.next[e]) && !inWindow(s.seq, f.isn[e])
}

// hello returns the identity of the hello that s begins with, 0 if there is
// none or too little of it.
func (t *tracker) hello(s *segment) uint32 {
	if t.opt.HelloID == nil || len(s.payload) == 0 {
		return 0
	}
	return t.opt.HelloID(s.payload)
}

// identify notes the identity of the first hello of f, if s begins with it.
func (t *tracker) identify(s *segment, f *flow) {
	if f.hello = t.hello(s); f.hello != 0 && s.fromB == 1 {
		f.bits |= helloB
	}
}

// helloFrom returns the endpoint that said the hello by which f is known.
func (f *flow) helloFrom() uint8 {
	if f.bits&helloB != 0 {
		return 1
	}
	return 0
}
