package analyze

import (
	"testing"

	"pfsight/cmd/pfsight/internal/memory"
)

// TestDivide adds up what the parts of --memory may take.
func TestDivide(t *testing.T) {
	for _, limit := range []int64{1 << 20, 32 << 20, 64 << 20, 2 << 30, 64 << 30} {
		b := divide(limit)
		if sum := b.tables + b.sums + b.sessions + b.inputs; sum > max(limit, memory.Least)*3/4 || min(b.tables, b.sums, b.sessions, b.inputs) <= 0 {
			t.Errorf("divide(%d) = %+v", limit, b)
		}
	}
}
