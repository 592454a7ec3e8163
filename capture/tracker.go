package capture

import (
	"pfsight/capture/stream"
)

// The tracker's memory is divided among its tables. What their limits cost is
// counted under the Reason named with each. With DefaultMemory they are 2^20
// half-open connections, 2^20 connections and 32 MiB of open handshakes.
const (
	liteShare   = 32      // one in so many bytes is for half-open connections (HalfOpenEvict)
	liteCost    = 32      // bytes of one
	flowCost    = 1024    // bytes of a connection that is followed, its row included (FlowEvict)
	heldShare   = 32      // one in so many bytes is for handshakes that are not complete (FlowEvict)
	openingCost = 1 << 10 // bytes of an open handshake besides its buffers, about
	leastTable  = 1 << 10 // entries that a table may have in any case
)

// Times, in nanoseconds of capture time, after which a connection leaves.
const (
	liteIdle    = 30 * 1e9  // after its first SYN, without data; a handshake that comes later is still found by its content
	openingIdle = 60 * 1e9  // without a packet, its handshake not complete
	flowIdle    = 300 * 1e9 // without a packet
	closedIdle  = 5 * 1e9   // after both sides closed or one reset, for what comes late
	sweepEvery  = 250 * 1e6 // between two steps of the sweep
	jump        = 10 * 1e9  // so far ahead of the last step time goes with the second packet that says so
	sweepSteps  = 64        // steps in which the sweep passes everything once
	sweepShare  = 32        // entries passed for one segment at the most, so that times that jump cost little
)

// A tracker follows connections as far as their openings, in bounded memory.
// One goroutine at a time uses it.
type tracker struct {
	opt       *Options
	drops     *Counters
	table     table
	flows     slab[flow]
	lites     slab[lite]
	opens     []*opening // by reference - 1; nil: not in use
	silence   []int64    // of opens, see rate: apart, so that eviction touches few cache lines
	free      []uint32   // references of opens
	spare     []*opening // to be used again
	pool      pool
	nametable nametable
	shorts    shortTable
	out       *outbox
	encaps    map[uint64][]string // names of layers, shared
	maxLites  int
	maxFlows  int
	maxHeld   int
	maxSpare  int
	peak      Tables
	nextID    uint64
	source    string   // of the block in hand
	inputs    []string // of the block in hand, by segment.input; nil: all are source's
	clocks    clocks
	now, last int64  // times of the segment in hand, see clock.advance
	swept     int64  // capture time of the last step of the sweep
	flowAt    uint32 // which the sweep passed last
	liteAt    uint32
	unswept   uint32          // segments since then
	hand      uint32          // where eviction looks next
	touch     uint32          // keeps the early loads of slots alive
	datagram  stream.Datagram // the one shown to opt.Split last
}

func newTracker(opt *Options, drops *Counters) *tracker {
	mem := opt.Memory
	if mem <= 0 {
		mem = DefaultMemory
	}
	t := &tracker{
		opt: opt, drops: drops, table: newTable(), nametable: newNametable(), encaps: map[uint64][]string{},
		maxLites: int(max(mem/liteShare/liteCost, leastTable)),
		maxFlows: int(max(mem/flowCost, leastTable)),
		maxHeld:  int(max(opt.Open, maxPrefix*4)),
	}
	if opt.Open <= 0 {
		t.maxHeld = int(max(mem/heldShare, maxPrefix*4))
	}
	t.pool.room = t.maxHeld / 2
	t.maxSpare = min(maxSpare, t.maxHeld/openingCost)
	t.peak.MaxHalfOpen, t.peak.MaxConnections, t.peak.MaxHeld = t.maxLites, t.maxFlows, t.maxHeld
	return t
}

// segment takes one TCP segment or datagram.
func (t *tracker) segment(s *segment) {
	c := &t.clocks.all[t.clocks.active]
	if d := s.time - c.time; d >= 0 && d <= jump {
		c.time, c.odd = s.time, 0 // advance, without the call
		t.now, t.last = s.time, s.time
	} else {
		t.now, t.last = c.advance(s.time)
	}
	if s.key.proto != protoTCP && !t.split(s) {
		return
	}
	t.unswept++
	if d := t.now - t.swept; (d >= sweepEvery || d <= -sweepEvery) && t.unswept >= (t.flows.used+t.lites.used)/(sweepSteps*sweepShare) {
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
		if sl.ref&liteRef != 0 {
			if l := t.lites.get(sl.ref &^ liteRef); l.check == check {
				if l.bits&liteShared != 0 {
					t.onShared(s, t.choose(s, i))
				} else {
					t.onLite(s, sl.ref, l)
				}
				return
			}
		} else if f := t.flows.get(sl.ref); f.key.is(&s.key) {
			switch {
			case f.key.proto != protoTCP:
				t.onDatagram(s, sl.ref, f)
			case f.bits&shared != 0:
				t.onShared(s, t.choose(s, i))
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
	t.each(s, tagOf(s.hash)&t.table.mask, func(_ uint32, l *lite, f *flow) {
		found = true
		switch {
		case l != nil:
			if l.bits&(hasISN<<e) == 0 || near(s.seq, l.isn[e]) {
				l.packets = min(l.packets, 254) + 1
				l.ends |= liteCut << e
			}
		case f.bits&(hasNext<<e) == 0 || near(s.seq, f.next[e]):
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
		t.shorts.note(s)
	}
}

// onShared takes a segment of the chosen one of several connections with one
// key.
func (t *tracker) onShared(s *segment, ref uint32) {
	if ref&liteRef != 0 {
		t.onLite(s, ref, t.lites.get(ref&^liteRef))
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
		if t.lites.n >= t.maxLites {
			t.evictLite()
		}
		ref, l := t.lites.add()
		t.peak.HalfOpen = max(t.peak.HalfOpen, t.lites.n)
		*l = lite{} // and then in place: a copy of what was just written waits for its stores
		l.check, l.tag, l.start, l.bits, l.clock = uint32(s.hash), tagOf(s.hash), s.time, liteUsed, t.clocks.active
		t.table.insert(l.tag, ref|liteRef)
		t.onLite(s, ref|liteRef, l)
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
		t.shorts.note(s)
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
	t.shorts.mark(s, f, &o.conv)
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

// onFlow takes a segment of a connection that is followed.
func (t *tracker) onFlow(s *segment, ref uint32, f *flow) {
	if t.idle(f, t.now) {
		t.end(ref, f, stream.EndIdle)
		t.onNew(s)
		return
	}
	e := s.fromB
	if s.flags&flagSYN != 0 && t.syn(s, ref, f) {
		return
	}
	if f.bits&(hasNext<<e) != 0 && s.seq != f.next[e] {
		if len(s.payload) > 0 && t.restarts(s, f) {
			t.another(s, ref, f)
			return
		}
		if s.flags&flagRST == 0 && (f.strange(s) || f.bits&(hasFIN|hasFINb) == hasFIN|hasFINb && f.farFrom(s)) {
			return // of another connection, which showed no handshake yet
		}
	}
	if f.bits&((hasNext|hasISN)<<e) == 0 && f.answersNone(s) {
		if len(s.payload) > 0 && t.opt.SniffTCP(s.payload) >= leastSniff {
			t.another(s, ref, f)
		}
		return
	}
	f.last, f.clock = t.last, t.clocks.active
	f.packets++
	end := s.seq + uint32(s.wire)
	if f.bits&(hasFIN<<e) != 0 && int32(end-f.fin[e]) > 0 {
		end = f.fin[e] // a FIN has a sequence number, but is no byte
	}
	if f.bits&(hasNext<<e) == 0 {
		f.bits |= hasNext << e
		f.domain[e] = s.domain
		f.next[e] = end
		if f.bits&(hasISN<<e) == 0 {
			f.isn[e] = s.seq
		}
		f.bytes[e] = uint64(s.wire)
		if off := end - f.isn[e]; f.bits&(hasISN<<e) != 0 && off < maxAhead {
			f.bytes[e] = uint64(off)
		}
	} else if d := int32(end - f.next[e]); d > 0 {
		if d > 1<<24 {
			d = int32(min(s.wire, 1<<24)) // no window is so large: another sender, or a lie
		}
		f.bytes[e] += uint64(d)
		f.next[e] = end
	}
	if s.flags&flagFIN != 0 && f.bits&(hasFIN<<e) == 0 {
		f.fin[e] = end
		f.bits |= hasFIN << e
		if d := uint64(f.next[e] - end); int32(f.next[e]-end) > 0 && d <= f.bytes[e] {
			f.next[e], f.bytes[e] = end, f.bytes[e]-d
		}
	}
	if s.flags&flagRST != 0 {
		f.bits |= sawRST << e
	}
	if f.opening != 0 {
		t.feed(s, ref, f)
	}
	if f.bits&(hasFIN|hasFINb|sawRST|sawRSTb) != 0 {
		t.closed(f)
	}
}

// closed counts a flow that both ends have closed, or one has reset, and whose
// opening was handed over: it stays only for what comes late.
func (t *tracker) closed(f *flow) {
	if f.bits&(over|told) == 0 && f.opening == 0 && (f.bits&(sawRST|sawRSTb) != 0 || f.bits&(hasFIN|hasFINb) == hasFIN|hasFINb) {
		f.bits |= over
		t.peak.Closed++
	}
}

// syn takes a SYN on a connection that is followed and reports whether that
// is all there is to it.
func (t *tracker) syn(s *segment, ref uint32, f *flow) bool {
	e := s.fromB
	isn := s.seq + 1
	if f.bits&(hasISN<<e) != 0 {
		if f.isn[e] == isn {
			s.seq++ // a copy; its data, if any, begins behind it
			return false
		}
	} else if f.opening != 0 {
		hs, h := &t.opens[f.opening-1].half[dirOf(f, e)], &t.opens[f.opening-1].conv.Half[dirOf(f, e)]
		if !hs.known && (!hs.acks || near(isn, hs.ack)) || hs.known && (hs.base == isn || t.rebase(hs, h, isn)) {
			// The SYN came late.
			hs.base, hs.known, hs.guess = isn, true, false
			h.SYN, h.Midstream = true, false
			s.seq++
			f.begin(e, isn)
			return false
		}
		if d := int32(hs.base - isn); hs.known && d > 0 && d <= maxAhead && fitDomain(f.bits, &f.domain, s) >= 0 && (s.flags&flagACK == 0 || !t.answersOther(s, f)) {
			// It came late too. Where the handshake begins is known, and stays.
			s.seq++
			f.begin(e, isn)
			return false
		}
	} else if o := e ^ 1; s.flags&flagACK != 0 && f.bits&(hasISN<<o) != 0 && s.ack == f.isn[o] {
		// It answers the SYN of f, and came after the handshake.
		s.seq++
		f.begin(e, isn)
		return false
	} else if d := int32(f.isn[e] - isn); f.bits&(hasNext<<e) != 0 && d >= 0 && d <= maxAhead && fitDomain(f.bits, &f.domain, s) >= 0 && (s.flags&flagACK == 0 || !t.answersOther(s, f)) {
		// It precedes the first segment that was seen, and came after the handshake.
		s.seq++
		f.begin(e, isn)
		return false
	}
	if s.flags&flagACK != 0 && f.bits&(sawRST|sawRSTb|hasFIN|hasFINb) == 0 && !t.answersOther(s, f) {
		return true // a stray on a living connection
	}
	t.another(s, ref, f)
	return true
}

// begin notes where endpoint e began, which is learned late.
func (f *flow) begin(e uint8, isn uint32) {
	f.isn[e] = isn
	f.bits |= hasISN << e
	if n := f.next[e] - isn; f.bits&(hasNext<<e) != 0 && n < maxForeign {
		f.bytes[e] = uint64(n) // with those before the first that was seen
	}
}

// answersOther reports whether a SYN with ACK answers another SYN than that of
// f, one that was not seen or comes late.
func (t *tracker) answersOther(s *segment, f *flow) bool {
	o := s.fromB ^ 1
	switch {
	case f.bits&(hasISN<<o) != 0:
		return s.ack != f.isn[o]
	case f.bits&(hasNext<<o) != 0:
		return !near(s.ack, f.next[o])
	}
	return false
}

// feed gives a segment to the opening of its connection.
func (t *tracker) feed(s *segment, ref uint32, f *flow) {
	o := t.opens[f.opening-1]
	d := dirOf(f, s.fromB)
	o.last = t.last
	hs, h := &o.half[d], &o.conv.Half[d]
	h.Packets++
	if s.flags&(flagACK|flagRST) == flagACK {
		o.half[d.Opposite()].acknowledged(s.ack)
	}
	if f.hello == 0 && len(s.payload) > 0 {
		t.identify(s, f)
	}
	if s.wire > 0 && !hs.stop && !h.Done {
		if !hs.known {
			if sniffed := t.opt.SniffTCP(s.payload); sniffed != stream.SniffNone {
				hs.base, hs.known = s.seq, true
				hs.guess = sniffed < leastSniff
				h.Midstream = true
			}
		} else if hs.guess && len(s.payload) > 0 && int32(s.seq-hs.base) < 0 {
			if sniffed := t.opt.SniffTCP(s.payload); sniffed != stream.SniffNone && t.rebase(hs, h, s.seq) {
				hs.guess = sniffed < leastSniff
			}
		}
		if hs.known && t.add(hs, h, s) && h.Contiguous() >= h.Want && !hs.waits(h) {
			switch t.opt.Ask(&o.conv, d) {
			case stream.Enough:
				t.deliver(f, false)
				return
			case stream.Refuse:
				t.forget(ref, f)
				return
			}
		}
	}
	if t.finished(f, o) {
		t.deliver(f, true)
		return
	}
	t.rate(f.opening, o)
}

// finished reports whether nothing more can come in either direction.
func (t *tracker) finished(f *flow, o *opening) bool {
	if f.bits&(hasFIN|hasFINb) != hasFIN|hasFINb {
		return false
	}
	for e := uint8(0); e < 2; e++ {
		d := dirOf(f, e)
		hs, h := &o.half[d], &o.conv.Half[d]
		if hs.stop || h.Done {
			continue
		}
		if !hs.known || uint32(h.Contiguous()) < f.fin[e]-hs.base {
			return false
		}
	}
	return true
}
