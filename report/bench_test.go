package report

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"pfsight/capture"
	"pfsight/capture/pcapfile"
	"pfsight/capture/stream"
	"pfsight/parse"
)

// keeper is a capture.Sink that keeps copies of conversations.
type keeper struct{ all []*stream.Conversation }

func (k *keeper) Take(events []capture.Event) {
	for i := range events {
		if events[i].Opening == nil {
			continue
		}
		c := *events[i].Opening
		for d := range c.Half {
			h := &c.Half[d]
			h.Data, h.Gaps, h.Marks = slices.Clone(h.Data), slices.Clone(h.Gaps), slices.Clone(h.Marks)
		}
		k.all = append(k.all, &c)
	}
}

func (k *keeper) Emit(*capture.Stats) {}

// conversations reads the captures that match the pattern.
func conversations(t testing.TB, pattern string) []*stream.Conversation {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "testdata", "captures", pattern))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	src, err := pcapfile.Open(paths, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var k keeper
	opt := capture.Options{Inspector: parse.NewInspector(0)}
	if _, err := capture.Run(context.Background(), src, opt, &k); err != nil {
		t.Fatal(err)
	}
	return k.all
}

// TestRowsAreFree checks that a row with known content does not allocate, when
// it is made, added and recycled. Only new content may allocate: problems and
// ticket key names.
func TestRowsAreFree(t *testing.T) {
	var p parse.Parser
	b, r := NewBuilder(), NewReport()
	h := NewHistory()
	b.For(h)
	n := 0
	for _, c := range conversations(t, "*.pcap*") {
		use := func() *Connection {
			hs := p.Parse(c)
			if hs == nil {
				return nil
			}
			row := b.Connection(hs, c)
			h.Join(row)
			r.Add(row)
			b.Recycle(row)
			return row
		}
		row := use()
		if row == nil || len(row.Problems) > 0 || row.TicketKey != "" || row.Protocol != parse.TLS || row.Upgrade != "" {
			continue
		}
		n++
		if got := testing.AllocsPerRun(20, func() { use() }); got != 0 {
			t.Errorf("%s, %s: %v allocations", row.Source, row.ServerName, got)
		}
	}
	if n < 50 {
		t.Errorf("%d rows", n)
	}
}

// BenchmarkConnection measures a row with its verdict.
func BenchmarkConnection(b *testing.B) {
	all := conversations(b, "*.pcap*")
	parsers := make([]parse.Parser, len(all))
	var hs []*parse.Handshake
	var of []*stream.Conversation
	size := 0
	for i, c := range all {
		if h := parsers[i].Parse(c); h != nil {
			hs, of = append(hs, h), append(of, c)
			size += len(c.Half[0].Data) + len(c.Half[1].Data)
		}
	}
	build := NewBuilder()
	build.For(NewHistory())
	b.SetBytes(int64(size / len(hs)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		build.Recycle(build.Connection(hs[i%len(hs)], of[i%len(hs)]))
	}
}

func BenchmarkAdd(b *testing.B) {
	var p parse.Parser
	build, history, sums := NewBuilder(), NewHistory(), NewReport()
	build.For(history)
	var rows []*Connection
	for _, c := range conversations(b, "*.pcap*") {
		if h := p.Parse(c); h != nil {
			rows = append(rows, build.Connection(h, c))
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		row := rows[i%len(rows)]
		history.Join(row)
		sums.Add(row)
	}
}
