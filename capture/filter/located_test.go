package filter

import (
	"testing"

	"pfsight/capture/frametest"
	"pfsight/capture/packet"
)

// TestLinkTypes compares the filter of each link type, in all its forms, with
// that of raw IP. Conditions on the network layer have one answer.
func TestLinkTypes(t *testing.T) {
	asked := []string{
		"ip", "ip6", "tcp", "udp", "tcp port 443", "udp port 53 or 5353", "not tcp", "host 10.0.0.1", "net 10.0.0.0/8", "src net 2001:db8::/32", "portrange 1000-2000", "icmp6",
		"ip[9] == 6", "ip6[6] = 17", "tcp[13] & 2 != 0", "tcp[((tcp[12] & 0xf0) >> 2):1] = 0x16", "ip proto 47", "proto 17 and not port 53", "ip multicast",
	}
	raw := map[string]*Program{}
	for _, expr := range asked {
		p, err := Compile(expr, 101)
		if err != nil {
			t.Fatal(err)
		}
		raw[expr] = p
	}
	for _, link := range frametest.Links {
		n := 0
		for _, expr := range asked {
			p, err := Compile(expr, uint32(link))
			if err != nil {
				t.Errorf("%s: %q: %v", link.Numbered(), expr, err)
				continue
			}
			for _, sample := range network() {
				if sample.etherType != etherIP && sample.etherType != etherIPv6 {
					continue
				}
				for _, b := range frametest.Frames(link, sample.etherType, sample.data) {
					n++
					if got, want := p.Match(b, len(b)), raw[expr].Match(sample.data, len(sample.data)); got != want {
						t.Fatalf("%s: %q: got %v, want %v for % x", link.Numbered(), expr, got, want, b)
					}
				}
			}
		}
		if n == 0 {
			t.Errorf("%s: no frame was compared", link.Numbered())
		}
	}
}

// TestStations filters by station address and by EAPOL, behind headers of any
// length.
func TestStations(t *testing.T) {
	for _, link := range withStations {
		for _, b := range frametest.Frames(link, 0x888e, make([]byte, 40)) {
			if link == packet.LinkPKTAP || link == packet.LinkUser2 {
				if len(b) < 108+14+40 {
					continue // a tunnel without stations
				}
			}
			for expr, want := range map[string]bool{
				"ether proto 0x888e": true, "ether src 02:00:00:00:00:01": true, "ether dst 02:00:00:00:00:02": true, "ether host 02:00:00:00:00:01": true,
				"ether dst 02:00:00:00:00:01": false, "ether proto 0x888f": false, "broadcast": false, "not multicast": true,
			} {
				p, err := Compile(expr, uint32(link))
				if err != nil {
					t.Errorf("%s: %q: %v", link.Numbered(), expr, err)
				} else if p.Match(b, len(b)) != want {
					t.Errorf("%s: %q: got %v for % x", link.Numbered(), expr, !want, b)
				}
			}
		}
	}
}

// TestManagement checks that frames of IEEE 802.11 without a packet, and cut
// ones, get tcpdump's answer.
func TestManagement(t *testing.T) {
	beacon := append([]byte{0x80, 0, 0, 0}, make([]byte, 60)...)
	for expr, want := range map[string]bool{"not tcp": true, "tcp": false, "ip[9] = 0": false, "not ip": true} {
		p, err := Compile(expr, 105)
		if err != nil {
			t.Fatal(err)
		}
		if p.Match(beacon, len(beacon)) != want {
			t.Errorf("%q: got %v for a beacon", expr, !want)
		}
		if p.Match(beacon[:10], len(beacon)) {
			t.Errorf("%q: got true for a frame cut inside its header, want false", expr)
		}
	}
}

func BenchmarkMatchLocated(b *testing.B) {
	p, err := Compile("tcp port 443 and not net 10.0.0.0/8", uint32(packet.LinkRadiotap))
	if err != nil {
		b.Fatal(err)
	}
	packets := samplePackets(uint32(packet.LinkRadiotap))
	b.ReportAllocs()
	for i := range b.N {
		x := packets[i%len(packets)]
		p.Match(x, len(x))
	}
}
