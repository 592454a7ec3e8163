package main

import (
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pfsight/capture/live"
)

// liveFlags are what was typed; liveOptions are what it means.
type liveFlags struct {
	interfaces     []string
	filter         string
	where          string
	count          uint64
	duration       time.Duration
	outputs        []string
	events         string
	rotateSize     string
	rotateEvery    time.Duration
	rotateKeep     int
	rotateKeepSize string
	rotateKeepFor  time.Duration
	sinkCA         string
	interval       time.Duration
	plain          bool
	color          string
	top            int
	quiet          bool
	listen         string
	webConfig      string
	user           string
	noSandbox      bool
	memory         string
	memoryGiven    func() bool
	workers        int
	rings          int
	snaplen        int
	blockSize      string
	blocks         int
	noPromiscuous  bool
	wholeBulk      bool
	noNames        bool
}

func (f *liveFlags) register(s *pflag.FlagSet) {
	s.StringArrayVarP(&f.interfaces, "interface", "i", nil, "capture on `IFACE`; may be repeated; any is all of them")
	s.StringVarP(&f.filter, "filter", "f", "", "look only at packets that match the tcpdump `EXPR`; the kernel drops the others")
	s.StringVar(&f.where, "where", "", "write events of connections whose record makes `EXPR` true; see \"pfsight explain where\"")
	s.Uint64VarP(&f.count, "count", "c", 0, "stop after `N` packets (default: go on)")
	s.DurationVar(&f.duration, "duration", 0, "stop after `TIME`, such as 10m (default: go on)")
	s.StringArrayVarP(&f.outputs, "output", "o", nil, "write events as JSON Lines to `DEST`: a file, - (standard output), syslog, unix:PATH, tcp:HOST:PORT or tls:HOST:PORT; may be repeated")
	s.StringVar(&f.events, "events", "all", "`WHICH` events to write: handshake (its verdict is known), end (the connection is over), all")
	s.StringVar(&f.rotateSize, "rotate-size", "", "begin another file before one grows beyond `SIZE`, such as 100M")
	s.DurationVar(&f.rotateEvery, "rotate-every", 0, "begin another file after `TIME`, such as 1h")
	s.IntVar(&f.rotateKeep, "rotate-keep", 0, "of rotated files keep the newest `N` (default: all)")
	s.StringVar(&f.rotateKeepSize, "rotate-keep-size", "", "of rotated files keep the newest that take `SIZE` together, such as 10G")
	s.DurationVar(&f.rotateKeepFor, "rotate-keep-for", 0, "remove rotated files after `TIME`, such as 720h")
	s.StringVar(&f.sinkCA, "sink-ca", "", "`FILE` of certificates (PEM) that tls: outputs trust (default: the system's)")
	s.DurationVar(&f.interval, "interval", 0, "print a summary every `TIME` (default: only at the end)")
	s.BoolVar(&f.plain, "plain", false, "one line a handshake for people, and no screen")
	s.StringVar(&f.color, "color", "auto", "`WHEN` to use colour: auto, always, never")
	s.IntVar(&f.top, "top", 10, "show the first `N` rows of a list")
	s.BoolVarP(&f.quiet, "quiet", "q", false, "no warnings on standard error, and no summary but with --interval")
	s.StringVar(&f.listen, "listen", "", "serve the page, /metrics and the API at `ADDR`, such as 127.0.0.1:9477")
	s.StringVar(&f.webConfig, "web-config", "", "`FILE` with TLS keys and users of --listen")
	s.StringVar(&f.user, "user", "", "become `USER` when all is open; only the right to capture is kept")
	s.BoolVar(&f.noSandbox, "no-sandbox", false, "keep all rights of the process")
	s.StringVar(&f.memory, "memory", "1G", "`SIZE` that the process may take, the rings included, such as 512M (default: less where the system grants less)")
	f.memoryGiven = func() bool { return s.Changed("memory") }
	s.IntVarP(&f.workers, "jobs", "j", runtime.GOMAXPROCS(0), "use `N` cores")
	s.IntVar(&f.rings, "rings", 0, "spread the packets of an interface over `N` rings (default: as -j, at most 8)")
	s.IntVarP(&f.snaplen, "snaplen", "s", live.DefaultSnaplen, "capture at most `N` bytes of a packet")
	s.StringVar(&f.blockSize, "block-size", "512K", "`SIZE` of a block of a ring, a power of two")
	s.IntVar(&f.blocks, "blocks", 0, "`N` blocks in a ring (default: 64, or fewer, so that the rings take a quarter of --memory)")
	s.BoolVarP(&f.noPromiscuous, "no-promiscuous", "p", false, "leave the interface's mode as it is")
	s.BoolVar(&f.wholeBulk, "whole-bulk", false, "let the kernel copy the payload of bulk transfers too, which is never looked at")
	s.BoolVarP(&f.noNames, "no-names", "n", false, "accepted for tcpdump's sake: names are never looked up")
	_ = s.MarkHidden("no-names")
}

func newLive(a *app) *cobra.Command {
	var f liveFlags
	cmd := &cobra.Command{
		Use:   "live [flags] -i IFACE",
		Short: "Watch interfaces and report on TLS connections as they come",
		Long: `live watches interfaces, such as one at a span port, and tells of each TLS
connection as soon as its handshake was read.

On a terminal it shows what goes on. Elsewhere, or with -o, it writes events as
JSON Lines: records as of "pfsight read --format jsonl", one with "event":
"handshake" when the verdict is known, and one with "event": "end" that has the
bytes and packets too when the connection is over. Both bear the same number in
"connection". With --events of one kind there is one record a connection, and
neither field. What was saved is read again by "pfsight FILE". A destination
that is slow or away does not hold up the capture: what it misses is counted.

When all is open, rights that are not needed are given up: capabilities, files,
connections and system calls, as far as the system can; --no-sandbox keeps them.

Signals: INT and TERM end with a summary, a second one at once; HUP opens the
outputs anew; USR1 prints a summary. An output or a terminal that takes nothing
holds up the end for a few seconds at most.

Exit status: 0 all was read; 2 it could not begin; 3 packets, connections or
events were lost.`,
		Example: `  pfsight live -i eth1
  pfsight live -i eth1 -i eth2 -o /var/log/pfsight/events.jsonl --rotate-every 1h
  pfsight live -i eth1 -f 'not net 10.0.0.0/8' --listen 127.0.0.1:9477 -o syslog`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opt, err := f.options(a, args)
			if err != nil {
				return err
			}
			return a.live(cmd.Context(), opt)
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().SortFlags = false
	return cmd
}
