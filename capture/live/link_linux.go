package live

import (
	"golang.org/x/sys/unix"

	"pfsight/capture/packet"
)

// A linkKind says what the frames of a ring begin with: a link type, or one
// of the two below.
type linkKind int32

const (
	linkEach  linkKind = -1 // each frame tells
	linkOther linkKind = -2 // a header that is not read; what the kernel says is behind it
)

// kindOf returns what the frames of a kind of interface (ARPHRD_) begin with.
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
