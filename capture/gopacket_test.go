package capture

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/ip4defrag"
	"github.com/google/gopacket/layers"

	"pfsight/capture/frametest"
	"pfsight/capture/packet"
	"pfsight/capture/pcapfile"
)

// gopacketFaults are the kinds of frames that gopacket v1.1.19 decodes
// differently, with the reason. TestGopacket fails for a difference of another
// kind, and for a kind that no longer occurs.
var gopacketFaults = map[string]string{
	"link type":            "it has no decoder for the link type, or its LinkType of 8 bits cannot hold the number",
	"IPv6 routing header":  "it reads type 0 of the header only",
	"IEEE 802.11 checksum": "it takes the last 4 bytes of a frame for the check sequence, which captures seldom hold",
	"short fragment":       "it refuses fragments of less than 8 bytes, though the last one may be shorter",
	"TCP header cut":       "it has no layer of a header that the snaplen cut",
	"PPPoE cut":            "it panics where the frame ends before the payload",
	"PPPoE length 0":       "it believes the length; link-pppoe.pcap has frames of this kind",
	"tunnel vxlan":         "it reads VXLAN on port 4789 only",
	"tunnel vxlan-gpe":     "it does not read VXLAN-GPE",
	"tunnel tzsp":          "it does not read TZSP",
	"tunnel erspan":        "it reads ERSPAN type II only",
	"tunnel gre":           "it does not read GRE in UDP (RFC 8086)",
	"tunnel mpls":          "it does not read MPLS in UDP (RFC 7510)",
	"tunnel gre,wccp":      "it does not read WCCP",
	"tunnel l2tp":          "it does not read L2TP",
}

// A transport is the part of a decoded frame that TestGopacket compares.
type transport struct {
	src, dst netip.AddrPort
	proto    uint8
	seq, ack uint32
	flags    uint8
	wire     int // payload length on the wire
	payload  string
	encap    string // comma-separated
}

func (x transport) String() string {
	return fmt.Sprintf("[%s] %v > %v protocol %d seq %d ack %d flags %#x wire %d, payload of %d bytes %.8q", x.encap, x.src, x.dst, x.proto, x.seq, x.ack, x.flags, x.wire, len(x.payload), x.payload)
}

// ours returns the transport that a decoder finds in a frame. ok is false if
// there is none.
func ours(d *decoder, rec *packet.Record) (x transport, ok bool) {
	var s segment
	if !d.decode(rec.Link, rec.Data, rec.WireLen, rec.Time, &s) || s.key.protocol() == protoEAPOL {
		return x, false
	}
	names := (&tracker{encaps: map[uint64][]string{}}).names(s.encap)
	return transport{
		s.key.endpoint(s.fromB), s.key.endpoint(1 - s.fromB), s.key.protocol(), s.seq, s.ack, s.flags, s.wire, string(s.payload), strings.Join(names, ","),
	}, true
}

// An oracle decodes frames with gopacket.
type oracle struct {
	frags   *ip4defrag.IPv4Defragmenter
	refused bool // a fragment
}

// read returns the innermost transport of a frame and the layers. ok is false
// if there is no transport. If gopacket panics, the error says so.
func (o *oracle) read(rec *packet.Record) (x transport, ok bool, all []gopacket.Layer, err error) {
	defer func() {
		if e := recover(); e != nil {
			ok, err = false, fmt.Errorf("panic: %v", e)
		}
	}()
	if rec.Link > 0xff {
		return x, false, nil, errors.New("the link type has more than 8 bits")
	}
	p := gopacket.NewPacket(rec.Data, layers.LinkType(rec.Link), gopacket.DecodeOptions{NoCopy: true, DecodeStreamsAsDatagrams: true})
	all = p.Layers()
	var src, dst net.IP
	var encap []string
	left := 0 // bytes on the wire behind the layers read so far, from the network layer on
	for i := 0; i < len(all); i++ {
		l := all[i]
		left -= len(l.LayerContents())
		switch l := l.(type) {
		case *layers.IPv4:
			if len(src) > 0 {
				encap = append(encap, tunnelOf(all[:i], len(src), 4)...)
			}
			src, dst, left = l.SrcIP, l.DstIP, int(l.Length)-len(l.Contents)
			whole, err := o.frags.DefragIPv4(l)
			if err != nil || whole == nil {
				o.refused = o.refused || err != nil
				return x, false, all, err
			}
			if whole != l {
				p = gopacket.NewPacket(whole.Payload, whole.NextLayerType(), gopacket.DecodeOptions{NoCopy: true, DecodeStreamsAsDatagrams: true})
				all, left = append(all[:i+1], p.Layers()...), len(whole.Payload)
			}
		case *layers.IPv6:
			if len(src) > 0 {
				encap = append(encap, tunnelOf(all[:i], len(src), 6)...)
			}
			src, dst, left = l.SrcIP, l.DstIP, int(l.Length)
		case *layers.Dot1Q:
			name := "802.1q"
			if before, ok := all[i-1].(*layers.Ethernet); ok && before.EthernetType == layers.EthernetTypeQinQ {
				name = "802.1ad"
			}
			encap = append(encap, name)
		case *layers.MPLS:
			if l.StackBottom {
				encap = append(encap, "mpls")
			}
		case *layers.PPPoE:
			encap = append(encap, "pppoe")
		case *layers.GRE:
			if l.Protocol != layers.EthernetTypeERSPAN {
				encap = append(encap, "gre")
			}
		case *layers.ERSPANII:
			encap = append(encap, "erspan")
		case *layers.VXLAN:
			encap = append(encap, "vxlan")
		case *layers.Geneve:
			encap = append(encap, "geneve")
		case *layers.GTPv1U:
			encap = append(encap, "gtp-u")
		case *layers.EtherIP:
			encap = append(encap, "etherip")
		case *layers.TCP:
			if len(l.Contents) < 20 {
				return x, ok, all, err // cut; ok is that of an outer tunnel
			}
			left += len(l.Contents) - int(l.DataOffset)*4 // without cut options
			x = transport{proto: protoTCP, seq: l.Seq, ack: l.Ack, flags: l.Contents[13], wire: left, payload: string(l.Payload)}
			x.src, x.dst, ok = endpoint(src, uint16(l.SrcPort)), endpoint(dst, uint16(l.DstPort)), true
			x.encap = strings.Join(encap, ",")
		case *layers.UDP:
			if len(l.Contents) < 8 {
				return x, ok, all, err
			}
			x = transport{proto: protoUDP, wire: left, payload: string(l.Payload)}
			x.src, x.dst, ok = endpoint(src, uint16(l.SrcPort)), endpoint(dst, uint16(l.DstPort)), true
			x.encap = strings.Join(encap, ",")
		}
	}
	if e := p.ErrorLayer(); e != nil {
		err = e.Error()
	}
	return x, ok, all, err
}

// tunnelOf returns the kind of tunnel of an IP packet directly inside another
// one, which is the last layer of before.
func tunnelOf(before []gopacket.Layer, outer, inner int) []string {
	switch before[len(before)-1].(type) {
	case *layers.IPv4, *layers.IPv6, *layers.IPv6HopByHop, *layers.IPv6Destination:
	default:
		return nil
	}
	switch {
	case outer == 4 && inner == 6:
		return []string{"6in4"}
	case outer == 16 && inner == 4:
		return []string{"4in6"}
	}
	return []string{"ipip"}
}

func endpoint(ip net.IP, port uint16) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a, port)
}

// faultOf returns the kind of a difference, a key of gopacketFaults, or "" for
// none.
func (o *oracle) faultOf(got, want transport, ok, wantOK bool, all []gopacket.Layer, err error) string {
	var last gopacket.Layer
	for _, l := range all {
		if _, failed := l.(*gopacket.DecodeFailure); !failed {
			last = l
		}
	}
	switch {
	case !ok:
		return ""
	case len(all) == 0, last == nil && strings.HasPrefix(err.Error(), "Unable to decode LinkType"):
		return "link type"
	case err != nil && strings.HasPrefix(err.Error(), "Unknown IPv6 routing header type"):
		return "IPv6 routing header"
	}
	switch last := last.(type) {
	case *layers.Ethernet:
		if last.EthernetType == layers.EthernetTypePPPoESession && err != nil && strings.HasPrefix(err.Error(), "runtime error") {
			return "PPPoE cut"
		}
	case *layers.PPPoE:
		if last.Length == 0 {
			return "PPPoE length 0"
		}
	case *layers.TCP:
		if _, failed := all[len(all)-1].(*gopacket.DecodeFailure); failed && got.proto == protoTCP && got.payload == "" {
			return "TCP header cut"
		}
	case *gopacket.Fragment:
		if o.refused {
			return "short fragment"
		}
	}
	if slices.ContainsFunc(all, func(l gopacket.Layer) bool { return l.LayerType() == layers.LayerTypeDot11 }) && wantOK {
		if n := len(got.payload) - 4; n >= 0 && got.payload[:n] == want.payload {
			if want.payload = got.payload; got == want {
				return "IEEE 802.11 checksum"
			}
		}
	}
	if inner := strings.TrimPrefix(got.encap, want.encap); inner != "" && want != got {
		for _, l := range all {
			switch l.(type) {
			case *layers.UDP, *layers.GRE:
				return "tunnel " + strings.TrimPrefix(inner, ",")
			}
		}
	}
	return ""
}

// allRecords returns copies of the packets of a capture, none if the file is
// no capture.
func allRecords(t testing.TB, name string) (out []packet.Record) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapfile.NewReader(f)
	if err != nil {
		return nil
	}
	defer r.Close()
	recs := make([]packet.Record, 64)
	for {
		n, err := r.NextBatch(recs)
		for _, rec := range recs[:n] {
			rec.Data = bytes.Clone(rec.Data)
			out = append(out, rec)
		}
		if err != nil {
			return out
		}
	}
}

// TestGopacket compares the decoder with gopacket on the frames of all
// captures, on frames of every link type and tunnel, and on random frames
// serialized by gopacket, whole and cut.
func TestGopacket(t *testing.T) {
	seen := map[string]bool{}
	// compare decodes the frames of one capture in order and returns the
	// number of frames with a transport on which both agree.
	compare := func(t *testing.T, recs []packet.Record) (agreed int) {
		t.Helper()
		d := &decoder{drops: new(Counters), frags: newFragments(0)}
		o := &oracle{frags: ip4defrag.NewIPv4Defragmenter()}
		for i := range recs {
			rec := &recs[i]
			got, ok := ours(d, rec)
			want, wantOK, all, err := o.read(rec)
			if got == want && ok == wantOK {
				if ok {
					agreed++
				}
				continue
			}
			fault := o.faultOf(got, want, ok, wantOK, all, err)
			if gopacketFaults[fault] == "" {
				var names []string
				for _, l := range all {
					names = append(names, l.LayerType().String())
				}
				t.Errorf("packet %d of %v (%q):\ngot  %v %v\nwant %v %v, %v of %v\n% x", i+1, rec.Link, fault, got, ok, want, wantOK, err, names, rec.Data)
			}
			seen[fault] = true
		}
		return agreed
	}
	t.Run("captures", func(t *testing.T) {
		files, err := filepath.Glob("../testdata/captures/*.pcap*")
		if err != nil || len(files) < 100 {
			t.Fatalf("%d captures, %v", len(files), err)
		}
		total := 0
		for _, name := range files {
			t.Run(filepath.Base(name), func(t *testing.T) { total += compare(t, allRecords(t, name)) })
		}
		if total < 10000 {
			t.Errorf("agreed on %d transports, want at least 10000", total)
		}
	})
	t.Run("link types", func(t *testing.T) {
		for _, link := range frametest.Links {
			for _, v6 := range []bool{false, true} {
				etherType := uint16(etherIPv4)
				if v6 {
					etherType = etherIPv6
				}
				for _, b := range frametest.Frames(link, etherType, tcpPacket(v6, 100)) {
					compare(t, []packet.Record{{Data: b, WireLen: len(b), Link: link}})
				}
			}
		}
	})
	t.Run("tunnels", func(t *testing.T) {
		for _, x := range frametest.Tunnels() {
			t.Run(x.Name, func(t *testing.T) {
				b := frametest.Frames(packet.LinkEthernet, etherIPv4, x.Wrap(tcpPacket(false, 10)))[0]
				compare(t, []packet.Record{{Data: b, WireLen: len(b), Link: packet.LinkEthernet}})
			})
		}
	})
	t.Run("random", func(t *testing.T) {
		agreed, r := 0, rand.New(rand.NewPCG(1, 2))
		for range 5000 {
			whole := randomFrame(t, r)
			for _, n := range []int{len(whole), r.IntN(len(whole) + 1)} {
				agreed += compare(t, []packet.Record{{Data: whole[:n:n], WireLen: len(whole), Link: packet.LinkEthernet}})
			}
		}
		if agreed < 5000 {
			t.Errorf("agreed on %d transports, want at least 5000", agreed)
		}
	})
	// The two treat wrong lengths differently. If both find a transport behind
	// the same layers, it must be equal.
	t.Run("damaged", func(t *testing.T) {
		both, r := 0, rand.New(rand.NewPCG(3, 4))
		for range 5000 {
			b := randomFrame(t, r)
			for range 1 + r.IntN(3) {
				b[r.IntN(min(len(b), 100))] ^= 1 << r.IntN(8)
			}
			rec := packet.Record{Data: b[:len(b):len(b)], WireLen: len(b), Link: packet.LinkEthernet}
			got, ok := ours(&decoder{drops: new(Counters), frags: newFragments(0)}, &rec)
			want, wantOK, _, _ := (&oracle{frags: ip4defrag.NewIPv4Defragmenter()}).read(&rec)
			if !ok || !wantOK || got.encap != want.encap {
				continue
			}
			both++
			if n := min(len(got.payload), len(want.payload)); got.payload[:n] != want.payload[:n] {
				t.Errorf("got payload %q, want %q of % x", got.payload, want.payload, b)
			}
			got.wire, got.payload, want.wire, want.payload = 0, "", 0, ""
			if got != want {
				t.Errorf("got %v, want %v of % x", got, want, b)
			}
		}
		if both < 3000 {
			t.Errorf("compared %d frames, want at least 3000", both)
		}
	})
	for kind, reason := range gopacketFaults {
		if !seen[kind] {
			t.Errorf("%s: no longer a difference (%s)", kind, reason)
		}
	}
}

// randomFrame returns an Ethernet frame serialized by gopacket: tags, labels
// or PPPoE, IP with options or extension headers, in some cases a tunnel and
// IP again, TCP or UDP, and a payload.
func randomFrame(t testing.TB, r *rand.Rand) []byte {
	t.Helper()
	bytes := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	eth := &layers.Ethernet{SrcMAC: bytes(6), DstMAC: bytes(6)}
	stack := []gopacket.SerializableLayer{eth}
	v6 := r.IntN(2) == 0
	etherType := func(v6 bool) layers.EthernetType {
		if v6 {
			return layers.EthernetTypeIPv6
		}
		return layers.EthernetTypeIPv4
	}
	switch next := &eth.EthernetType; r.IntN(6) {
	case 0, 1: // tags
		*next = layers.EthernetTypeDot1Q
		if r.IntN(2) == 0 {
			*next = layers.EthernetTypeQinQ
		}
		for n := 1 + r.IntN(2); n > 0; n-- {
			tag := &layers.Dot1Q{VLANIdentifier: uint16(r.IntN(4096)), Type: layers.EthernetTypeDot1Q}
			if n == 1 {
				tag.Type = etherType(v6)
			}
			stack = append(stack, tag)
		}
	case 2: // labels
		*next = layers.EthernetTypeMPLSUnicast
		for n := 1 + r.IntN(3); n > 0; n-- {
			stack = append(stack, &layers.MPLS{Label: 16 + r.Uint32N(1000), TTL: 64, StackBottom: n == 1})
		}
	case 3:
		*next = layers.EthernetTypePPPoESession
		ppp := &layers.PPP{PPPType: layers.PPPTypeIPv4}
		if v6 {
			ppp.PPPType = layers.PPPTypeIPv6
		}
		stack = append(stack, &layers.PPPoE{Version: 1, Type: 1, SessionId: uint16(r.Uint32())}, ppp)
	default:
		*next = etherType(v6)
	}
	// network appends an IP packet with protocol proto.
	var network gopacket.NetworkLayer
	ip := func(v6 bool, proto layers.IPProtocol) {
		if !v6 {
			h := &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: bytes(4), DstIP: bytes(4), Id: uint16(r.Uint32())}
			if r.IntN(4) == 0 {
				h.Options = []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}
			}
			stack, network = append(stack, h), h
			return
		}
		h := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: bytes(16), DstIP: bytes(16)}
		stack, network = append(stack, h), h
		if r.IntN(4) == 0 {
			h.NextHeader = layers.IPProtocolIPv6Destination
			d := &layers.IPv6Destination{}
			d.NextHeader = proto
			d.Options = []*layers.IPv6DestinationOption{{OptionType: 0x1e, OptionData: bytes(4 + 8*r.IntN(3))}}
			stack = append(stack, d)
		}
	}
	proto := layers.IPProtocolTCP
	if r.IntN(3) == 0 {
		proto = layers.IPProtocolUDP
	}
	inner := r.IntN(2) == 0
	checked := func(l interface {
		gopacket.SerializableLayer
		SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
	}) {
		if err := l.SetNetworkLayerForChecksum(network); err != nil {
			t.Fatal(err)
		}
		stack = append(stack, l)
	}
	switch r.IntN(6) {
	case 0:
		ip(v6, layers.IPProtocolGRE)
		stack = append(stack, &layers.GRE{Protocol: etherType(inner), KeyPresent: r.IntN(2) == 0, Key: r.Uint32(), SeqPresent: r.IntN(2) == 0})
		ip(inner, proto)
	case 1:
		ip(v6, layers.IPProtocolUDP)
		checked(&layers.UDP{SrcPort: 50000, DstPort: 4789})
		stack = append(stack, &layers.VXLAN{ValidIDFlag: true, VNI: r.Uint32N(1 << 24)}, &layers.Ethernet{SrcMAC: bytes(6), DstMAC: bytes(6), EthernetType: etherType(inner)})
		ip(inner, proto)
	case 2:
		outer := layers.IPProtocolIPv4
		if inner {
			outer = layers.IPProtocolIPv6
		}
		ip(v6, outer)
		ip(inner, proto)
	default:
		ip(v6, proto)
	}
	if proto == layers.IPProtocolTCP {
		tcp := &layers.TCP{SrcPort: layers.TCPPort(20000 + r.IntN(1000)), DstPort: layers.TCPPort(20000 + r.IntN(1000)), Seq: r.Uint32(), Ack: r.Uint32(), SYN: r.IntN(2) == 0, ACK: r.IntN(2) == 0, FIN: r.IntN(2) == 0, RST: r.IntN(2) == 0, PSH: r.IntN(2) == 0, URG: r.IntN(2) == 0, ECE: r.IntN(2) == 0, CWR: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			tcp.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: bytes(8)}}
		}
		checked(tcp)
	} else {
		checked(&layers.UDP{SrcPort: layers.UDPPort(20000 + r.IntN(1000)), DstPort: layers.UDPPort(20000 + r.IntN(1000))})
	}
	stack = append(stack, gopacket.Payload(bytes(r.IntN(200))))
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
