package capture

import (
	"bytes"
	"testing"

	"pfsight/capture/packet"
	"pfsight/capture/stream"
)

var (
	eapolStation = []byte{2, 0, 0, 0, 0, 5}
	eapolSwitch  = []byte{2, 0, 0, 0, 0, 0xa}
	eapolGroup   = []byte{1, 0x80, 0xc2, 0, 0, 3}
)

// eapolFrame is an EAPOL PDU with an EAP packet of one byte.
var eapolFrame = []byte{2, 0, 0, 5, 2, 7, 0, 5, 1}

// TestEAPOL decodes eapolFrame in everything that may carry it.
func TestEAPOL(t *testing.T) {
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	// IEEE 802.11: frame control, duration, three addresses, sequence control.
	wlan := func(flags byte, a1, a2, a3 []byte, more ...byte) []byte {
		return join([]byte{8, flags, 0, 0}, a1, a2, a3, []byte{0x10, 0}, more, []byte{0xaa, 0xaa, 3, 0, 0, 0, 0x88, 0x8e}, eapolFrame, []byte{1, 2, 3, 4})
	}
	padding := make([]byte, 30)
	ip := func(proto byte, b []byte) []byte {
		return append([]byte{0x45, 0, 0, byte(20 + len(b)), 0, 0, 0, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, b...)
	}
	for _, c := range []struct {
		name     string
		link     packet.LinkType
		b        []byte
		src, dst []byte // nil: no EAPOL expected
	}{
		{"Ethernet", packet.LinkEthernet, join(eapolGroup, eapolStation, []byte{0x88, 0x8e}, eapolFrame, padding), eapolStation, eapolGroup},
		{"VLAN", packet.LinkEthernet, join(eapolStation, eapolSwitch, []byte{0x81, 0, 0, 5, 0x88, 0x8e}, eapolFrame, padding), eapolSwitch, eapolStation},
		{"SNAP", packet.LinkEthernet, join(eapolStation, eapolSwitch, []byte{0, 17, 0xaa, 0xaa, 3, 0, 0, 0, 0x88, 0x8e}, eapolFrame), eapolSwitch, eapolStation},
		{"SLL", packet.LinkSLL, join([]byte{0, 0, 0, 1, 0, 6}, eapolStation, []byte{0, 0, 0x88, 0x8e}, eapolFrame), eapolStation, make([]byte, 6)},
		{"SLL2", packet.LinkSLL2, join([]byte{0x88, 0x8e, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6}, eapolStation, []byte{0, 0}, eapolFrame), eapolStation, make([]byte, 6)},
		{"802.11 to the access point", packet.LinkIEEE80211, wlan(1, eapolSwitch, eapolStation, eapolGroup), eapolStation, eapolGroup},
		{"802.11 from the access point", packet.LinkIEEE80211, wlan(2, eapolStation, eapolSwitch, eapolSwitch), eapolSwitch, eapolStation},
		{"802.11 between stations", packet.LinkIEEE80211, wlan(0, eapolStation, eapolSwitch, eapolGroup), eapolSwitch, eapolStation},
		{"802.11 of four addresses", packet.LinkIEEE80211, wlan(3, eapolGroup, eapolGroup, eapolStation, eapolSwitch...), eapolSwitch, eapolStation},
		{"radiotap", packet.LinkRadiotap, append([]byte{0, 0, 8, 0, 0, 0, 0, 0}, wlan(2, eapolStation, eapolSwitch, eapolSwitch)...), eapolSwitch, eapolStation},
		{"Ethernet over GRE", packet.LinkRaw, ip(protoGRE, join([]byte{0, 0, 0x65, 0x58}, eapolStation, eapolSwitch, []byte{0x88, 0x8e}, eapolFrame)), eapolSwitch, eapolStation},
		{"GRE without Ethernet", packet.LinkEthernet, join(eapolStation, eapolSwitch, []byte{8, 0}, ip(protoGRE, join([]byte{0, 0, 0x88, 0x8e}, eapolFrame))), nil, nil},
		{"a key frame", packet.LinkEthernet, join(eapolStation, eapolSwitch, []byte{0x88, 0x8e}, []byte{2, 3, 0, 5, 2, 7, 0, 5, 1}), nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var drops Counters
			d := decoder{drops: &drops}
			var s segment
			ok := d.decode(c.link, c.b, len(c.b), 7, &s)
			if ok != (c.src != nil) {
				t.Fatalf("got %v, drops %v", ok, drops.List())
			}
			if !ok {
				if len(drops.List()) != 1 {
					t.Errorf("got drops %v", drops.List())
				}
				return
			}
			if s.key.proto != protoEAPOL || s.key.aHi != mac48(c.src) || s.key.bHi != mac48(c.dst) || !bytes.Equal(s.payload, eapolFrame) || s.wire != len(eapolFrame) {
				t.Errorf("got %+v", s)
			}
			if m := macOf(s.key.aHi); !bytes.Equal(m[:], c.src) {
				t.Errorf("got address %v", m)
			}
			for n := range c.b { // cut by the snaplen
				drops = Counters{}
				if d.decode(c.link, c.b[:n], len(c.b), 7, &s) && !bytes.HasPrefix(eapolFrame, s.payload) {
					t.Errorf("cut at %d: got %+v", n, s)
				}
			}
		})
	}
}

// splitByByte is a stream.Splitter. The session is the second byte of a UDP
// datagram, or the fifth of an EAPOL PDU, whose first byte is the direction.
func splitByByte(d *stream.Datagram) (uint32, stream.Dir, bool) {
	if d.Transport == stream.EAPOL {
		return uint32(d.Data[4]), stream.Dir(d.Data[0] & 1), d.Data[4] == 9
	}
	return uint32(d.Data[1]), stream.ToServer, false
}

// follow passes frames to a tracker and returns the conversations.
func follow(t *testing.T, opt Options, frames ...[]byte) ([]*stream.Conversation, Counters) {
	t.Helper()
	var drops Counters
	tr := newTracker(&opt, &drops)
	tr.out = &outbox{}
	d := decoder{drops: &drops}
	for i, b := range frames {
		var s segment
		if d.decode(packet.LinkEthernet, b, len(b), int64(i+1)*1e6, &s) {
			s.packet = uint64(i + 1)
			tr.segment(&s)
		}
	}
	var out []*stream.Conversation
	end := &outbox{}
	tr.finish(end, func() {
		for _, e := range end.events {
			if e.Opening != nil {
				c := *e.Opening
				for d := range c.Half {
					c.Half[d].Data = bytes.Clone(c.Half[d].Data)
				}
				out = append(out, &c)
			}
		}
		end.events = end.events[:0]
	})
	return out, drops
}

// TestSplit follows sessions of one pair of endpoints and of a LAN.
func TestSplit(t *testing.T) {
	udp := func(fromServer bool, payload string) []byte {
		src, dst, sp, dp := byte(1), byte(2), []byte{0x80, 0}, []byte{7, 0x14}
		if fromServer {
			src, dst, sp, dp = dst, src, dp, sp
		}
		b := append(append(append([]byte{}, eapolStation...), eapolSwitch...), 8, 0, 0x45, 0, 0, byte(28+len(payload)), 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, src, 10, 0, 0, dst)
		return append(append(append(append(b, sp...), dp...), 0, byte(8+len(payload)), 0, 0), payload...)
	}
	lan := func(src, dst []byte, version, session byte, text string) []byte {
		b := append(append(append([]byte{}, dst...), src...), 0x88, 0x8e, version, 0, 0, byte(1+len(text)), session)
		return append(b, text...)
	}
	opt := Options{Inspector: stream.Inspector{
		Ask:      func(*stream.Conversation, stream.Dir) stream.Decision { return stream.More },
		SniffTCP: func([]byte) stream.Sniff { return stream.SniffNone },
		SniffUDP: func([]byte) stream.Sniff { return stream.SniffClient },
		Split:    splitByByte,
	}}
	frames := [][]byte{
		udp(false, "a\x01"), udp(false, "b\x02"), udp(true, "c\x01"), udp(true, "d\x02"), udp(false, "e\x00"), udp(false, "f\x01"),
		lan(eapolSwitch, eapolGroup, 1, 5, "who"), lan(eapolStation, eapolGroup, 2, 5, "me"), lan(eapolSwitch, eapolStation, 1, 5, "in"),
		lan(eapolSwitch, eapolStation, 1, 0, "of no session"), lan(eapolStation, eapolGroup, 2, 9, "lost"),
	}
	got, drops := follow(t, opt, frames...)
	type want struct {
		transport      stream.Transport
		client, server string // their data
		from, to       string // their addresses
	}
	wants := []want{
		{stream.UDP, "a\x01f\x01", "c\x01", "10.0.0.1:32768", "10.0.0.2:1812"},
		{stream.UDP, "b\x02", "d\x02", "10.0.0.1:32768", "10.0.0.2:1812"},
		{stream.UDP, "e\x00", "", "10.0.0.1:32768", "10.0.0.2:1812"},
		{stream.EAPOL, "\x02\x00\x00\x03\x05me", "\x01\x00\x00\x04\x05who\x01\x00\x00\x03\x05in", "02:00:00:00:00:05", "02:00:00:00:00:0a"},
		{stream.EAPOL, "\x02\x00\x00\x05\x09lost", "", "02:00:00:00:00:05", "00:00:00:00:00:00"},
	}
	if len(got) != len(wants) {
		t.Fatalf("got %d conversations, want %d", len(got), len(wants))
	}
	for i, w := range wants {
		c := got[i]
		from, to := c.Client.String(), c.Server.String()
		if c.Transport == stream.EAPOL {
			from, to = c.ClientMAC.String(), c.ServerMAC.String()
			if c.Client.IsValid() || c.Server.IsValid() {
				t.Errorf("conversation %d has IP addresses", i)
			}
		}
		if c.Transport != w.transport || string(c.Half[0].Data) != w.client || string(c.Half[1].Data) != w.server || from != w.from || to != w.to {
			t.Errorf("conversation %d: got %s, %q from %s, %q from %s", i, c.Transport, c.Half[0].Data, from, c.Half[1].Data, to)
		}
	}
	if drops[NotIP] != 1 || drops[SessionLimit] != 1 {
		t.Errorf("got drops %v", drops.List())
	}
	opt.Split = nil // EAPOL is not followed, and UDP has no sessions
	got, drops = follow(t, opt, frames...)
	if len(got) != 1 || string(got[0].Half[0].Data) != "a\x01b\x02e\x00f\x01" || drops[NotIP] != 5 {
		t.Errorf("without a Splitter: got %d conversations, drops %v", len(got), drops.List())
	}
}
