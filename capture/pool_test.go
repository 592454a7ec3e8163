package capture

import (
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
