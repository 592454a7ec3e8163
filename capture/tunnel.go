package capture

import "pfsight/capture/packet"

// inUDP decodes a tunnel over UDP if the ports indicate one and its header is
// plausible. If that fails, it restores the counters and returns false, and
// the datagram is treated as plain UDP.
func (d *decoder) inUDP(srcHi, srcLo, dstHi, dstLo uint64, src, dst uint16, b []byte, cut int, s *segment) bool {
	var try func(*decoder, []byte, int, *segment) bool
	switch {
	case dst == 4789 || dst == 8472 || src == 4789 && dst > 1023 && len(b) > 8 && b[0] == 8:
		try = (*decoder).vxlan
	case dst == 4790:
		try = (*decoder).vxlanGPE
	case dst == 6081:
		try = (*decoder).geneve
	case dst == 2152 || src == 2152:
		try = (*decoder).gtpU
	case dst == 3544 || src == 3544:
		try = (*decoder).teredo
	case dst == 1701 || src == 1701:
		try = (*decoder).l2tp
	case dst == 37008:
		try = (*decoder).tzsp
	case dst == 4754: // GRE in UDP, RFC 8086
		try = (*decoder).gre
	case dst == 6635: // MPLS in UDP, RFC 7510
		try = (*decoder).mpls
	case likelyVXLAN(b): // on a custom port, such as 10800 and 10801 of Azure's gateway load balancer
		try = (*decoder).vxlan
	default:
		return false
	}
	drops, layers, depth, encaps, deferred, domain := *d.drops, d.layers, d.depth, s.encap, d.deferred, s.domain
	s.enterTunnel(srcHi, srcLo, dstHi, dstLo)
	if try(d, b, cut, s) {
		return true
	}
	if d.deferred && !deferred {
		return false // an inner fragment: the frame is deferred
	}
	*d.drops, d.layers, d.depth, s.encap, s.domain = drops, layers, depth, encaps, domain
	return false
}

// vxlan decodes VXLAN, RFC 7348 section 5.
func (d *decoder) vxlan(b []byte, cut int, s *segment) bool {
	if len(b) < 8 || b[0]&0x08 == 0 {
		return false
	}
	if b[0]&0x04 != 0 { // the P bit of VXLAN-GPE
		return d.vxlanGPE(b, cut, s)
	}
	s.enterNetwork(be32(b[4:]) >> 8) // the VNI
	return d.addLayer(encVXLAN, s) && d.ethernet(b[8:], cut, s)
}

// likelyVXLAN reports whether a datagram on any port is VXLAN: its flags,
// which may be those of the group policy extension, its reserved zeros, and a
// frame with a plausible IP header.
func likelyVXLAN(b []byte) bool {
	const least = 8 + 14 + 20
	if len(b) < least || b[0] != 0x08 && b[0] != 0x88 || b[7] != 0 || b[1]&^0x48 != 0 {
		return false
	}
	if b[0] == 0x08 && (b[1]|b[2]|b[3]) != 0 {
		return false
	}
	t, ip := be16(b[8+12:]), b[8+14:]
	for (t == etherVLAN || t == etherQinQ) && len(ip) >= 4 {
		t, ip = be16(ip[2:]), ip[4:]
	}
	switch t {
	case etherIPv4:
		return len(ip) >= 20 && ip[0]>>4 == 4 && plausibleIPv4(ip)
	case etherIPv6:
		return len(ip) >= 40 && ip[0]>>4 == 6
	}
	return false
}

// tzsp decodes a frame in the TaZmen Sniffer Protocol, version 1: a header of
// 4 bytes, and tags up to an end tag.
func (d *decoder) tzsp(b []byte, cut int, s *segment) bool {
	const (
		received, toSend = 0, 1 // the types that contain a frame
		padding, end     = 0, 1 // the tags without a length
		maxTags          = 64
	)
	if len(b) < 5 || b[0] != 1 || b[1] != received && b[1] != toSend {
		return false
	}
	var link packet.LinkType
	switch be16(b[2:]) {
	case 1:
		link = packet.LinkEthernet
	case 18:
		link = packet.LinkIEEE80211
	case 119:
		link = packet.LinkPrism
	case 127:
		link = packet.LinkAVS
	default:
		return false
	}
	b = b[4:]
	for range maxTags {
		switch {
		case len(b) == 0:
			return false
		case b[0] == end:
			return d.addLayer(encTZSP, s) && d.link(link, b[1:], cut, s)
		case b[0] == padding:
			b = b[1:]
		case len(b) < 2 || len(b) < 2+int(b[1]):
			return false
		default:
			b = b[2+int(b[1]):]
		}
	}
	return false
}

// vxlanGPE decodes draft-ietf-nvo3-vxlan-gpe section 3.
func (d *decoder) vxlanGPE(b []byte, cut int, s *segment) bool {
	if len(b) < 8 || b[0]&0x08 == 0 {
		return false
	}
	s.enterNetwork(be32(b[4:]) >> 8)
	return d.addLayer(encVXLANGPE, s) && d.nextProtocol(b[3], b[8:], cut, s)
}

// geneve decodes RFC 8926 section 3.4.
func (d *decoder) geneve(b []byte, cut int, s *segment) bool {
	if len(b) < 8 || b[0]>>6 != 0 {
		return false
	}
	n := 8 + int(b[0]&0x3f)*4
	if len(b) < n || !d.addLayer(encGENEVE, s) {
		return false
	}
	s.enterNetwork(be32(b[4:]) >> 8)
	if proto := be16(b[2:]); proto != 0x6558 {
		return d.etherType(proto, b[n:], cut, s) || d.dropEAPOL()
	}
	return d.ethernet(b[n:], cut, s)
}

// gtpU decodes a G-PDU with its extension headers, 3GPP TS 29.281 section 5.
func (d *decoder) gtpU(b []byte, cut int, s *segment) bool {
	if len(b) < 8 || b[0]>>5 != 1 || b[0]&0x10 == 0 || b[1] != 255 {
		return false
	}
	flags := b[0]
	s.enterNetwork(be32(b[4:])) // the TEID
	b = b[8:]
	if flags&7 != 0 {
		if len(b) < 4 {
			return false
		}
		next := b[3]
		b = b[4:]
		for flags&4 != 0 && next != 0 {
			if len(b) < 4 || b[0] == 0 || len(b) < int(b[0])*4 || !d.deeper() {
				return false
			}
			n := int(b[0]) * 4
			next, b = b[n-1], b[n:]
		}
	}
	return d.addLayer(encGTPU, s) && d.ip(b, cut, s)
}

// teredo decodes RFC 4380 section 5.1.1: IPv6, preceded by optional
// authentication and origin indications.
func (d *decoder) teredo(b []byte, cut int, s *segment) bool {
	if len(b) >= 4 && b[0] == 0 && b[1] == 1 {
		n := 4 + int(b[2]) + int(b[3]) + 9
		if len(b) < n {
			return false
		}
		b = b[n:]
	}
	if len(b) >= 8 && b[0] == 0 && b[1] == 0 {
		b = b[8:]
	}
	if len(b) < 40 || b[0]>>4 != 6 || int(be16(b[4:]))+40 > len(b)+cut {
		return false
	}
	return d.addLayer(encTeredo, s) && d.ipv6(b, cut, s)
}

// l2tp decodes a data message, RFC 2661 section 3.1.
func (d *decoder) l2tp(b []byte, cut int, s *segment) bool {
	if len(b) < 6 || b[0]&0x80 != 0 || b[1]&0x0f != 2 {
		return false
	}
	n := 6
	if b[0]&0x40 != 0 { // length
		n += 2
	}
	if b[0]&0x08 != 0 { // sequence numbers
		n += 4
	}
	if b[0]&0x02 != 0 { // offset
		if len(b) < n+2 {
			return false
		}
		n += 2 + int(be16(b[n:]))
	}
	return len(b) > n && d.addLayer(encL2TP, s) && d.ppp(b[n:], cut, s)
}
