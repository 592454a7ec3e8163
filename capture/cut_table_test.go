package capture

import (
	"math/rand"
	"slices"
	"testing"
)

// TestCutToHeaders has a capture whose snaplen keeps the headers only. The
// handshakes must be counted as cut.
func TestCutToHeaders(t *testing.T) {
	w := newWatch(t, 0)
	d := dialog(1, "", "", 1, 2)
	w.feed(d[:2]...)
	w.feed(tseg{conn: 1, seq: 2, ack: 3, flags: flagACK, wire: 500})
	w.feed(tseg{conn: 1, server: server, seq: 3, ack: 502, flags: flagACK, wire: 1400})
	got := w.finish()
	if len(got) != 1 || !got[0].conv.Half[0].Cut || !got[0].conv.Half[1].Cut || w.drops[CutPayload] == 0 {
		t.Errorf("got %d connections, %d cut", len(got), w.drops[CutPayload])
	}
}

// TestCutTable sends a packet that was cut too short to examine, and then the
// hello by which the connection is found. The missing bytes of its sender were
// cut.
func TestCutTable(t *testing.T) {
	r := rand.New(rand.NewSource(11))
	for i := range 500 {
		d := dialog(i, "Chello.", "Shello.", r.Uint32(), r.Uint32())
		first, second := d[2], d[3]
		if r.Intn(2) == 0 {
			first, second = second, first
		}
		first.data, first.wire = "", 100
		if r.Intn(2) == 0 {
			first.wire = headCut
		}
		w := newWatch(t, 0)
		w.feed(dialog(9999, "x", "y", 1, 2)[2:4]...)
		w.feed(first, second)
		got := w.finish()
		if len(got) != 1 {
			t.Fatalf("got %d connections", len(got))
		}
		for d, h := range got[0].conv.Half {
			if want := first.server == (d == 1); h.Cut != want || !h.Seen() {
				t.Fatalf("direction %d of %+v, %+v: got %+v", d, first, second, h)
			}
		}
	}
}

// TestHeadCut cuts segments of a dialog inside their TCP headers. Their bytes
// are cut, not lost, and both directions were seen.
func TestHeadCut(t *testing.T) {
	r := rand.New(rand.NewSource(9))
	for range 500 {
		c, s := "C"+letters(r, 300)+".", "S"+letters(r, 300)+"."
		d := dialog(1, c, s, r.Uint32(), r.Uint32())
		dir := r.Intn(2)
		all := slices.Concat(d[:2], pieces(r, d[2]), pieces(r, d[3]), d[4:])
		var last tseg
		for i := range all {
			if x := &all[i]; len(x.data) > 0 && x.server == (dir == 1) {
				x.wire = headCut
				last = *x
			}
		}
		w := newWatch(t, 0)
		w.feed(all...)
		w.feed(last) // a copy
		got := w.finish()
		if len(got) != 1 || w.conns[w.order[0]].totals.Packets != uint64(len(all)+1) {
			t.Fatalf("got %d connections of %v", len(got), all)
		}
		if h := &got[0].conv.Half[dir]; !h.Cut || h.Packets == 0 || got[0].conv.Half[1-dir].Cut {
			t.Fatalf("got %+v", got[0].conv)
		}
	}
}
