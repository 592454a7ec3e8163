package live

import (
	"golang.org/x/sys/unix"

	"pfsight/capture/packet"
)

// A linkKind is the link type of the frames of a ring, or one of the values
// below.
type linkKind int32

const (
	linkEach  linkKind = -1 // each frame has its own
	linkOther linkKind = -2 // an unsupported link header; the kernel knows where it ends
)

// kindOf returns the linkKind of an interface type (ARPHRD_).
func kindOf(hatype uint16) linkKind {
	switch hatype {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return linkKind(packet.LinkEthernet)
	case unix.ARPHRD_NONE, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT, unix.ARPHRD_RAWIP:
		return linkKind(packet.LinkRaw)
	case unix.ARPHRD_IEEE80211:
		return linkKind(packet.LinkIEEE80211)
	case unix.ARPHRD_IEEE80211_RADIOTAP:
		return linkKind(packet.LinkRadiotap)
	}
	return linkOther
}
