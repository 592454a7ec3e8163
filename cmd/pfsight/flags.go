package main

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"pfsight/capture/filter"
	"pfsight/cmd/pfsight/internal/analyze"
	"pfsight/cmd/pfsight/internal/memory"
	"pfsight/cmd/pfsight/internal/terminal"
	"pfsight/report/render"
	"pfsight/report/where"
)

const (
	// readMemory is the default of --memory of the commands that read files.
	readMemory = "2G"
	// maxWorkers bounds -j.
	maxWorkers = 256
)

// inputFlags are the flags, as typed, of the commands that read files and write
// one result.
type inputFlags struct {
	formats     []string // that the command writes
	recursive   bool
	filter      string
	where       string
	format      string
	output      string
	color       string
	width       int
	top         int
	quiet       bool
	workers     int
	memory      string
	memoryGiven func() bool
	noSandbox   bool
}

// register adds the flags to s. formats are the values of --format; note is added
// to its help.
func (f *inputFlags) register(s *pflag.FlagSet, formats []string, note string) {
	f.formats = formats
	s.BoolVar(&f.recursive, "recursive", false, "descend into the directories of a directory")
	s.StringVarP(&f.filter, "filter", "f", "", "read only packets that match the tcpdump `EXPR`; see \"pfsight explain filter\"")
	s.StringVar(&f.where, "where", "", "use only connections whose record makes `EXPR` true; see \"pfsight explain where\"")
	s.StringVar(&f.format, "format", "table", "`FORMAT` of the output: "+strings.Join(formats, ", ")+note)
	s.StringVarP(&f.output, "output", "o", "", "write the result to `FILE` (default: standard output)")
	s.StringVar(&f.color, "color", "auto", "`WHEN` to use colour: auto, always, never")
	s.IntVar(&f.width, "width", 0, "`COLUMNS` of the output (default: the terminal's, else 80)")
	s.IntVar(&f.top, "top", 10, "show the first `N` rows of a list")
	s.BoolVarP(&f.quiet, "quiet", "q", false, "no progress and no warnings on standard error")
	s.IntVarP(&f.workers, "jobs", "j", runtime.GOMAXPROCS(0), "use `N` cores")
	s.StringVar(&f.memory, "memory", readMemory, "`SIZE` of memory that the process may use, such as 512M (default: less if the system grants less)")
	f.memoryGiven = func() bool { return s.Changed("memory") }
	s.BoolVar(&f.noSandbox, "no-sandbox", false, "keep all rights of the process")
}

// inputOptions are inputFlags, checked and resolved.
type inputOptions struct {
	analyze.Options
	format   string
	output   string // a file; "": standard output
	toStdout bool   // by "-o -"
	stream   bool   // rows are written to output while they come
	quiet    bool
	render   render.Options
}

// options checks and resolves the flags. Its errors say what to do instead.
func (f *inputFlags) options(a *app, paths []string) (*inputOptions, error) {
	o := &inputOptions{
		Options: analyze.Options{Paths: paths, Stdin: a.Stdin, Recursive: f.recursive, Filter: f.filter, Workers: f.workers},
		format:  f.format, output: f.output, quiet: f.quiet,
	}
	if o.output == "-" {
		o.output, o.toStdout = "", true
	}
	if len(o.Paths) == 0 {
		return nil, usagef("no capture named: pfsight FILE, or - for standard input")
	}
	stdins := 0
	for _, p := range o.Paths {
		if p == "-" {
			stdins++
		}
	}
	if stdins > 1 {
		return nil, usagef("standard input (-) can be read once")
	}
	if !slices.Contains(f.formats, o.format) {
		return nil, usagef("--format %q: choose one of %s", o.format, strings.Join(f.formats, ", "))
	}
	if err := checkFilter(f.filter); err != nil {
		return nil, err
	}
	var err error
	if o.Where, err = compileWhere(f.where); err != nil {
		return nil, err
	}
	if f.workers < 1 || f.workers > maxWorkers {
		return nil, usagef("-j %d: use 1 to %d cores", f.workers, maxWorkers)
	}
	if o.Memory, err = a.memoryLimit(f.memory, f.memoryGiven(), f.quiet); err != nil {
		return nil, err
	}
	if f.top < 1 {
		return nil, usagef("--top %d: show at least 1 row", f.top)
	}
	if err := checkWidth(f.width); err != nil {
		return nil, err
	}
	tty := o.output == "" && terminal.Is(a.Stdout)
	o.render = render.Options{Top: f.top, Memory: o.Memory / 8, Width: f.width}
	if o.render.Width == 0 && tty {
		o.render.Width = terminal.Width(a.Stdout)
	}
	if o.render.Color, err = useColor(f.color, tty); err != nil {
		return nil, err
	}
	if err := o.checkOutput(); err != nil {
		return nil, err
	}
	o.render.ASCII = tty && !terminal.UTF8()
	if o.output != "" {
		if st, err := os.Stat(o.output); err == nil {
			// An earlier result in a directory that is read. While the new one
			// is written, reading it would not end.
			o.Except = st
		}
	}
	return o, nil
}

// memoryLimit resolves --memory.
func (a *app) memoryLimit(text string, given, quiet bool) (int64, error) {
	limit, more, err := memory.Resolve(text, given)
	if err != nil {
		return 0, usagef("--memory %q: %w", text, err)
	}
	if more && !quiet {
		a.Warn("--memory %s is more than the system grants this process", text)
	}
	return limit, nil
}

// checkWidth rejects a width that is not sensible. 0 means the default.
func checkWidth(n int) error {
	switch {
	case n == 0:
		return nil
	case n < terminal.MinWidth:
		return usagef("--width %d: use at least %d columns", n, terminal.MinWidth)
	case n > terminal.MaxWidth:
		return usagef("--width %d: use at most %d columns", n, terminal.MaxWidth)
	}
	return nil
}

// useColor resolves --color. tty reports whether the output is a terminal.
func useColor(when string, tty bool) (bool, error) {
	switch when {
	case "auto":
		return tty && terminal.Color(), nil
	case "always":
		return os.Getenv("NO_COLOR") == "", nil
	case "never":
		return false, nil
	}
	return false, usagef("--color %q: choose auto, always or never", when)
}

// checkFilter checks the expression of -f. Its error shows the position of a fault,
// as that of --where does.
func checkFilter(expr string) error {
	if expr == "" {
		return nil
	}
	err := filter.Validate(expr)
	if err == nil {
		return nil
	}
	if e := (*filter.Error)(nil); errors.As(err, &e) && e.Pos >= 0 && e.Pos <= len(expr) {
		err = &where.Error{Expr: expr, Offset: e.Pos, What: e.What}
	}
	return usagef("-f: %w", err)
}

// compileWhere compiles the expression of --where. It returns nil for none.
func compileWhere(expr string) (*where.Filter, error) {
	if expr == "" {
		return nil, nil
	}
	w, err := where.Compile(expr)
	if err != nil {
		return nil, usagef("--where: %w", err)
	}
	return w, nil
}

// checkFailOn checks the names given to --fail-on.
func checkFailOn(given, known []string) error {
	for _, g := range given {
		if !slices.Contains(known, g) {
			return usagef("--fail-on %q: choose from %s", g, strings.Join(known, ", "))
		}
	}
	return nil
}
