package capture

import (
	"bytes"
	"strings"
	"testing"

	"pfsight/capture/frametest"
	"pfsight/capture/packet"
)

// tcpPacket returns an IPv4 or IPv6 packet with a TCP segment of n bytes.
func tcpPacket(v6 bool, n int) []byte {
	tcp := append([]byte{0x9c, 0x40, 1, 0xbb, 0, 0, 0, 7, 0, 0, 0, 9, 0x50, flagACK, 1, 0, 0, 0, 0, 0}, bytes.Repeat([]byte{'x'}, n)...)
	if v6 {
		h := []byte{0x60, 0, 0, 0, byte(len(tcp) >> 8), byte(len(tcp)), protoTCP, 64}
		h = append(h, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
		h = append(h, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2)
		return append(h, tcp...)
	}
	return frametest.IPv4(3, 4, protoTCP, tcp)
}

// decodeOne decodes a frame with its own counters.
func decodeOne(link packet.LinkType, b []byte, wireLen int) (segment, *Counters, bool) {
	var s segment
	d := decoder{drops: new(Counters)}
	ok := d.decode(link, b, wireLen, 1, &s)
	return s, d.drops, ok
}

// TestLinkTypes decodes a packet in each form of each link type, and cuts it
// at every length.
func TestLinkTypes(t *testing.T) {
	for _, link := range frametest.Links {
		forms := 0
		for _, v6 := range []bool{false, true} {
			p, etherType := tcpPacket(v6, 100), uint16(etherIPv4)
			if v6 {
				etherType = etherIPv6
			}
			want, _, _ := decodeOne(packet.LinkRaw, p, len(p))
			for _, b := range frametest.Frames(link, etherType, p) {
				forms++
				s, drops, ok := decodeOne(link, b, len(b))
				if !ok || s.key != want.key || s.wire != 100 || len(s.payload) != 100 {
					t.Errorf("%v: got %v, %d of %d bytes, drops %v: % x", link.Numbered(), ok, len(s.payload), s.wire, drops.List(), b[:min(len(b), 64)])
					continue
				}
				for n := range b {
					s, drops, ok := decodeOne(link, b[:n], len(b))
					if ok && (s.key != want.key || s.wire != 100 && s.wire != headCut || len(s.payload) > 100) {
						t.Fatalf("%v cut at %d: got %+v", link.Numbered(), n, s)
					}
					if !ok && drops[CutHeader]+drops[BadHeader]+drops[NotIP]+drops[UnknownLink] != 1 {
						t.Fatalf("%v cut at %d: got drops %v", link.Numbered(), n, drops.List())
					}
				}
			}
		}
		if forms == 0 {
			t.Errorf("%v: got no frame", link.Numbered())
		}
	}
}

// TestTunnels decodes a packet in each tunnel.
func TestTunnels(t *testing.T) {
	p := tcpPacket(false, 100)
	want, _, _ := decodeOne(packet.LinkRaw, p, len(p))
	tr := newTracker(&Options{}, new(Counters))
	for _, x := range frametest.Tunnels() {
		for _, link := range []packet.LinkType{packet.LinkEthernet, packet.LinkPKTAP} {
			b := frametest.Frames(link, etherIPv4, x.Wrap(p))[0]
			s, drops, ok := decodeOne(link, b, len(b))
			if layers := strings.Join(tr.names(s.encap), ","); !ok || s.key.proto != want.key.proto || s.key.ports != want.key.ports || s.wire != 100 || len(s.payload) != 100 || layers != x.Layers {
				t.Errorf("%s: got %v, %d of %d bytes, layers %q, drops %v", x.Name, ok, len(s.payload), s.wire, layers, drops.List())
			}
		}
	}
}

// TestMirrorCut cuts the packet inside a tunnel, as a mirror does that keeps
// the first bytes. The outer headers do not show it. The missing bytes are
// cut, not lost. The same holds for a whole frame that a packet broker cut.
func TestMirrorCut(t *testing.T) {
	const size = 1400
	for _, v6 := range []bool{false, true} {
		p := tcpPacket(v6, size)
		wraps := []frametest.Tunnel{{Name: "none", Wrap: func(p []byte) []byte { return p }}}
		if !v6 {
			wraps = append(wraps, frametest.Tunnels()...)
		}
		for _, x := range wraps {
			for _, keep := range []int{1, 600, size - 1} {
				headers := len(p) - size
				inner := x.Wrap(p[:headers+keep])
				etherType := uint16(etherIPv4)
				if v6 {
					etherType = etherIPv6
				}
				b := frametest.Frames(packet.LinkEthernet, etherType, inner)[0]
				s, drops, ok := decodeOne(packet.LinkEthernet, b, len(b))
				if !ok || s.wire != size || len(s.payload) != keep {
					t.Errorf("%s: %d of %d bytes: got %v, %d of %d, drops %v", x.Name, keep, size, ok, len(s.payload), s.wire, drops.List())
				}
				// The capture's snaplen cuts it further.
				s, _, ok = decodeOne(packet.LinkEthernet, b[:len(b)-1], len(b))
				if !ok || s.wire != size || len(s.payload) != keep-1 {
					t.Errorf("%s: %d of %d bytes, and one: got %v, %d of %d", x.Name, keep, size, ok, len(s.payload), s.wire)
				}
			}
		}
	}
}

// TestNoVXLAN decodes datagrams that only resemble VXLAN.
func TestNoVXLAN(t *testing.T) {
	inner := frametest.Frames(packet.LinkEthernet, etherIPv4, tcpPacket(false, 10))[0]
	good := append([]byte{8, 0, 0, 0, 0, 0, 7, 0}, inner...)
	for name, change := range map[string]func(b []byte) []byte{
		"another flag":    func(b []byte) []byte { b[0] = 9; return b },
		"reserved":        func(b []byte) []byte { b[2] = 1; return b },
		"reserved at end": func(b []byte) []byte { b[7] = 1; return b },
		"EtherType":       func(b []byte) []byte { b[21] = 6; return b },
		"IP version":      func(b []byte) []byte { b[22] = 0x55; return b },
		"short":           func(b []byte) []byte { return b[:30] },
	} {
		t.Run(name, func(t *testing.T) {
			b := frametest.Frames(packet.LinkEthernet, etherIPv4, frametest.UDP(50000, 23456, change(bytes.Clone(good))))[0]
			if s, drops, ok := decodeOne(packet.LinkEthernet, b, len(b)); !ok || s.key.proto != protoUDP || s.encap != 0 || *drops != (Counters{}) {
				t.Errorf("got %v, layers %x, drops %v, want plain UDP", ok, s.encap, drops.List())
			}
		})
	}
}

// TestMirrored80211 decodes IEEE 802.11 frames behind EtherType 0x2452, with
// the protection flag that a driver leaves set after decryption.
func TestMirrored80211(t *testing.T) {
	for i, wlan := range frametest.Frames(packet.LinkIEEE80211, etherIPv4, tcpPacket(false, 100)) {
		for _, protected := range []byte{0, 0x40} {
			w := bytes.Clone(wlan)
			w[1] |= protected
			b := append(append(bytes.Clone(frametest.Dst), frametest.Src...), 0x24, 0x52)
			b = append(b, w...)
			s, drops, ok := decodeOne(packet.LinkEthernet, b, len(b))
			if !ok || s.wire != 100 || encapNames[s.encap] != "802.11" {
				t.Errorf("form %d, protected %x: got %v, drops %v", i, protected, ok, drops.List())
			}
		}
	}
}

// TestUser2 checks that frames of USER2 that are not PKTAP count as an
// unsupported link type.
func TestUser2(t *testing.T) {
	good := frametest.Frames(packet.LinkUser2, etherIPv4, tcpPacket(false, 100))[0]
	for name, change := range map[string]func(b []byte){
		"length":      func(b []byte) { b[0] = 0 },
		"no packet":   func(b []byte) { b[4] = 0 },
		"no name":     func(b []byte) { b[12] = 0 },
		"bytes in it": func(b []byte) { b[20] = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(good)
			change(b)
			if _, drops, ok := decodeOne(packet.LinkUser2, b, len(b)); ok || drops[UnknownLink] != 1 {
				t.Errorf("got %v, drops %v, want %v", ok, drops.List(), UnknownLink)
			}
		})
	}
}

// TestLoopbackFamily decodes the loopback header with the number of IPv6 of
// every system, in both byte orders.
func TestLoopbackFamily(t *testing.T) {
	for _, c := range []struct {
		name   string
		family byte
		want   bool
	}{
		{"Linux", 10, true},
		{"NetBSD and OpenBSD", 24, true},
		{"Solaris", 26, true},
		{"FreeBSD", 28, true},
		{"Darwin", 30, true},
		{"AppleTalk", 16, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, head := range [][]byte{{c.family, 0, 0, 0}, {0, 0, 0, c.family}} {
				b := append(bytes.Clone(head), tcpPacket(true, 10)...)
				for _, link := range []packet.LinkType{packet.LinkNull, packet.LinkLoop} {
					if _, drops, ok := decodeOne(link, b, len(b)); ok != c.want || ok == (drops[NotIP] == 1) {
						t.Errorf("%v, header % x: got %v, drops %v, want %v", link, head, ok, drops.List(), c.want)
					}
				}
			}
		})
	}
}
