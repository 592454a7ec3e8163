package capture

import (
	"pfsight/capture/stream"
)

// Limits of the tracker's tables as parts of Options.Memory. What exceeds them
// is counted under the Reason in parentheses. With defaultMemory the limits
// are 2^20 half-open connections, 2^20 flows and 32 MiB of openings.
const (
	halfOpenShare = 32      // 1/halfOpenShare of the memory is for half-open connections (HalfOpenEvict)
	halfOpenCost  = 32      // bytes of a half-open connection
	flowCost      = 1024    // bytes of a flow, with the row of a report (FlowEvict)
	heldShare     = 32      // 1/heldShare of the memory is for openings (FlowEvict)
	openingCost   = 1 << 10 // approximate bytes of an opening without its buffers
	leastTable    = 1 << 10 // minimum number of entries of a table
)

// Times in nanoseconds of capture time.
const (
	halfOpenIdle = 30 * 1e9  // half-open connections end that long after the first SYN; a later handshake is found by its content
	openingIdle  = 60 * 1e9  // flows with an opening end after that long without a packet
	flowIdle     = 300 * 1e9 // other flows end after that long without a packet
	closedIdle   = 5 * 1e9   // closed or reset flows end after that long without a packet; until then late packets are expected
	sweepEvery   = 250 * 1e6 // interval of the steps of the sweep
	jump         = 10 * 1e9  // a clock goes further ahead than that only if a second packet confirms it
	sweepSteps   = 64        // number of steps in which the sweep checks all entries
	sweepShare   = 32        // maximum number of entries checked per segment, which limits the work if times jump
)

// A tracker follows connections until their openings are delivered, and until
// they end, in bounded memory. It is used by one goroutine at a time.
type tracker struct {
	opt          *Options
	drops        *Counters
	table        table
	flows        slab[flow]
	halfOpens    slab[halfOpen]
	opens        []*opening // by reference - 1; nil: unused
	silence      []int64    // silence of each opening, see noteSilence; separate, so that eviction reads few cache lines
	free         []uint32   // unused references of opens
	spare        []*opening // unused openings
	pool         pool
	connIDs      connIDTable
	cuts         cutTable
	out          *outbox
	encaps       map[uint64][]string // names of layers of encapsulation, shared
	maxHalfOpens int
	maxFlows     int
	maxHeld      int
	maxSpare     int
	peak         Tables
	nextID       uint64
	source       string   // file or interface of the current block
	inputs       []string // interfaces of the current block, by segment.input; nil: only source
	clocks       clocks
	now, last    int64  // times of the current segment, see clock.advance
	swept        int64  // time of the last step of the sweep
	flowAt       uint32 // the flow that the sweep checked last
	halfOpenAt   uint32
	unswept      uint32          // segments since the last step of the sweep
	evictAt      uint32          // where eviction continues
	prefetch     uint32          // sum of values loaded ahead, so that the compiler keeps the loads
	datagram     stream.Datagram // the current argument of Split
}

func newTracker(opt *Options, drops *Counters) *tracker {
	mem := opt.Memory
	if mem <= 0 {
		mem = defaultMemory
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

// segment handles one TCP segment, UDP datagram or EAPOL PDU.
func (t *tracker) segment(s *segment) {
	c := &t.clocks.all[t.clocks.active]
	if d := s.time - c.time; d >= 0 && d <= jump {
		c.time, c.outlier = s.time, 0 // advance, inlined
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
	// Openings grow at any segment, not only at the first. Here no opening is
	// in use.
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

// onHeadCut handles a segment that the snaplen cut inside its header: its
// bytes count as cut, not as lost.
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

// onShared handles a segment of the connection that bestMatch chose.
func (t *tracker) onShared(s *segment, ref uint32) {
	if ref&halfOpenRef != 0 {
		t.onHalfOpen(s, ref, t.halfOpens.get(ref&^halfOpenRef))
		return
	}
	t.onFlow(s, ref, t.flows.get(ref))
}

// onNew handles a segment of a connection without an entry.
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
		*p = halfOpen{} // set in place afterwards, because copying fields right after they were written stalls on the stores
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

// leastSegment is the number of bytes of a segment that suffice to see whether
// a handshake may begin in it: the TLS record header and the message type.
const leastSegment = 6

// leastSniff is the minimum Sniff for following a connection whose beginning
// was not seen.
const leastSniff = stream.SniffClient

// midstream begins to follow a connection at a segment in which a handshake
// begins, although the connection's beginning was not seen.
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
		// The client has acknowledged everything that the server sent before,
		// so the answer begins at the acknowledged number.
		o.half[stream.ToClient] = half{base: s.ack, known: true}
		o.conv.Half[stream.ToClient].Midstream = true
	}
	t.onFlow(s, fref, f)
}

// newFlow adds a flow with an opening, and inserts it into the table if insert
// is true.
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

// setEndpoints sets the addresses of client and server.
func (t *tracker) setEndpoints(o *opening, f *flow) {
	if f.key.protocol() == protoEAPOL {
		return // onUDP calls setMACs
	}
	o.conv.Client = f.key.endpoint(f.client)
	o.conv.Server = f.key.endpoint(f.client ^ 1)
}

// dirOf returns the direction of packets from endpoint e.
func dirOf(f *flow, e uint8) stream.Dir { return stream.Dir(e ^ f.client) }
