package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"pfsight/capture"
	"pfsight/capture/live"
	"pfsight/capture/packet"
	"pfsight/parse"
	"pfsight/report"
	"pfsight/report/render"
)

// lookEvery is how often the state learns how the capture stands.
const lookEvery = time.Second

// A liveRun is one run of live.
type liveRun struct {
	*app
	opt    *liveOptions
	state  *liveState
	src    *live.Source
	sensor *sensor
	sinks  []*sink // all
	undone atomic.Uint64

	printing sync.Mutex // of messages
	notes    *held      // where messages wait while a screen is shown; nil: nowhere
	messages io.Writer  // never waits
	queue    *messageQueue

	showing sync.Mutex // of results
	results io.Writer
	summing atomic.Bool // a summary that was asked for is being printed

	stopping sync.Mutex // of what follows
	stopped  bool       // the capture is to end
	ready    *live.Source

	hup, usr1 chan os.Signal
}

// live watches interfaces until it is told to end.
func (a *app) live(ctx context.Context, o *liveOptions) error {
	if ctx == nil {
		ctx = context.Background()
	}
	r := &liveRun{app: a, opt: o, state: newLiveState(), results: a.result(a.stdout), queue: newMessageQueue(a.messageTo())}
	defer r.queue.close()
	r.messages = r.queue
	r.state.filter = o.capture.Filter
	if o.where != nil {
		r.state.events = o.where.String()
	}
	if o.screen && isTerminal(a.stderr) {
		r.notes = &held{} // there is no room beside the screen
		r.messages = r.notes
	}
	if slices.Contains(o.outputs, "-") || o.lines {
		r.results = a.messageTo()
	}
	return r.run(ctx)
}

// tell is a message for the operator.
func (r *liveRun) tell(format string, args ...any) {
	if r.opt.quiet {
		return
	}
	r.printing.Lock()
	defer r.printing.Unlock()
	(&app{stderr: r.messages}).warn(format, args...)
}

// stop ends the capture: what the kernel holds is still read.
func (r *liveRun) stop() {
	r.stopping.Lock()
	defer r.stopping.Unlock()
	r.stopped = true
	if r.ready != nil {
		r.ready.Stop()
	}
}

// opened makes src the Source that stop ends.
func (r *liveRun) opened(src *live.Source) {
	r.stopping.Lock()
	defer r.stopping.Unlock()
	r.src, r.ready = src, src
	if r.stopped {
		src.Stop()
	}
}

// close closes src, which stop does not end any more.
func (r *liveRun) close(src *live.Source) {
	r.stopping.Lock()
	defer r.stopping.Unlock()
	r.ready = nil
	src.Close()
}

func (r *liveRun) run(ctx context.Context) (err error) {
	o := r.opt
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// From here on a signal ends this in good order, also before the capture
	// has begun.
	defer r.onSignal(r.stop, cancel)()
	r.hup, r.usr1 = make(chan os.Signal, 1), make(chan os.Signal, 1)
	defer notifyLive(r.hup, r.usr1)()

	defer r.release()
	// All that needs rights is opened first.
	r.sensor = &sensor{opt: o, state: r.state, history: report.NewHistory()}
	defer r.endSinks()
	r.resultHold.begin() // a named pipe opens when somebody reads it
	err = r.openSinks()
	r.resultHold.done()
	if err != nil {
		return err
	}
	opt := o.capture
	opt.Log = r.tell
	src, err := live.Open(opt)
	if err != nil {
		return err
	}
	defer r.close(src)
	r.opened(src)
	if o.listen != "" {
		log := slog.New(slog.NewTextHandler(messageWriter{r}, &slog.HandlerOptions{Level: slog.LevelInfo}))
		stop, err := startWeb(ctx, r.state, o.listen, o.webConfig, log)
		if err != nil {
			return err
		}
		defer func() { _ = stop() }() // it has told what was wrong
	}
	if err := r.confine(); err != nil {
		return err
	}
	for _, k := range r.sinks {
		k.start()
	}
	st, interrupted, err := r.capture(ctx, cancel)
	r.release()
	if err != nil {
		return err
	}
	r.endSinks()
	if !o.quiet || o.interval > 0 {
		if err := r.summarize(&st); err != nil {
			return err
		}
	}
	r.losses(&st)
	if r.undone.Load() > 0 || interrupted {
		r.code = exitIncomplete
	}
	return nil
}

// losses tells what came and what was lost, and what to do about that.
func (r *liveRun) losses(st *capture.Stats) {
	for _, f := range r.interfaces(st.Drops[capture.FilteredOut]) {
		r.tell("%s: %s packets, %s dropped by the kernel", f.Name, render.Number(f.Packets), render.Number(f.Drops))
		if f.Drops > 0 {
			r.tell("%s: the rings had no room for them: raise --blocks and --memory, use more cores with -j, or leave out with -f what is not wanted", f.Name)
		}
	}
	if st.Drops[capture.KernelDrops] > 0 {
		r.code = exitIncomplete
	}
	for _, c := range []struct {
		reason capture.Reason
		raise  string
	}{
		{capture.FlowEvict, "there was no room for them: raise --memory"},
		{capture.SessionLimit, "the tables of sessions were full"},
	} {
		if n := st.Drops[c.reason]; n > 0 {
			r.code = exitIncomplete
			r.tell("%s %s: %s", render.Number(n), c.reason.What(), c.raise)
		}
	}
}

// endSinks delivers what waits, within sinkClose.
func (r *liveRun) endSinks() {
	endSinks(r.sinks)
	r.sinks = nil
}

// release writes what was held back while the screen was shown.
func (r *liveRun) release() {
	r.queue.flush()
	r.printing.Lock()
	defer r.printing.Unlock()
	if r.notes != nil {
		_, _ = r.queue.Write(r.notes.take())
		r.messages, r.notes = r.queue, nil
	}
}

// capture runs until the end. interrupted says that what the kernel held was
// not read.
func (r *liveRun) capture(ctx context.Context, cancel func()) (st capture.Stats, interrupted bool, err error) {
	o := r.opt
	copt := following()
	copt.Split = parse.NewSplitterWithin(o.memory.sessions)
	copt.MaxPackets, copt.Memory, copt.Open = o.count, o.memory.tables, o.memory.open
	if o.capture.Filter != "" {
		packets := &packetFilter{expr: o.capture.Filter}
		copt.Filter = func(link packet.LinkType, data []byte, wireLen int) (bool, error) {
			if r.src.Judged() {
				return true, nil
			}
			return packets.match(link, data, wireLen)
		}
	}
	if !o.capture.WholeBulk {
		copt.Bulk = r.src.Bulk
	}
	workers := make([]capture.Sink, o.workers)
	builders := make([]*report.Builder, o.workers)
	for i := range workers {
		b := report.NewBuilder()
		b.For(r.sensor.history)
		if len(r.sensor.sinks) > 0 || o.where != nil {
			b.Fingerprint()
		}
		builders[i] = b
		workers[i] = &sensorWorker{r.sensor, finder{builder: b}}
	}
	o.memory.remember(r.state.report, r.sensor.history, builders)
	r.state.maxPending = o.memory.pending
	running, done := context.WithCancel(ctx)
	var around sync.WaitGroup
	around.Go(func() { r.attend(running) })
	around.Go(func() { o.memory.govern(running) })
	if o.screen {
		around.Go(func() {
			if err := runTUI(running, r.state, r.stdin, r.stdout); err != nil {
				r.tell("%v", err)
			}
			r.stop()
		})
	}
	st, err = capture.Run(ctx, r.src, copt, workers...)
	interrupted = ctx.Err() != nil
	done()
	r.resultHold.begin() // the terminal may have been stopped
	around.Wait()
	r.resultHold.done()
	r.look(&st)
	return st, interrupted, err
}

// attend looks after signals and times while the capture runs. It waits for
// nothing else.
func (r *liveRun) attend(ctx context.Context) {
	var over, summary <-chan time.Time
	if r.opt.duration > 0 {
		over = time.After(r.opt.duration)
	}
	if r.opt.interval > 0 {
		t := time.NewTicker(r.opt.interval)
		defer t.Stop()
		summary = t.C
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-over:
			r.stop()
		case <-r.hup:
			for _, k := range r.sinks {
				k.reopen()
			}
			r.tell("the outputs are opened anew")
		case <-summary:
			r.printSummary()
		case <-r.usr1:
			r.printSummary()
		case <-look.C:
			r.look(nil)
		}
	}
}

// wantedOnly takes the packets that the filter excludes, and that the kernel
// could not judge, out of st, as those that it could judge never come in. It
// returns how many there are.
func wantedOnly(st *capture.Stats) (excluded uint64) {
	excluded = st.Drops[capture.FilteredOut]
	st.Packets -= min(excluded, st.Packets)
	st.Bytes -= min(st.Refused, st.Bytes)
	st.Drops[capture.FilteredOut] = 0
	return excluded
}

// interfaces returns what is known of the interfaces. Where there is one, the
// packets that the filter excludes are not counted. Of several it is not known
// which they came from.
func (r *liveRun) interfaces(excluded uint64) []live.InterfaceStats {
	list := r.src.Interfaces()
	if len(list) == 1 {
		list[0].Packets -= min(excluded, list[0].Packets)
	}
	return list
}

// look tells the state how the capture stands; st nil means as of the last
// packets.
func (r *liveRun) look(st *capture.Stats) {
	var now capture.Stats
	if st != nil {
		now = *st
	} else {
		r.sensor.mu.Lock()
		now = r.sensor.sofar
		r.sensor.mu.Unlock()
	}
	now.Drops[capture.KernelDrops] = r.src.Lost()
	excluded := wantedOnly(&now)
	var list []InterfaceStats
	for _, f := range r.interfaces(excluded) {
		list = append(list, InterfaceStats{Name: f.Name, Packets: f.Packets, Drops: f.Drops, Freezes: f.Freezes, Up: f.Up})
	}
	r.state.SetCapture(list, now)
}

// printSummary prints a summary while the capture goes on, unless the one before
// is still being written.
func (r *liveRun) printSummary() {
	if r.summing.Swap(true) {
		return
	}
	r.look(nil)
	go func() {
		defer r.summing.Store(false)
		if err := r.summarize(nil); err != nil {
			r.tell("the summary: %v", err)
		}
		if n := r.undone.Load(); n > 0 {
			r.tell("%s events were not delivered", render.Number(n))
		}
	}()
}

// summarize prints the summary; st is given at the end.
func (r *liveRun) summarize(st *capture.Stats) error {
	if st != nil {
		r.state.fresh() // what came since counts too
	}
	summary, _ := r.state.look()
	var b bytes.Buffer
	if err := render.Summary(&b, summary, r.opt.render); err != nil {
		return err
	}
	if st == nil {
		b.WriteByte('\n')
	}
	if r.opt.screen && st == nil {
		r.printing.Lock()
		defer r.printing.Unlock()
		_, err := r.messages.Write(b.Bytes()) // the screen has standard output
		return err
	}
	r.showing.Lock()
	defer r.showing.Unlock()
	r.queue.flush() // standard error may be where the summary goes
	_, err := r.results.Write(b.Bytes())
	return err
}

// openSinks opens the outputs.
func (r *liveRun) openSinks() error {
	add := func(name string, out outlet) *sink {
		k := &sink{name: name, out: out, warn: r.tell}
		k.lost = func(n uint64) {
			r.undone.Add(n)
			r.state.Lost(name, n)
		}
		r.sinks = append(r.sinks, k)
		return k
	}
	alone := len(r.opt.outputs) <= 1 && r.opt.listen == ""
	stdout := func(k *sink) {
		if !alone {
			return
		}
		// Nobody listens any more: whoever read has what was wanted.
		var gone atomic.Bool
		k.gone = func() {
			gone.Store(true)
			r.stop()
		}
		k.warn = func(format string, args ...any) {
			for _, v := range args {
				if err, ok := v.(error); ok && (errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)) {
					return
				}
			}
			r.tell(format, args...)
		}
		k.lost = func(n uint64) {
			if !gone.Load() {
				r.undone.Add(n)
			}
			r.state.Lost(k.name, n)
		}
	}
	for _, dest := range r.opt.outputs {
		out, err := newOutlet(r.app, dest, r.opt, r.tell)
		if err != nil {
			return err
		}
		name := dest
		if dest == "-" {
			name = "standard output"
		}
		k := add(name, out)
		if dest == "-" {
			stdout(k)
		}
		r.sensor.sinks = append(r.sensor.sinks, k)
	}
	if r.opt.lines {
		k := add("standard output", streamOutlet{r.stdout})
		alone = alone && len(r.opt.outputs) == 0
		stdout(k)
		r.sensor.plain = k
	}
	for _, k := range r.sinks {
		// What waits may be there three times: while it grows, and while it
		// is written.
		k.room = int(max(min(r.opt.memory.queue/3/int64(len(r.sinks)), sinkQueue), 4*deliverAt))
	}
	return nil
}

// A messageWriter writes what a logger says as messages.
type messageWriter struct{ r *liveRun }

func (w messageWriter) Write(p []byte) (int, error) {
	w.r.tell("%s", bytes.TrimRight(p, "\n"))
	return len(p), nil
}

// maxHeld is how many bytes of messages are held back while a screen is
// shown; beyond it the oldest are forgotten.
const maxHeld = 64 << 10

// held holds messages back.
type held struct {
	mu sync.Mutex
	b  []byte
}

func (h *held) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b = append(h.b, p...)
	if n := len(h.b) - maxHeld; n > 0 {
		h.b = append(h.b[:0], h.b[n:]...)
	}
	return len(p), nil
}

func (h *held) take() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.b
	h.b = nil
	return b
}
