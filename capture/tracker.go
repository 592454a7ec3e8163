package capture

import (
	"pfsight/capture/stream"
)

// The tracker's memory is divided among its tables. What their limits cost is
// counted under the Reason named with each. With DefaultMemory they are 2^20
// half-open connections, 2^20 connections and 32 MiB of open handshakes.
const (
	halfOpenShare = 32      // one in so many bytes is for half-open connections (HalfOpenEvict)
	halfOpenCost  = 32      // bytes of one
	flowCost      = 1024    // bytes of a connection that is followed, its row included (FlowEvict)
	heldShare     = 32      // one in so many bytes is for handshakes that are not complete (FlowEvict)
	openingCost   = 1 << 10 // bytes of an open handshake besides its buffers, about
	leastTable    = 1 << 10 // entries that a table may have in any case
)

// Times, in nanoseconds of capture time, after which a connection leaves.
const (
	halfOpenIdle = 30 * 1e9  // after its first SYN, without data; a handshake that comes later is still found by its content
	openingIdle  = 60 * 1e9  // without a packet, its handshake not complete
	flowIdle     = 300 * 1e9 // without a packet
	closedIdle   = 5 * 1e9   // after both sides closed or one reset, for what comes late
	sweepEvery   = 250 * 1e6 // between two steps of the sweep
	jump         = 10 * 1e9  // so far ahead of the last step time goes with the second packet that says so
	sweepSteps   = 64        // steps in which the sweep passes everything once
	sweepShare   = 32        // entries passed for one segment at the most, so that times that jump cost little
)

// A tracker follows connections as far as their openings, in bounded memory.
// One goroutine at a time uses it.
type tracker struct {
	opt          *Options
	drops        *Counters
	table        table
	flows        slab[flow]
	halfOpens    slab[halfOpen]
	opens        []*opening // by reference - 1; nil: not in use
	silence      []int64    // of opens, see rate: apart, so that eviction touches few cache lines
	free         []uint32   // references of opens
	spare        []*opening // to be used again
	pool         pool
	connIDs      connIDTable
	cuts         cutTable
	out          *outbox
	encaps       map[uint64][]string // names of layers, shared
	maxHalfOpens int
	maxFlows     int
	maxHeld      int
	maxSpare     int
	peak         Tables
	nextID       uint64
	source       string   // of the block in hand
	inputs       []string // of the block in hand, by segment.input; nil: all are source's
	clocks       clocks
	now, last    int64  // times of the segment in hand, see clock.advance
	swept        int64  // capture time of the last step of the sweep
	flowAt       uint32 // which the sweep passed last
	halfOpenAt   uint32
	unswept      uint32          // segments since then
	evictAt      uint32          // where eviction looks next
	prefetch     uint32          // keeps the early loads of slots alive
	datagram     stream.Datagram // the one shown to opt.Split last
}

func newTracker(opt *Options, drops *Counters) *tracker {
	mem := opt.Memory
	if mem <= 0 {
		mem = DefaultMemory
	}
	t := &tracker{
		opt: opt, drops: drops, table: newTable(), connIDs: newConnIDTable(), encaps: map[uint64][]string{},
		maxHalfOpens: int(max(mem/halfOpenShare/halfOpenCost, leastTable)),
		maxFlows:     int(max(mem/flowCost, leastTable)),
		maxHeld:      int(max(opt.Open, maxPrefix*4)),
	}
	if opt.Open <= 0 {
		t.maxHeld = int(max(mem/heldShare, maxPrefix*4))
	}
	t.pool.room = t.maxHeld / 2
	t.maxSpare = min(maxSpare, t.maxHeld/openingCost)
	t.peak.MaxHalfOpen, t.peak.MaxConnections, t.peak.MaxHeld = t.maxHalfOpens, t.maxFlows, t.maxHeld
	return t
}

// segment takes one TCP segment or datagram.
func (t *tracker) segment(s *segment) {
	c := &t.clocks.all[t.clocks.active]
	if d := s.time - c.time; d >= 0 && d <= jump {
		c.time, c.outlier = s.time, 0 // advance, without the call
		t.now, t.last = s.time, s.time
	} else {
		t.now, t.last = c.advance(s.time)
	}
	if s.key.proto != protoTCP && !t.setSessionOf(s) {
		return
	}
	t.unswept++
	if d := t.now - t.swept; (d >= sweepEvery || d <= -sweepEvery) && t.unswept >= (t.flows.used+t.halfOpens.used)/(sweepSteps*sweepShare) {
		t.sweep(t.now)
	}
	// Not only where one begins: those that are open grow. Here none is in hand.
	if t.pool.held > t.maxHeld {
		t.evictOpening()
	}
	if s.wire == headCut {
		t.onHeadCut(s)
		return
	}
	tag, check := tagOf(s.hash), uint32(s.hash)
	tb := &t.table
	for i := tag & tb.mask; ; i = (i + 1) & tb.mask {
		sl := tb.slots[i]
		if sl.ref == 0 {
			break
		}
		if sl.tag != tag {
			continue
		}
		if sl.ref&halfOpenRef != 0 {
			if p := t.halfOpens.get(sl.ref &^ halfOpenRef); p.check == check {
				if p.bits&halfOpenShared != 0 {
					t.onShared(s, t.bestMatch(s, i))
				} else {
					t.onHalfOpen(s, sl.ref, p)
				}
				return
			}
		} else if f := t.flows.get(sl.ref); f.key.is(&s.key) {
			switch {
			case f.key.proto != protoTCP:
				t.onDatagram(s, sl.ref, f)
			case f.bits&shared != 0:
				t.onShared(s, t.bestMatch(s, i))
			default:
				t.onFlow(s, sl.ref, f)
			}
			return
		}
	}
	t.onNew(s)
}

// onHeadCut takes a segment that was cut inside its header. It tells that bytes
// of the direction are not lost, but were not captured.
func (t *tracker) onHeadCut(s *segment) {
	e, found := s.fromB, false
	t.eachWithKey(s, tagOf(s.hash)&t.table.mask, func(_ uint32, p *halfOpen, f *flow) {
		found = true
		switch {
		case p != nil:
			if p.bits&(hasISN<<e) == 0 || inWindow(s.seq, p.isn[e]) {
				p.packets = min(p.packets, 254) + 1
				p.ends |= halfOpenCut << e
			}
		case f.bits&(hasNext<<e) == 0 || inWindow(s.seq, f.next[e]):
			f.last, f.clock = t.last, t.clocks.active
			f.packets++
			if f.opening != 0 {
				o := t.opens[f.opening-1]
				o.last = t.last
				h := &o.conv.Half[dirOf(f, e)]
				h.Packets++
				h.Cut = h.Cut || !h.Done
			}
		}
	})
	if !found {
		t.cuts.note(s)
	}
}

// onShared takes a segment of the chosen one of several connections with one
// key.
func (t *tracker) onShared(s *segment, ref uint32) {
	if ref&halfOpenRef != 0 {
		t.onHalfOpen(s, ref, t.halfOpens.get(ref&^halfOpenRef))
		return
	}
	t.onFlow(s, ref, t.flows.get(ref))
}

// onNew takes a segment of a connection that is not followed.
func (t *tracker) onNew(s *segment) {
	if s.key.proto != protoTCP {
		t.newUDP(s)
		return
	}
	if s.flags&flagSYN != 0 {
		if s.flags&flagRST != 0 {
			return
		}
		if t.halfOpens.n >= t.maxHalfOpens {
			t.evictHalfOpen()
		}
		ref, p := t.halfOpens.add()
		t.peak.HalfOpen = max(t.peak.HalfOpen, t.halfOpens.n)
		*p = halfOpen{} // and then in place: a copy of what was just written waits for its stores
		p.check, p.tag, p.start, p.bits, p.clock = uint32(s.hash), tagOf(s.hash), s.time, halfOpenUsed, t.clocks.active
		t.table.insert(p.tag, ref|halfOpenRef)
		t.onHalfOpen(s, ref|halfOpenRef, p)
		return
	}
	sniffed := stream.SniffNone
	if len(s.payload) > 0 {
		sniffed = t.opt.SniffTCP(s.payload)
	}
	switch {
	case sniffed >= leastSniff:
		t.midstream(s, sniffed)
	case len(s.payload) < min(s.wire, leastSegment):
		t.drops[CutShort]++
		t.cuts.note(s)
	}
}

// leastSegment is how much of a segment tells whether a handshake may begin in
// it, bytes: the header of a TLS record and the type of the message.
const leastSegment = 6

// leastSign is the least Sign that a handshake is followed for
// without having seen its connection begin.
const leastSniff = stream.SniffClient

// midstream follows a connection whose beginning was not seen, from a segment
// in which a handshake begins.
func (t *tracker) midstream(s *segment, sniffed stream.Sniff) {
	fref, f := t.newFlow(s, true)
	f.client = s.fromB
	if sniffed == stream.SniffServer {
		f.client = s.fromB ^ 1
	}
	o := t.opens[f.opening-1]
	o.conv.Start = s.time
	t.setEndpoints(o, f)
	t.cuts.mark(s, f, &o.conv)
	d := dirOf(f, s.fromB)
	o.half[d] = half{base: s.seq, known: true}
	o.conv.Half[d].Midstream = true
	if sniffed == stream.SniffClient && s.flags&flagACK != 0 {
		// The client has taken what the server said before; the answer
		// begins where that ends.
		o.half[stream.ToClient] = half{base: s.ack, known: true}
		o.conv.Half[stream.ToClient].Midstream = true
	}
	t.onFlow(s, fref, f)
}

// newFlow makes an entry with an opening, and puts it into the table if told
// to.
func (t *tracker) newFlow(s *segment, insert bool) (uint32, *flow) {
	if t.flows.n >= t.maxFlows {
		t.evictFlow()
	}
	ref, f := t.flows.add()
	t.peak.Connections = max(t.peak.Connections, t.flows.n)
	t.nextID++
	*f = flow{}
	f.key, f.id, f.last, f.tag, f.bits, f.clock = s.key, t.nextID, t.last, tagOf(s.hash), inUse, t.clocks.active
	if insert {
		t.table.insert(f.tag, ref)
	}
	oref, o := t.newOpening()
	o.flow = ref
	c := &o.conv
	c.ID = f.id
	switch s.key.protocol() {
	case protoUDP:
		c.Transport = stream.UDP
	case protoEAPOL:
		c.Transport = stream.EAPOL
	}
	c.Source = t.source
	if int(s.input) < len(t.inputs) {
		c.Source = t.inputs[s.input]
	}
	c.Encapsulation = t.names(s.encap)
	for d := range c.Half {
		c.Half[d].Want = 1
	}
	f.opening = oref
	return ref, f
}

func (t *tracker) setEndpoints(o *opening, f *flow) {
	if f.key.protocol() == protoEAPOL {
		return // onUDP does
	}
	o.conv.Client = f.key.endpoint(f.client)
	o.conv.Server = f.key.endpoint(f.client ^ 1)
}

// dirOf returns the direction in which endpoint e speaks.
func dirOf(f *flow, e uint8) stream.Dir { return stream.Dir(e ^ f.client) }
