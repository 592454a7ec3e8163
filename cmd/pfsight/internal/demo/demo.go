// Package demo fills livestate.States with the connections of saved captures. Tests
// use it, and the program in show, which displays the page and the screen.
package demo

import (
	"context"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"pfsight/capture"
	"pfsight/capture/pcapfile"
	"pfsight/capture/stream"
	"pfsight/cmd/pfsight/internal/livestate"
	"pfsight/cmd/pfsight/internal/rows"
	"pfsight/parse"
	"pfsight/report"
	"pfsight/report/secrecy"
)

// A TB is the part of testing.TB that this package uses.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Captures returns the names of the captures in the directory dir.
func Captures(t TB, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*.pcap"))
	if err != nil || len(list) < 50 {
		t.Fatalf("got %d captures in %s, want 50 or more; error: %v", len(list), dir, err)
	}
	return list
}

// Feed reads captures as one input and adds their connections to st. It returns the
// counts of the capture.
func Feed(t TB, st *livestate.State, files ...string) capture.Stats {
	t.Helper()
	return follow(t, st.Add, st.End, files)
}

// Connections returns the connections of captures, read as one input.
func Connections(t TB, files ...string) []*report.Connection {
	t.Helper()
	var all []*report.Connection
	follow(t, func(*report.Connection) {}, func(r *report.Connection) { all = append(all, r) }, files)
	return all
}

// State returns a State with the connections of the captures in dir, and with an
// interface that dropped packets.
func State(t TB, dir string) (*livestate.State, capture.Stats) {
	t.Helper()
	st := livestate.New(livestate.Options{})
	got := Feed(t, st, Captures(t, dir)...)
	st.SetCapture([]stream.InterfaceStats{{Name: "eth0", Packets: got.Packets, Drops: 7, Freezes: 2, Up: true}}, got)
	st.Lost("kafka", 3)
	return st, got
}

// follow calls began and ended for each connection of the files.
func follow(t TB, began, ended func(*report.Connection), files []string) capture.Stats {
	t.Helper()
	src, err := pcapfile.Open(files, pcapfile.Options{})
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer src.Close()
	w := &worker{builder: report.NewBuilder(), open: map[uint64]*report.Connection{}, began: began, ended: ended}
	st, err := capture.Run(context.Background(), src, rows.CaptureOptions(0), w)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return st
}

// A worker is a capture.Sink for one worker. It keeps every row.
type worker struct {
	parser       parse.Parser
	builder      *report.Builder
	open         map[uint64]*report.Connection
	began, ended func(*report.Connection)
}

func (w *worker) Take(events []capture.Event) {
	for i := range events {
		e := &events[i]
		if e.Opening != nil {
			if h := w.parser.Parse(e.Opening); h != nil {
				r := w.builder.Connection(h, e.Opening)
				w.open[e.ID] = r
				w.began(r)
			}
		} else if r := w.open[e.ID]; r != nil {
			delete(w.open, e.ID)
			r.Close(e.Totals)
			w.ended(r)
		}
	}
}

func (w *worker) Emit(*capture.Stats) {}

// Row returns a connection with only the fields that a State uses.
func Row(id uint64, v secrecy.Verdict) *report.Connection {
	c := &report.Connection{
		ID: id, Time: int64(id), Client: report.Endpoint{AddrPort: netip.MustParseAddrPort("10.0.0.1:50000")}, Server: report.Endpoint{AddrPort: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), uint16(id%50000))},
		HasServerHello: true, Version: 0x303, CipherSuite: 0x9c, KeyExchange: "RSA", ForwardSecrecy: v, Outcome: report.Established,
	}
	c.Reasons.Add(secrecy.RSAKeyTransport)
	return c
}

// Traffic adds the connections of rows to st over and over, rate in a second, until
// ctx ends. Most are forward secret.
func Traffic(ctx context.Context, st *livestate.State, list []*report.Connection, rate int) {
	list = slices.Clone(list)
	var stats capture.Stats
	eth := stream.InterfaceStats{Name: "eth0", Up: true}
	span := stream.InterfaceStats{Name: "span1", Up: true}
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
		c := *list[i*7%len(list)]
		if i%5 != 0 && c.ForwardSecrecy != secrecy.Yes {
			c = *list[i*13%len(list)]
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
		st.SetCapture([]stream.InterfaceStats{eth, span}, stats)
	}
}
