package capture

import (
	"context"
	"io"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"sync"

	"pfsight/capture/packet"
)

// Run reads all packets of src and passes the connections in them to the
// sinks. There is one worker per sink. The sinks emit the same for any number
// of workers. If ctx ends, Run returns early without an error. The error is
// that of src.Walk.
//
// The workers take turns where order matters: finding the records, following
// the connections, emitting. They run in parallel where it does not: reading
// the file, decoding headers, parsing handshakes. A block of packets stays
// with one worker, so that its bytes stay in the cache of one core.
func Run(ctx context.Context, src packet.Source, opt Options, sinks ...Sink) (Stats, error) {
	r := &run{ctx: ctx, src: src, opt: &opt, seed: rand.Uint64()}
	for _, t := range []*turn{&r.walking, &r.tracking, &r.emitting} {
		t.cond, t.spins = sync.NewCond(&t.mu), spins
	}
	r.walking.spins = walkSpins
	r.tracker = newTracker(&opt, &r.stats.Drops)
	r.deferred = decoder{drops: &r.stats.Drops, seed: r.seed, frags: newFragments(opt.Memory)}
	if opt.MaxPackets > 0 {
		sinks = sinks[:1]
	}
	workers := make([]*worker, len(sinks))
	var wg sync.WaitGroup
	for i, s := range sinks {
		w := &worker{run: r, sink: s}
		w.block.Alone = len(sinks) == 1
		w.decoder = decoder{drops: &w.stats.Drops, seed: r.seed}
		workers[i] = w
		if i > 0 {
			wg.Go(w.work)
		}
	}
	w := workers[0]
	w.work()
	wg.Wait()
	if r.err == io.EOF {
		r.err = nil
		r.tracker.finish(&w.outbox, func() {
			w.sink.Take(w.events)
			w.sink.Emit(r.total(w))
			r.tracker.recycle(&w.outbox)
		})
	}
	r.deferred.frags.end(&r.stats.Drops)
	w.drops, w.tables, w.unread = r.stats.Drops, r.tracker.peak, r.losses.links()
	st := *r.total(w)
	st.Files = r.losses.byFile()
	return st, r.err
}

// A run is the state that the workers of a Run share.
type run struct {
	ctx  context.Context
	src  packet.Source
	opt  *Options
	seed uint64

	claiming sync.Mutex
	tickets  uint64 // guarded by claiming, like stop
	stop     error  // ends the run before the end of the input

	walking turn
	err     error // guarded by walking; io.EOF at the end

	tracking turn
	tracker  *tracker // guarded by tracking, like all fields up to emitting
	deferred decoder  // decodes frames that depend on earlier ones: fragments
	stats    Stats    // only Drops is used
	losses   losses
	links    []LinkCount // of losses, sorted

	emitting turn
	emitted  Stats // totals of the blocks that were emitted
	shown    Stats
}

// total returns the totals of the emitted blocks including w's, with the drops
// of the tracker up to w's block.
func (r *run) total(w *worker) *Stats {
	r.emitted.add(&w.stats)
	w.stats = Stats{}
	r.shown = r.emitted
	for i, n := range w.drops {
		r.shown.Drops[i] += n
	}
	r.shown.Drops[KernelDrops] += r.src.Lost()
	r.shown.Tables, r.shown.Unread = w.tables, w.unread
	return &r.shown
}

// A worker takes blocks of packets through all stages.
type worker struct {
	*run
	decoder decoder
	sink    Sink
	block   packet.Block
	segs    []segment
	outbox
	stats  Stats    // since the last block
	drops  Counters // of the tracker, after the last block
	tables Tables   // likewise
	unread []LinkCount
	wanted uint64
}

// An outbox holds the events of a worker's block.
type outbox struct {
	events []Event
	opens  []*opening // the openings of the events, to be reused
}

func (w *worker) work() {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // for Source.Guard
	for {
		w.claiming.Lock()
		ticket := w.tickets
		w.tickets++
		stop := w.stop
		w.src.Claim(&w.block)
		w.claiming.Unlock()
		w.src.Load(&w.block)

		w.walking.wait(ticket)
		switch {
		case w.err != nil:
		case stop != nil:
			w.err = stop
		case w.ctx.Err() != nil:
			w.err = io.EOF
		default:
			w.err = w.src.Walk(&w.block)
		}
		if w.err != nil {
			w.src.Release(&w.block)
			w.walking.pass()
			w.tracking.wait(ticket)
			w.tracking.pass()
			w.emitting.wait(ticket)
			w.emitting.pass()
			return
		}
		if !w.block.Shared {
			w.walking.pass()
		}
		var end error
		stats, wanted := w.stats, w.wanted
		for !w.src.Guard(&w.block, func() { end = w.decode() }) {
			w.stats, w.wanted = stats, wanted // decode the rest without the records that became unreadable
		}
		if end != nil {
			w.claiming.Lock()
			w.stop = end
			w.claiming.Unlock()
		}
		w.tracking.wait(ticket)
		before := w.run.stats.Drops
		w.src.Guard(&w.block, w.track) // if records become unreadable now, their segments are skipped
		w.account(&before)
		w.drops, w.tables = w.run.stats.Drops, w.tracker.peak
		w.tracking.pass()
		w.src.Release(&w.block)
		if w.block.Shared {
			w.walking.pass()
		}
		w.sink.Take(w.events)
		w.emitting.wait(ticket)
		w.sink.Emit(w.total(w))
		w.emitting.pass()
	}
}

// account adds the drops of the block to the counts by link type and file.
// before has the drops of the tracker before the block.
func (w *worker) account(before *Counters) {
	lost := w.stats.Drops
	any := false
	for r, n := range &w.run.stats.Drops {
		lost[r] += n - before[r]
		any = any || lost[r] != 0 && Reason(r).ofPacket()
	}
	if any {
		name := w.block.Name
		if w.block.Inputs != nil {
			name = "" // it has packets of several interfaces
		}
		w.losses.add(name, &lost, w.decoder.unread)
		w.run.links = w.losses.links()
	}
	w.unread = w.run.links
}

// decode decodes the headers of the block's packets. It returns io.EOF if
// MaxPackets is reached.
func (w *worker) decode() error {
	recs := w.block.Records
	w.decoder.unread = w.decoder.unread[:0]
	if cap(w.segs) < len(recs) {
		w.segs = make([]segment, 0, len(recs)+len(recs)/4)
	}
	segs := w.segs[:len(recs)]
	st, d := &w.stats, &w.decoder
	first, last, size := int64(math.MaxInt64), int64(math.MinInt64), 0
	n, read := 0, 0
	var end error
	for i := range recs {
		rec := &recs[i]
		first, last = min(first, rec.Time), max(last, rec.Time)
		size += len(rec.Data)
		read++
		if w.opt.Filter != nil {
			ok, err := w.opt.Filter(rec.Link, rec.Data, rec.WireLen)
			if err != nil {
				st.Drops[NotFiltered]++
				d.unread.count(NotFiltered, rec.Link, 1)
				continue
			}
			if !ok {
				st.Drops[FilteredOut]++
				st.Refused += uint64(len(rec.Data))
				continue
			}
		}
		s := &segs[n]
		s.packet, s.input = w.block.First+uint64(i), rec.Input
		if d.decode(rec.Link, rec.Data, rec.WireLen, rec.Time, s) {
			n++
		}
		if w.wanted++; w.wanted == w.opt.MaxPackets {
			end = io.EOF
			break
		}
	}
	w.segs = segs[:n]
	if first == 0 || read == 0 {
		first, last = timed(recs[:read])
	}
	st.add(&Stats{Packets: uint64(read), Bytes: uint64(size), First: first, Last: last})
	return end
}

// timed returns the earliest and the latest time of the records, without those
// that have no time. It returns 0 and 0 if none has one.
func timed(recs []packet.Record) (first, last int64) {
	for i := range recs {
		if t := recs[i].Time; t != 0 {
			if first == 0 || t < first {
				first = t
			}
			if last == 0 || t > last {
				last = t
			}
		}
	}
	return first, last
}

// lookahead is the number of segments whose table slots are loaded ahead, so
// that the loads from memory overlap.
const lookahead = 64

// track follows the connections of the block.
func (w *worker) track() {
	t := w.tracker
	t.recycle(&w.outbox)
	t.out = &w.outbox
	t.source, t.inputs = w.block.Name, w.block.Inputs
	for _, name := range w.block.Ended {
		t.clocks.end(name)
	}
	t.clocks.use(t.source)
	if w.block.Step != 0 {
		t.shift(w.block.Step)
		w.deferred.frags.shift(w.block.Step)
	}
	if w.block.Now != 0 {
		t.tick(w.block.Now)
	}
	for at := 0; at < len(w.segs); at += lookahead {
		segs := w.segs[at:min(at+lookahead, len(w.segs))]
		for i := range segs {
			t.prefetch += t.table.slots[tagOf(segs[i].hash)&t.table.mask].tag
		}
		for i := range segs {
			s := &segs[i]
			if s.deferred && !w.deferred.decode(packet.LinkType(s.seq), s.payload, s.wire, s.time, s) {
				continue
			}
			t.segment(s)
		}
		if t.opt.Bulk != nil {
			t.sample(&segs[t.prefetch%uint32(len(segs))])
		}
	}
}
