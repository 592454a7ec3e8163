package parse

import (
	"slices"
	"testing"
)

// TestHelloBehindCCS has a ChangeCipherSpec before each hello, in one segment:
// it is found as the hello alone is.
func TestHelloBehindCCS(t *testing.T) {
	ccs := []byte{recCCS, 3, 3, 0, 1, 1}
	n := 0
	for _, x := range handshakes() {
		for _, hello := range x.half {
			for cut := range min(len(hello), 80) {
				b := hello[:cut]
				want := sniffTCP(b)
				if cut < 11 || b[0] != recHandshake {
					want = sniffTCP(ccs)
				}
				both := slices.Concat(ccs, b)
				if got := sniffTCP(both); got != want {
					t.Fatalf("%s, %d bytes: %v, want %v", x.name, cut, got, want)
				}
				if got, want := helloID(both), helloID(b); got != want && b[0] == recHandshake {
					t.Fatalf("%s, %d bytes: the identity is %x, want %x", x.name, cut, got, want)
				}
				n++
			}
		}
	}
	if n == 0 {
		t.Error("no hello")
	}
}
