package main

import (
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pfsight/capture/live"
	"pfsight/cmd/pfsight/internal/sensor"
)

// liveFlags are the flags of live, as typed.
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
	s.StringVarP(&f.filter, "filter", "f", "", "capture only packets that match the tcpdump `EXPR`; the kernel drops the others")
	s.StringVar(&f.where, "where", "", "write events of connections whose record makes `EXPR` true; see \"pfsight explain where\"")
	s.Uint64VarP(&f.count, "count", "c", 0, "stop after `N` packets (default: no limit)")
	s.DurationVar(&f.duration, "duration", 0, "stop after `TIME`, such as 10m (default: no limit)")
	s.StringArrayVarP(&f.outputs, "output", "o", nil, "write events as JSON Lines to `DEST`: a file, - (standard output), syslog, unix:PATH, tcp:HOST:PORT or tls:HOST:PORT; may be repeated")
	s.StringVar(&f.events, "events", "all", "`WHICH` events to write: handshake (its verdict is known), end (the connection is over), all")
	s.StringVar(&f.rotateSize, "rotate-size", "", "begin another file before one grows beyond `SIZE`, such as 100M")
	s.DurationVar(&f.rotateEvery, "rotate-every", 0, "begin another file after `TIME`, such as 1h")
	s.IntVar(&f.rotateKeep, "rotate-keep", 0, "keep the newest `N` rotated files (default: all)")
	s.StringVar(&f.rotateKeepSize, "rotate-keep-size", "", "keep the newest rotated files that take at most `SIZE` together, such as 10G")
	s.DurationVar(&f.rotateKeepFor, "rotate-keep-for", 0, "remove rotated files after `TIME`, such as 720h")
	s.StringVar(&f.sinkCA, "sink-ca", "", "`FILE` of certificates (PEM) that tls: outputs trust (default: the system's)")
	s.DurationVar(&f.interval, "interval", 0, "write a summary every `TIME` (default: only at the end)")
	s.BoolVar(&f.plain, "plain", false, "write one readable line for each handshake; no screen")
	s.StringVar(&f.color, "color", "auto", "`WHEN` to use colour: auto, always, never")
	s.IntVar(&f.top, "top", 10, "show the first `N` rows of a list")
	s.BoolVarP(&f.quiet, "quiet", "q", false, "no warnings on standard error, and no summary without --interval")
	s.StringVar(&f.listen, "listen", "", "serve the page, /metrics and the API at `ADDR`, such as 127.0.0.1:9477")
	s.StringVar(&f.webConfig, "web-config", "", "`FILE` with TLS keys and users of --listen")
	s.StringVar(&f.user, "user", "", "become `USER` when everything is open, and keep only the right to capture")
	s.BoolVar(&f.noSandbox, "no-sandbox", false, "keep all rights of the process")
	s.StringVar(&f.memory, "memory", "1G", "`SIZE` of memory that the process may use, including the rings, such as 512M (default: less if the system grants less)")
	f.memoryGiven = func() bool { return s.Changed("memory") }
	s.IntVarP(&f.workers, "jobs", "j", runtime.GOMAXPROCS(0), "use `N` cores")
	s.IntVar(&f.rings, "rings", 0, "spread the packets of an interface over `N` rings (default: as -j, at most 8)")
	s.IntVarP(&f.snaplen, "snaplen", "s", live.DefaultSnaplen, "capture at most `N` bytes of a packet")
	s.StringVar(&f.blockSize, "block-size", "512K", "`SIZE` of a block of a ring, a power of two")
	s.IntVar(&f.blocks, "blocks", 0, "`N` blocks in a ring (default: 64, or fewer, so that the rings take a quarter of --memory)")
	s.BoolVarP(&f.noPromiscuous, "no-promiscuous", "p", false, "do not put the interface into promiscuous mode")
	s.BoolVar(&f.wholeBulk, "whole-bulk", false, "let the kernel also copy the payload of bulk transfers, which is never read")
	s.BoolVarP(&f.noNames, "no-names", "n", false, "accepted for compatibility with tcpdump: names are never looked up")
	_ = s.MarkHidden("no-names")
}

func newLive(a *app) *cobra.Command {
	var f liveFlags
	cmd := &cobra.Command{
		Use:   "live [flags] -i IFACE",
		Short: "Capture on interfaces and report TLS connections as they happen",
		Long: `live captures on interfaces, such as one at a span port, and reports each TLS
connection as soon as its handshake is read.

On a terminal it shows a screen. Otherwise, or with -o, it writes events as JSON
Lines: records like those of "pfsight read --format jsonl". A record with "event":
"handshake" follows when the verdict is known, and one with "event": "end", which
adds bytes and packets, when the connection is over. Both have the same number in
"connection". With --events of one kind there is one record for each connection,
without these two fields. "pfsight FILE" reads saved events. A destination that is
slow or away does not block the capture: events that it misses are counted.

When everything is open, live gives up the rights that it does not need:
capabilities, files, connections and system calls, as far as the system supports
that. --no-sandbox keeps them.

Signals: INT and TERM end the capture with a summary, a second one ends it at once;
HUP reopens the outputs, for logrotate; USR1 writes a summary. A blocked output or
terminal delays the end for a few seconds at most.

Exit status: 0 everything was read; 2 the capture could not begin; 3 packets,
connections or events were lost.`,
		Example: `  pfsight live -i eth1
  pfsight live -i eth1 -i eth2 -o /var/log/pfsight/events.jsonl --rotate-every 1h
  pfsight live -i eth1 -f 'not net 10.0.0.0/8' --listen 127.0.0.1:9477 -o syslog`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := f.options(a, args)
			if err != nil {
				return err
			}
			return sensor.Run(cmd.Context(), a.Process, o)
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().SortFlags = false
	return cmd
}
