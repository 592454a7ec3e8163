package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"pfsight/capture"
	"pfsight/capture/filter"
	"pfsight/capture/packet"
	"pfsight/capture/pcapfile"
	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/report"
	"pfsight/report/render"
	"pfsight/report/where"
)

// read reads captures and writes the report.
func (a *app) read(ctx context.Context, o *options) error {
	ctx, stop := a.interruptible(ctx)
	defer stop()
	defer o.memory.hold()()

	saved := &recordInput{ctx: ctx, memory: o.memory.all / 2}
	src, err := pcapfile.Open(o.paths, pcapfile.Options{
		Recursive: o.recursive, Stdin: a.stdin, Follow: o.follow, Stop: ctx.Done(), Other: saved.other(), Except: o.replaced(), Memory: o.memory.inputs,
	})
	if err != nil {
		return err
	}
	defer src.Close()
	// Only now: where there is nothing to read, the old file stays.
	a.resultHold.begin() // a named pipe opens when somebody reads it
	out, finish, err := o.open(a)
	a.resultHold.done()
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(a.result(out), 64<<10)

	j := &joiner{report: report.NewReport(), history: report.NewHistory(), cancel: stop, where: o.where, records: saved}
	if j.out = rowWriter(o, w); j.out != nil && o.follow {
		j.flush = w.Flush // whoever reads the rows waits for them
	}
	for range o.workers {
		saved.sinks = append(saved.sinks, &rowSink{joiner: j, in: saved})
	}
	defer a.onDemand(j, o)()
	sinks := make([]capture.Sink, o.workers)
	builders := make([]*report.Builder, o.workers)
	for i := range sinks {
		b := report.NewBuilder()
		b.For(j.history)
		if j.out != nil || o.where != nil {
			b.Fingerprint()
		} else if src.OnlyCaptures() {
			b.Local()
		}
		builders[i] = b
		sinks[i] = &reader{j, finder{builder: b}}
	}
	p := startProgress(a, o, src)
	opt := following()
	opt.Split = parse.NewSplitterWithin(o.memory.sessions)
	opt.MaxPackets, opt.Memory = o.count, o.memory.tables
	o.memory.remember(j.report, j.history, builders)
	var packets *packetFilter
	if o.filter != "" {
		packets = &packetFilter{expr: o.filter}
		opt.Filter = packets.match
	}
	st, err := capture.Run(ctx, src, opt, sinks...)
	p.stop()
	interrupted := ctx.Err() != nil && j.err == nil
	if err = errors.Join(err, j.err); err != nil {
		return finish(err)
	}
	losses := inputLosses(&st, &j.gaps, src)
	a.problems(o, src, interrupted)
	packets.problems(a, o)
	a.tell(o, losses)
	a.readable(src, &st, saved, interrupted)
	saved.problems(a, o)
	if o.stats {
		a.stats(&st)
	}
	scope := o.scope(&st, losses, src, saved, j.unwanted, interrupted)
	if j.out != nil {
		if t, ok := j.out.(render.Scoped); ok {
			t.Scope(&scope)
		}
		err = j.out.Close()
	} else {
		s := j.report.Summary()
		s.Input = scope
		err = summarize(w, s, o)
	}
	if err == nil {
		err = w.Flush()
	}
	return finish(err)
}

func summarize(w io.Writer, s *report.Summary, o *options) error {
	switch o.format {
	case "markdown":
		return render.SummaryMarkdown(w, s, o.render)
	case "html":
		return render.SummaryHTML(w, s, o.render)
	}
	return render.Summary(w, s, o.render)
}

// rowWriter returns what writes rows, nil where only the summary is wanted.
func rowWriter(o *options, w *bufio.Writer) render.Writer {
	switch o.format {
	case "json":
		return render.NewJSON(w)
	case "jsonl":
		return render.NewJSONL(w)
	case "csv":
		return render.NewCSV(w)
	case "parquet":
		return render.NewParquet(w)
	}
	if !o.connections {
		return nil
	}
	return render.NewTable(w, o.render, o.format == "markdown")
}

// following returns the options of a Run that follows all that is read.
func following() capture.Options {
	return capture.Options{Ask: parse.NewAsker(), Sign: parse.Sign, SignUDP: parse.SignUDP, Hello: parse.HelloID, Split: parse.NewSplitter(), Link: parse.NewLinker()}
}

// A packetFilter is the expression of -f, compiled once for each link type that
// is met. Several goroutines use it.
type packetFilter struct {
	expr     string
	programs sync.Map // by packet.LinkType: compiled
}

// compiled is a program, or why there is none.
type compiled struct {
	program *filter.Program
	err     error
}

// match is a capture.Options.Filter.
func (f *packetFilter) match(link packet.LinkType, data []byte, wireLen int) (bool, error) {
	v, ok := f.programs.Load(link)
	if !ok {
		p, err := filter.Compile(f.expr, uint32(link))
		v, _ = f.programs.LoadOrStore(link, compiled{p, err})
	}
	c := v.(compiled)
	if c.err != nil {
		return false, c.err
	}
	return c.program.Match(data, wireLen), nil
}

// problems says why the expression could not be applied to packets that were
// met.
func (f *packetFilter) problems(a *app, o *options) {
	if f == nil || o.quiet {
		return
	}
	var errs []string
	f.programs.Range(func(_, v any) bool {
		if err := v.(compiled).err; err != nil {
			errs = append(errs, err.Error())
		}
		return true
	})
	slices.Sort(errs)
	const most = 8
	for i, e := range slices.Compact(errs) {
		if i == most {
			break
		}
		a.warn("-f: %s", e)
	}
}

// A joiner makes whole rows: the one of an opening, and what was known when
// its connection ended.
type joiner struct {
	mu       sync.Mutex
	sofar    capture.Stats
	flush    func() error
	rows     openRows // handed over, not ended
	report   *report.Report
	history  *report.History
	taker    taker // takes the rows in the place of report and out, if there is one
	gaps     gapCount
	out      render.Writer
	err      error // of out; the first
	cancel   func()
	where    *where.Filter // nil: all
	unwanted uint64        // connections that where did not want
	records  *recordInput  // nil: none are read
	saved    uint64        // rows of saved records
}

// A reader is the capture.Sink of one worker.
type reader struct {
	*joiner
	finder
}

// Emit implements capture.Sink.
func (r *reader) Emit(sofar *capture.Stats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sofar = *sofar
	for i := range r.found {
		if f := &r.found[i]; f.row != nil {
			r.rows.put(f.ref, f.row)
			r.history.Join(f.row)
		} else if row := r.rows.take(f.ref); row != nil {
			r.closed(row, f.totals)
			r.builder.Recycle(row)
		}
	}
	if r.flush != nil && r.err == nil {
		if r.err = r.flush(); r.err != nil {
			r.cancel()
		}
	}
}

// closed passes on the row of a connection that has ended.
func (j *joiner) closed(r *report.Connection, t stream.Totals) {
	r.Close(t)
	j.gaps.add(r, false)
	if j.where == nil || j.where.Match(r) {
		j.add(r)
	} else {
		j.unwanted++
	}
}

// add takes a whole row.
func (j *joiner) add(r *report.Connection) {
	if j.taker != nil {
		j.taker.Add(r)
		return
	}
	j.report.Add(r)
	if j.out != nil && j.err == nil {
		if j.err = j.out.Write(r); j.err != nil {
			j.cancel() // nobody reads any more
		}
	}
}

// problems tells what was wrong with the input, and sets the exit code.
func (a *app) problems(o *options, src *pcapfile.Source, interrupted bool) {
	for _, p := range src.Problems() {
		a.code = exitIncomplete
		if !o.quiet {
			a.warn("%v", p)
		}
	}
	if interrupted {
		a.code = exitIncomplete
		if !o.quiet {
			a.warn("interrupted: this is the report of what was read")
		}
	}
}

// readable sets the exit code where nothing could be read: no input, or no
// packet that -f could be applied to.
func (a *app) readable(src *pcapfile.Source, st *capture.Stats, saved *recordInput, interrupted bool) {
	if saved.rows > 0 || interrupted {
		return
	}
	broken := map[string]bool{}
	for _, p := range src.Problems() {
		broken[p.File] = true
	}
	none := st.Packets == 0 && !slices.ContainsFunc(src.Inputs(), func(i pcapfile.InputInfo) bool { return !broken[i.Name] })
	if none || st.Packets > 0 && st.Drops[capture.NotFiltered] == st.Packets {
		a.code = exitFailed // nothing could be read
	}
}

// inputOf says what was read.
func inputOf(st *capture.Stats, losses []report.Loss) report.Input {
	return report.Input{
		Packets: st.Packets, Bytes: st.Bytes, First: st.First, Last: st.Last, Loss: losses,
		FilteredOut: st.Drops[capture.FilteredOut] + st.Drops[capture.NotFiltered],
	}
}

// scope says what was read, and what was asked for of it: a report claims no
// more.
func (o *options) scope(st *capture.Stats, losses []report.Loss, src *pcapfile.Source, saved *recordInput, unwanted uint64, interrupted bool) report.Input {
	in := inputOf(st, losses)
	in.Unwanted = unwanted
	saved.input(&in)
	if st.Packets > 0 {
		in.Filter = o.filter
		if o.count > 0 && in.Packets-in.FilteredOut >= o.count {
			in.Limit = o.count
		}
	}
	if o.where != nil {
		in.Where = o.where.String()
	}
	for _, i := range src.Inputs() {
		in.Files = append(in.Files, i.Name)
	}
	in.Interrupted = interrupted
	return in
}
