package filter

import (
	"encoding/binary"

	"pfsight/capture/packet"
)

// Of most link types the header has no fixed length, or the EtherType is
// written in several ways. A program for them does not find the network layer
// by itself: it addresses three areas, and Match finds for each frame where
// they are.
//
//	0          the link-layer header, behind what the capture put before it
//	metaStart  what the header says: the EtherType and the stations' addresses
//	netStart   the network layer
const (
	metaStart = 1 << 30
	netStart  = 1 << 31

	metaType = metaStart
	metaDst  = metaStart + 2
	metaSrc  = metaStart + 8
	metaSize = 14
)

// withStations are the link types of which "ether host" and the like can be
// asked, withTags those of which "vlan" can.
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

// isLocated reports whether the headers of a link type are read by package
// pcapfile.
func isLocated(typ uint32) bool {
	l := packet.LinkType(typ)
	if uint32(l) != typ {
		return false
	}
	_, _, state := l.Header(nil)
	return state != packet.HeaderUnread
}

// A view is a frame as a program for a located link type addresses it.
type view struct {
	link, net []byte
	meta      [metaSize]byte
	told      int // bytes of meta: none where the header is cut
}

func (v *view) locate(l packet.LinkType, data []byte) {
	h, _, state := l.Header(data)
	v.link = data[min(h.Link, len(data)):]
	if state == packet.HeaderCut {
		return
	}
	v.told = metaSize
	copy(v.meta[metaDst-metaStart:metaSrc-metaStart], h.Dst)
	copy(v.meta[metaSrc-metaStart:], h.Src)
	if state != packet.HeaderOK {
		return // the EtherType stays 0, which is none
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

// area returns the area that off lies in, and the offset there.
func (v *view) area(off uint64) ([]byte, uint64) {
	switch {
	case off >= netStart:
		return v.net, off - netStart
	case off >= metaStart:
		return v.meta[:v.told], off - metaStart
	}
	return v.link, off
}
