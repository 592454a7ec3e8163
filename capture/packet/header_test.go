package packet_test

import (
	"bytes"
	"fmt"
	"testing"

	"pfsight/capture/frametest"
	"pfsight/capture/packet"
)

// TestHeader reads the frames of a packet in every form of every link type,
// whole and cut.
func TestHeader(t *testing.T) {
	for _, link := range frametest.Links {
		t.Run(link.Numbered(), func(t *testing.T) {
			forms := 0
			for etherType, first := range map[uint16]byte{0x0800: 0x45, 0x86dd: 0x60} {
				p := append([]byte{first}, bytes.Repeat([]byte{7}, 59)...)
				for _, b := range frametest.Frames(link, etherType, p) {
					forms++
					h, inner, state := link.Header(b)
					if state != packet.HeaderOK || !bytes.Equal(b[h.Net:], p) || h.Type != etherType && h.Type != packet.AnyIP {
						t.Errorf("got %+v of %v, state %d, want type %#04x and %d bytes at the end of % x", h, inner, state, etherType, len(p), b)
					}
					if h.Src != nil && !bytes.Equal(h.Src, frametest.Src) || h.Dst != nil && !bytes.Equal(h.Dst, frametest.Dst) {
						t.Errorf("got stations % x and % x, want % x and % x", h.Src, h.Dst, frametest.Src, frametest.Dst)
					}
					for n := range h.Net {
						if cut, _, state := link.Header(b[:n]); state == packet.HeaderOK {
							t.Errorf("cut at %d of %d: got %+v, want a state other than HeaderOK", n, h.Net, cut)
						}
					}
				}
			}
			if forms == 0 {
				t.Error("no forms")
			}
		})
	}
}

// TestLinkNames checks that a name identifies one link type in reports.
func TestLinkNames(t *testing.T) {
	seen := map[string]packet.LinkType{}
	for l := range packet.LinkType(300) {
		name := l.String()
		if other, ok := seen[name]; ok && name != "raw IP" { // DLT_RAW has three numbers
			t.Errorf("link types %d and %d are both named %q", other, l, name)
		}
		seen[name] = l
	}
}

// FuzzHeader reads any frame as any link type.
func FuzzHeader(f *testing.F) {
	for _, link := range frametest.Links {
		for _, b := range frametest.Frames(link, 0x0800, make([]byte, 20)) {
			f.Add(uint16(link), b)
		}
	}
	f.Fuzz(func(t *testing.T, link uint16, b []byte) {
		h, _, state := packet.LinkType(link).Header(b)
		if state == packet.HeaderOK && (h.Link > h.Net || h.Net > len(b)) || h.Link > len(b) {
			t.Errorf("got %+v of a frame of %d bytes", h, len(b))
		}
	})
}

func ExampleLinkType_Header() {
	b := frametest.Frames(packet.LinkEthernet, 0x0800, frametest.UDP(40000, 53, []byte("query")))[0]
	h, _, state := packet.LinkEthernet.Header(b)
	fmt.Println(state == packet.HeaderOK, h.Net, fmt.Sprintf("%#04x", h.Type))
	// Output: true 14 0x0800
}
