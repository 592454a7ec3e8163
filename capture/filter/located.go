package filter

import (
	"encoding/binary"

	"pfsight/capture/packet"
)

// Most link types have a header of variable length, or several ways to write
// the EtherType. A program for them cannot find the network layer. It addresses
// three areas, which Match locates in each frame:
//
//	0          the link-layer header, after the header that the capture added
//	metaStart  fields of the header: the EtherType and the station addresses
//	netStart   the network layer
const (
	metaStart = 1 << 30
	netStart  = 1 << 31

	metaType = metaStart
	metaDst  = metaStart + 2
	metaSrc  = metaStart + 8
	metaSize = 14
)

// withStations are the link types that support "ether host" and the like,
// withTags those that support "vlan".
var (
	withStations = []packet.LinkType{
		packet.LinkTokenRing, packet.LinkFDDI, packet.LinkIEEE80211, packet.LinkPrism, packet.LinkRadiotap, packet.LinkAVS, packet.LinkPPI,
		packet.LinkDOCSIS, packet.LinkNetA, packet.LinkNetATransp, packet.LinkPKTAP, packet.LinkUser2,
	}
	withTags = []packet.LinkType{
		packet.LinkIEEE80211, packet.LinkPrism, packet.LinkRadiotap, packet.LinkAVS, packet.LinkDOCSIS, packet.LinkNetA, packet.LinkNetATransp, packet.LinkPKTAP,
		packet.LinkUser2,
	}
)

// isLocated reports whether programs for a link type address the areas of a
// view.
func isLocated(typ uint32) bool {
	l := packet.LinkType(typ)
	if uint32(l) != typ {
		return false
	}
	_, _, state := l.Header(nil)
	return state != packet.HeaderUnread
}

// A view holds the areas of a frame.
type view struct {
	link, net []byte
	meta      [metaSize]byte
	metaLen   int // length of meta that is set; 0 if the header is cut
}

func (v *view) locate(l packet.LinkType, data []byte) {
	h, _, state := l.Header(data)
	v.link = data[min(h.Link, len(data)):]
	if state == packet.HeaderCut {
		return
	}
	v.metaLen = metaSize
	copy(v.meta[metaDst-metaStart:metaSrc-metaStart], h.Dst)
	copy(v.meta[metaSrc-metaStart:], h.Src)
	if state != packet.HeaderOK {
		return // the EtherType stays 0, which is no EtherType
	}
	v.net = data[h.Net:]
	t := h.Type
	if t == packet.AnyIP && len(v.net) > 0 {
		switch v.net[0] >> 4 {
		case 4:
			t = etherIP
		case 6:
			t = etherIPv6
		}
	}
	binary.BigEndian.PutUint16(v.meta[:], t)
}

// area returns the area of off, and the offset in the area.
func (v *view) area(off uint64) ([]byte, uint64) {
	switch {
	case off >= netStart:
		return v.net, off - netStart
	case off >= metaStart:
		return v.meta[:v.metaLen], off - metaStart
	}
	return v.link, off
}
