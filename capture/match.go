package capture

import "pfsight/capture/stream"

// TCP connections may have the same addresses and ports: one after the other
// (RFC 9293 section 3.4.1), or at the same time in two VLANs or tunnels. A
// single connection is found by its key. If there are several, all of them
// have the bit shared, and bestMatch compares them. A stream.Splitter
// separates conversations over UDP.

const (
	// maxShared is the maximum number of connections with the same key. Beyond
	// it the one that was silent longest ends (FlowEvict).
	maxShared = 16
	// maxWindow is the maximum distance of a segment from the expected
	// sequence number. RFC 7323 section 2.3 allows windows up to 1 GiB, but no
	// stack opens one above 16 MiB by default.
	maxWindow = maxForeign
)

// inWindow reports whether sequence number a is within a window of b.
func inWindow(a, b uint32) bool {
	d := int32(a - b)
	return d < maxWindow && d > -maxWindow
}

// eachWithKey calls do for every entry with the key of s, beginning at slot i.
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

// bestMatch returns the entry with the key of s that s fits best, beginning at
// slot i. Of equal ones it returns the one with the latest packet.
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

// fitFlow rates how well a segment fits a connection. Sequence and
// acknowledgment numbers have more weight than the domain.
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

// fitHalfOpen is fitFlow for a half-open connection.
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
	return fitDomain(uint16(p.bits&(halfOpenSYN|halfOpenSYNB)), &p.domain, s)
}

// fitDomain rates the domain of s. If no packet of its endpoint was seen, the
// domain of the other endpoint is the best guess.
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

// startSecond handles the first segment of a second connection with the key of
// f. Both are followed if they may be in different domains. Otherwise f has
// ended.
func (t *tracker) startSecond(s *segment, ref uint32, f *flow) {
	if fitDomain(f.bits, &f.domain, s) > 0 {
		t.end(ref, f, stream.EndReused)
	}
	t.addSecond(s)
}

// addSecond handles the first segment of a connection whose key other
// connections may have.
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

// beginsAnother reports whether a segment that is not the next one of f begins
// another connection whose SYN was not seen: it contains a hello that is not a
// hello of f.
func (t *tracker) beginsAnother(s *segment, f *flow) bool {
	sniffed := t.opt.SniffTCP(s.payload)
	if sniffed < leastSniff {
		return false
	}
	e := s.fromB
	if sniffed == stream.SniffServer && f.opening != 0 && f.bits&(hasNext<<(e^1)) != 0 {
		return false // the server that f waits for, or an unrelated one
	}
	id := t.hello(s)
	if id == 0 || f.hello == 0 || f.helloFrom() != e {
		return f.outOfWindow(s)
	}
	if id == f.hello {
		return false
	}
	if back := int32(f.next[e] - s.seq); back > 0 && uint64(back) <= f.bytes[e] {
		// It overlaps bytes that were seen. That is a retransmission with
		// different bytes, unless the sequence numbers contradict.
		return f.outOfWindow(s)
	}
	return true
}

// outOfWindow reports whether the numbers of s, from an endpoint that was
// seen, are far from all known numbers of f. If a middlebox changes sequence
// numbers and both its sides are captured, there are two kinds: those at the
// beginning of f, and the latest.
func (f *flow) outOfWindow(s *segment) bool {
	o := s.fromB ^ 1
	return f.seqOutOfWindow(s) && (s.flags&flagACK == 0 || f.bits&(hasNext<<o) == 0 || !inWindow(s.ack, f.next[o]) && !inWindow(s.ack, f.isn[o]))
}

// ackOutOfWindow reports whether s, from an endpoint that was not seen,
// acknowledges a number that is far from all numbers of the other endpoint.
func (f *flow) ackOutOfWindow(s *segment) bool {
	o := s.fromB ^ 1
	return s.flags&(flagACK|flagRST|flagSYN) == flagACK && f.bits&(hasNext<<o) != 0 && !inWindow(s.ack, f.next[o]) && !inWindow(s.ack, f.isn[o])
}

// seqOutOfWindow reports whether the sequence number of s is far from those of
// its endpoint in f.
func (f *flow) seqOutOfWindow(s *segment) bool {
	e := s.fromB
	return !inWindow(s.seq, f.next[e]) && !inWindow(s.seq, f.isn[e])
}

// hello returns the identity of the hello at the beginning of s, 0 if there is
// none.
func (t *tracker) hello(s *segment) uint32 {
	if t.opt.HelloID == nil || len(s.payload) == 0 {
		return 0
	}
	return t.opt.HelloID(s.payload)
}

// identify sets the identity of the hello of f if s begins with a hello.
func (t *tracker) identify(s *segment, f *flow) {
	if f.hello = t.hello(s); f.hello != 0 && s.fromB == 1 {
		f.bits |= helloB
	}
}

// helloFrom returns the endpoint that sent the hello that identifies f.
func (f *flow) helloFrom() uint8 {
	if f.bits&helloB != 0 {
		return 1
	}
	return 0
}
