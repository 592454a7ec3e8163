package main

import (
	"bufio"
	"context"
	"errors"
	"os/signal"
	"syscall"

	"pfsight/capture"
	"pfsight/capture/filter"
	"pfsight/capture/pcapfile"
	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/report"
	"pfsight/report/render"
)

// read reads captures and writes the report.
func (a *app) read(ctx context.Context, o *options) error {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	out, closeOut, err := o.open(a)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 64<<10)
	src, err := pcapfile.Open(o.paths, pcapfile.Options{Recursive: o.recursive, Stdin: a.stdin})
	if err != nil {
		return errors.Join(err, closeOut())
	}
	defer src.Close()

	j := &joiner{rows: map[uint64]*report.Connection{}, builder: report.NewBuilder(), report: report.NewReport(), cancel: stop}
	j.out = rowWriter(o, w)
	p := startProgress(a, o, src)
	opt := capture.Options{Ask: parse.Ask, Sign: parse.Sign, MaxPackets: o.count}
	if o.filter != "" {
		opt.Filter = filterOf(o.filter)
	}
	st, err := capture.Run(ctx, src, opt, j)
	p.stop()
	interrupted := ctx.Err() != nil && j.err == nil
	if err = errors.Join(err, j.err); err != nil {
		return errors.Join(err, closeOut())
	}
	a.problems(o, src, st, interrupted)
	if j.out != nil {
		err = j.out.Close()
	} else {
		s := j.report.Summary()
		s.Input = inputOf(src, &st)
		if o.format == "markdown" {
			err = render.SummaryMarkdown(w, s, o.render)
		} else {
			err = render.Summary(w, s, o.render)
		}
	}
	if err == nil {
		err = w.Flush()
	}
	return errors.Join(err, closeOut())
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
	}
	if !o.connections {
		return nil
	}
	return render.NewTable(w, o.render, o.format == "markdown")
}

// filterOf compiles the expression once for each link type that is met.
func filterOf(expr string) func(pcapfile.LinkType, []byte, int) (bool, error) {
	programs := map[pcapfile.LinkType]*filter.Program{}
	return func(link pcapfile.LinkType, data []byte, wireLen int) (bool, error) {
		p, ok := programs[link]
		if !ok {
			var err error
			if p, err = filter.Compile(expr, uint32(link)); err != nil {
				return false, err
			}
			programs[link] = p
		}
		return p.Match(data, wireLen), nil
	}
}

// A joiner is the capture.Sink: it parses openings, makes rows of them, and
// passes each on when its connection has ended.
type joiner struct {
	parser  parse.Parser
	builder *report.Builder
	rows    map[uint64]*report.Connection // handed over, not ended
	report  *report.Report
	out     render.Writer
	err     error // of out; the first
	cancel  func()
}

// Opening implements capture.Sink.
func (j *joiner) Opening(c *stream.Conversation) bool {
	h := j.parser.Parse(c)
	if h == nil {
		return false
	}
	j.rows[c.ID] = j.builder.Connection(h, c)
	return true
}

// Closed implements capture.Sink.
func (j *joiner) Closed(id uint64, t stream.Totals) {
	r := j.rows[id]
	if r == nil {
		return
	}
	delete(j.rows, id)
	r.Close(t)
	j.report.Add(r)
	if j.out != nil && j.err == nil {
		if j.err = j.out.Write(r); j.err != nil {
			j.cancel() // nobody reads any more
		}
	}
}

// problems tells what was wrong with the input, and sets the exit code.
func (a *app) problems(o *options, src *pcapfile.Source, st capture.Stats, interrupted bool) {
	for _, p := range src.Problems() {
		a.code = exitIncomplete
		if !o.quiet {
			a.warn("%v", p)
		}
	}
	for _, d := range st.Drops.List() {
		if d.Reason == capture.KernelDrops {
			a.code = exitIncomplete
		}
	}
	if interrupted {
		a.code = exitIncomplete
		if !o.quiet {
			a.warn("interrupted: this is the report of what was read")
		}
	}
	if st.Packets == 0 && len(src.Inputs()) == 0 {
		a.code = exitFailed
	}
}

// inputOf says what was read.
func inputOf(src *pcapfile.Source, st *capture.Stats) report.Input {
	in := report.Input{Packets: st.Packets, Bytes: st.Bytes, First: st.First, Last: st.Last}
	for _, i := range src.Inputs() {
		in.Files = append(in.Files, i.Name)
	}
	for _, d := range st.Drops.List() {
		if d.Reason.Loss() {
			in.Loss = append(in.Loss, report.Loss{Reason: d.Reason.String(), What: d.Reason.What(), Count: d.Count})
		}
	}
	return in
}
