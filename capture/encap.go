package capture

import (
	"encoding/binary"

	"pfsight/capture/packet"
)

// An encap names one layer around the innermost addresses. A segment carries
// the layers as bytes of a uint64, the outermost in the lowest byte.
type encap uint8

// The encapsulations, in no order that means anything.
const (
	_ encap = iota
	encVLAN
	encQinQ
	encPPPoE
	encMPLS
	encPseudowire
	encGRE
	encERSPAN
	encVXLAN
	encVXLANGPE
	encGENEVE
	encGTPU
	encIPIP
	enc6in4
	enc4in6
	encTeredo
	encL2TP
	encMACsec
	encPBB
	encVNTag
	encNSH
	encEtherIP
	encCMD
	encIEEE80211
	encTZSP
	encWCCP
)

// maxEncaps is how many layers a segment can name; a frame with more is not
// followed (TooDeep).
const maxEncaps = 8

var encapNames = [...]string{
	encVLAN: "802.1q", encQinQ: "802.1ad", encPPPoE: "pppoe", encMPLS: "mpls", encPseudowire: "mpls-pw", encGRE: "gre", encERSPAN: "erspan",
	encVXLAN: "vxlan", encVXLANGPE: "vxlan-gpe", encGENEVE: "geneve", encGTPU: "gtp-u", encIPIP: "ipip", enc6in4: "6in4", enc4in6: "4in6",
	encTeredo: "teredo", encL2TP: "l2tp", encMACsec: "macsec", encPBB: "802.1ah", encVNTag: "vn-tag", encNSH: "nsh", encEtherIP: "etherip",
	encCMD: "cmd", encIEEE80211: "802.11", encTZSP: "tzsp", encWCCP: "wccp",
}

// layer notes that e lies around what follows, and reports whether that may
// be followed.
func (d *decoder) layer(e encap, s *segment) bool {
	if d.layers == maxEncaps {
		d.drops[TooDeep]++
		return false
	}
	s.encap |= uint64(e) << (8 * d.layers)
	d.layers++
	return d.deeper()
}

// names returns the names of the layers, the same slice for the same layers.
func (t *tracker) names(encaps uint64) []string {
	if encaps == 0 {
		return nil
	}
	if n, ok := t.encaps[encaps]; ok {
		return n
	}
	var n []string
	for x := encaps; x != 0; x >>= 8 {
		n = append(n, encapNames[x&0xff])
	}
	if len(t.encaps) < maxNames {
		t.encaps[encaps] = n
	}
	return n
}

// maxNames bounds what the tracker remembers of combinations of layers.
const maxNames = 1024

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// cutHeader counts a header that ends too early: cut if the frame was, else a
// header that cannot be one. It returns false.
func (d *decoder) cutHeader() bool {
	if d.short {
		d.drops[CutHeader]++
	} else {
		d.drops[BadHeader]++
	}
	return false
}

// ethernet reads an Ethernet frame inside something else.
func (d *decoder) ethernet(b []byte, cut int, s *segment) bool {
	if len(b) < 14 {
		return d.cutHeader()
	}
	return d.etherType(be16(b[12:]), b[14:], cut, s) || d.eapol && d.eapolBetween(b[6:12], b[:6], s)
}

// mpls reads a label stack, RFC 3032 section 2.1, and what is under it: IP by
// its version, else an Ethernet pseudowire with or without its control word,
// RFC 4448 section 4.6.
func (d *decoder) mpls(b []byte, cut int, s *segment) bool {
	for {
		if len(b) < 4 {
			return d.cutHeader()
		}
		bottom := b[2]&1 != 0
		s.enter(be32(b) >> 12) // the label
		b = b[4:]
		if bottom {
			break
		}
		if !d.deeper() {
			return false
		}
	}
	if !d.layer(encMPLS, s) {
		return false
	}
	if len(b) == 0 {
		return d.cutHeader()
	}
	switch b[0] >> 4 {
	case 4:
		if plausibleIPv4(b) {
			return d.ipv4(b, cut, s)
		}
	case 6:
		if len(b) >= 40 {
			return d.ipv6(b, cut, s)
		}
	case 0:
		if len(b) >= 4+14 && knownEtherType(be16(b[4+12:])) {
			return d.layer(encPseudowire, s) && d.ethernet(b[4:], cut, s)
		}
	}
	return d.layer(encPseudowire, s) && d.ethernet(b, cut, s)
}

// plausibleIPv4 reports whether an IPv4 header may begin here; a MAC address
// may begin with the same four bits.
func plausibleIPv4(b []byte) bool {
	return len(b) >= 20 && b[0]&0x0f >= 5 && int(be16(b[2:])) >= int(b[0]&0x0f)*4 && b[8] != 0
}

func knownEtherType(t uint16) bool {
	switch t {
	case etherIPv4, etherIPv6, etherVLAN, etherQinQ, etherMPLS, etherMPLSMulti, etherPPPoE:
		return true
	}
	return t <= 1500
}

// gre reads RFC 2784 with the key and sequence number of RFC 2890, and
// version 1 of RFC 2637, which carries PPP.
func (d *decoder) gre(b []byte, cut int, s *segment) bool {
	if len(b) < 4 {
		return d.cutHeader()
	}
	flags, proto := be16(b), be16(b[2:])
	n := 4
	for _, bit := range []uint16{0x8000, 0x2000, 0x1000} { // checksum, key, sequence number
		if flags&bit != 0 {
			n += 4
		}
	}
	if flags&7 == 1 && flags&0x0080 != 0 { // version 1: acknowledgment number
		n += 4
	}
	if flags&0x4000 != 0 || len(b) < n { // source routing, which nobody sends
		return d.cutHeader()
	}
	if flags&0x2000 != 0 { // the key
		at := 4
		if flags&0x8000 != 0 {
			at = 8
		}
		s.enter(be32(b[at:]))
	}
	b = b[n:]
	switch proto {
	case 0x6558: // transparent Ethernet bridging, and NVGRE
		return d.layer(encGRE, s) && d.ethernet(b, cut, s)
	case 0x880b:
		return d.layer(encGRE, s) && d.ppp(b, cut, s)
	case 0x88be: // ERSPAN; type I has no sequence number and no header
		if flags&0x1000 == 0 {
			return d.layer(encERSPAN, s) && d.ethernet(b, cut, s)
		}
		if len(b) < 8 {
			return d.cutHeader()
		}
		return d.layer(encERSPAN, s) && d.ethernet(b[8:], cut, s)
	case 0x22eb: // ERSPAN type III, with a subheader that a flag announces
		n := 12
		if len(b) >= 12 && b[11]&1 != 0 {
			n = 20
		}
		if len(b) < n {
			return d.cutHeader()
		}
		return d.layer(encERSPAN, s) && d.ethernet(b[n:], cut, s)
	}
	if proto == etherWCCP {
		return d.layer(encGRE, s) && d.wccp(b, cut, s)
	}
	return d.layer(encGRE, s) && d.etherType(proto, b, cut, s) || d.notBetween()
}

// wccp reads a packet that a router redirects by WCCP: version 2 puts 4 bytes
// before it, which do not begin as IP does (draft-wilson-wrec-wccp-v2 section
// 4.12).
func (d *decoder) wccp(b []byte, cut int, s *segment) bool {
	if !d.layer(encWCCP, s) {
		return false
	}
	if len(b) < 4 {
		return d.cutHeader()
	}
	if b[0]>>4 != 4 && (b[0]>>4 != 6 || len(b) < 40) {
		b = b[4:]
	}
	return d.ip(b, cut, s)
}

// macsec reads the SecTAG of IEEE 802.1AE section 9.3, if nothing is
// encrypted; the check value lies behind the packet, where its length ends.
func (d *decoder) macsec(b []byte, cut int, s *segment) bool {
	if len(b) < 8 {
		return d.cutHeader()
	}
	n := 6
	if b[0]&0x20 != 0 { // SC
		n += 8
	}
	if b[0]&0x0c != 0 || len(b) < n+2 { // E or C: encrypted or changed
		d.drops[NotIP]++
		return false
	}
	return d.layer(encMACsec, s) && d.etherType(be16(b[n:]), b[n+2:], cut, s)
}

// nsh reads a Network Service Header, RFC 8300 section 2.
func (d *decoder) nsh(b []byte, cut int, s *segment) bool {
	if len(b) < 8 {
		return d.cutHeader()
	}
	n := int(b[1]&0x3f) * 4
	if n < 8 || len(b) < n {
		return d.cutHeader()
	}
	if !d.layer(encNSH, s) {
		return false
	}
	s.enter(be32(b[4:]) >> 8) // the service path
	return d.nextProtocol(b[3], b[n:], cut, s)
}

// nextProtocol reads what the registry of NSH, and with it VXLAN-GPE, names.
func (d *decoder) nextProtocol(p byte, b []byte, cut int, s *segment) bool {
	switch p {
	case 1:
		return d.ipv4(b, cut, s)
	case 2:
		return d.ipv6(b, cut, s)
	case 3:
		return d.ethernet(b, cut, s)
	case 4:
		return d.nsh(b, cut, s)
	case 5:
		return d.mpls(b, cut, s)
	}
	d.drops[NotIP]++
	return false
}

// inUDP reads a tunnel over UDP, if the ports say that it is one and its
// header does not contradict. Where nothing comes of it the datagram is taken
// as it is, and what the attempt counted is forgotten.
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
	case dst == 4754: // RFC 8086
		try = (*decoder).gre
	case dst == 6635: // RFC 7510
		try = (*decoder).mpls
	case likelyVXLAN(b): // on ports that somebody chose, such as 10800 and 10801 of Azure's gateway load balancer
		try = (*decoder).vxlan
	default:
		return false
	}
	drops, layers, depth, encaps, late, domain := *d.drops, d.layers, d.depth, s.encap, d.late, s.domain
	s.enterBetween(srcHi, srcLo, dstHi, dstLo)
	if try(d, b, cut, s) {
		return true
	}
	if d.late && !late {
		return false // a fragment inside: it waits for its others
	}
	*d.drops, d.layers, d.depth, s.encap, s.domain = drops, layers, depth, encaps, domain
	return false
}

// vxlan reads RFC 7348 section 5.
func (d *decoder) vxlan(b []byte, cut int, s *segment) bool {
	if len(b) < 8 || b[0]&0x08 == 0 {
		return false
	}
	if b[0]&0x04 != 0 { // the P bit of VXLAN-GPE
		return d.vxlanGPE(b, cut, s)
	}
	s.enter(be32(b[4:]) >> 8) // the VNI
	return d.layer(encVXLAN, s) && d.ethernet(b[8:], cut, s)
}

// likelyVXLAN reports whether a datagram to any port is VXLAN: the flags, those
// of the group policy extension allowed, the zeros between them and a frame with
// a plausible IP header.
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

// tzsp reads a frame in the TaZmen Sniffer Protocol, version 1: a header of 4
// bytes and tags up to an end.
func (d *decoder) tzsp(b []byte, cut int, s *segment) bool {
	const (
		received, toSend = 0, 1 // the types that hold a frame
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
			return d.layer(encTZSP, s) && d.link(link, b[1:], cut, s)
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

// vxlanGPE reads draft-ietf-nvo3-vxlan-gpe section 3.
func (d *decoder) vxlanGPE(b []byte, cut int, s *segment) bool {
	if len(b) < 8 || b[0]&0x08 == 0 {
		return false
	}
	s.enter(be32(b[4:]) >> 8)
	return d.layer(encVXLANGPE, s) && d.nextProtocol(b[3], b[8:], cut, s)
}

// geneve reads RFC 8926 section 3.4.
func (d *decoder) geneve(b []byte, cut int, s *segment) bool {
	if len(b) < 8 || b[0]>>6 != 0 {
		return false
	}
	n := 8 + int(b[0]&0x3f)*4
	if len(b) < n || !d.layer(encGENEVE, s) {
		return false
	}
	s.enter(be32(b[4:]) >> 8)
	if proto := be16(b[2:]); proto != 0x6558 {
		return d.etherType(proto, b[n:], cut, s) || d.notBetween()
	}
	return d.ethernet(b[n:], cut, s)
}

// gtpU reads a G-PDU with its extension headers, 3GPP TS 29.281 section 5.
func (d *decoder) gtpU(b []byte, cut int, s *segment) bool {
	if len(b) < 8 || b[0]>>5 != 1 || b[0]&0x10 == 0 || b[1] != 255 {
		return false
	}
	flags := b[0]
	s.enter(be32(b[4:])) // the TEID
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
	return d.layer(encGTPU, s) && d.ip(b, cut, s)
}

// teredo reads RFC 4380 section 5.1.1: IPv6, with an authentication or an
// origin indication before it.
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
	return d.layer(encTeredo, s) && d.ipv6(b, cut, s)
}

// l2tp reads a data message, RFC 2661 section 3.1.
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
	return len(b) > n && d.layer(encL2TP, s) && d.ppp(b[n:], cut, s)
}
