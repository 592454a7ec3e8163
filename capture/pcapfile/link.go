package pcapfile

import "strconv"

// A LinkType is a LINKTYPE_ value of the tcpdump.org registry: what the
// frames of an interface begin with.
type LinkType uint16

// The link types that are read.
const (
	LinkNull      LinkType = 0
	LinkEthernet  LinkType = 1
	LinkPPP       LinkType = 9
	LinkRaw12     LinkType = 12 // DLT_RAW of most systems, found in files
	LinkRaw14     LinkType = 14 // DLT_RAW of OpenBSD
	LinkPPPHDLC   LinkType = 50
	LinkPPPoE     LinkType = 51
	LinkRaw       LinkType = 101
	LinkCHDLC     LinkType = 104
	LinkIEEE80211 LinkType = 105
	LinkLoop      LinkType = 108
	LinkSLL       LinkType = 113
	LinkRadiotap  LinkType = 127
	LinkPPI       LinkType = 192
	LinkIPv4      LinkType = 228
	LinkIPv6      LinkType = 229
	LinkNFLOG     LinkType = 239
	LinkSLL2      LinkType = 276
)

func (l LinkType) String() string {
	switch l {
	case LinkNull:
		return "NULL"
	case LinkEthernet:
		return "Ethernet"
	case LinkPPP:
		return "PPP"
	case LinkRaw12, LinkRaw14, LinkRaw:
		return "raw IP"
	case LinkPPPHDLC:
		return "PPP over HDLC"
	case LinkPPPoE:
		return "PPPoE"
	case LinkLoop:
		return "LOOP"
	case LinkSLL:
		return "Linux SLL"
	case LinkIPv4:
		return "raw IPv4"
	case LinkIPv6:
		return "raw IPv6"
	case LinkSLL2:
		return "Linux SLL2"
	case 6:
		return "IEEE 802.5"
	case 10:
		return "FDDI"
	case 104:
		return "Cisco HDLC"
	case 105:
		return "IEEE 802.11"
	case 127:
		return "radiotap"
	case 192:
		return "PPI"
	case 195:
		return "IEEE 802.15.4"
	case 239:
		return "NFLOG"
	}
	return "link type " + strconv.Itoa(int(l))
}
