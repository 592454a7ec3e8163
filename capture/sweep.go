package capture

import "pfsight/capture/stream"

// idle reports whether a flow has been silent for longer than its idle time.
// The first comparison decides for most flows.
func (t *tracker) idle(f *flow, now int64) bool {
	return now-f.last > closedIdle && now-f.last > t.idleTime(f)
}

// idleTime returns the time without packets after which a flow ends.
func (t *tracker) idleTime(f *flow) int64 {
	switch {
	case f.bits&(sawRST|sawRSTB) != 0, f.bits&(hasFIN|hasFINB) == hasFIN|hasFINB:
		if f.opening != 0 && t.lacksBytes(f) {
			return openingIdle
		}
		return closedIdle
	case f.opening != 0, f.bits&evicted != 0:
		return openingIdle
	}
	return flowIdle
}

// lacksBytes reports whether the opening of a closed connection lacks bytes
// that were sent and may still arrive.
func (t *tracker) lacksBytes(f *flow) bool {
	o := t.opens[f.opening-1]
	for d := range o.conv.Half {
		h := &o.conv.Half[d]
		e := uint8(d) ^ f.client
		if len(h.Gaps) > 0 || o.half[d].lost(h, f.bits&(hasFIN<<e) != 0, f.fin[e]) {
			return true
		}
	}
	return false
}

// sweep ends idle flows and half-open connections. Each call checks a part of
// the entries, which spreads the work.
func (t *tracker) sweep(now int64) {
	t.swept, t.unswept = now, 0
	for range (t.flows.used + sweepSteps - 1) / sweepSteps {
		t.flowAt = t.flowAt%t.flows.used + 1
		f := t.flows.get(t.flowAt)
		if f.bits&(inUse|moved) != inUse {
			continue
		}
		switch now := t.clocks.now(f.clock); {
		case t.idle(f, now):
			t.end(t.flowAt, f, stream.EndIdle)
		case f.last-now > jump && f.last-t.clocks.latest(f.clock) > jump:
			f.last = now // it was set by a packet with a wrong time, as the next packet showed
		}
	}
	var stale [lookahead]uint32
	n := 0
	for range (t.halfOpens.used + sweepSteps - 1) / sweepSteps {
		t.halfOpenAt = t.halfOpenAt%t.halfOpens.used + 1
		if p := t.halfOpens.get(t.halfOpenAt); p.bits&halfOpenUsed != 0 && t.clocks.now(p.clock)-p.start > halfOpenIdle {
			// The slots are scattered, so many are loaded at once.
			t.prefetch += t.table.slots[p.tag&t.table.mask].tag
			stale[n] = t.halfOpenAt
			if n++; n == len(stale) {
				t.dropHalfOpens(stale[:n])
				n = 0
			}
		}
	}
	t.dropHalfOpens(stale[:n])
}

// dropHalfOpens removes half-open connections.
func (t *tracker) dropHalfOpens(refs []uint32) {
	for _, ref := range refs {
		t.table.remove(t.halfOpens.get(ref).tag, ref|halfOpenRef)
		t.halfOpens.release(ref)
	}
}

// tick sets the time of the active clock when no packets arrive.
func (t *tracker) tick(now int64) {
	t.clocks.all[t.clocks.active].time = now
	if d := now - t.swept; d >= sweepEvery || d <= -sweepEvery {
		t.sweep(now)
	}
}

// shift adds d to all times that are compared, after the system clock was set.
// Nothing becomes idle by that.
func (t *tracker) shift(d int64) {
	t.swept += d
	t.clocks.shift(d)
	for ref := uint32(1); ref <= t.flows.used; ref++ {
		t.flows.get(ref).last += d
	}
	for ref := uint32(1); ref <= t.halfOpens.used; ref++ {
		t.halfOpens.get(ref).start += d
	}
	for _, o := range t.opens {
		if o != nil {
			o.last += d
		}
	}
}

// sample calls Bulk for s if s has payload after the opening of its
// connection.
func (t *tracker) sample(s *segment) {
	const least = 512 // bytes of payload; shorter packets are not worth excluding
	if s.wire < least || s.key.proto != protoTCP || s.flags&(flagSYN|flagFIN|flagRST) != 0 || s.deferred {
		return
	}
	for e := s.encap; e != 0; e >>= 8 {
		if encap(e&0xff) != encVLAN {
			return
		}
	}
	tag := tagOf(s.hash)
	for i := tag & t.table.mask; t.table.slots[i].ref != 0; i = (i + 1) & t.table.mask {
		if sl := t.table.slots[i]; sl.tag == tag && sl.ref&halfOpenRef == 0 {
			if f := t.flows.get(sl.ref); f.key == s.key {
				if f.opening == 0 {
					t.opt.Bulk(s.key.endpoint(0), s.key.endpoint(1))
				}
				return
			}
		}
	}
}
