package capture

import "pfsight/capture/packet"

// link reads a frame of a link type. The capture cut the last cut bytes of it.
// The frequent link types are read here, for speed. Package packet knows all.
func (d *decoder) link(link packet.LinkType, b []byte, cut int, s *segment) bool {
	switch link {
	case packet.LinkEthernet:
		if len(b) >= 14 {
			return d.etherType(be16(b[12:]), b[14:], cut, s) || d.eapol && d.takeEAPOL(b[6:12], b[:6], s)
		}
	case packet.LinkRaw, packet.LinkRaw12, packet.LinkRaw14, packet.LinkIPv4, packet.LinkIPv6:
		return d.ip(b, cut, s)
	case packet.LinkSLL:
		// tcpdump.org: type(2) ARPHRD(2) length(2) address(8) protocol(2).
		if len(b) >= 16 {
			return d.etherType(be16(b[14:]), b[16:], cut, s) || d.eapol && d.takeEAPOL(b[6:6+min(int(be16(b[4:])), 6)], nil, s)
		}
	case packet.LinkSLL2:
		// protocol(2) reserved(2) ifindex(4) ARPHRD(2) type(1) length(1) address(8).
		if len(b) >= 20 {
			return d.etherType(be16(b), b[20:], cut, s) || d.eapol && d.takeEAPOL(b[12:12+min(b[11], 6)], nil, s)
		}
	case packet.LinkPPPoE:
		return d.pppoe(b, cut, s)
	default:
		return d.otherLinkType(link, b, cut, s)
	}
	return d.cutHeader()
}

// otherLinkType reads a frame whose link-layer header package packet reads.
func (d *decoder) otherLinkType(link packet.LinkType, b []byte, cut int, s *segment) bool {
	h, inner, state := link.Header(b)
	if state == packet.HeaderUnread {
		d.drops[UnknownLink]++
		d.unread.count(UnknownLink, inner, 1)
		return false
	}
	return d.network(h, state, b, cut, s)
}

// network reads the network layer of a frame whose link-layer header is h.
func (d *decoder) network(h packet.Header, state packet.HeaderState, b []byte, cut int, s *segment) bool {
	switch {
	case state == packet.HeaderCut:
		return d.cutHeader()
	case state != packet.HeaderOK:
		d.drops[NotIP]++
		return false
	case !d.deeper():
		return false
	case h.Type == packet.AnyIP:
		return d.ip(b[h.Net:], cut, s)
	}
	return d.etherType(h.Type, b[h.Net:], cut, s) || d.eapol && (h.Src != nil || h.Dst != nil) && d.takeEAPOL(h.Src, h.Dst, s)
}

// ppp reads a PPP frame inside another protocol.
func (d *decoder) ppp(b []byte, cut int, s *segment) bool {
	h, state := packet.PPPHeader(b)
	return d.network(h, state, b, cut, s)
}

// pppoe reads a frame of a PPPoE session, RFC 2516 section 4. The session is a
// network of its own.
func (d *decoder) pppoe(b []byte, cut int, s *segment) bool {
	h, _, state := packet.LinkPPPoE.Header(b)
	if state == packet.HeaderOK {
		s.enterNetwork(uint32(be16(b[2:])))
		if !d.addLayer(encPPPoE, s) {
			return false
		}
	}
	return d.network(h, state, b, cut, s)
}

// ieee80211 reads an IEEE 802.11 frame inside another protocol.
func (d *decoder) ieee80211(b []byte, cut int, s *segment) bool {
	return d.otherLinkType(packet.LinkIEEE80211, b, cut, s)
}
