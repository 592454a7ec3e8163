package packet

import (
	"encoding/binary"
	"math"
)

// A Header locates the network layer of a frame.
type Header struct {
	Link int // offset of the link-layer header, after the header that the capture added
	Net  int // offset of the network layer
	// Type is the EtherType of the network layer, a length of IEEE 802.3, or
	// AnyIP. It is meaningless without a network layer.
	Type uint16
	// Src and Dst are the addresses of the stations, or nil if the frame has
	// none. They may be set with HeaderOther too.
	Src, Dst []byte
}

// AnyIP is the Header.Type of a packet whose first four bits distinguish IPv4
// from IPv6. It is 0, which is neither an EtherType nor the length of a packet.
const AnyIP = 0

// A HeaderState is the result of reading a Header.
type HeaderState uint8

// Net and Type are set with HeaderOK only.
const (
	HeaderOK     HeaderState = iota
	HeaderCut                // the frame ends inside the header
	HeaderOther              // no supported network layer: management, encrypted, another protocol
	HeaderUnread             // an unsupported link type
)

// maxLinks is the maximum nesting of link types: Apple's PKTAP contains
// radiotap, which contains IEEE 802.11.
const maxLinks = 4

// EtherTypes.
const (
	etherIPv4      = 0x0800
	etherBridged   = 0x6558 // transparent Ethernet bridging, RFC 1701
	etherIPv6      = 0x86dd
	etherMPLS      = 0x8847
	etherMPLSMulti = 0x8848
)

// Header reads the link-layer header of a frame. With HeaderUnread, inner is
// the unsupported link type, which may be nested in another one.
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

// wrapped skips the header that the capture added before the frame. It returns
// the link type of the frame and its offset, or l itself if there is no such
// header.
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
		// Both headers occur with both numbers. AVS begins with a magic number
		// and its length, big endian. Prism has 144 bytes.
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
	case LinkNetATransp: // with the preamble
		n, inner = 4+8, LinkEthernet
	}
	if len(b) < n {
		return l, 0, HeaderCut
	}
	return inner, n, HeaderOK
}

// pktap skips Apple's PKTAP header: length(4) record type(4) link type(4)
// interface name(24) and more, in the byte order of the capturing machine.
// Older systems use the number USER2, which has other uses too. There the
// interface name must be plausible.
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

// plain reads a header that has no other header before it.
func (l LinkType) plain(b []byte) (Header, HeaderState) {
	switch l {
	case LinkEthernet:
		return ethernet(b, 0)
	case LinkRaw, LinkRaw12, LinkRaw14, LinkIPv4, LinkIPv6:
		return Header{}, HeaderOK
	case LinkNull, LinkLoop:
		return machineFamily(b, 4)
	case LinkEnc: // enc(4) of OpenBSD: address family(4, of the machine) SPI(4) flags(4)
		return machineFamily(b, 12)
	case LinkPFLog: // pflog(4): length without padding(1) address family(1) ...
		if len(b) < 4 {
			return Header{}, HeaderCut
		}
		n := (int(b[0]) + 3) &^ 3
		if n < 4 {
			return Header{}, HeaderOther
		}
		return family(b, n, uint32(b[1]))
	case LinkIPNET: // Solaris: version(1) family(1) hook(2) length(4) interfaces(8) zones(8)
		if len(b) < 2 {
			return Header{}, HeaderCut
		}
		return family(b, 24, uint32(b[1]))
	case LinkSLL:
		h, state := typed(b, 16, 14)
		if state == HeaderOK {
			h.Src = b[6 : 6+min(binary.BigEndian.Uint16(b[4:]), 6)]
		}
		return h, state
	case LinkSLL2:
		h, state := typed(b, 20, 0)
		if state == HeaderOK {
			h.Src = b[12 : 12+min(b[11], 6)]
		}
		return h, state
	case LinkCHDLC: // address, control, EtherType
		return typed(b, 4, 2)
	case LinkPPP, LinkPPPHDLC:
		return PPPHeader(b)
	case LinkPPPD, LinkPPPDir:
		// A direction byte replaces the address, or precedes it.
		at := 1
		if len(b) >= 2 && b[1] == 0x03 {
			at = 2
		}
		return ppp(b, at)
	case LinkPPPoE: // RFC 2516 section 4
		if len(b) < 6 {
			return Header{}, HeaderCut
		}
		if b[0] != 0x11 || b[1] != 0 {
			return Header{}, HeaderOther
		}
		return ppp(b, 6)
	case LinkFrameRelay:
		return frameRelay(b)
	case LinkATM:
		return llc(b, 0)
	case LinkFDDI: // frame control, destination, source
		return stations(b, 1, 13)
	case LinkTokenRing: // access control, frame control, destination, source, routing
		if len(b) < 14 {
			return Header{}, HeaderCut
		}
		n := 14
		if b[8]&0x80 != 0 {
			if len(b) < 16 {
				return Header{}, HeaderCut
			}
			n += int(b[14] & 0x1f)
		}
		return stations(b, 2, n)
	case LinkIEEE80211:
		return ieee80211(b)
	case LinkDOCSIS:
		// frame control(1) parameter(1) length(2), an extended header if frame
		// control says so, with the parameter as its length, and a check
		// sequence(2); CM-SP-MULPI section 6.2.
		if len(b) < 6 {
			return Header{}, HeaderCut
		}
		if b[0]>>6 != 0 {
			return Header{}, HeaderOther // no packet inside
		}
		n := 6
		if b[0]&1 != 0 {
			n += int(b[1])
		}
		return ethernet(b, n)
	case LinkNFLOG:
		return nflog(b)
	}
	return Header{}, HeaderUnread
}

// typed reads a header of net bytes with an EtherType at offset typ.
func typed(b []byte, net, typ int) (Header, HeaderState) {
	if len(b) < net {
		return Header{}, HeaderCut
	}
	return Header{Net: net, Type: binary.BigEndian.Uint16(b[typ:])}, HeaderOK
}

// ethernet reads an Ethernet header at an offset.
func ethernet(b []byte, at int) (Header, HeaderState) {
	h, state := typed(b, at+14, at+12)
	if state == HeaderOK {
		h.Dst, h.Src = b[at:at+6], b[at+6:at+12]
	}
	return h, state
}

// stations reads IEEE 802.2 at an offset, after a header with the destination
// at offset dst and the source behind it.
func stations(b []byte, dst, at int) (Header, HeaderState) {
	if len(b) < dst+12 {
		return Header{}, HeaderCut
	}
	h, state := llc(b, at)
	h.Dst, h.Src = b[dst:dst+6], b[dst+6:dst+12]
	return h, state
}

// machineFamily reads a header of net bytes that begins with an address family
// in the byte order of the capturing machine or of the network.
func machineFamily(b []byte, net int) (Header, HeaderState) {
	if len(b) < net {
		return Header{}, HeaderCut
	}
	f := binary.LittleEndian.Uint32(b)
	if f > 0xffff {
		f = binary.BigEndian.Uint32(b)
	}
	return family(b, net, f)
}

// family reads a header of net bytes with an address family of BSD or Linux.
// The number of IPv6 differs between systems, so the version of the packet
// decides.
func family(b []byte, net int, f uint32) (Header, HeaderState) {
	if len(b) < net {
		return Header{}, HeaderCut
	}
	switch f {
	case 2, 10, 24, 26, 28, 30: // AF_INET; AF_INET6 of Linux, NetBSD and OpenBSD, Solaris, FreeBSD, Darwin
		return Header{Net: net, Type: AnyIP}, HeaderOK
	}
	return Header{}, HeaderOther
}

// PPPHeader reads the header of a PPP frame.
func PPPHeader(b []byte) (Header, HeaderState) { return ppp(b, 0) }

// ppp reads a PPP header at an offset, RFC 1661 section 2. The address and
// control bytes of RFC 1662 section 3.1 are optional. The protocol field may
// have one byte, as section 6.5 allows. Cisco HDLC in a PPP capture is read too.
func ppp(b []byte, at int) (Header, HeaderState) {
	if len(b) < at+2 {
		return Header{}, HeaderCut
	}
	switch {
	case b[at] == 0xff && b[at+1] == 3:
		at += 2
	case (b[at] == 0x0f || b[at] == 0x8f) && b[at+1] == 0:
		return typed(b, at+4, at+2)
	}
	if len(b) < at+2 {
		return Header{}, HeaderCut
	}
	h := Header{Net: at + 1}
	proto := uint16(b[at])
	if b[at]&1 == 0 {
		h.Net, proto = at+2, binary.BigEndian.Uint16(b[at:])
	}
	switch proto {
	case 0x21:
		h.Type = etherIPv4
	case 0x57:
		h.Type = etherIPv6
	case 0x281: // RFC 3032 section 4.3
		h.Type = etherMPLS
	case 0x283:
		h.Type = etherMPLSMulti
	default:
		return h, HeaderOther
	}
	return h, HeaderOK
}

// frameRelay reads a Q.922 address of 2 to 4 bytes and the header of RFC 2427
// section 3, or Cisco's EtherType instead of that.
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
		return typed(b, n+2, n)
	}
	n++
	if b[n] == 0 { // padding
		if n++; len(b) < n+1 {
			return Header{}, HeaderCut
		}
	}
	switch b[n] {
	case 0xcc:
		return Header{Net: n + 1, Type: etherIPv4}, HeaderOK
	case 0x8e:
		return Header{Net: n + 1, Type: etherIPv6}, HeaderOK
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

// snap reads an OUI and a protocol. The protocol is an EtherType with OUI 0
// (RFC 1042) or that of IEEE 802.1H, and announces a frame with the OUI of IEEE
// 802.1 (RFC 2684).
func snap(b []byte, at int) (Header, HeaderState) {
	if len(b) < at+5 {
		return Header{}, HeaderCut
	}
	oui, pid := uint32(b[at])<<16|uint32(b[at+1])<<8|uint32(b[at+2]), binary.BigEndian.Uint16(b[at+3:])
	switch oui {
	case 0, 0x0000f8:
		return typed(b, at+5, at+3)
	case 0x0080c2:
		if pid == 1 || pid == 7 { // Ethernet with or without its check sequence
			return Header{Net: at + 5, Type: etherBridged}, HeaderOK
		}
	}
	return Header{}, HeaderOther
}

// ieee80211 reads a data frame that is not encrypted, IEEE 802.11 section
// 9.3.2.1. It ignores the flag of encryption: a capturing driver may have
// decrypted the payload, and the LLC header shows whether it did.
func ieee80211(b []byte) (Header, HeaderState) {
	if len(b) < 24 {
		return Header{}, HeaderCut
	}
	typ, sub, flags := b[0]>>2&3, b[0]>>4, b[1]
	var h Header
	switch typ {
	case 0: // management
		h.Src, h.Dst = b[10:16], b[4:10]
	case 2: // data; the addresses are those of section 9.3.2.1.2
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
		return h, HeaderOther // not data, without payload, or a fragment
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

// nflog reads Linux's netfilter log: a header of 4 bytes, and values with length
// and type in the byte order of the machine. Type 9 is the packet.
func nflog(b []byte) (Header, HeaderState) {
	const maxValues = 32 // more than the kernel writes
	if len(b) < 4 {
		return Header{}, HeaderCut
	}
	family, at := b[0], 4
	var order binary.ByteOrder = binary.LittleEndian
	for i := range maxValues {
		if len(b) < at+4 {
			return Header{}, HeaderCut
		}
		if i == 0 && order.Uint16(b[at+2:]) > 0xff { // the types are small numbers
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
