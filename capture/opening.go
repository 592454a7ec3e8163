package capture

import (
	"cmp"
	"slices"

	"pfsight/capture/stream"
)

// An opening is the part of a flow that exists until its handshake is
// delivered.
type opening struct {
	last int64 // time of the last packet
	conv stream.Conversation
	half [2]half // by stream.Dir
	flow uint32  // 0: unused

	connIDs     [maxConnIDs]uint32 // references of tracker.connIDs
	connIDCount uint8
	compared    uint8 // number of datagrams from other addresses that were compared with it
}

// newOpening returns an empty opening and its reference.
func (t *tracker) newOpening() (uint32, *opening) {
	var ref uint32
	if k := len(t.free); k > 0 {
		ref = t.free[k-1]
		t.free = t.free[:k-1]
	} else {
		t.opens = append(t.opens, nil)
		t.silence = append(t.silence, 0)
		ref = uint32(len(t.opens))
	}
	var o *opening
	if k := len(t.spare); k > 0 {
		o = t.spare[k-1]
		t.spare = t.spare[:k-1]
	} else {
		o = new(opening)
	}
	t.opens[ref-1] = o
	t.pool.held += openingCost
	t.peak.Openings = max(t.peak.Openings, len(t.opens)-len(t.free))
	t.peak.Held = max(t.peak.Held, t.pool.held)
	return ref, o
}

// takeOpening removes the opening from its flow. Its memory is no longer
// counted.
func (t *tracker) takeOpening(f *flow) *opening {
	o := t.opens[f.opening-1]
	t.dropConnIDs(o)
	t.opens[f.opening-1] = nil
	t.free = append(t.free, f.opening)
	f.opening = 0
	t.pool.held -= openingCost
	for d := range o.conv.Half {
		t.pool.held -= cap(o.conv.Half[d].Data) + extraBytes(&o.conv.Half[d])
	}
	return o
}

// deliver makes an event of the opening. ended means that no further packets
// are expected. Otherwise bytes that were acknowledged but not seen may still
// arrive.
func (t *tracker) deliver(f *flow, ended bool) {
	o := t.takeOpening(f)
	c := &o.conv
	if c.Transport == stream.UDP {
		f.setDelivered(f.last)
	}
	for d := range c.Half {
		h := &c.Half[d]
		e := uint8(d) ^ f.client
		h.FIN, h.FINSeq = f.bits&(hasFIN<<e) != 0, f.fin[e]
		h.RST = f.bits&(sawRST<<e) != 0
		if h.Done && len(h.Gaps) > 0 {
			// The gap is behind everything that was needed.
			h.Data, h.Gaps = h.Data[:h.Contiguous()], h.Gaps[:0]
		}
		h.Lost = ended && c.Transport == stream.TCP && o.half[d].lost(h, h.FIN, f.fin[e])
		if h.Full {
			t.drops[PrefixLimit]++
		}
		if h.Conflict {
			t.drops[Conflict]++
		}
	}
	t.out.opens = append(t.out.opens, o)
	t.out.events = append(t.out.events, Event{ID: c.ID, Ref: o.flow, Opening: c})
}

// recycle reuses the memory of openings whose events were processed.
func (t *tracker) recycle(b *outbox) {
	for _, o := range b.opens {
		t.reuse(o)
	}
	clear(b.events)
	b.opens, b.events = b.opens[:0], b.events[:0]
}

// maxSpare is the maximum number of unused openings kept for reuse, without
// buffers.
const maxSpare = 4096

// reuse keeps the memory of an opening.
func (t *tracker) reuse(o *opening) {
	for d := range o.conv.Half {
		h := &o.conv.Half[d]
		t.pool.put(h.Data)
		if extraBytes(h) > 0 {
			*h = stream.Half{} // too large to keep
			continue
		}
		*h = stream.Half{Gaps: h.Gaps[:0], Marks: h.Marks[:0]}
	}
	if len(t.spare) < t.maxSpare {
		*o = opening{conv: stream.Conversation{Half: o.conv.Half}}
		t.spare = append(t.spare, o)
	}
}

// discard removes a flow without an event.
func (t *tracker) discard(ref uint32, f *flow) {
	if f.opening != 0 {
		t.reuse(t.takeOpening(f))
	}
	t.release(ref, f)
}

// end delivers what there is of a connection and removes it.
func (t *tracker) end(ref uint32, f *flow, why stream.End) {
	if f.opening != 0 {
		t.deliver(f, true)
	}
	if f.bits&evicted == 0 {
		t.close(ref, f, why)
	}
	t.release(ref, f)
}

// close adds the end event of a connection.
func (t *tracker) close(ref uint32, f *flow, why stream.End) {
	if f.bits&countedClosed != 0 {
		f.bits &^= countedClosed
		t.peak.Closed--
	}
	switch {
	case f.bits&(sawRST|sawRSTB) != 0:
		why = stream.EndRST
	case f.bits&(hasFIN|hasFINB) == hasFIN|hasFINB:
		why = stream.EndFIN
	}
	t.out.events = append(t.out.events, Event{})
	e := &t.out.events[len(t.out.events)-1]
	e.ID, e.Ref = f.id, ref
	e.Totals.Packets, e.Totals.Last, e.Totals.End = f.packets, f.last, why
	e.Totals.Bytes[stream.ToServer] = f.bytes[f.client]
	e.Totals.Bytes[stream.ToClient] = f.bytes[f.client^1]
}

// flushEvery is the number of events after which finish calls flush.
const flushEvery = 1024

// finish ends all connections, in the order in which they began. flush
// processes the events in out.
func (t *tracker) finish(out *outbox, flush func()) {
	type open struct {
		id  uint64
		ref uint32
	}
	var left []open
	for ref := uint32(1); ref <= t.flows.used; ref++ {
		if f := t.flows.get(ref); f.bits&(inUse|moved) == inUse {
			left = append(left, open{f.id, ref})
		}
	}
	slices.SortFunc(left, func(a, b open) int { return cmp.Compare(a.id, b.id) })
	t.recycle(out)
	t.out = out
	for _, o := range left {
		t.end(o.ref, t.flows.get(o.ref), stream.EndInput)
		if len(out.events) >= flushEvery {
			flush()
		}
	}
	flush()
}
