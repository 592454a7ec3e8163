package capture

import (
	"testing"

	"pfsight/capture/stream"
)

// TestIdle checks that silent connections end, with and without an opening.
func TestIdle(t *testing.T) {
	w := newWatch(t, 0)
	w.feed(dialog(1, "Chello.", "Shello.", 1, 2)[:4]...)
	w.feed(dialog(2, "Chello", "Shello", 1, 2)[:4]...)
	for i := range 3000 { // other packets advance the time
		w.feed(tseg{conn: 100 + i, time: int64(i) * 250e6, data: "nothing", flags: flagACK})
	}
	for _, x := range w.conns {
		if x.closed != 1 || x.totals.End != stream.EndIdle {
			t.Errorf("got %+v", x.totals)
		}
	}
	if len(w.conns) != 2 {
		t.Errorf("got %d connections", len(w.conns))
	}
	w.finish()
}

// TestSweepIsSpread alternates the time between packets while many connections
// are open. The sweep must not check all of them for every packet.
func TestSweepIsSpread(t *testing.T) {
	w := newWatch(t, 1<<30)
	const n = 200000
	for i := range n {
		w.feed(tseg{conn: 10 + i, seq: 1, flags: flagSYN})
	}
	swept := 0
	for i := range 20000 {
		at := w.tr.halfOpenAt
		w.feed(tseg{conn: 1, seq: 5, flags: flagACK, time: int64(i%2) * 1e9})
		if w.tr.halfOpenAt != at {
			swept++
		}
	}
	if most := 22000 * sweepSteps * sweepShare / n; swept > most || swept == 0 {
		t.Errorf("got %d sweeps, want at most %d", swept, most)
	}
}

// TestOutlierSweep sends a packet with a wrong time within live connections.
// They must remain, and must be swept when time passes.
func TestOutlierSweep(t *testing.T) {
	const start, year = int64(1500000000e9), int64(365 * 24 * 3600e9)
	for _, off := range []int64{48 * year, -40 * year} {
		w := newWatch(t, 0)
		d := dialog(1, "Chello.", "Shello.", 1000, 2000)
		for i := range d {
			d[i].time = start + int64(i)*300e6
		}
		w.feed(d[0])
		w.feed(tseg{conn: 2, seq: 5, flags: flagACK, time: start + off})
		w.feed(d[1:4]...)
		w.feed(tseg{conn: 2, seq: 5, flags: flagACK, time: start + off})
		w.feed(d[4:]...)
		if len(w.order) != 1 || w.conns[w.order[0]].closed != 0 || w.conns[w.order[0]].conv.Start != start {
			t.Errorf("%d: got %d connections", off, len(w.order))
			continue
		}
		for i := range 3 {
			w.feed(tseg{conn: 2, seq: 5, flags: flagACK, time: start + year + int64(i)*sweepEvery})
		}
		if x := w.conns[w.order[0]]; x.closed != 1 || x.totals.Packets != uint64(len(d)) {
			t.Errorf("%d: got %d ends, %d packets", off, x.closed, x.totals.Packets)
		}
		w.finish()
	}
}
