package filter

import (
	"fmt"
	"slices"

	"pfsight/capture/packet"
)

// A link describes where the headers of a link type have the fields that
// primitives compare. Each vlan primitive moves the offsets for what follows
// it.
type link struct {
	typ     uint32 // LINKTYPE_
	typeOff uint32 // offset of the EtherType or its substitute
	netOff  uint32 // offset of the network header
	dstOff  uint32 // offset of the destination address of the stations
	srcOff  uint32
	macs    bool // the header has station addresses
	vlans   bool // the header may have VLAN tags
	located bool // see located.go
}

// Link types with a header of fixed length.
const (
	linkNull     = 0
	linkEthernet = 1
	linkLoop     = 108
	linkSLL      = 113
	linkIPv4     = 228
	linkIPv6     = 229
	linkSLL2     = 276
)

func newLink(typ uint32) (link, error) {
	l := link{typ: typ}
	switch typ {
	case linkNull, linkLoop:
		l.netOff = 4
	case linkEthernet:
		l.typeOff, l.netOff, l.dstOff, l.srcOff, l.macs, l.vlans = 12, 14, 0, 6, true, true
	case 12, 14, 101, linkIPv4, linkIPv6:
	case linkSLL:
		l.typeOff, l.netOff = 14, 16
	case linkSLL2:
		l.netOff = 20
	default:
		if !isLocated(typ) {
			return link{}, fmt.Errorf("no filters for %s", packet.LinkType(typ).Numbered())
		}
		l.located, l.typeOff, l.netOff = true, metaType, netStart
		l.dstOff, l.srcOff = metaDst, metaSrc
		l.macs = slices.Contains(withStations, packet.LinkType(typ))
		l.vlans = slices.Contains(withTags, packet.LinkType(typ))
	}
	return l, nil
}

// EtherTypes.
const (
	etherIP   = 0x0800
	etherARP  = 0x0806
	etherRARP = 0x8035
	etherIPv6 = 0x86dd
)

// Address families of BSD loopback headers. IPv6 is 24 on OpenBSD and NetBSD,
// 28 on FreeBSD, 30 on Darwin and 10 on Linux.
var (
	families4 = []uint32{2}
	families6 = []uint32{24, 28, 30, 10}
)

// proto returns the condition that the frame has this EtherType.
func (l *link) proto(t uint32) node {
	switch {
	case l.located || l.typ == linkEthernet || l.typ == linkSLL || l.typ == linkSLL2:
		return cmp{off: l.typeOff, size: sizeH, op: opJEQ, val: t}
	case l.typ == linkNull || l.typ == linkLoop:
		// The family is in the byte order of the capturing machine or of the
		// network.
		var list []uint32
		switch t {
		case etherIP:
			list = families4
		case etherIPv6:
			list = families6
		default:
			return constant(false)
		}
		var n node
		for _, f := range list {
			n = disj(n, cmp{size: sizeW, op: opJEQ, val: f << 24}, cmp{size: sizeW, op: opJEQ, val: f})
		}
		return n
	case l.typ == linkIPv4:
		return constant(t == etherIP)
	case l.typ == linkIPv6:
		return constant(t == etherIPv6)
	case t == etherIP:
		return cmp{size: sizeB, mask: 0xf0, op: opJEQ, val: 0x40}
	case t == etherIPv6:
		return cmp{size: sizeB, mask: 0xf0, op: opJEQ, val: 0x60}
	}
	return constant(false)
}

// ipProto returns the condition of IPv4 with this protocol. ip6Proto is the
// same for IPv6, also after a fragment header.
func (l *link) ipProto(p uint32) node {
	return and{l.proto(etherIP), cmp{off: l.netOff + 9, size: sizeB, op: opJEQ, val: p}}
}

func (l *link) ip6Proto(p uint32) node {
	next := cmp{off: l.netOff + 6, size: sizeB, op: opJEQ, val: p}
	frag := and{cmp{off: l.netOff + 6, size: sizeB, op: opJEQ, val: 44}, cmp{off: l.netOff + 40, size: sizeB, op: opJEQ, val: p}}
	return and{l.proto(etherIPv6), or{next, frag}}
}

// first returns the condition that an IPv4 packet is not a later fragment.
func (l *link) first() node {
	return not{cmp{off: l.netOff + 6, size: sizeH, op: opJSET, val: 0x1fff}}
}

// ports returns the condition that a port is in [from, to].
func (l *link) ports(q qualifiers, from, to uint32) node {
	protos := []uint32{6, 17, 132}
	if p, ok := transports[q.proto]; ok {
		protos = []uint32{p}
	}
	var v4, v6 node
	for _, p := range protos {
		v4 = disj(v4, and{and{cmp{off: l.netOff + 9, size: sizeB, op: opJEQ, val: p}, l.first()}, q.direction(
			portNode(fromTransport, 0, l.netOff, from, to), portNode(fromTransport, 2, l.netOff, from, to))})
		v6 = disj(v6, and{cmp{off: l.netOff + 6, size: sizeB, op: opJEQ, val: p}, q.direction(
			portNode(fromStart, l.netOff+40, 0, from, to), portNode(fromStart, l.netOff+42, 0, from, to))})
	}
	return or{and{l.proto(etherIPv6), v6}, and{l.proto(etherIP), v4}}
}

func portNode(b base, off, add, from, to uint32) node {
	if from == to {
		return cmp{base: b, off: off, add: add, size: sizeH, op: opJEQ, val: from}
	}
	return and{cmp{base: b, off: off, add: add, size: sizeH, op: opJGE, val: from}, not{cmp{base: b, off: off, add: add, size: sizeH, op: opJGT, val: to}}}
}

// host4 returns the condition of an IPv4 address or network in IP, ARP and
// RARP.
func (l *link) host4(q qualifiers, addr, mask uint32) node {
	at := func(t, src, dst uint32) node {
		m := mask
		if m == 0xffffffff {
			m = 0
		}
		side := func(off uint32) node {
			if mask == 0 {
				return l.proto(t)
			}
			return and{l.proto(t), cmp{off: l.netOff + off, size: sizeW, mask: m, op: opJEQ, val: addr}}
		}
		return q.direction(side(src), side(dst))
	}
	switch q.proto {
	case "ip":
		return at(etherIP, 12, 16)
	case "arp":
		return at(etherARP, 14, 24)
	case "rarp":
		return at(etherRARP, 14, 24)
	}
	return disj(at(etherIP, 12, 16), at(etherARP, 14, 24), at(etherRARP, 14, 24))
}

// host6 returns the condition of an IPv6 address or network.
func (l *link) host6(q qualifiers, addr [16]byte, bits int) node {
	side := func(off uint32) node {
		out := l.proto(etherIPv6)
		// Start with the last word, as libpcap does.
		for w := 3; w >= 0; w-- {
			n := min(max(bits-32*w, 0), 32)
			if n == 0 {
				continue
			}
			mask := ^uint32(0) << (32 - n)
			val := uint32(addr[4*w])<<24 | uint32(addr[4*w+1])<<16 | uint32(addr[4*w+2])<<8 | uint32(addr[4*w+3])
			if mask == ^uint32(0) {
				mask = 0
			}
			out = and{out, cmp{off: l.netOff + off + 4*uint32(w), size: sizeW, mask: mask, op: opJEQ, val: val}}
		}
		return out
	}
	return q.direction(side(8), side(24))
}

// mac returns the condition of an Ethernet address at an offset.
func mac(off uint32, a []byte) node {
	return and{
		cmp{off: off + 2, size: sizeW, op: opJEQ, val: uint32(a[2])<<24 | uint32(a[3])<<16 | uint32(a[4])<<8 | uint32(a[5])},
		cmp{off: off, size: sizeH, op: opJEQ, val: uint32(a[0])<<8 | uint32(a[1])},
	}
}

// vlan returns the condition of a VLAN tag, and moves the offsets behind the
// tag for what follows.
func (l *link) vlan(id int) node {
	tag := disj(
		cmp{off: l.typeOff, size: sizeH, op: opJEQ, val: 0x8100},
		cmp{off: l.typeOff, size: sizeH, op: opJEQ, val: 0x88a8},
		cmp{off: l.typeOff, size: sizeH, op: opJEQ, val: 0x9100})
	if id >= 0 {
		tag = and{tag, cmp{off: l.netOff, size: sizeH, mask: 0x0fff, op: opJEQ, val: uint32(id)}}
	}
	l.typeOff = l.netOff + 2
	l.netOff += 4
	return tag
}
