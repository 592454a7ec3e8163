package packet

import (
	"encoding/binary"
	"math"
)

// A Header tells where in a frame the network layer is.
type Header struct {
	Link int // offset of the link-layer header, behind what the capture itself put before it
	Net  int // offset of the network layer
	// Type is the EtherType of the network layer, a length of IEEE 802.3, or
	// AnyIP. Without a network layer it is meaningless.
	Type uint16
	// Src and Dst are the addresses of the stations; nil where the frame tells
	// none. With HeaderOther they may be told.
	Src, Dst []byte
}

// AnyIP is the Header.Type of a packet whose first four bits tell whether it is
// IPv4 or IPv6. No EtherType and no length of a packet is 0.
const AnyIP = 0

// A HeaderState says how far the reading of a Header came.
type HeaderState uint8

// The states. Only with HeaderOK are Net and Type set.
const (
	HeaderOK     HeaderState = iota
	HeaderCut                // the frame ends inside the header
	HeaderOther              // no network layer that is read: management, encrypted, another protocol
	HeaderUnread             // a link type that is not read
)

// maxLinks is how many link types inside each other are followed: Apple's
// PKTAP holds radiotap, which holds IEEE 802.11.
const maxLinks = 4

// Header reads the link-layer header of a frame. With HeaderUnread, inner is
// the link type that is not read, which may lie inside another one.
func (l LinkType) Header(b []byte) (h Header, inner LinkType, state HeaderState) {
	at := 0
	for range maxLinks {
		next, n, state := l.wrapped(b[at:])
		if state != HeaderOK {
			return Header{Link: at}, l, state
		}
		if next == l {
			h, state = l.plain(b[at:])
			h.Link += at
			h.Net += at
			return h, l, state
		}
		l, at = next, at+n
	}
	return Header{Link: at}, l, HeaderOther
}

// wrapped returns the link type that lies behind what the capture put before
// the frame, and where that is; l itself if there is nothing.
func (l LinkType) wrapped(b []byte) (LinkType, int, HeaderState) {
	n, inner := 0, l
	switch l {
	case LinkRadiotap:
		// radiotap.org: version(1) pad(1) length(2, little endian) present(4)
		if len(b) < 8 {
			return l, 0, HeaderCut
		}
		n, inner = int(binary.LittleEndian.Uint16(b[2:])), LinkIEEE80211
		if n < 8 {
			return l, 0, HeaderOther
		}
	case LinkPrism, LinkAVS:
		// Either header comes with either number: AVS begins with a magic
		// number and its length, big endian; Prism has 144 bytes.
		if len(b) < 8 {
			return l, 0, HeaderCut
		}
		n, inner = 144, LinkIEEE80211
		if binary.BigEndian.Uint32(b)&0xfffff000 == 0x80211000 {
			n = int(min(binary.BigEndian.Uint32(b[4:]), math.MaxUint16))
		} else if l == LinkAVS {
			return l, 0, HeaderOther
		}
	case LinkPPI:
		// version(1) flags(1) length(2, little endian) link type(4)
		if len(b) < 8 {
			return l, 0, HeaderCut
		}
		dlt := binary.LittleEndian.Uint32(b[4:])
		if n = int(binary.LittleEndian.Uint16(b[2:])); n < 8 || dlt > math.MaxUint16 || LinkType(dlt) == LinkPPI {
			return l, 0, HeaderOther
		}
		inner = LinkType(dlt)
	case LinkPKTAP, LinkUser2:
		return l.pktap(b)
	case LinkNetA:
		n, inner = 4, LinkEthernet
	case LinkNetATransp: // and the preamble
		n, inner = 4+8, LinkEthernet
	}
	if len(b) < n {
		return l, 0, HeaderCut
	}
	return inner, n, HeaderOK
}

// pktap reads Apple's PKTAP header: length(4) type of what follows(4) its link
// type(4) interface name(24) and more, in the byte order of the machine that
// captured. Before PKTAP had a number of its own it came as USER2, which others
// use too; there the name has to be one.
func (l LinkType) pktap(b []byte) (LinkType, int, HeaderState) {
	const least = 108 // the first version's length
	if len(b) < 36 {
		return l, 0, HeaderCut
	}
	var order binary.ByteOrder = binary.LittleEndian
	if order.Uint32(b) > math.MaxUint16 {
		order = binary.BigEndian
	}
	n, packet, dlt := order.Uint32(b), order.Uint32(b[4:]), order.Uint32(b[8:])
	ok := n >= 36 && n <= math.MaxUint16 && packet == 1 && dlt <= math.MaxUint16 && LinkType(dlt) != LinkPKTAP && LinkType(dlt) != LinkUser2
	if l == LinkUser2 {
		name := b[12:36]
		end := 0
		for end < len(name) && name[end] > ' ' && name[end] < 0x7f {
			end++
		}
		ok = ok && n >= least && n < 4*least && end > 0
		for _, c := range name[end:] {
			ok = ok && c == 0
		}
		if !ok {
			return l, 0, HeaderUnread
		}
	}
	switch {
	case !ok:
		return l, 0, HeaderOther
	case len(b) < int(n):
		return l, 0, HeaderCut
	}
	return LinkType(dlt), int(n), HeaderOK
}

// plain reads a header that has nothing else before it.
func (l LinkType) plain(b []byte) (Header, HeaderState) {
	h := Header{}
	// fixed is for a header of net bytes with an EtherType at typ.
	fixed := func(net, typ int) (Header, HeaderState) {
		if len(b) < net {
			return h, HeaderCut
		}
		h.Net, h.Type = net, binary.BigEndian.Uint16(b[typ:])
		return h, HeaderOK
	}
	// family is the BSD address family at the beginning, whose number for IPv6
	// differs between systems; the version of the packet decides.
	family := func(f uint32, net int) (Header, HeaderState) {
		switch f {
		case 2, 10, 24, 26, 28, 30: // AF_INET; AF_INET6 of Linux, NetBSD and OpenBSD, Solaris, FreeBSD, Darwin
			h.Net, h.Type = net, AnyIP
			return h, HeaderOK
		}
		return h, HeaderOther
	}
	switch l {
	case LinkEthernet:
		h, state := fixed(14, 12)
		if state == HeaderOK {
			h.Dst, h.Src = b[:6], b[6:12]
		}
		return h, state
	case LinkRaw, LinkRaw12, LinkRaw14, LinkIPv4, LinkIPv6:
		return h, HeaderOK
	case LinkNull, LinkLoop:
		if len(b) < 4 {
			return h, HeaderCut
		}
		f := binary.LittleEndian.Uint32(b)
		if f > 0xffff {
			f = binary.BigEndian.Uint32(b)
		}
		return family(f, 4)
	case LinkEnc:
		// OpenBSD's enc(4): address family(4, of the machine) SPI(4) flags(4)
		if len(b) < 12 {
			return h, HeaderCut
		}
		f := binary.LittleEndian.Uint32(b)
		if f > 0xffff {
			f = binary.BigEndian.Uint32(b)
		}
		return family(f, 12)
	case LinkPFLog:
		// pflog(4): length without padding(1) address family(1) ...
		if len(b) < 4 {
			return h, HeaderCut
		}
		n := (int(b[0]) + 3) &^ 3
		if n < 4 {
			return h, HeaderOther
		}
		if len(b) < n {
			return h, HeaderCut
		}
		return family(uint32(b[1]), n)
	case LinkIPNET:
		// Solaris' ipnet: version(1) family(1) hook(2) length(4) interfaces(8) zones(8)
		if len(b) < 24 {
			return h, HeaderCut
		}
		return family(uint32(b[1]), 24)
	case LinkSLL:
		h, state := fixed(16, 14)
		if state == HeaderOK {
			h.Src = b[6 : 6+min(binary.BigEndian.Uint16(b[4:]), 6)]
		}
		return h, state
	case LinkSLL2:
		h, state := fixed(20, 0)
		if state == HeaderOK {
			h.Src = b[12 : 12+min(b[11], 6)]
		}
		return h, state
	case LinkCHDLC: // address, control, EtherType
		return fixed(4, 2)
	case LinkPPP, LinkPPPHDLC:
		return PPPHeader(b)
	case LinkPPPD, LinkPPPDir:
		// A direction takes the place of the address in one, and stands before
		// it in the other.
		at := 1
		if len(b) >= 2 && b[1] == 0x03 {
			at = 2
		}
		return ppp(b, at)
	case LinkPPPoE: // RFC 2516 section 4
		if len(b) < 6 {
			return h, HeaderCut
		}
		if b[0] != 0x11 || b[1] != 0 {
			return h, HeaderOther
		}
		return ppp(b, 6)
	case LinkFrameRelay:
		return frameRelay(b)
	case LinkATM:
		return llc(b, 0)
	case LinkFDDI: // frame control, destination, source
		if len(b) < 13 {
			return h, HeaderCut
		}
		h, state := llc(b, 13)
		h.Dst, h.Src = b[1:7], b[7:13]
		return h, state
	case LinkTokenRing: // access control, frame control, destination, source, routing
		if len(b) < 14 {
			return h, HeaderCut
		}
		n := 14
		if b[8]&0x80 != 0 {
			if len(b) < 16 {
				return h, HeaderCut
			}
			n += int(b[14] & 0x1f)
		}
		h, state := llc(b, n)
		h.Dst, h.Src = b[2:8], b[8:14]
		return h, state
	case LinkIEEE80211:
		return ieee80211(b)
	case LinkDOCSIS:
		// frame control(1) parameter(1) length(2), an extended header if there
		// is one, its length the parameter, and a check sequence(2); CM-SP-MULPI
		// section 6.2.
		if len(b) < 6 {
			return h, HeaderCut
		}
		if b[0]>>6 != 0 {
			return h, HeaderOther // no packet inside
		}
		n := 6
		if b[0]&1 != 0 {
			n += int(b[1])
		}
		if len(b) < n+14 {
			return h, HeaderCut
		}
		h.Dst, h.Src = b[n:n+6], b[n+6:n+12]
		h.Net, h.Type = n+14, binary.BigEndian.Uint16(b[n+12:])
		return h, HeaderOK
	case LinkNFLOG:
		return nflog(b)
	}
	return h, HeaderUnread
}

// PPPHeader reads what a PPP frame begins with.
func PPPHeader(b []byte) (Header, HeaderState) { return ppp(b, 0) }

// ppp reads a PPP frame at an offset, RFC 1661 section 2, with or without the
// HDLC-like address and control bytes of RFC 1662 section 3.1, and with the
// protocol field of one byte that section 6.5 allows. Cisco HDLC in a PPP
// capture is read too.
func ppp(b []byte, at int) (Header, HeaderState) {
	h := Header{}
	if len(b) < at+2 {
		return h, HeaderCut
	}
	switch {
	case b[at] == 0xff && b[at+1] == 3:
		at += 2
	case (b[at] == 0x0f || b[at] == 0x8f) && b[at+1] == 0:
		if len(b) < at+4 {
			return h, HeaderCut
		}
		h.Net, h.Type = at+4, binary.BigEndian.Uint16(b[at+2:])
		return h, HeaderOK
	}
	if len(b) < at+2 {
		return h, HeaderCut
	}
	proto := uint16(b[at])
	n := 1
	if b[at]&1 == 0 {
		proto, n = binary.BigEndian.Uint16(b[at:]), 2
	}
	h.Net = at + n
	switch proto {
	case 0x21:
		h.Type = 0x0800
	case 0x57:
		h.Type = 0x86dd
	case 0x281: // RFC 3032 section 4.3
		h.Type = 0x8847
	case 0x283:
		h.Type = 0x8848
	default:
		return h, HeaderOther
	}
	return h, HeaderOK
}

// frameRelay reads a Q.922 address of 2 to 4 bytes and RFC 2427 section 3, or
// Cisco's EtherType in its place.
func frameRelay(b []byte) (Header, HeaderState) {
	n := 0
	for {
		if len(b) < n+1 {
			return Header{}, HeaderCut
		}
		n++
		if b[n-1]&1 != 0 {
			break
		}
		if n == 4 {
			return Header{}, HeaderOther
		}
	}
	if len(b) < n+2 {
		return Header{}, HeaderCut
	}
	if b[n] != 3 { // no unnumbered information
		return Header{Net: n + 2, Type: binary.BigEndian.Uint16(b[n:])}, HeaderOK
	}
	n++
	if b[n] == 0 { // padding
		if n++; len(b) < n+1 {
			return Header{}, HeaderCut
		}
	}
	switch b[n] {
	case 0xcc:
		return Header{Net: n + 1, Type: 0x0800}, HeaderOK
	case 0x8e:
		return Header{Net: n + 1, Type: 0x86dd}, HeaderOK
	case 0x80:
		return snap(b, n+1)
	}
	return Header{}, HeaderOther
}

// llc reads IEEE 802.2 with SNAP at an offset.
func llc(b []byte, at int) (Header, HeaderState) {
	if len(b) < at+8 {
		return Header{}, HeaderCut
	}
	if b[at] != 0xaa || b[at+1] != 0xaa || b[at+2] != 3 {
		return Header{}, HeaderOther
	}
	return snap(b, at+3)
}

// snap reads an OUI and a protocol: an EtherType with the OUI 0, RFC 1042, or
// that of IEEE 802.1H; a frame with the OUI of IEEE 802.1, RFC 2684.
func snap(b []byte, at int) (Header, HeaderState) {
	if len(b) < at+5 {
		return Header{}, HeaderCut
	}
	oui, pid := uint32(b[at])<<16|uint32(b[at+1])<<8|uint32(b[at+2]), binary.BigEndian.Uint16(b[at+3:])
	switch oui {
	case 0, 0x0000f8:
		return Header{Net: at + 5, Type: pid}, HeaderOK
	case 0x0080c2:
		if pid == 1 || pid == 7 { // Ethernet with and without its check sequence
			return Header{Net: at + 5, Type: etherBridged}, HeaderOK
		}
	}
	return Header{}, HeaderOther
}

// etherBridged is the EtherType of transparent Ethernet bridging, RFC 1701.
const etherBridged = 0x6558

// ieee80211 reads a data frame that is not encrypted, IEEE 802.11 section
// 9.3.2.1. A frame whose payload begins as clear text does was decrypted by
// what captured it, whatever its flag says.
func ieee80211(b []byte) (Header, HeaderState) {
	if len(b) < 24 {
		return Header{}, HeaderCut
	}
	typ, sub, flags := b[0]>>2&3, b[0]>>4, b[1]
	var h Header
	switch typ {
	case 0: // management
		h.Src, h.Dst = b[10:16], b[4:10]
	case 2: // data; section 9.3.2.1.2 says which address is which
		h.Src, h.Dst = b[10:16], b[4:10]
		switch flags & 3 {
		case 1: // to the distribution system
			h.Dst = b[16:22]
		case 2: // from it
			h.Src = b[16:22]
		case 3:
			if len(b) < 30 {
				return Header{}, HeaderCut
			}
			h.Src, h.Dst = b[24:30], b[16:22]
		}
	}
	if typ != 2 || sub&4 != 0 || b[22]&0x0f != 0 || flags&0x04 != 0 {
		return h, HeaderOther // not data, no data in it, or a fragment
	}
	n := 24
	if flags&3 == 3 { // four addresses
		n += 6
	}
	if sub&8 != 0 { // QoS
		if len(b) < n+2 {
			return Header{}, HeaderCut
		}
		if b[n]&0x80 != 0 { // several frames in one
			return h, HeaderOther
		}
		n += 2
		if flags&0x80 != 0 { // HT control
			n += 4
		}
	}
	in, state := llc(b, n)
	if padded := (n + 3) &^ 3; state == HeaderOther && padded != n {
		in, state = llc(b, padded) // some drivers align the payload
	}
	h.Net, h.Type = in.Net, in.Type
	return h, state
}

// nflog reads Linux's netfilter log: a header of 4 bytes and then values with
// length and type in the byte order of the machine, of which 9 is the packet.
func nflog(b []byte) (Header, HeaderState) {
	const maxValues = 32 // the kernel writes fewer
	if len(b) < 4 {
		return Header{}, HeaderCut
	}
	family, at := b[0], 4
	var order binary.ByteOrder = binary.LittleEndian
	for i := range maxValues {
		if len(b) < at+4 {
			return Header{}, HeaderCut
		}
		if i == 0 && order.Uint16(b[at+2:]) > 0xff { // the types are few
			order = binary.BigEndian
		}
		n, typ := int(order.Uint16(b[at:])), order.Uint16(b[at+2:])&0x7fff
		switch {
		case n < 4:
			return Header{}, HeaderOther
		case typ == 9 && (family == 2 || family == 10):
			return Header{Net: at + 4}, HeaderOK
		case typ == 9:
			return Header{}, HeaderOther
		}
		at += (n + 3) &^ 3
		if len(b) < at {
			return Header{}, HeaderCut
		}
	}
	return Header{}, HeaderOther
}
