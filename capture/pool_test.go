package capture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pfsight/capture/packet"
	"pfsight/capture/pcapfile"
	"pfsight/parse"
)

// TestGapMemoryCounted checks that the memory of gaps and marks is counted.
func TestGapMemoryCounted(t *testing.T) {
	w := newWatch(t, 64<<20)
	const n = 200
	w.feed(tseg{conn: 1, seq: 99, flags: flagSYN})
	for i := range n {
		w.feed(tseg{conn: 1, seq: uint32(102 + 2*i), flags: flagACK, data: "C"})
	}
	if least := openingCost + n*(16+24)/2; w.tr.pool.held < least {
		t.Errorf("got %d bytes, want at least %d", w.tr.pool.held, least)
	}
	w.finish()
	for _, o := range w.tr.spare {
		if extraBytes(&o.conv.Half[0])+extraBytes(&o.conv.Half[1]) > 0 {
			t.Error("an opening is kept with its long lists")
		}
	}
}

// TestOpeningGrowthBounded lets openings grow while no new one begins. Their
// memory must stay within the limit.
func TestOpeningGrowthBounded(t *testing.T) {
	const n = 2000
	for _, udp := range []bool{false, true} {
		w, _ := newRebindWatch(t, 64<<20) // 2 MiB for them
		piece := strings.Repeat("x", 1000)
		for at := range 60 {
			for i := range n {
				data := piece
				if at == 0 {
					data = "C" + piece[1:]
				}
				if udp {
					w.datagrams(datagramOf(uint16(i+1), false, "C"+piece[1:], int64(at*n+i)))
				} else {
					w.feed(tseg{conn: i, time: int64(at*n + i), seq: uint32(1 + 1000*at), flags: flagACK, data: data})
				}
			}
			if most := w.tr.maxHeld + maxPrefix; w.tr.pool.held > most {
				t.Fatalf("udp %v: got %d bytes, want at most %d", udp, w.tr.pool.held, most)
			}
		}
		if w.drops[FlowEvict] == 0 {
			t.Errorf("udp %v: the evictions are not counted: %v", udp, w.drops.List())
		}
		w.finish()
	}
}

// TestAllMemoryReturned follows all captures of testdata, with much and with
// little memory, cut by a snaplen, and without every seventh frame. At the end
// the tracker must hold nothing, and each Ref must identify one live
// connection at a time.
func TestAllMemoryReturned(t *testing.T) {
	files, _ := filepath.Glob("../testdata/captures/*.pcap*")
	if len(files) < 100 {
		t.Fatalf("got %d captures, want more", len(files))
	}
	opens := 0
	for _, mode := range []struct {
		name          string
		flows, held   int
		snaplen, skip int
		jump          int64
	}{{"all", 1 << 20, 32 << 20, 1 << 20, 0, 0}, {"little", 4, 6 << 10, 1 << 20, 0, 0}, {"cut", 1 << 20, 32 << 20, 200, 0, 0}, {"lost", 16, 64 << 10, 1 << 20, 7, 0}, {"idle", 1 << 20, 32 << 20, 1 << 20, 0, 7e9}} {
		var drops Counters
		tr := newTracker(&Options{Inspector: parse.NewInspector(0)}, &drops)
		tr.maxFlows, tr.maxHeld = mode.flows, mode.held
		box := &outbox{}
		tr.out = box
		d := decoder{drops: &drops, seed: 1, frags: newFragments(0)}
		live := map[uint32]uint64{} // by Ref
		take := func() {
			for _, e := range box.events {
				if e.Opening != nil {
					opens++
					if id := live[e.Ref]; id != 0 {
						t.Fatalf("%s: connection %d has Ref %d, which connection %d uses", mode.name, e.ID, e.Ref, id)
					}
					live[e.Ref] = e.ID
					continue
				}
				if live[e.Ref] != e.ID {
					t.Fatalf("%s: connection %d ends with Ref %d of connection %d", mode.name, e.ID, e.Ref, live[e.Ref])
				}
				delete(live, e.Ref)
			}
			tr.recycle(box)
		}
		now, n := int64(0), 0
		for _, name := range files {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			r, err := pcapfile.NewReader(f)
			if err != nil {
				f.Close()
				continue
			}
			recs := make([]packet.Record, 64)
			for {
				k, err := r.NextBatch(recs)
				for _, rec := range recs[:k] {
					if n++; mode.skip != 0 && n%mode.skip == 0 {
						continue
					}
					now += 1e6
					if n%50 == 0 {
						now += mode.jump
					}
					var s segment
					if d.decode(rec.Link, rec.Data[:min(len(rec.Data), mode.snaplen)], rec.WireLen, now, &s) {
						s.packet = uint64(n)
						tr.segment(&s)
						take()
					}
				}
				if err != nil || k == 0 {
					break
				}
			}
			r.Close()
			f.Close()
		}
		tr.finish(box, take)
		names := &tr.connIDs
		if tr.pool.held != 0 || tr.flows.n != 0 || tr.table.n != tr.halfOpens.n || names.n != 0 || names.slab.n != 0 || len(tr.opens) != len(tr.free) || len(live) != 0 {
			t.Errorf("%s: left %d bytes, %d flows, %d of the table, %d half-open, %d connection IDs, %d openings, %d rows",
				mode.name, tr.pool.held, tr.flows.n, tr.table.n, tr.halfOpens.n, names.n, len(tr.opens)-len(tr.free), len(live))
		}
		kept := 0
		for _, list := range tr.pool.free {
			for _, b := range list {
				kept += cap(b)
			}
		}
		if kept != tr.pool.kept || kept > tr.pool.room {
			t.Errorf("%s: got %d bytes kept, counted %d, limit %d", mode.name, kept, tr.pool.kept, tr.pool.room)
		}
	}
	if opens < 1000 {
		t.Errorf("got %d handshakes, want more", opens)
	}
}
