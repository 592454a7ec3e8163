package laws

import "encoding/binary"

// A tunnel makes a frame around the IP packet or the Ethernet frame of p. n is
// the wire length of its payload.
type tunnel struct {
	link  uint16
	names []string
	make  func(p *Packet, variant int) []byte
	ok    func(p *Packet) bool // nil: any IP packet
}

// inIPv4 puts head and the IP packet into a frame with IPv4.
func inIPv4(proto byte, head func(p *Packet, v int) []byte) func(*Packet, int) []byte {
	return func(p *Packet, v int) []byte {
		h := head(p, v)
		return frame(etherIPv4, ipv4(proto, len(h)+p.wireLen()), h, p.inner())
	}
}

// inUDP puts head and the IP packet into a frame with IPv4 and UDP.
func inUDP(port uint16, head func(p *Packet, v int) []byte) func(*Packet, int) []byte {
	return func(p *Packet, v int) []byte {
		h := head(p, v)
		n := len(h) + p.wireLen()
		return frame(etherIPv4, ipv4(protoUDP, 8+n), udp(40000+uint16(p.dir), port, n), h, p.inner())
	}
}

// mac returns the Ethernet header of a tunnel's inner frame.
func mac(p *Packet) []byte { return frame(p.version()) }

func isV6(p *Packet) bool { return p.v6() }
func isV4(p *Packet) bool { return !p.v6() }

func pppProto(p *Packet) []byte {
	if p.v6() {
		return []byte{0, 0x57}
	}
	return []byte{0, 0x21}
}

// nsh returns a Network Service Header with next protocol IP, or Ethernet for
// an odd variant.
func nsh(p *Packet, v int) []byte {
	h := []byte{0x0f, 0xc2, 1, 1, 0, 0, 1, 255}
	if p.v6() {
		h[3] = 2
	}
	if v%2 == 1 {
		h[3] = 3
		return append(h, mac(p)...)
	}
	return h
}

var tunnels = map[string]tunnel{
	"ipip": {linkEthernet, []string{"ipip"}, inIPv4(4, func(*Packet, int) []byte { return nil }), isV4},
	"6in4": {linkEthernet, []string{"6in4"}, inIPv4(41, func(*Packet, int) []byte { return nil }), isV6},
	"4in6": {linkEthernet, []string{"4in6"}, func(p *Packet, _ int) []byte {
		return frame(etherIPv6, ipv6(4, p.wireLen()), p.inner())
	}, isV4},
	"6in6": {linkEthernet, []string{"ipip"}, func(p *Packet, _ int) []byte {
		return frame(etherIPv6, ipv6(41, p.wireLen()), p.inner())
	}, isV6},
	"gre": {linkEthernet, []string{"gre"}, inIPv4(47, func(p *Packet, v int) []byte {
		h := be.AppendUint16(be.AppendUint16(nil, 0), p.version())
		for i, bit := range []byte{0x80, 0x20, 0x10} { // checksum, key, sequence number
			if v>>i&1 == 1 {
				h[0] |= bit
				h = append(h, 0, 0, 0, byte(i))
			}
		}
		return h
	}), nil},
	"gre6": {linkEthernet, []string{"gre"}, func(p *Packet, _ int) []byte {
		h := be.AppendUint16([]byte{0, 0}, p.version())
		return frame(etherIPv6, ipv6(47, 4+p.wireLen()), h, p.inner())
	}, nil},
	"nvgre": {linkEthernet, []string{"gre"}, inIPv4(47, func(p *Packet, _ int) []byte {
		return append([]byte{0x20, 0, 0x65, 0x58, 0, 0, 7, 0}, mac(p)...)
	}), nil},
	"pptp": {linkEthernet, []string{"gre"}, inIPv4(47, func(p *Packet, _ int) []byte {
		h := []byte{0x30, 0x01, 0x88, 0x0b, 0, 0, 0, 1, 0, 0, 0, 9}
		be.PutUint16(h[4:], uint16(4+p.wireLen()))
		return append(append(h, 0xff, 3), pppProto(p)...)
	}), nil},
	"erspan1": {linkEthernet, []string{"erspan"}, inIPv4(47, func(p *Packet, _ int) []byte {
		return append([]byte{0, 0, 0x88, 0xbe}, mac(p)...)
	}), nil},
	"erspan2": {linkEthernet, []string{"erspan"}, inIPv4(47, func(p *Packet, _ int) []byte {
		return append([]byte{0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0, 9, 0, 0, 0, 1}, mac(p)...)
	}), nil},
	"erspan3": {linkEthernet, []string{"erspan"}, inIPv4(47, func(p *Packet, v int) []byte {
		h := []byte{0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 0, 9, 1, 2, 3, 4, 0, 0, 0, byte(v & 1)}
		if v&1 == 1 {
			h = append(h, make([]byte, 8)...)
		}
		return append(h, mac(p)...)
	}), nil},
	"etherip": {linkEthernet, []string{"etherip"}, inIPv4(97, func(p *Packet, _ int) []byte { return append([]byte{0x30, 0}, mac(p)...) }), nil},
	"vxlan": {linkEthernet, []string{"vxlan"}, inUDP(4789, func(p *Packet, v int) []byte {
		return append([]byte{8, 0, 0, 0, 0, 0, byte(v), 0}, mac(p)...)
	}), nil},
	"vxlan-gpe": {linkEthernet, []string{"vxlan-gpe"}, inUDP(4790, func(p *Packet, _ int) []byte {
		next := byte(1)
		if p.v6() {
			next = 2
		}
		return []byte{0x0c, 0, 0, next, 0, 0, 7, 0}
	}), nil},
	"geneve": {linkEthernet, []string{"geneve"}, inUDP(6081, func(p *Packet, v int) []byte {
		h := []byte{0, 0, 0x65, 0x58, 0, 0, 7, 0}
		if v&1 == 1 { // an option
			h[0] = 2
			h = append(h, 1, 2, 3, 1, 0, 0, 0, 0)
		}
		if v&2 == 0 {
			return append(h, mac(p)...)
		}
		be.PutUint16(h[2:], p.version())
		return h
	}), nil},
	"gtp-u": {linkEthernet, []string{"gtp-u"}, inUDP(2152, func(p *Packet, v int) []byte {
		h := []byte{0x30, 255, 0, 0, 0, 0, 0, 1}
		if v&1 == 1 { // sequence number, and a PDU session container
			h[0] |= 4
			h = append(h, 0, 1, 0, 0x85, 1, 0, 9, 0)
		}
		be.PutUint16(h[2:], uint16(len(h)-8+p.wireLen()))
		return h
	}), nil},
	"teredo": {linkEthernet, []string{"teredo"}, inUDP(3544, func(*Packet, int) []byte { return nil }), isV6},
	"l2tp": {linkEthernet, []string{"l2tp"}, inUDP(1701, func(p *Packet, v int) []byte {
		h := []byte{0, 2}
		if v&1 == 1 {
			h[0] |= 0x40
			h = be.AppendUint16(h, uint16(12+p.wireLen()))
		}
		h = append(h, 0, 1, 0, 2)
		return append(append(h, 0xff, 3), pppProto(p)...)
	}), nil},
	"mpls": {linkEthernet, []string{"mpls"}, func(p *Packet, v int) []byte {
		var labels []byte
		for range v % 3 {
			labels = append(labels, 0, 1, 0x00, 64)
		}
		return frame(0x8847, labels, []byte{0, 1, 0x01, 64}, p.inner())
	}, nil},
	"mpls-pw": {linkEthernet, []string{"mpls", "mpls-pw"}, func(p *Packet, v int) []byte {
		return frame(0x8847, []byte{0, 1, 0x01, 64}, make([]byte, 4), mac(p), p.inner())
	}, nil},
	"mpls-gre": {linkEthernet, []string{"gre", "mpls"}, inIPv4(47, func(*Packet, int) []byte {
		return []byte{0, 0, 0x88, 0x47, 0, 1, 0x01, 64}
	}), nil},
	"mpls-ip": {linkEthernet, []string{"mpls"}, inIPv4(137, func(*Packet, int) []byte { return []byte{0, 1, 0x01, 64} }), nil},
	"pppoe": {linkEthernet, []string{"pppoe"}, func(p *Packet, _ int) []byte {
		h := []byte{0x11, 0, 0, 1, 0, 0}
		be.PutUint16(h[4:], uint16(2+p.wireLen()))
		return frame(0x8864, h, pppProto(p), p.inner())
	}, nil},
	"nsh": {linkEthernet, []string{"nsh"}, func(p *Packet, v int) []byte {
		return frame(0x894f, nsh(p, v), p.inner())
	}, nil},
	"nsh-vxlan-gpe": {linkEthernet, []string{"vxlan-gpe", "nsh"}, inUDP(4790, func(p *Packet, v int) []byte {
		return append([]byte{0x0c, 0, 0, 4, 0, 0, 7, 0}, nsh(p, v)...)
	}), nil},
	"pbb": {linkEthernet, []string{"802.1ah"}, func(p *Packet, _ int) []byte {
		return frame(0x88e7, []byte{0, 0, 0, 5}, mac(p), p.inner())
	}, nil},
	"vn-tag": {linkEthernet, []string{"vn-tag"}, func(p *Packet, _ int) []byte {
		return frame(0x8926, []byte{0, 0, 0, 1}, be.AppendUint16(nil, p.version()), p.inner())
	}, nil},
	"macsec": {linkEthernet, []string{"macsec"}, func(p *Packet, v int) []byte {
		tag := []byte{0, 0, 0, 0, 0, 9}
		if v&1 == 1 {
			tag[0] = 0x20
			tag = append(tag, 2, 0, 0, 0, 0, 1, 0, 1)
		}
		b := frame(0x88e5, tag, be.AppendUint16(nil, p.version()), p.inner())
		if !p.cut() {
			b = append(b, make([]byte, 16)...) // the integrity check value
		}
		return b
	}, nil},
	"cmd": {linkEthernet, []string{"cmd"}, func(p *Packet, _ int) []byte {
		return frame(0x8909, []byte{1, 1, 0, 1, 0, 7}, be.AppendUint16(nil, p.version()), p.inner())
	}, nil},
}

// links are the link types that can carry the same IP packets.
var links = map[string]tunnel{
	"ethernet": {linkEthernet, nil, func(p *Packet, _ int) []byte { return frame(p.version(), p.inner()) }, nil},
	"snap": {linkEthernet, nil, func(p *Packet, _ int) []byte {
		h := []byte{0xaa, 0xaa, 3, 0, 0, 0}
		return frame(uint16(8+p.wireLen()), h, be.AppendUint16(nil, p.version()), p.inner())
	}, func(p *Packet) bool { return p.wireLen() <= 1492 }},
	"raw":   {linkRaw, nil, func(p *Packet, _ int) []byte { return p.inner() }, nil},
	"raw12": {12, nil, func(p *Packet, _ int) []byte { return p.inner() }, nil},
	"ipv4":  {linkIPv4, nil, func(p *Packet, _ int) []byte { return p.inner() }, isV4},
	"ipv6":  {linkIPv6, nil, func(p *Packet, _ int) []byte { return p.inner() }, isV6},
	"null": {linkNull, nil, func(p *Packet, v int) []byte {
		family := uint32(2)
		if p.v6() {
			family = []uint32{24, 28, 30, 10}[v%4]
		}
		if v/4%2 == 1 {
			return join(binary.BigEndian.AppendUint32(nil, family), p.inner())
		}
		return join(binary.LittleEndian.AppendUint32(nil, family), p.inner())
	}, nil},
	"loop": {linkLoop, nil, func(p *Packet, v int) []byte {
		family := uint32(2)
		if p.v6() {
			family = []uint32{24, 28, 30}[v%3]
		}
		return join(binary.BigEndian.AppendUint32(nil, family), p.inner())
	}, nil},
	"ppp": {linkPPP, nil, func(p *Packet, v int) []byte {
		if v&1 == 1 {
			return join([]byte{0xff, 3}, pppProto(p), p.inner())
		}
		return join(pppProto(p), p.inner())
	}, nil},
	"ppp-hdlc": {linkPPPHDLC, nil, func(p *Packet, _ int) []byte { return join([]byte{0xff, 3}, pppProto(p), p.inner()) }, nil},
	"chdlc": {linkCHDLC, nil, func(p *Packet, _ int) []byte {
		return join([]byte{0x0f, 0}, be.AppendUint16(nil, p.version()), p.inner())
	}, nil},
	"sll": {linkSLL, nil, func(p *Packet, _ int) []byte {
		h := []byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}
		return join(h, be.AppendUint16(nil, p.version()), p.inner())
	}, nil},
	"sll2": {lSL2, nil, func(p *Packet, _ int) []byte {
		h := []byte{0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}
		return join(be.AppendUint16(nil, p.version()), h, p.inner())
	}, nil},
	"wifi":     {linkWiFi, nil, wifi, nil},
	"radiotap": {linkRadiotap, nil, func(p *Packet, v int) []byte { return join([]byte{0, 0, 8, 0, 0, 0, 0, 0}, wifi(p, v)) }, nil},
	"ppi": {linkPPI, nil, func(p *Packet, v int) []byte {
		return join([]byte{0, 0, 8, 0, linkWiFi, 0, 0, 0}, wifi(p, v))
	}, nil},
	"nflog": {linkNFLOG, nil, func(p *Packet, _ int) []byte {
		family := byte(2)
		if p.v6() {
			family = 10
		}
		n := p.wireLen() + 4
		return join([]byte{family, 0, 0, 0}, []byte{byte(n), byte(n >> 8), 9, 0}, p.inner())
	}, nil},
}

// wifi returns an IEEE 802.11 data frame, with QoS for an odd variant.
func wifi(p *Packet, v int) []byte {
	h := []byte{0x08, 0x01, 0, 0}
	h = append(h, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 3, 0, 0)
	if v&1 == 1 {
		h[0] = 0x88
		h = append(h, 0, 0)
	}
	return join(h, []byte{0xaa, 0xaa, 3, 0, 0, 0}, be.AppendUint16(nil, p.version()), p.inner())
}
