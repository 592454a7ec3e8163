package capture

import "pfsight/capture/packet"

// otherLink reads a frame of one of the rarer link types, whose headers package
// pcapfile knows.
func (d *decoder) otherLink(link packet.LinkType, b []byte, cut int, s *segment) bool {
	h, inner, state := link.Header(b)
	if state == packet.HeaderUnread {
		d.drops[UnknownLink]++
		d.unread.count(UnknownLink, inner, 1)
		return false
	}
	return d.behind(h, state, b, cut, s)
}

// behind reads what lies behind a link-layer header.
func (d *decoder) behind(h packet.Header, state packet.HeaderState, b []byte, cut int, s *segment) bool {
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
	return d.etherType(h.Type, b[h.Net:], cut, s) || d.eapol && (h.Src != nil || h.Dst != nil) && d.eapolBetween(h.Src, h.Dst, s)
}

// ieee80211 reads a frame of IEEE 802.11 inside something else.
func (d *decoder) ieee80211(b []byte, cut int, s *segment) bool {
	return d.otherLink(packet.LinkIEEE80211, b, cut, s)
}
