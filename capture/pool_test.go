package capture

import (
	"strings"
	"testing"
)

// TestGapsCount counts what the lists of gaps and of marks take, too.
func TestGapsCount(t *testing.T) {
	w := newWatch(t, 64<<20)
	const n = 200
	w.feed(tseg{conn: 1, seq: 99, flags: flagSYN})
	for i := range n {
		w.feed(tseg{conn: 1, seq: uint32(102 + 2*i), flags: flagACK, data: "C"})
	}
	if least := openingCost + n*(16+24)/2; w.tr.pool.held < least {
		t.Errorf("%d bytes are held, at least %d are in use", w.tr.pool.held, least)
	}
	w.finish()
	for _, o := range w.tr.spare {
		if listed(&o.conv.Half[0])+listed(&o.conv.Half[1]) > 0 {
			t.Error("an opening is kept with its long lists")
		}
	}
}

// TestGrowthIsHeld lets handshakes that are open grow where no new one begins:
// what they take stays within its bounds all the same.
func TestGrowthIsHeld(t *testing.T) {
	const n = 2000
	for _, udp := range []bool{false, true} {
		w, _ := newLinkWatch(t, 64<<20) // 2 MiB for them
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
				t.Fatalf("udp %v: %d bytes are held, %d at the most are to be", udp, w.tr.pool.held, most)
			}
		}
		if w.drops[FlowEvict] == 0 {
			t.Errorf("udp %v: what the limit cost is not counted: %v", udp, w.drops.List())
		}
		w.finish()
	}
}
