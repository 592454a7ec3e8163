package main

import (
	"runtime"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// readFlags are what was typed; options are what it means.
type readFlags struct {
	files       []string
	recursive   bool
	count       uint64
	filter      string
	where       string
	connections bool
	format      string
	asked       string // the format of commands that are not read
	output      string
	color       string
	width       int
	top         int
	quiet       bool
	noNames     bool
	workers     int
	memory      string
	memoryGiven func() bool
	follow      bool
	stats       bool
	noSandbox   bool
}

func (f *readFlags) register(s *pflag.FlagSet) {
	s.StringArrayVarP(&f.files, "read", "r", nil, "read `FILE`, as if it were an argument; may be repeated")
	s.BoolVar(&f.recursive, "recursive", false, "go into the folders of a folder")
	s.Uint64VarP(&f.count, "count", "c", 0, "stop after `N` packets (default: read all)")
	s.StringVarP(&f.filter, "filter", "f", "", "look only at packets that match the tcpdump `EXPR`; see \"pfsight explain filter\"")
	s.StringVar(&f.where, "where", "", "look only at connections whose record makes `EXPR` true; see \"pfsight explain where\"")
	s.BoolVar(&f.connections, "connections", false, "show the connections, not the summary")
	s.StringVar(&f.format, "format", "table", "`FORMAT` of the output: table, markdown, html, json, jsonl, csv, parquet; html is always of the summary, the last four of connections")
	s.StringVarP(&f.output, "output", "o", "", "write the result to `FILE` (default: standard output)")
	s.StringVar(&f.color, "color", "auto", "`WHEN` to use colour: auto, always, never")
	s.IntVar(&f.width, "width", 0, "`COLUMNS` of the output (default: the terminal's, else 80)")
	s.IntVar(&f.top, "top", 10, "show the first `N` rows of a list")
	s.BoolVarP(&f.quiet, "quiet", "q", false, "no progress and no warnings on standard error")
	s.IntVarP(&f.workers, "jobs", "j", runtime.GOMAXPROCS(0), "use `N` cores")
	f.registerMemory(s)
	s.BoolVar(&f.follow, "follow", false, "read on at the end of a file that is being written, and take up new files of a folder; ends by SIGINT")
	s.BoolVar(&f.stats, "stats", false, "say on standard error how full the tables were and what was dropped")
	f.confinement(s)
	s.BoolVarP(&f.noNames, "no-names", "n", false, "accepted for tcpdump's sake: names are never looked up")
	_ = s.MarkHidden("no-names")
}

// registerMemory adds --memory.
func (f *readFlags) registerMemory(s *pflag.FlagSet) {
	s.StringVar(&f.memory, "memory", readMemory, "`SIZE` that the process may take, such as 512M (default: less where the system grants less)")
	f.memoryGiven = func() bool { return s.Changed("memory") }
}

func (f *readFlags) confinement(s *pflag.FlagSet) {
	s.BoolVar(&f.noSandbox, "no-sandbox", false, "keep all rights of the process")
}

func newRead(a *app) *cobra.Command {
	var f readFlags
	cmd := &cobra.Command{
		Use:   "read [flags] FILE|DIR|- ...",
		Short: "Read captures and report on their TLS connections (the default)",
		RunE: func(cmd *cobra.Command, args []string) error {
			a.confineReading(f.output, f.noSandbox)
			opt, err := f.options(a, args)
			if err != nil {
				return err
			}
			return a.read(cmd.Context(), opt)
		},
	}
	f.register(cmd.Flags())
	return cmd
}
