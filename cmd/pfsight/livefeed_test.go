package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"pfsight/capture"
	"pfsight/capture/pcapfile"
	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/report"
)

// A feeder gives a liveState what a capture would.
type feeder struct {
	st      *liveState
	parser  parse.Parser
	builder *report.Builder
	rows    map[uint64]*report.Connection
	found   []func()
}

func (f *feeder) Take(events []capture.Event) {
	f.found = f.found[:0]
	for i := range events {
		e := &events[i]
		if e.Opening == nil {
			f.found = append(f.found, func() { f.end(e.ID, e.Totals) })
		} else if h := f.parser.Parse(e.Opening); h != nil {
			r := f.builder.Connection(h, e.Opening)
			f.found = append(f.found, func() { f.rows[r.ID] = r; f.st.Add(r) })
		}
	}
}

func (f *feeder) end(id uint64, t stream.Totals) {
	if r := f.rows[id]; r != nil {
		delete(f.rows, id)
		r.Close(t)
		f.st.End(r)
	}
}

func (f *feeder) Emit(*capture.Stats) {
	for _, do := range f.found {
		do()
	}
}

// handshakeFiles are the captures of this project with handshakes in them.
func handshakeFiles(t testing.TB) []string {
	t.Helper()
	list, err := filepath.Glob(captures + "/*.pcap")
	if err != nil || len(list) < 50 {
		t.Fatalf("%d captures, %v", len(list), err)
	}
	return list
}

// feed reads captures into st, as one input, and returns what was met.
func feed(t testing.TB, st *liveState, files ...string) capture.Stats {
	t.Helper()
	src, err := pcapfile.Open(files, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	f := &feeder{st: st, builder: report.NewBuilder(), rows: map[uint64]*report.Connection{}}
	got, err := capture.Run(context.Background(), src, following(), f)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// connections are the rows of captures, whole.
func connections(t testing.TB, files ...string) []*report.Connection {
	t.Helper()
	src, err := pcapfile.Open(files, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	c := &collector{builder: report.NewBuilder(), rows: map[uint64]*report.Connection{}}
	if _, err = capture.Run(context.Background(), src, following(), c); err != nil {
		t.Fatal(err)
	}
	return c.ended
}

type collector struct {
	parser  parse.Parser
	builder *report.Builder
	rows    map[uint64]*report.Connection
	ended   []*report.Connection
}

func (c *collector) Take(events []capture.Event) {
	for i := range events {
		e := &events[i]
		if e.Opening == nil {
			if r := c.rows[e.ID]; r != nil {
				r.Close(e.Totals)
				c.ended = append(c.ended, r)
			}
		} else if h := c.parser.Parse(e.Opening); h != nil {
			c.rows[e.ID] = c.builder.Connection(h, e.Opening)
		}
	}
}

func (c *collector) Emit(*capture.Stats) {}

// traffic plays the handshakes of the captures into st, over and over, as a
// sensor would see them: mostly forward secret, at some rate a second.
func traffic(ctx context.Context, st *liveState, rows []*report.Connection, rate int) {
	rows = slices.Clone(rows)
	var stats capture.Stats
	eth := InterfaceStats{Name: "eth0", Up: true}
	span := InterfaceStats{Name: "span1", Up: true}
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	var id uint64
	st.Lost("kafka", 12)
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c := *rows[i*7%len(rows)]
		if i%5 != 0 && c.ForwardSecrecy != 1 {
			c = *rows[i*13%len(rows)]
		}
		id++
		c.ID, c.Time = id, time.Now().UnixNano()
		totals := c.Totals
		c.Totals = stream.Totals{}
		st.Add(&c)
		if i%4 != 0 {
			c.Totals = totals
			c.Totals.Last = c.Time
			st.End(&c)
		}
		n := uint64(20 + i%50)
		stats.Packets += n
		stats.Bytes += n * 900
		if stats.First == 0 {
			stats.First = c.Time
		}
		stats.Last = c.Time
		eth.Packets += n
		if i%40 == 0 {
			eth.Drops += 3
			eth.Freezes++
			stats.Drops[capture.GapLimit]++
			stats.Drops[capture.NotIP] += 5
		}
		span.Packets += n / 2
		stats.Tables = capture.Tables{HalfOpen: 40, MaxHalfOpen: 1 << 16, Connections: 100 + i, MaxConnections: 1 << 20, Held: i * 100, MaxHeld: 1 << 28}
		st.SetCapture([]InterfaceStats{eth, span}, stats)
	}
}

// TestByHand serves the page, or shows the terminal view, of made-up traffic
// for whoever looks: PFSIGHT_LISTEN=127.0.0.1:9477 or PFSIGHT_TUI=1.
func TestByHand(t *testing.T) {
	listen, tui := os.Getenv("PFSIGHT_LISTEN"), os.Getenv("PFSIGHT_TUI") != ""
	if listen == "" && !tui {
		t.Skip("nobody looks")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	st := newLiveState()
	rows := connections(t, handshakeFiles(t)...)
	var wg sync.WaitGroup
	wg.Go(func() { traffic(ctx, st, rows, 40) })
	if listen != "" {
		stopWeb, err := startWeb(ctx, st, listen, "", testLog(t))
		if err != nil {
			t.Fatal(err)
		}
		defer stopWeb()
	}
	if tui {
		if err := runTUI(ctx, st, os.Stdin, os.Stdout); err != nil {
			t.Error(err)
		}
		stop()
	}
	wg.Wait()
}
