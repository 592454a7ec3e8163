package capture

import (
	"cmp"
	"math/rand"
	"slices"
	"testing"

	"pfsight/capture/stream"
)

// TestJoinMarks sends a half byte by byte, slightly reordered, with changing
// acknowledgment numbers. The number of marks stays small, and each byte keeps
// its acknowledgment number.
func TestJoinMarks(t *testing.T) {
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
		late := 1 + r.Intn(8)
		order := make([]uint32, n)
		for i := range order {
			order[i] = uint32(i)
		}
		keys := make([]float64, n)
		for i := range keys {
			keys[i] = float64(i) + r.Float64()*float64(late)
		}
		slices.SortFunc(order, func(a, b uint32) int { return cmp.Compare(keys[a], keys[b]) })
		var h stream.Half
		for _, at := range order {
			mark(&h, int(at), int(at)+1, &segment{packet: uint64(len(h.Marks)) + 1}, base+at+1, ackOf(at))
		}
		if len(h.Marks) > stream.MaxMarks {
			t.Fatalf("got %d marks", len(h.Marks))
		}
		for i := range uint32(n) {
			m := h.Completed(int(i), int(i)+1)
			if m.Ack != ackOf(i) || m.Seq != base+m.To {
				t.Fatalf("byte %d, change at %d: got %+v", i, change, m)
			}
		}
	}
}
