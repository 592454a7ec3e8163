package capture

import "pfsight/capture/stream"

// idleTime returns after how long without a packet a flow has ended.
func idleTime(f *flow) int64 {
	switch {
	case f.bits&(sawRST|sawRSTb) != 0, f.bits&(hasFIN|hasFINb) == hasFIN|hasFINb:
		return closedIdle
	case f.opening != 0, f.bits&told != 0:
		return openingIdle
	}
	return flowIdle
}

// sweep lets go what is over. It passes a part of the entries each time
// capture time has moved on, so the work is spread and nothing stays for much
// longer than its time.
func (t *tracker) sweep(now int64) {
	t.swept, t.unswept = now, 0
	step := t.step
	t.step = (step + 1) % sweepSteps
	for ref := uint32(step) + 1; ref <= t.flows.used; ref += sweepSteps {
		if f := t.flows.get(ref); f.bits&(inUse|moved) == inUse && now-f.last > idleTime(f) {
			t.end(ref, f, stream.EndIdle)
		}
	}
	for ref := uint32(step) + 1; ref <= t.lites.used; ref += sweepSteps {
		if l := t.lites.get(ref); l.bits&liteUsed != 0 && now-l.start > liteIdle {
			t.table.remove(l.tag, ref|liteRef)
			t.lites.release(ref)
		}
	}
}

// tick tells the time where no packet does.
func (t *tracker) tick(now int64) {
	if d := now - t.swept; d >= sweepEvery || d <= -sweepEvery {
		t.sweep(now)
	}
}

// shift takes the times that are compared along when the clock was set by d:
// nothing has been idle for it.
func (t *tracker) shift(d int64) {
	t.swept += d
	for ref := uint32(1); ref <= t.flows.used; ref++ {
		t.flows.get(ref).last += d
	}
	for ref := uint32(1); ref <= t.lites.used; ref++ {
		t.lites.get(ref).start += d
	}
	for _, o := range t.opens {
		if o != nil {
			o.last += d
		}
	}
}

// sample tells of s if it is bulk: payload behind the opening.
func (t *tracker) sample(s *segment) {
	const least = 512 // bytes of payload: less is nothing to save
	if s.wire < least || s.key.proto != protoTCP || s.flags&(flagSYN|flagFIN|flagRST) != 0 || s.late {
		return
	}
	for e := s.encap; e != 0; e >>= 8 {
		if encap(e&0xff) != encVLAN {
			return
		}
	}
	tag := tagOf(s.hash)
	for i := tag & t.table.mask; t.table.slots[i].ref != 0; i = (i + 1) & t.table.mask {
		if sl := t.table.slots[i]; sl.tag == tag && sl.ref&liteRef == 0 {
			if f := t.flows.get(sl.ref); f.key == s.key {
				if f.opening == 0 {
					t.opt.Bulk(s.key.endpoint(0), s.key.endpoint(1))
				}
				return
			}
		}
	}
}

// evictLite forgets one half-open connection, not the newest.
func (t *tracker) evictLite() {
	for {
		t.hand = t.hand%t.lites.used + 1
		if l := t.lites.get(t.hand); l.bits&liteUsed != 0 {
			t.drops[SYNEvict]++
			t.table.remove(l.tag, t.hand|liteRef)
			t.lites.release(t.hand)
			return
		}
	}
}

// evictFlow ends one connection early: one whose handshake is over if there
// is one near, else the one that was silent longest.
func (t *tracker) evictFlow() {
	var worst uint32
	var score int64
	for range 256 {
		t.hand = t.hand%t.flows.used + 1
		ref, f := t.hand, t.flows.get(t.hand)
		if f.bits&inUse == 0 {
			continue
		}
		if f.bits&moved != 0 {
			ref = *f.movedFrom()
			f = t.flows.get(ref)
		}
		quiet := -f.last >> 2
		switch {
		case f.bits&told != 0:
			quiet += 1 << 62
		case f.opening == 0:
			quiet += 1 << 61
		}
		if worst == 0 || quiet > score {
			worst, score = ref, quiet
		}
	}
	if worst != 0 {
		t.drops[FlowEvict]++
		t.end(worst, t.flows.get(worst), stream.EndEvict)
	}
}

// evictAmong is how many open handshakes are compared to find the one that
// has to go.
const evictAmong = 8

// rate notes how long an opening has been silent: the time of its last packet,
// negated. One that lacks its first byte, or of which only one side speaks,
// counts as more silent than others.
func (t *tracker) rate(ref uint32, o *opening) {
	s := -o.last
	for d := range o.conv.Half {
		h := &o.conv.Half[d]
		if h.Contiguous() == 0 {
			s += openingIdle
			if len(h.Data) > 0 {
				s += openingIdle
			}
		}
	}
	t.silence[ref-1] = s
}

// evictOpening hands over incomplete openings until there is room again:
// among a few, those of which the least is to be expected. Their entries stay.
func (t *tracker) evictOpening() {
	n := uint32(len(t.opens))
	for tries := 0; t.pool.held > t.maxHeld && tries < 8; tries++ {
		var worst *opening
		var score int64
		for range evictAmong {
			t.hand = t.hand%n + 1
			o := t.opens[t.hand-1]
			if o == nil {
				continue
			}
			if s := t.silence[t.hand-1]; worst == nil || s > score {
				worst, score = o, s
			}
		}
		if worst == nil {
			return
		}
		t.drops[FlowEvict]++
		ref := worst.flow
		f := t.flows.get(ref)
		t.deliver(f)
		t.close(f, stream.EndEvict)
		f.bits |= told
	}
}
