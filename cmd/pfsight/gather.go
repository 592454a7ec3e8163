package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"pfsight/capture"
	"pfsight/capture/pcapfile"
	"pfsight/parse"
	"pfsight/report"
	rec "pfsight/report/record"
	"pfsight/report/where"
)

// A taker is what sums rows up. One goroutine uses it.
type taker interface{ Add(c *report.Connection) }

// registerGather adds the flags of commands that read inputs and answer one
// question.
func (f *readFlags) registerGather(s *pflag.FlagSet, formats []string) {
	f.format, f.connections = "table", false
	s.BoolVar(&f.recursive, "recursive", false, "go into the folders of a folder")
	s.StringVarP(&f.filter, "filter", "f", "", "look only at packets that match the tcpdump `EXPR`; see \"pfsight explain filter\"")
	s.StringVar(&f.where, "where", "", "look only at connections whose record makes `EXPR` true; see \"pfsight explain where\"")
	s.StringVar(&f.asked, "format", "table", "`FORMAT` of the output: "+strings.Join(formats, ", "))
	s.StringVarP(&f.output, "output", "o", "", "write the result to `FILE` (default: standard output)")
	s.StringVar(&f.color, "color", "auto", "`WHEN` to use colour: auto, always, never")
	s.IntVar(&f.width, "width", 0, "`COLUMNS` of the output (default: the terminal's, else 80)")
	s.IntVar(&f.top, "top", 10, "show the first `N` rows of a list")
	s.BoolVarP(&f.quiet, "quiet", "q", false, "no progress and no warnings on standard error")
	s.IntVarP(&f.workers, "jobs", "j", runtime.GOMAXPROCS(0), "use `N` cores")
	f.registerMemory(s)
	f.confinement(s)
}

// gatherOptions resolves what was typed for inputs.
func (f *readFlags) gatherOptions(a *app, inputs, formats []string) (*options, error) {
	if !slices.Contains(formats, f.asked) {
		return nil, usagef("--format %q: choose one of %s", f.asked, strings.Join(formats, ", "))
	}
	return f.options(a, inputs)
}

// gather reads the inputs of o and gives each connection to one of the takers:
// those of saved records to as many as there are workers, beside each other;
// those of captures to the last.
func (a *app) gather(ctx context.Context, o *options, takers []taker) (report.Input, error) {
	ctx, stop := a.interruptible(ctx)
	defer stop()
	defer o.memory.hold()()
	saved := &recordInput{ctx: ctx, memory: o.memory.all / 2}
	src, err := pcapfile.Open(o.paths, pcapfile.Options{
		Recursive: o.recursive, Stdin: a.stdin, Stop: ctx.Done(), Other: saved.other(), Memory: o.memory.inputs,
	})
	if err != nil {
		return report.Input{}, err
	}
	defer src.Close()
	j := &joiner{taker: takers[len(takers)-1], history: report.NewHistory(), cancel: stop, where: o.where}
	sinks := make([]capture.Sink, o.workers)
	builders := make([]*report.Builder, o.workers)
	for i := range sinks {
		b := report.NewBuilder()
		b.For(j.history)
		b.Fingerprint()
		builders[i] = b
		sinks[i] = &reader{j, finder{builder: b}}
		saved.sinks = append(saved.sinks, &takeSink{in: saved, taker: takers[i], where: j.where})
	}
	opt := following()
	opt.Split = parse.NewSplitterWithin(o.memory.sessions)
	opt.Memory = o.memory.tables
	o.memory.remember(nil, j.history, builders)
	var packets *packetFilter
	if o.filter != "" {
		packets = &packetFilter{expr: o.filter}
		opt.Filter = packets.match
	}
	p := startProgress(a, o, src)
	st, err := capture.Run(ctx, src, opt, sinks...)
	p.stop()
	if err != nil {
		return report.Input{}, err
	}
	losses := inputLosses(&st, &j.gaps, src)
	a.problems(o, src, ctx.Err() != nil)
	packets.problems(a, o)
	a.tell(o, losses)
	a.readable(src, &st, saved, ctx.Err() != nil)
	saved.problems(a, o)
	return o.scope(&st, losses, src, saved, j.unwanted, ctx.Err() != nil), nil
}

// A takeSink is the record.Sink of one worker whose rows have no order.
type takeSink struct {
	in       *recordInput
	rows     []report.Connection
	taker    taker
	where    *where.Filter
	unwanted uint64 // of rows
}

// Take implements record.Sink.
func (s *takeSink) Take(rows []report.Connection, _ []rec.Fault) {
	s.rows = rows
	s.unwanted = 0
	for i := range rows {
		if s.where == nil || s.where.Match(&rows[i]) {
			s.taker.Add(&rows[i])
		} else {
			s.unwanted++
		}
	}
}

// Emit implements record.Sink.
func (s *takeSink) Emit(faults []rec.Fault) error {
	s.in.seen(s.rows, s.unwanted, faults)
	return nil
}

// show opens the output, has it written, and closes it.
func (a *app) show(o *options, write func(w io.Writer) error) error {
	a.resultHold.begin()
	w, finish, err := o.open(a)
	a.resultHold.done()
	if err != nil {
		return err
	}
	return finish(write(a.result(w)))
}

// failOn checks the names given to --fail-on.
func failOn(given, known []string) error {
	for _, g := range given {
		if !slices.Contains(known, g) {
			return usagef("--fail-on %q: choose from %s", g, strings.Join(known, ", "))
		}
	}
	return nil
}

// fails says that the answer is no.
func (a *app) fails(quiet bool, format string, args ...any) {
	if a.code = exitNo; !quiet {
		a.warn("%s", fmt.Sprintf(format, args...))
	}
}
