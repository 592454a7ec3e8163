package parse

import (
	"testing"

	"pfsight/capture/stream"
)

// TestRetryUnseenCut cuts the hellos of connections whose beginning was not
// captured. What is left of a ClientHello may be of a second one, unless it shows
// two key shares.
func TestRetryUnseenCut(t *testing.T) {
	n := 0
	for _, x := range handshakes() {
		late := func(cut int) *Handshake {
			c := conversation(x.half[0], x.half[1])
			for d := range c.Half {
				h := &c.Half[d]
				h.SYN, h.Midstream = false, true
				if cut > 0 && len(h.Data) > cut {
					h.Gaps, h.Cut = []stream.Gap{{From: cut, To: len(h.Data)}}, true
				}
			}
			return new(Parser).Parse(c)
		}
		if whole := late(0); whole == nil || whole.ServerHello == nil || !whole.ServerHello.Version().IsTLS13() || whole.RetryRequest != nil {
			continue
		}
		for cut := 60; cut < len(x.half[0]); cut += 9 {
			h := late(cut)
			if h == nil || h.ServerHello == nil || h.ClientHello == nil || !h.ClientHello.Incomplete || len(h.ClientHello.KeyShares) > 1 {
				continue
			}
			if n++; !h.RetryUnseen {
				t.Fatalf("%s cut at %d: RetryUnseen is false", x.name, cut)
			}
		}
	}
	if n == 0 {
		t.Error("no handshake was cut")
	}
}
