package frametest

import (
	"bytes"
	"encoding/binary"

	"pfsight/capture/packet"
)

// Links are the supported link types.
var Links = []packet.LinkType{
	packet.LinkNull, packet.LinkEthernet, packet.LinkTokenRing, packet.LinkPPP, packet.LinkFDDI, packet.LinkRaw12, packet.LinkRaw14, packet.LinkPPPHDLC,
	packet.LinkPPPoE, packet.LinkATM, packet.LinkRaw, packet.LinkCHDLC, packet.LinkIEEE80211, packet.LinkFrameRelay, packet.LinkLoop, packet.LinkEnc,
	packet.LinkSLL, packet.LinkPFLog, packet.LinkPrism, packet.LinkRadiotap, packet.LinkDOCSIS, packet.LinkUser2, packet.LinkAVS, packet.LinkPPPD, packet.LinkPPI,
	packet.LinkPPPDir, packet.LinkIPNET, packet.LinkIPv4, packet.LinkIPv6, packet.LinkNFLOG, packet.LinkNetA, packet.LinkNetATransp, packet.LinkPKTAP, packet.LinkSLL2,
}

// Station addresses in frames that have them.
var (
	Src   = []byte{2, 0, 0, 0, 0, 1}
	Dst   = []byte{2, 0, 0, 0, 0, 2}
	bssid = []byte{2, 0, 0, 0, 0, 3}
)

const (
	ipv4 = 0x0800
	ipv6 = 0x86dd
)

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func be16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

func le32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

// Frames returns the packet p in the forms that a link type has for its
// EtherType, or nil if it has none.
func Frames(link packet.LinkType, etherType uint16, p []byte) [][]byte {
	t := be16(etherType)
	four, six := etherType == ipv4, etherType == ipv6
	ethernet := join(Dst, Src, t, p)
	snap := join([]byte{0xaa, 0xaa, 3, 0, 0, 0}, t, p)
	with := func(inner [][]byte, head ...[]byte) (out [][]byte) {
		for _, h := range head {
			for _, in := range inner {
				out = append(out, join(h, in))
			}
		}
		return out
	}
	pick := func(v4, v6 [][]byte) [][]byte {
		switch {
		case four:
			return with([][]byte{p}, v4...)
		case six:
			return with([][]byte{p}, v6...)
		}
		return nil
	}
	switch link {
	case packet.LinkEthernet:
		return [][]byte{ethernet}
	case packet.LinkNull: // of little-endian and big-endian machines
		return pick([][]byte{{2, 0, 0, 0}, {0, 0, 0, 2}}, [][]byte{{24, 0, 0, 0}, {28, 0, 0, 0}, {30, 0, 0, 0}, {0, 0, 0, 30}})
	case packet.LinkLoop:
		return pick([][]byte{{0, 0, 0, 2}}, [][]byte{{0, 0, 0, 24}, {0, 0, 0, 28}, {0, 0, 0, 30}})
	case packet.LinkEnc:
		more := make([]byte, 8)
		return pick([][]byte{join([]byte{2, 0, 0, 0}, more)}, [][]byte{join([]byte{24, 0, 0, 0}, more)})
	case packet.LinkPFLog: // header lengths of OpenBSD and FreeBSD
		return pick([][]byte{join([]byte{61, 2}, make([]byte, 62)), join([]byte{69, 2}, make([]byte, 70))}, [][]byte{join([]byte{61, 24}, make([]byte, 62))})
	case packet.LinkIPNET:
		return pick([][]byte{join([]byte{1, 2}, make([]byte, 22))}, [][]byte{join([]byte{1, 26}, make([]byte, 22))})
	case packet.LinkRaw, packet.LinkRaw12, packet.LinkRaw14:
		return pick([][]byte{nil}, [][]byte{nil})
	case packet.LinkIPv4:
		return pick([][]byte{nil}, nil)
	case packet.LinkIPv6:
		return pick(nil, [][]byte{nil})
	case packet.LinkSLL:
		return with([][]byte{p}, join([]byte{0, 0, 0, 1, 0, 6}, Src, []byte{0, 0}, t))
	case packet.LinkSLL2:
		return with([][]byte{p}, join(t, []byte{0, 0, 0, 0, 0, 1, 0, 1, 0, 6}, Src, []byte{0, 0}))
	case packet.LinkCHDLC:
		return with([][]byte{p}, join([]byte{0x0f, 0}, t))
	case packet.LinkPPP, packet.LinkPPPHDLC:
		return pick([][]byte{{0xff, 3, 0, 0x21}}, [][]byte{{0xff, 3, 0, 0x57}})
	case packet.LinkPPPD:
		return pick([][]byte{{0, 3, 0, 0x21}, {1, 3, 0, 0x21}}, [][]byte{{1, 3, 0, 0x57}})
	case packet.LinkPPPDir:
		return pick([][]byte{{0, 0xff, 3, 0, 0x21}, {1, 0, 0x21}}, [][]byte{{1, 0xff, 3, 0, 0x57}})
	case packet.LinkPPPoE:
		n := be16(uint16(len(p) + 2))
		return pick([][]byte{join([]byte{0x11, 0, 0, 7}, n, []byte{0, 0x21})}, [][]byte{join([]byte{0x11, 0, 0, 7}, n, []byte{0, 0x57})})
	case packet.LinkFrameRelay:
		return pick([][]byte{{0x18, 0x41, 3, 0xcc}}, [][]byte{{0x18, 0x41, 3, 0x8e}})
	case packet.LinkATM:
		return [][]byte{snap}
	case packet.LinkFDDI:
		return with([][]byte{snap}, join([]byte{0x50}, Dst, Src))
	case packet.LinkTokenRing:
		return with([][]byte{snap}, join([]byte{0x10, 0x40}, Dst, Src))
	case packet.LinkIEEE80211:
		return with([][]byte{snap},
			join([]byte{8, 0, 0, 0}, Dst, Src, bssid, []byte{0x10, 0}),                  // ad hoc
			join([]byte{8, 1, 0, 0}, bssid, Src, Dst, []byte{0x10, 0}),                  // to the access point
			join([]byte{8, 2, 0, 0}, Dst, bssid, Src, []byte{0x10, 0}),                  // from the access point
			join([]byte{8, 3, 0, 0}, bssid, bssid, Dst, []byte{0x10, 0}, Src),           // between access points
			join([]byte{0x88, 2, 0, 0}, Dst, bssid, Src, []byte{0x10, 0}, []byte{0, 0})) // with quality of service
	case packet.LinkRadiotap:
		return with(Frames(packet.LinkIEEE80211, etherType, p), []byte{0, 0, 8, 0, 0, 0, 0, 0}, []byte{0, 0, 13, 0, 4, 0x80, 2, 0, 0, 0, 0, 0, 0})
	case packet.LinkPrism:
		return with(Frames(packet.LinkIEEE80211, etherType, p), join([]byte{0x44, 0, 0, 0, 0x90, 0, 0, 0}, make([]byte, 136)))
	case packet.LinkAVS:
		return with(Frames(packet.LinkIEEE80211, etherType, p), join([]byte{0x80, 0x21, 0x10, 1, 0, 0, 0, 64}, make([]byte, 56)))
	case packet.LinkPPI:
		return with(Frames(packet.LinkIEEE80211, etherType, p), []byte{0, 0, 8, 0, 105, 0, 0, 0}, join([]byte{0, 0, 20, 0, 105, 0, 0, 0}, make([]byte, 12)))
	case packet.LinkDOCSIS:
		return with([][]byte{ethernet}, join([]byte{0, 0}, be16(uint16(len(ethernet))), []byte{0, 0}), join([]byte{1, 3}, be16(uint16(len(ethernet)+3)), []byte{0x12, 0, 0, 0, 0}))
	case packet.LinkNetA:
		return with([][]byte{ethernet}, make([]byte, 4))
	case packet.LinkNetATransp:
		return with([][]byte{ethernet}, make([]byte, 4+8))
	case packet.LinkNFLOG:
		value := join(binary.LittleEndian.AppendUint16(nil, uint16(len(p)+4)), []byte{9, 0})
		prefix := []byte{5, 0, 10, 0, 0, 0, 0, 0} // an empty prefix, padded
		return pick([][]byte{join([]byte{2, 0, 0, 0}, prefix, value)}, [][]byte{join([]byte{10, 0, 0, 0}, prefix, value)})
	case packet.LinkPKTAP, packet.LinkUser2:
		head := func(dlt packet.LinkType, family byte) []byte {
			return join(le32(108), le32(1), le32(uint32(dlt)), append([]byte("en0"), make([]byte, 21)...), le32(0), []byte{family, 0, 0, 0}, make([]byte, 64))
		}
		out := with([][]byte{ethernet}, head(packet.LinkEthernet, 0))
		out = append(out, with(Frames(packet.LinkNull, etherType, p), head(packet.LinkNull, 2))...)
		return append(out, with(Frames(packet.LinkRaw12, etherType, p), head(packet.LinkRaw12, 2))...)
	}
	return nil
}

// IPv4 returns a packet between the addresses 172.16.0.from and 172.16.0.to.
func IPv4(from, to, proto byte, payload []byte) []byte {
	h := join([]byte{0x45, 0}, be16(uint16(20+len(payload))), []byte{0, 0, 0, 0, 64, proto, 0, 0, 172, 16, 0, from, 172, 16, 0, to})
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(h[i])<<8 | uint32(h[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(h[10:], ^uint16(sum))
	return append(h, payload...)
}

// UDP returns a datagram in an IPv4 packet.
func UDP(src, dst uint16, payload []byte) []byte {
	return IPv4(1, 2, 17, join(be16(src), be16(dst), be16(uint16(8+len(payload))), []byte{0, 0}, payload))
}

// GRE returns a packet of RFC 2784.
func GRE(proto uint16, payload []byte) []byte {
	return IPv4(1, 2, 47, join([]byte{0, 0}, be16(proto), payload))
}

// A Tunnel encapsulates an IPv4 packet in another packet.
type Tunnel struct {
	Name   string
	Layers string // expected encapsulation, comma-separated
	Wrap   func(packet []byte) []byte
}

// Tunnels returns the tunnels of mirrors, clouds and routers.
func Tunnels() []Tunnel {
	ethernet := func(p []byte) []byte { return Frames(packet.LinkEthernet, ipv4, p)[0] }
	vxlan := func(src, dst uint16, head ...byte) func([]byte) []byte {
		return func(p []byte) []byte { return UDP(src, dst, join(head, ethernet(p))) }
	}
	tzsp := func(proto byte, tags []byte, frame func([]byte) []byte) func([]byte) []byte {
		return func(p []byte) []byte { return UDP(50000, 37008, join([]byte{1, 0, 0, proto}, tags, frame(p))) }
	}
	link := func(l packet.LinkType) func([]byte) []byte {
		return func(p []byte) []byte { return Frames(l, ipv4, p)[0] }
	}
	return []Tunnel{
		{"vxlan", "vxlan", vxlan(50000, 4789, 8, 0, 0, 0, 0, 0, 7, 0)},
		{"vxlan on Linux' port", "vxlan", vxlan(50000, 8472, 8, 0, 0, 0, 0, 0, 7, 0)},
		{"vxlan on 10800", "vxlan", vxlan(50000, 10800, 8, 0, 0, 0, 0, 3, 0x20, 0)},
		{"vxlan on 10801", "vxlan", vxlan(10801, 10801, 8, 0, 0, 0, 0, 3, 0x21, 0)},
		{"vxlan on any port", "vxlan", vxlan(50000, 23456, 8, 0, 0, 0, 0, 0, 7, 0)},
		{"vxlan with a group policy", "vxlan", vxlan(50000, 23456, 0x88, 0, 1, 2, 0, 0, 7, 0)},
		{"vxlan-gpe", "vxlan-gpe", func(p []byte) []byte { return UDP(50000, 4790, join([]byte{0x0c, 0, 0, 1, 0, 0, 7, 0}, p)) }},
		{"geneve", "geneve", func(p []byte) []byte {
			return UDP(50000, 6081, join([]byte{0, 0, 0x65, 0x58, 0, 0, 7, 0}, ethernet(p)))
		}},
		{"gtp-u", "gtp-u", func(p []byte) []byte {
			return UDP(2152, 2152, join([]byte{0x30, 255}, be16(uint16(len(p))), []byte{0, 0, 0, 1}, p))
		}},
		{"tzsp", "tzsp", tzsp(1, []byte{1}, ethernet)},
		{"tzsp with tags", "tzsp", tzsp(1, []byte{10, 1, 200, 0, 41, 2, 5, 220, 1}, ethernet)},
		{"tzsp of 802.11", "tzsp", tzsp(18, []byte{18, 1, 6, 1}, link(packet.LinkIEEE80211))},
		{"tzsp of Prism", "tzsp", tzsp(119, []byte{1}, link(packet.LinkPrism))},
		{"tzsp of AVS", "tzsp", tzsp(127, []byte{1}, link(packet.LinkAVS))},
		{"gre", "gre", func(p []byte) []byte { return GRE(ipv4, p) }},
		{"nvgre", "gre", func(p []byte) []byte {
			return IPv4(1, 2, 47, join([]byte{0x20, 0, 0x65, 0x58, 0, 0, 7, 0}, ethernet(p)))
		}},
		{"erspan", "erspan", func(p []byte) []byte {
			return IPv4(1, 2, 47, join([]byte{0x10, 0, 0x88, 0xbe, 0, 0, 0, 1}, []byte{0x10, 0, 0, 1, 0, 0, 0, 0}, ethernet(p)))
		}},
		{"erspan III", "erspan", func(p []byte) []byte {
			return IPv4(1, 2, 47, join([]byte{0x10, 0, 0x22, 0xeb, 0, 0, 0, 1}, []byte{0x20, 0, 0, 1}, make([]byte, 8), ethernet(p)))
		}},
		{"gre in udp", "gre", func(p []byte) []byte { return UDP(50000, 4754, join([]byte{0, 0, 8, 0}, p)) }},
		{"gre in udp with a key", "gre", func(p []byte) []byte {
			return UDP(50000, 4754, join([]byte{0x20, 0, 0x65, 0x58, 0, 0, 7, 0}, ethernet(p)))
		}},
		{"mpls in udp", "mpls", func(p []byte) []byte { return UDP(50000, 6635, join([]byte{0, 1, 1, 64}, p)) }},
		{"wccp", "gre,wccp", func(p []byte) []byte { return GRE(0x883e, p) }},
		{"wccp version 2", "gre,wccp", func(p []byte) []byte { return GRE(0x883e, join([]byte{0, 1, 2, 3}, p)) }},
		{"ipip", "ipip", func(p []byte) []byte { return IPv4(1, 2, 4, p) }},
		{"mpls in ip", "mpls", func(p []byte) []byte { return IPv4(1, 2, 137, join([]byte{0, 1, 1, 64}, p)) }},
		{"etherip", "etherip", func(p []byte) []byte { return IPv4(1, 2, 97, join([]byte{0x30, 0}, ethernet(p))) }},
		{"l2tp", "l2tp", func(p []byte) []byte { return UDP(1701, 1701, join([]byte{0, 2, 0, 1, 0, 2, 0xff, 3, 0, 0x21}, p)) }},
		{"vxlan in gre", "gre,vxlan", func(p []byte) []byte {
			return GRE(ipv4, UDP(50000, 4789, join([]byte{8, 0, 0, 0, 0, 0, 7, 0}, ethernet(p))))
		}},
	}
}
