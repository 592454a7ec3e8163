package capture

import (
	"math"

	"pfsight/capture/stream"
)

// idle reports whether a flow has been silent for longer than it may be. Most
// are not silent for even the shortest time.
func (t *tracker) idle(f *flow, now int64) bool {
	return now-f.last > closedIdle && now-f.last > t.idleTime(f)
}

// idleTime returns after how long without a packet a flow has ended.
func (t *tracker) idleTime(f *flow) int64 {
	switch {
	case f.bits&(sawRST|sawRSTb) != 0, f.bits&(hasFIN|hasFINb) == hasFIN|hasFINb:
		if f.opening != 0 && t.waits(f) {
			return openingIdle
		}
		return closedIdle
	case f.opening != 0, f.bits&told != 0:
		return openingIdle
	}
	return flowIdle
}

// waits reports whether the opening of a closed connection lacks bytes that
// were sent and may still come.
func (t *tracker) waits(f *flow) bool {
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

// sweep lets go what is over. It passes a part of the entries each time
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
		case f.last-now > jump && t.clocks.all[f.clock].odd == 0:
			f.last = now // of a packet whose time was far from true, as the next one said
		}
	}
	var over [window]uint32
	n := 0
	for range (t.lites.used + sweepSteps - 1) / sweepSteps {
		t.liteAt = t.liteAt%t.lites.used + 1
		if l := t.lites.get(t.liteAt); l.bits&liteUsed != 0 && t.clocks.now(l.clock)-l.start > liteIdle {
			// Their slots lie anywhere, so many are asked of memory at once.
			t.touch += t.table.slots[l.tag&t.table.mask].tag
			over[n] = t.liteAt
			if n++; n == len(over) {
				t.dropLites(over[:n])
				n = 0
			}
		}
	}
	t.dropLites(over[:n])
}

func (t *tracker) dropLites(refs []uint32) {
	for _, ref := range refs {
		t.table.remove(t.lites.get(ref).tag, ref|liteRef)
		t.lites.release(ref)
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
			t.drops[HalfOpenEvict]++
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

// When there is no room, so many open handshakes are handed over, until one
// part in evictMore of the room is free: what they are made of is asked of
// memory at once.
const (
	evictAtOnce = 16
	evictMore   = 64
)

// evictOpening hands over incomplete openings so that there is room again:
// each is, among a few, the one of which the least is to be expected. Their
// entries stay.
func (t *tracker) evictOpening() {
	var picked [evictAtOnce]uint32
	n := 0
	for range evictAtOnce {
		if ref := t.leastHopeful(); ref != 0 {
			t.silence[ref-1] = math.MinInt64 // not to be picked again
			picked[n] = ref
			n++
		}
	}
	// A level of references after the other, with nothing else between.
	touch := t.touch
	for _, ref := range picked[:n] {
		o := t.opens[ref-1]
		h := &o.conv.Half
		// One field of each cache line.
		touch += uint32(o.last) + uint32(o.conv.Server.Port()) + uint32(o.conv.Start) + uint32(cap(h[0].Marks)) +
			uint32(len(h[1].Data)) + uint32(cap(h[1].Marks)) + uint32(h[1].Note.Kind) + o.flow + uint32(o.named)
	}
	for _, ref := range picked[:n] {
		o := t.opens[ref-1]
		f := t.flows.get(o.flow)
		touch += f.tag + uint32(f.id)
		for d := range o.conv.Half {
			h := &o.conv.Half[d]
			if len(h.Data) > 0 && len(h.Marks) > 0 {
				touch += uint32(h.Data[0]) + uint32(h.Marks[0].Packet)
			}
		}
	}
	t.touch = touch
	enough := t.maxHeld - t.maxHeld/evictMore
	for _, oref := range picked[:n] {
		if t.pool.held <= enough {
			t.rate(oref, t.opens[oref-1])
			continue
		}
		t.drops[FlowEvict]++
		ref := t.opens[oref-1].flow
		f := t.flows.get(ref)
		t.deliver(f, true)
		t.close(ref, f, stream.EndEvict)
		f.bits |= told
	}
}

// leastHopeful returns the one that is to go of a few openings, 0 if there is
// none near.
func (t *tracker) leastHopeful() (worst uint32) {
	score := int64(math.MinInt64)
	for range evictAmong {
		t.hand = t.hand%uint32(len(t.opens)) + 1
		if s := t.silence[t.hand-1]; s > score && t.opens[t.hand-1] != nil {
			worst, score = t.hand, s
		}
	}
	return worst
}
