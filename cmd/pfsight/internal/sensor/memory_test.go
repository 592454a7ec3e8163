package sensor

import (
	"testing"

	"pfsight/capture/live"
	"pfsight/cmd/pfsight/internal/memory"
)

// TestDivide checks that the parts of --memory fit together.
func TestDivide(t *testing.T) {
	for _, limit := range []int64{32 << 20, 64 << 20, 256 << 20, 1 << 30, 16 << 30} {
		for _, rings := range []int{1, 2, 8, 64} {
			for _, block := range []int{live.MinBlock, live.DefaultBlock, 4 << 20} {
				o := &live.Options{Interfaces: []string{"a", "b"}, Rings: rings, BlockSize: block}
				FitRings(o, limit, 1)
				if err := o.Check(); err != nil {
					t.Fatal(err)
				}
				b := divide(limit, o)
				taken := int64(2*rings*o.Blocks) * int64(block)
				least := int64(2*rings*4) * int64(block) // no ring is smaller
				if taken > max(limit/4, least) {
					t.Errorf("%d: %d rings take %d", limit, 2*rings, taken)
				}
				if taken+b.runtime > limit && b.runtime > memory.Least/2 {
					t.Errorf("%d: %d for rings, %d for the runtime", limit, taken, b.runtime)
				}
				used := b.tables + b.sums + b.queue + 2*changeCost*int64(b.pending)
				if used > b.runtime || b.open > b.tables || b.heap > b.runtime || min(b.tables, b.open, b.sums, b.queue, int64(b.pending), b.heap) <= 0 {
					t.Errorf("%d, %d rings of %d: %+v uses %d", limit, 2*rings, block, b, used)
				}
			}
		}
	}
}

// TestRings checks that the default rings take at most a quarter of --memory, on
// machines of many cores too.
func TestRings(t *testing.T) {
	for _, limit := range []int64{32 << 20, 64 << 20, 1 << 30} {
		for _, interfaces := range [][]string{{"a"}, {"a", "b"}, {"a", "b", "c", "d"}} {
			o := live.Options{Interfaces: interfaces, BlockSize: live.DefaultBlock}
			FitRings(&o, limit, 64)
			if err := o.Check(); err != nil {
				t.Fatal(err)
			}
			if taken := int64(len(interfaces)*o.Rings*o.Blocks) * int64(o.BlockSize); taken > limit/4 {
				t.Errorf("--memory %d: %d rings of %d blocks for each of %d interfaces take %d", limit, o.Rings, o.Blocks, len(interfaces), taken)
			}
			if limit == 1<<30 && o.Rings != maxAutoRings {
				t.Errorf("%d rings", o.Rings)
			}
		}
	}
}
