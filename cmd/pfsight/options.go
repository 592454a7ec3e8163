package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/term"

	"pfsight/capture/filter"
	"pfsight/capture/pcapfile"
	"pfsight/report/render"
	"pfsight/report/where"
)

// options are the flags of read, checked and resolved.
type options struct {
	paths       []string
	recursive   bool
	count       uint64
	filter      string
	where       *where.Filter // nil: all
	connections bool
	format      string
	output      string // "": standard output
	toStdout    bool   // by "-o -"
	quiet       bool
	workers     int
	memory      readBudget
	follow      bool
	stats       bool
	render      render.Options
}

var formats = []string{"table", "markdown", "html", "json", "jsonl", "csv", "parquet"}

// options resolves what was typed. Its errors say what to do instead.
func (f *readFlags) options(a *app, args []string) (*options, error) {
	o := &options{
		paths: slices.Concat(f.files, args), recursive: f.recursive, count: f.count, filter: f.filter,
		connections: f.connections, format: f.format, output: f.output, quiet: f.quiet,
		follow: f.follow, stats: f.stats,
	}
	if o.output == "-" { // as elsewhere
		o.output, o.toStdout = "", true
	}
	if len(o.paths) == 0 {
		return nil, usagef("no capture named: pfsight FILE, or - for standard input")
	}
	stdins := 0
	for _, p := range o.paths {
		if p == "-" {
			stdins++
		}
	}
	if stdins > 1 {
		return nil, usagef("standard input (-) can be read once")
	}
	if !slices.Contains(formats, o.format) {
		return nil, usagef("--format %q: choose one of %s", o.format, strings.Join(formats, ", "))
	}
	if o.format == "html" && o.connections {
		return nil, usagef("--format html is of the summary: leave out --connections, or choose table, markdown, json, jsonl or csv")
	}
	if o.format == "parquet" && o.output == "" && !o.toStdout {
		return nil, usagef("--format parquet: name the file with -o FILE")
	}
	if o.filter != "" {
		if err := filter.Validate(o.filter); err != nil {
			return nil, badFilter(o.filter, err)
		}
	}
	if f.where != "" {
		w, err := where.Compile(f.where)
		if err != nil {
			return nil, usagef("--where: %w", err)
		}
		o.where = w
	}
	if o.workers = f.workers; o.workers < 1 || o.workers > maxWorkers {
		return nil, usagef("-j %d: use 1 to %d cores", f.workers, maxWorkers)
	}
	memory, more, err := memoryOf(f.memory, f.memoryGiven())
	if err != nil {
		return nil, usagef("--memory %q: %w", f.memory, err)
	}
	if more && !f.quiet {
		a.warn("--memory %s is more than the system grants this process", f.memory)
	}
	o.memory = divideRead(memory)
	if f.top < 1 {
		return nil, usagef("--top %d: show at least 1 row", f.top)
	}
	if err := checkWidth(f.width); err != nil {
		return nil, err
	}
	tty := o.output == "" && isTerminal(a.stdout)
	o.render.Top = f.top
	o.render.Memory = o.memory.all / 8
	o.render.Width = f.width
	if o.render.Width == 0 && tty {
		o.render.Width = terminalWidth(a.stdout)
	}
	switch f.color {
	case "auto":
		o.render.Color = tty && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	case "always":
		o.render.Color = os.Getenv("NO_COLOR") == ""
	case "never":
	default:
		return nil, usagef("--color %q: choose auto, always or never", f.color)
	}
	if err := o.checkOutput(); err != nil {
		return nil, err
	}
	o.render.ASCII = tty && !utf8Locale()
	return o, nil
}

// Widths of the output, columns. What is wider than mostWidth is hard to read,
// and a table is padded to its width.
const (
	leastWidth = 40
	mostWidth  = 1000
)

// checkWidth refuses a width that cannot be meant; 0 is none.
func checkWidth(n int) error {
	switch {
	case n == 0:
		return nil
	case n < leastWidth:
		return usagef("--width %d: use at least %d columns", n, leastWidth)
	case n > mostWidth:
		return usagef("--width %d: use at most %d columns", n, mostWidth)
	}
	return nil
}

// terminalWidth returns the width of a terminal, within the limits; 0 where it
// is not known.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return min(max(n, leastWidth), mostWidth)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// utf8Locale reports whether the terminal shows more than ASCII, as far as
// the environment says.
func utf8Locale() bool {
	for _, v := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if s := os.Getenv(v); s != "" {
			s = strings.ToLower(s)
			return strings.Contains(s, "utf-8") || strings.Contains(s, "utf8")
		}
	}
	return false
}

// badFilter shows where in the expression of -f the fault is, as --where does.
func badFilter(expr string, err error) error {
	if e := (*filter.Error)(nil); errors.As(err, &e) && e.Pos >= 0 && e.Pos <= len(expr) {
		err = &where.Error{Expr: expr, Offset: e.Pos, What: e.What}
	}
	return usagef("-f: %w", err)
}

// checkOutput refuses what would destroy an input, and what cannot be written
// to, before the inputs are read.
func (o *options) checkOutput() error {
	if o.output == "" {
		return nil
	}
	out, err := os.Stat(o.output)
	if err != nil {
		return nil // it is not there yet
	}
	if out.IsDir() {
		return usagef("-o %s: is a directory", o.output)
	}
	if !out.Mode().IsRegular() {
		return nil
	}
	for _, p := range o.paths {
		if in, err := os.Stat(p); err == nil && os.SameFile(in, out) {
			return usagef("-o %s: this is an input, and would be lost", o.output)
		}
	}
	if f, err := os.Open(o.output); err == nil { // it may be in a folder that is read
		defer f.Close()
		if r, err := pcapfile.NewReader(f); err == nil {
			r.Close()
			return usagef("-o %s: this is a capture, and would be lost", o.output)
		}
	}
	return nil
}

// replaced returns the file that the result takes the place of, nil for none.
// It may be an earlier result in a folder that is read, and while it is
// written it would be read without end.
func (o *options) replaced() os.FileInfo {
	if o.output == "" {
		return nil
	}
	st, err := os.Stat(o.output)
	if err != nil {
		return nil // it is not there yet
	}
	return st
}

// open opens the output, before the first packet is read. finish ends it: with
// an error of the result, the file that was there stays, and so it does where
// nothing could be read.
func (o *options) open(a *app) (w io.Writer, finish func(error) error, err error) {
	if o.output == "" {
		return &a.results, func(err error) error { return err }, nil
	}
	limitedFiles()
	warn := func(format string, args ...any) {
		if !o.quiet {
			a.warn(format, args...)
		}
	}
	out, err := openOutput(a, o.output, o.follow && o.rows(), warn)
	if err != nil {
		return nil, nil, fmt.Errorf("writing the result: %w", err)
	}
	a.unfinished.Store(out)
	return out, func(err error) error {
		if e := out.finish(err != nil || a.code == exitFailed); e != nil {
			err = errors.Join(err, fmt.Errorf("writing the result: %w", e))
		}
		return err
	}, nil
}

// rows reports whether the result is rows that are written as they come.
func (o *options) rows() bool {
	return slices.Contains([]string{"json", "jsonl", "csv", "parquet"}, o.format)
}

// maxWorkers bounds what -j may ask for.
const maxWorkers = 256

// size reads a number of bytes such as 512M: K, M, G and T are powers of 1024.
func size(s string) (int64, error) {
	digits := strings.TrimRight(strings.ToUpper(s), "KMGTIB")
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n <= 0 {
		return 0, errors.New("write a size such as 512M or 2G")
	}
	switch strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(s[len(digits):]), "B"), "I") {
	case "":
		return n, nil
	case "K":
		return n << 10, nil
	case "M":
		return n << 20, nil
	case "G":
		return n << 30, nil
	case "T":
		if n < 1<<20 {
			return n << 40, nil
		}
	}
	return 0, errors.New("write a size such as 512M or 2G")
}
