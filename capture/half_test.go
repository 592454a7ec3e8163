package capture

import (
	"math/rand"
	"testing"

	"pfsight/capture/stream"
)

// TestJoinedMarks has a half come byte by byte, in an order that is somewhat
// mixed, while what it acknowledges changes: the marks stay few, and each byte is
// still known to acknowledge what its segment did.
func TestJoinedMarks(t *testing.T) {
	r := rand.New(rand.NewSource(5))
	for range 50 {
		const n, base = 3000, 0xfffffc00
		change := uint32(r.Intn(n))
		ackOf := func(i uint32) uint32 {
			if i < change {
				return 100
			}
			return 200
		}
		order := r.Perm(3)
		var h stream.Half
		for i := uint32(0); i < n; i += 3 {
			for _, k := range order {
				at := i + uint32(k)
				mark(&h, int(at), int(at)+1, &segment{packet: uint64(len(h.Marks)) + 1}, base+at+1, ackOf(at))
			}
			r.Shuffle(3, func(a, b int) { order[a], order[b] = order[b], order[a] })
		}
		if len(h.Marks) > stream.MaxMarks {
			t.Fatalf("%d marks", len(h.Marks))
		}
		for i := range uint32(n) {
			m := h.Completed(int(i), int(i)+1)
			if m.Ack != ackOf(i) || m.Seq != base+m.To {
				t.Fatalf("byte %d of %d before the change: %+v", i, change, m)
			}
		}
	}
}
