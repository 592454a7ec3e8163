package capture

import "pfsight/capture/stream"

// idle reports whether a flow has been silent for longer than it may be. Most
// are not silent for even the shortest time.
func (t *tracker) idle(f *flow, now int64) bool {
	return now-f.last > closedIdle && now-f.last > t.idleTime(f)
}

// idleTime returns after how long without a packet a flow has ended.
func (t *tracker) idleTime(f *flow) int64 {
	switch {
	case f.bits&(sawRST|sawRSTb) != 0, f.bits&(hasFIN|hasFINb) == hasFIN|hasFINb:
		if f.opening != 0 && t.lacksBytes(f) {
			return openingIdle
		}
		return closedIdle
	case f.opening != 0, f.bits&evicted != 0:
		return openingIdle
	}
	return flowIdle
}

// waits reports whether the opening of a closed connection lacks bytes that
// were sent and may still come.
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

// sweep lets go what is stale. It passes a part of the entries each time
// capture time has moved on, so the work is spread and nothing stays for much
// longer than its time.
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
		case f.last-now > jump && t.clocks.all[f.clock].outlier == 0:
			f.last = now // of a packet whose time was far from true, as the next one said
		}
	}
	var stale [lookahead]uint32
	n := 0
	for range (t.halfOpens.used + sweepSteps - 1) / sweepSteps {
		t.halfOpenAt = t.halfOpenAt%t.halfOpens.used + 1
		if p := t.halfOpens.get(t.halfOpenAt); p.bits&halfOpenUsed != 0 && t.clocks.now(p.clock)-p.start > halfOpenIdle {
			// Their slots lie anywhere, so many are asked of memory at once.
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

func (t *tracker) dropHalfOpens(refs []uint32) {
	for _, ref := range refs {
		t.table.remove(t.halfOpens.get(ref).tag, ref|halfOpenRef)
		t.halfOpens.release(ref)
	}
}

// tick tells the time where no packet does.
func (t *tracker) tick(now int64) {
	t.clocks.all[t.clocks.active].time = now
	if d := now - t.swept; d >= sweepEvery || d <= -sweepEvery {
		t.sweep(now)
	}
}

// shift takes the times that are compared along when the clock was set by d:
// nothing has been idle for it.
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

// sample tells of s if it is bulk: payload behind the opening.
func (t *tracker) sample(s *segment) {
	const least = 512 // bytes of payload: less is nothing to save
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
