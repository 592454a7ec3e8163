package sensor

import (
	"context"
	"errors"
	"fmt"
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
	"pfsight/cmd/pfsight/internal/confine"
	"pfsight/cmd/pfsight/internal/livestate"
	"pfsight/cmd/pfsight/internal/process"
	"pfsight/cmd/pfsight/internal/rows"
	"pfsight/cmd/pfsight/internal/sink"
	"pfsight/cmd/pfsight/internal/terminal"
	"pfsight/cmd/pfsight/internal/tui"
	"pfsight/cmd/pfsight/internal/web"
	"pfsight/report"
)

// updateEvery is the time between two updates of the state's view of the capture.
const updateEvery = time.Second

// A run is one live capture.
type run struct {
	p      *process.Process
	opt    *Options
	budget budget
	state  *livestate.State
	src    *live.Source
	events *emitter
	sinks  []*sink.Sink // all
	lost   atomic.Uint64

	printing sync.Mutex     // guards messages and buffer
	buffer   *messageBuffer // keeps messages while the screen is shown; nil: not shown
	messages io.Writer      // never blocks
	queue    *messageQueue

	showing     sync.Mutex // guards results
	results     io.Writer
	summarizing atomic.Bool // a summary is being written while the capture goes on

	stopping sync.Mutex // guards what follows
	stopped  bool       // the capture must end
	ready    *live.Source

	hup, usr1 chan os.Signal
}

func newRun(p *process.Process, o *Options) *run {
	r := &run{p: p, opt: o, budget: divide(o.Memory, &o.Capture), results: p.Result(p.Stdout), queue: newMessageQueue(p.Messages())}
	r.messages = r.queue
	state := livestate.Options{Version: o.Version, Filter: o.Capture.Filter, MaxPending: r.budget.pending}
	if o.Where != nil {
		state.Events = o.Where.String()
	}
	r.state = livestate.New(state)
	r.events = &emitter{events: o.Events, where: o.Where, state: r.state}
	if o.Screen && terminal.Is(p.Stderr) {
		r.buffer = &messageBuffer{} // the screen takes the whole terminal
		r.messages = r.buffer
	}
	if slices.Contains(o.Outputs, "-") || o.Lines {
		r.results = p.Messages()
	}
	return r
}

// Run captures until ctx ends, a signal comes or a limit of o is reached. It sets
// the exit code of p.
func Run(ctx context.Context, p *process.Process, o *Options) error {
	r := newRun(p, o)
	defer r.queue.close()
	return r.run(ctx)
}

// Confine opens the outputs of o and gives up rights as Run does, and returns
// without a capture. Tests of the confinement call it.
func Confine(p *process.Process, o *Options) error {
	r := newRun(p, o)
	if err := r.openSinks(); err != nil {
		return err
	}
	return r.confine()
}

// warn writes a message for the operator.
func (r *run) warn(format string, args ...any) {
	if r.opt.Quiet {
		return
	}
	r.printing.Lock()
	defer r.printing.Unlock()
	process.Message(r.messages, format, args...)
}

// stop ends the capture. What the kernel holds is still read.
func (r *run) stop() {
	r.stopping.Lock()
	defer r.stopping.Unlock()
	r.stopped = true
	if r.ready != nil {
		r.ready.Stop()
	}
}

// opened makes src the Source that stop ends.
func (r *run) opened(src *live.Source) {
	r.stopping.Lock()
	defer r.stopping.Unlock()
	r.src, r.ready = src, src
	if r.stopped {
		src.Stop()
	}
}

// close closes src. Later calls of stop have no effect on it.
func (r *run) close(src *live.Source) {
	r.stopping.Lock()
	defer r.stopping.Unlock()
	r.ready = nil
	src.Close()
}

func (r *run) run(ctx context.Context) (err error) {
	o := r.opt
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// From here on a signal ends the run in good order, even before the capture
	// has begun.
	defer r.p.OnSignal(r.stop, cancel)()
	r.hup, r.usr1 = make(chan os.Signal, 1), make(chan os.Signal, 1)
	defer notify(r.hup, r.usr1)()

	defer r.release()
	// Everything that needs rights is opened first.
	defer r.closeSinks()
	r.p.Blocking(func() { err = r.openSinks() })
	if err != nil {
		return err
	}
	opt := o.Capture
	opt.Log = r.warn
	src, err := live.Open(opt)
	if err != nil {
		return err
	}
	defer r.close(src)
	r.opened(src)
	if o.Listen != "" {
		log := slog.New(slog.NewTextHandler(logWriter{r.warn}, &slog.HandlerOptions{Level: slog.LevelInfo}))
		server, err := web.Start(ctx, r.state, o.Listen, o.WebConfig, log)
		if err != nil {
			return err
		}
		defer func() { _ = server.Stop() }() // the server logs its errors
	}
	if err := r.confine(); err != nil {
		return err
	}
	for _, k := range r.sinks {
		k.Start()
	}
	st, interrupted, err := r.capture(ctx)
	r.release()
	if err != nil {
		return err
	}
	r.closeSinks()
	if !o.Quiet || o.Interval > 0 {
		if err := r.summarize(&st); err != nil {
			return err
		}
	}
	r.losses(&st)
	if r.lost.Load() > 0 || interrupted {
		r.p.Code = process.ExitIncomplete
	}
	return nil
}

// confine gives up the rights that the capture does not need.
func (r *run) confine() error {
	o := r.opt
	if o.User == nil && !o.Sandbox {
		return nil
	}
	need := confine.Needs{Listen: o.Listen != "", Packets: true}
	for _, k := range r.sinks {
		k.Needs(&need)
	}
	if o.Screen {
		need.Read = append(need.Read, "/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo")
	}
	if o.Listen != "" {
		need.Read = append(need.Read, "/proc/self", "/proc/stat") // for the metrics of the process
	}
	if o.WebConfig != "" {
		keys, err := web.ConfigFiles(o.WebConfig)
		if err != nil {
			return err
		}
		for _, file := range keys {
			need.ReadAgain(file, r.warn)
		}
	}
	if o.User != nil {
		for _, k := range r.sinks {
			if err := k.SetOwner(o.User.UID, o.User.GID); err != nil {
				return fmt.Errorf("--user %s: %w", o.User.Name, err)
			}
		}
	}
	if err := confine.Live(&need, o.User, o.Sandbox, r.warn); err != nil {
		return err
	}
	for _, k := range r.sinks {
		if err := k.CheckDir(); err != nil {
			if o.User != nil {
				return err
			}
			r.warn("%v; --no-sandbox keeps them", err)
		}
	}
	return nil
}

// closeSinks delivers what waits, within sink.CloseTimeout.
func (r *run) closeSinks() {
	sink.Close(r.sinks)
	r.sinks = nil
}

// release writes the messages that were kept while the screen was shown.
func (r *run) release() {
	r.queue.flush()
	r.printing.Lock()
	defer r.printing.Unlock()
	if r.buffer != nil {
		_, _ = r.queue.Write(r.buffer.take())
		r.messages, r.buffer = r.queue, nil
	}
}

// capture runs until the end. interrupted reports that some of what the kernel
// held was not read.
func (r *run) capture(ctx context.Context) (st capture.Stats, interrupted bool, err error) {
	o := r.opt
	opt := rows.CaptureOptions(r.budget.sessions)
	opt.MaxPackets, opt.Memory, opt.Open = o.MaxPackets, r.budget.tables, r.budget.open
	if o.Capture.Filter != "" {
		packets := rows.NewPacketFilter(o.Capture.Filter)
		opt.Filter = func(link packet.LinkType, data []byte, wireLen int) (bool, error) {
			if r.src.Judged() { // the kernel applied the filter
				return true, nil
			}
			return packets.Match(link, data, wireLen)
		}
	}
	if !o.Capture.WholeBulk {
		opt.Bulk = r.src.Bulk
	}
	history := report.NewHistory()
	r.events.open = rows.NewTable(history)
	workers := make([]capture.Sink, o.Workers)
	builders := make([]*report.Builder, o.Workers)
	for i := range workers {
		b := report.NewBuilder()
		b.For(history)
		if len(r.events.sinks) > 0 || o.Where != nil {
			b.Fingerprint()
		}
		builders[i] = b
		workers[i] = &worker{rows.NewWorker(b), r.events}
	}
	r.budget.share(r.state.Report(), history, builders)
	running, done := context.WithCancel(ctx)
	var others sync.WaitGroup
	others.Go(func() { r.attend(running) })
	others.Go(func() { r.budget.govern(running) })
	if o.Screen {
		others.Go(func() {
			if err := tui.Run(running, r.state, r.p.Stdin, r.p.Stdout); err != nil {
				r.warn("%v", err)
			}
			r.stop()
		})
	}
	st, err = capture.Run(ctx, r.src, opt, workers...)
	interrupted = ctx.Err() != nil
	done()
	r.p.Blocking(others.Wait) // the terminal may be stopped
	r.update(&st)
	return st, interrupted, err
}

// attend handles signals and times while the capture runs. It never blocks.
func (r *run) attend(ctx context.Context) {
	var over, summary <-chan time.Time
	if r.opt.Duration > 0 {
		over = time.After(r.opt.Duration)
	}
	if r.opt.Interval > 0 {
		t := time.NewTicker(r.opt.Interval)
		defer t.Stop()
		summary = t.C
	}
	update := time.NewTicker(updateEvery)
	defer update.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-over:
			r.stop()
		case <-r.hup:
			for _, k := range r.sinks {
				k.Reopen()
			}
			r.warn("the outputs are reopened")
		case <-summary:
			r.printSummary()
		case <-r.usr1:
			r.printSummary()
		case <-update.C:
			r.update(nil)
		}
	}
}

// openSinks opens the outputs.
func (r *run) openSinks() error {
	o := r.opt
	opt := o.Sink
	opt.Stdout, opt.Warn = r.p.Stdout, r.warn
	add := func(dest string) (*sink.Sink, error) {
		k, err := sink.Open(dest, opt)
		if err != nil {
			return nil, err
		}
		k.Lost = func(n uint64) {
			r.lost.Add(n)
			r.state.Lost(k.Name, n)
		}
		r.sinks = append(r.sinks, k)
		return k, nil
	}
	for _, dest := range o.Outputs {
		k, err := add(dest)
		if err != nil {
			return err
		}
		if dest == "-" && len(o.Outputs) == 1 && o.Listen == "" {
			r.endWith(k)
		}
		r.events.sinks = append(r.events.sinks, k)
	}
	if o.Lines {
		k, err := add("-")
		if err != nil {
			return err
		}
		if len(o.Outputs) == 0 && o.Listen == "" {
			r.endWith(k)
		}
		r.events.plain = k
	}
	for _, k := range r.sinks {
		// A queue may exist three times: while it grows, and while it is written.
		k.Room = int(max(min(r.budget.queue/3/int64(len(r.sinks)), sink.MaxQueue), 4*batchSize))
	}
	return nil
}

// endWith ends the run when k, standard output and the only destination, loses its
// reader. That is not an error: the reader, such as head, has what it wanted.
func (r *run) endWith(k *sink.Sink) {
	var gone atomic.Bool
	k.Gone = func() {
		gone.Store(true)
		r.stop()
	}
	k.Warn = func(format string, args ...any) {
		for _, v := range args {
			if err, ok := v.(error); ok && (errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)) {
				return
			}
		}
		r.warn(format, args...)
	}
	k.Lost = func(n uint64) {
		if !gone.Load() {
			r.lost.Add(n)
		}
		r.state.Lost(k.Name, n)
	}
}
