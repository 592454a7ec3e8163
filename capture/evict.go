package capture

import (
	"math"

	"pfsight/capture/stream"
)

// evictHalfOpen removes a half-open connection, but not the newest.
func (t *tracker) evictHalfOpen() {
	for {
		t.evictAt = t.evictAt%t.halfOpens.used + 1
		if p := t.halfOpens.get(t.evictAt); p.bits&halfOpenUsed != 0 {
			t.drops[HalfOpenEvict]++
			t.table.remove(p.tag, t.evictAt|halfOpenRef)
			t.halfOpens.release(t.evictAt)
			return
		}
	}
}

// evictFlow ends one of the next flows early: one whose opening was delivered,
// or else the one that was silent longest.
func (t *tracker) evictFlow() {
	var worst uint32
	var score int64
	for range 256 {
		t.evictAt = t.evictAt%t.flows.used + 1
		ref, f := t.evictAt, t.flows.get(t.evictAt)
		if f.bits&inUse == 0 {
			continue
		}
		if f.bits&moved != 0 {
			ref = *f.movedFrom()
			f = t.flows.get(ref)
		}
		quiet := -f.last >> 2
		switch {
		case f.bits&evicted != 0:
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

// evictAmong is the number of openings of which mostSilent chooses one.
const evictAmong = 8

// noteSilence records how long an opening has been silent: the negated time of
// its last packet. An opening without its first byte, or with data of one
// endpoint only, counts as silent for longer.
func (t *tracker) noteSilence(ref uint32, o *opening) {
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

// If openings need too much memory, up to evictAtOnce of them are delivered,
// until 1/evictShare of the limit is free. Their memory is loaded at once.
const (
	evictAtOnce = 16
	evictShare  = 64
)

// evictOpening delivers incomplete openings to free memory. Each is the most
// silent one of a few. Their flows remain.
func (t *tracker) evictOpening() {
	var picked [evictAtOnce]uint32
	n := 0
	for range evictAtOnce {
		if ref := t.mostSilent(); ref != 0 {
			t.silence[ref-1] = math.MinInt64 // do not pick it again
			picked[n] = ref
			n++
		}
	}
	// Load one level of references after the other, so that the loads overlap.
	prefetch := t.prefetch
	for _, ref := range picked[:n] {
		o := t.opens[ref-1]
		h := &o.conv.Half
		// One field of each cache line.
		prefetch += uint32(o.last) + uint32(o.conv.Server.Port()) + uint32(o.conv.Start) + uint32(cap(h[0].Marks)) +
			uint32(len(h[1].Data)) + uint32(cap(h[1].Marks)) + uint32(h[1].Note.Kind) + o.flow + uint32(o.connIDCount)
	}
	for _, ref := range picked[:n] {
		o := t.opens[ref-1]
		f := t.flows.get(o.flow)
		prefetch += f.tag + uint32(f.id)
		for d := range o.conv.Half {
			h := &o.conv.Half[d]
			if len(h.Data) > 0 && len(h.Marks) > 0 {
				prefetch += uint32(h.Data[0]) + uint32(h.Marks[0].Packet)
			}
		}
	}
	t.prefetch = prefetch
	enough := t.maxHeld - t.maxHeld/evictShare
	for _, oref := range picked[:n] {
		if t.pool.held <= enough {
			t.noteSilence(oref, t.opens[oref-1])
			continue
		}
		t.drops[FlowEvict]++
		ref := t.opens[oref-1].flow
		f := t.flows.get(ref)
		t.deliver(f, true)
		t.close(ref, f, stream.EndEvict)
		f.bits |= evicted
	}
}

// mostSilent returns the opening that was silent longest among the next few, 0
// if there is none.
func (t *tracker) mostSilent() (worst uint32) {
	score := int64(math.MinInt64)
	for range evictAmong {
		t.evictAt = t.evictAt%uint32(len(t.opens)) + 1
		if s := t.silence[t.evictAt-1]; s > score && t.opens[t.evictAt-1] != nil {
			worst, score = t.evictAt, s
		}
	}
	return worst
}
