package quic

import (
	"testing"

	"pfsight/capture/stream"
)

// check holds an Opening against what is always true of one.
func check(t *testing.T, o *Opening) {
	t.Helper()
	if o == nil {
		return
	}
	if len(o.Problems) > maxProblems || o.Others > maxOthers {
		t.Error("a limit was passed")
	}
	for d := range o.Hello {
		h := &o.Hello[d]
		if len(h.Data) > maxCrypto || len(h.Marks) > stream.MaxMarks || len(h.Gaps) > maxRanges {
			t.Error("a limit of the CRYPTO stream was passed")
		}
		at := 0
		for i, g := range h.Gaps {
			if g.From < at || g.To <= g.From || g.To >= len(h.Data) || i > 0 && g.From == at {
				t.Errorf("gaps %v in %d bytes", h.Gaps, len(h.Data))
			}
			at = g.To
		}
		n := 0
		for i, m := range h.Marks {
			if m.From >= m.To || int(m.To) > len(h.Data) && !h.Full || int(m.From) > len(h.Data) {
				t.Errorf("mark %v in %d bytes", m, len(h.Data))
			}
			for _, o := range h.Marks[i+1:] {
				if o.From < m.To && o.To > m.From && len(h.Marks) < stream.MaxMarks {
					t.Errorf("marks %v and %v", m, o)
				}
			}
			n += int(m.To - m.From)
		}
		for _, g := range h.Gaps {
			n += g.To - g.From
		}
		if n < len(h.Data) {
			t.Errorf("marks and gaps cover %d bytes of %d", n, len(h.Data))
		}
		if o.Opened[d] > o.Initial[d].N {
			t.Errorf("opened %v of %v", o.Opened, o.Initial)
		}
		if o.Opened[d] == 0 && len(h.Data) > 0 {
			t.Error("a hello without an Initial")
		}
	}
}
