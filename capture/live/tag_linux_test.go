//go:build !pcap

package live

import (
	"fmt"
	"strings"
	"testing"

	"pfsight/capture/filter"
)

// FuzzBehindTag compares a program for frames without their tag with the
// original program on frames with the tag.
func FuzzBehindTag(f *testing.F) {
	for _, b := range frames() {
		for _, expr := range []string{"tcp port 443", "vlan 2 and tcp", "not vlan", "ip6", "tcp[13] & 2 != 0", "vlan and vlan 7 and host 10.0.0.1", "ether[14] = 1", "greater 90"} {
			f.Add(expr, b, uint16(0x2002), true)
		}
	}
	f.Fuzz(func(t *testing.T, expr string, b []byte, tci uint16, q bool) {
		p, err := filter.Compile(expr, 1)
		if err != nil || len(b) < 14 {
			return
		}
		code, _ := p.Instructions()
		made, err := behindTag(code)
		if err != nil {
			return // the reader filters
		}
		tpid := uint16(0x8100)
		if q {
			tpid = 0x88a8
		}
		// Insert what the kernel knows of the tag as numbers.
		var text strings.Builder
		fmt.Fprintln(&text, len(made))
		for _, c := range made {
			switch {
			case c.Code == bpfLDH && c.K == adVLANTP:
				c = filter.Instruction{K: uint32(tpid)}
			case c.Code == bpfLDH && c.K == adVLANTag:
				c = filter.Instruction{K: uint32(tci)}
			}
			fmt.Fprintln(&text, c.Code, c.Jt, c.Jf, c.K)
		}
		kernel, err := filter.Compile(text.String(), 1)
		if err != nil {
			t.Fatalf("%q: %v", expr, err)
		}
		whole := tagged(b, tpid, tci)
		if got, want := kernel.Match(b, len(b)), p.Match(whole, len(whole)); got != want {
			t.Errorf("%q: got %v, want %v as in a file: %x", expr, got, want, whole)
		}
	})
}
