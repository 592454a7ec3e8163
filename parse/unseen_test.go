package parse

import (
	"bytes"
	"fmt"
	"math/rand"
	"regexp"
	"testing"

	"pfsight/capture/stream"
)

// pointers matches what differs between equal handshakes.
var pointers = regexp.MustCompile("0x[0-9a-f]{6,}")

// TestUnseenBytes fills what was not seen with different bytes, as the buffers
// of earlier connections do: what is said of the handshake must not change.
func TestUnseenBytes(t *testing.T) {
	rng := rand.New(rand.NewSource(3))
	for _, x := range handshakes() {
		for round := range 20 {
			half := x.half
			if round%2 == 1 && !x.failed && x.state.Version >= 0x304 {
				half = [2][]byte{recut(half[0], 40), recut(half[1], 40)} // messages over many records
			}
			var gaps [2][]stream.Gap
			for d := range gaps {
				at := 0
				for rng.Intn(3) > 0 {
					from := at + rng.Intn(300)
					if rng.Intn(4) == 0 {
						from = at
					}
					to := from + 1 + rng.Intn(200)
					if to >= len(half[d]) {
						break
					}
					gaps[d] = append(gaps[d], stream.Gap{From: from, To: to})
					at = to + 1
				}
			}
			said := ""
			for n, fill := range [][]byte{{0}, {22, 3, 3, 0, 1}, {0x00, 0x2a, 0x38}, {0x80, 0x2e, 1, 3, 3}, {20, 3, 3}, {1, 0, 0, 40}, {0xff}} {
				c := conversation(bytes.Clone(half[0]), bytes.Clone(half[1]))
				for d := range gaps {
					c.Half[d].Gaps = gaps[d]
					for _, g := range gaps[d] {
						for i := g.From; i < g.To; i++ {
							c.Half[d].Data[i] = fill[(i-g.From)%len(fill)]
						}
					}
				}
				var p Parser
				h := p.Parse(c)
				got := "nothing"
				if h != nil {
					got = fmt.Sprintf("%+v %+v %v %+v %+v %+v %+v", *h, h.ClientHello, h.FirstHello, h.ServerHello, h.RetryRequest, h.ServerKeyExchange, h.ClientKeyExchange)
					got = pointers.ReplaceAllString(got, "")
				}
				if n == 0 {
					said = got
				} else if got != said {
					t.Fatalf("%s: gaps %v filled with %x:\n%s\nand with 00:\n%s", x.name, gaps, fill, got, said)
				}
			}
		}
	}
}
