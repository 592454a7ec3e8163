package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"pfsight/capture"
	"pfsight/cmd/pfsight/internal/analyze"
	"pfsight/report"
	"pfsight/report/render"
)

// readFlags are the flags of read, as typed.
type readFlags struct {
	inputFlags
	files       []string
	count       uint64
	connections bool
	follow      bool
	stats       bool
	noNames     bool
}

// readOptions are readFlags, checked and resolved.
type readOptions struct {
	*inputOptions
	connections bool
	stats       bool
}

// Values of --format of read.
var (
	formats    = []string{"table", "markdown", "html", "json", "jsonl", "csv", "parquet"}
	rowFormats = []string{"json", "jsonl", "csv", "parquet"} // never of the summary
)

func newRead(a *app) *cobra.Command {
	var f readFlags
	cmd := &cobra.Command{
		Use:   "read [flags] FILE|DIR|- ...",
		Short: "Read captures and report on their TLS connections (the default)",
		RunE: func(cmd *cobra.Command, args []string) error {
			a.confineReading(f.output, f.noSandbox)
			o, err := f.options(a, args)
			if err != nil {
				return err
			}
			return a.read(cmd.Context(), o)
		},
	}
	s := cmd.Flags()
	s.BoolVar(&f.connections, "connections", false, "show the connections instead of the summary")
	s.StringArrayVarP(&f.files, "read", "r", nil, "read `FILE`, like an argument; may be repeated")
	s.Uint64VarP(&f.count, "count", "c", 0, "stop after `N` packets (default: read all)")
	f.register(s, formats, "; html shows only the summary, the last four only connections")
	s.BoolVar(&f.follow, "follow", false, "keep reading a file that is being written, and new files of a directory, until SIGINT")
	s.BoolVar(&f.stats, "stats", false, "write the peak sizes of tables and the counts of dropped data to standard error")
	s.BoolVarP(&f.noNames, "no-names", "n", false, "accepted for compatibility with tcpdump: names are never looked up")
	_ = s.MarkHidden("no-names")
	return cmd
}

func (f *readFlags) options(a *app, args []string) (*readOptions, error) {
	if slices.Contains(formats, f.format) { // else an error below
		switch {
		case f.format == "html" && f.connections:
			return nil, usagef("--format html shows the summary: leave out --connections, or choose table, markdown, json, jsonl or csv")
		case f.format == "parquet" && f.output == "":
			return nil, usagef("--format parquet: name the file with -o FILE")
		}
	}
	in, err := f.inputFlags.options(a, slices.Concat(f.files, args))
	if err != nil {
		return nil, err
	}
	in.MaxPackets, in.Follow = f.count, f.follow
	in.stream = f.follow && slices.Contains(rowFormats, f.format)
	return &readOptions{inputOptions: in, connections: f.connections, stats: f.stats}, nil
}

// A readReport is the consumer of read: the summary, and the rows if they are
// wanted.
type readReport struct {
	report *report.Report
	rows   render.Writer // nil: only the summary is wanted
	flush  func() error  // after each batch of rows; nil: not needed
}

// Add implements analyze.Consumer.
func (r *readReport) Add(c *report.Connection) error {
	r.report.Add(c)
	if r.rows != nil {
		return r.rows.Write(c)
	}
	return nil
}

// Flush implements analyze.Consumer.
func (r *readReport) Flush() error {
	if r.flush != nil {
		return r.flush()
	}
	return nil
}

// read reads captures and writes the report.
func (a *app) read(ctx context.Context, o *readOptions) error {
	ctx, stop := a.Interruptible(ctx)
	defer stop()
	wantRows := o.connections || slices.Contains(rowFormats, o.format)
	c := &readReport{report: report.NewReport()}
	o.Report = c.report
	o.Fingerprints = wantRows || o.Where != nil
	o.LocalNames = !o.Fingerprints
	run, err := analyze.Open(ctx, o.Options)
	if err != nil {
		return err
	}
	defer run.Close()
	// The output is opened after the inputs: if there are none, an old file stays.
	out, finish, err := o.open(a)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(a.Result(out), 64<<10)
	if wantRows {
		c.rows = o.rowWriter(w)
		if o.Follow {
			c.flush = w.Flush // for a reader that waits for rows
		}
	}
	defer a.summaryOnSignal(run, c, o)()
	p := startProgress(a, o.inputOptions, run)
	res, err := run.Rows(c)
	p.stop()
	if err != nil {
		return finish(err)
	}
	a.conclude(res, o.quiet)
	if o.stats {
		a.writeStats(&res.Stats)
	}
	if c.rows != nil {
		if t, ok := c.rows.(render.Scoped); ok {
			t.Scope(&res.Input)
		}
		err = c.rows.Close()
	} else {
		s := c.report.Summary()
		s.Input = res.Input
		err = o.writeSummary(w, s)
	}
	if err == nil {
		err = w.Flush()
	}
	return finish(err)
}

// writeSummary writes a summary in the format of the output.
func (o *readOptions) writeSummary(w io.Writer, s *report.Summary) error {
	switch o.format {
	case "markdown":
		return render.SummaryMarkdown(w, s, o.render)
	case "html":
		return render.SummaryHTML(w, s, o.render)
	}
	return render.Summary(w, s, o.render)
}

// rowWriter returns the writer of rows in the format of the output.
func (o *readOptions) rowWriter(w *bufio.Writer) render.Writer {
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
	return render.NewTable(w, o.render, o.format == "markdown")
}

// writeSofar writes the summary of what was read so far: to standard output if the
// final summary goes there, else to standard error.
func (a *app) writeSofar(run *analyze.Run, c *readReport, o *readOptions) {
	var s *report.Summary
	run.Sofar(func(in report.Input) {
		s = c.report.Summary()
		s.Input = in
	})
	var b bytes.Buffer
	if o.writeSummary(&b, s) != nil {
		return
	}
	w := a.Result(a.Stdout)
	if c.rows != nil || o.output != "" {
		w = a.Messages()
	}
	_, _ = w.Write(append(b.Bytes(), '\n')) // an error does not end the reading
}

// writeStats writes the peak sizes of the tracker's tables, and what was dropped
// and why, to standard error.
func (a *app) writeStats(st *capture.Stats) {
	t := &st.Tables
	n := func(v int) string { return render.Number(uint64(v)) }
	a.Warn("stats: %s packets, %s captured", render.Number(st.Packets), render.Size(st.Bytes))
	a.Warn("stats: at most %s half-open connections (limit %s)", n(t.HalfOpen), n(t.MaxHalfOpen))
	a.Warn("stats: at most %s connections followed (limit %s)", n(t.Connections), n(t.MaxConnections))
	a.Warn("stats: at most %s handshakes open, %s of them (limit %s)", n(t.Openings), render.Size(uint64(t.Held)), render.Size(uint64(t.MaxHeld)))
	for _, d := range st.Drops.List() {
		a.Warn("stats: %s %s: %s", render.Number(d.Count), d.Reason, d.Reason.What())
	}
}
