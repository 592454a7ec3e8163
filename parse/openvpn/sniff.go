package openvpn

import (
	"encoding/binary"

	"pfsight/capture/stream"
)

// Sniff is the stream.Sniffer of OpenVPN over UDP and over TCP, where a length
// of two bytes precedes each packet. It recognizes resets, by their exact length
// and their zeros, and control packets with a TLS hello. It returns SniffMaybe
// for a segment that is too short but may begin a reset over TCP.
func Sniff(b []byte) stream.Sniff {
	if len(b) > 0 && MayBegin(b) && (len(b) < 16 || len(b) < 2+int(b[1])) {
		return stream.SniffMaybe
	}
	if len(b) < 14 {
		return stream.SniffNone
	}
	if s := sniffPacket(b); s != stream.SniffNone {
		return s
	}
	if n := int(binary.BigEndian.Uint16(b)); n >= 14 && n <= maxFrame {
		return sniffPacket(b[2:min(2+n, len(b))])
	}
	return stream.SniffNone
}

// MayBegin reports whether b may be the start of the first packet that a side
// sends over TCP. b may have any length.
func MayBegin(b []byte) bool {
	switch {
	case len(b) == 0:
		return true
	case b[0] != 0:
		return false
	case len(b) == 1:
		return true
	case len(b) == 2:
		return firstOverTCP(b[1], hardResetClientV2<<3) || firstOverTCP(b[1], hardResetServerV2<<3)
	}
	return firstOverTCP(b[1], b[2])
}

// firstOverTCP reports whether a reset of a client or of a server may have this
// length and first byte.
func firstOverTCP(length, first byte) bool {
	n := int(length) - 14 // without an acknowledgment
	switch first {
	case hardResetClientV1 << 3, hardResetClientV2 << 3:
	case hardResetServerV1 << 3, hardResetServerV2 << 3:
		n -= 4 + 8
	default:
		return false
	}
	for _, d := range digests {
		if n == int(d) && d == 0 || n == int(d)+8 && d > 0 {
			return true
		}
	}
	return false
}

// sniffPacket is Sniff for a packet without a length.
func sniffPacket(b []byte) stream.Sniff {
	switch b[0] >> 3 {
	case hardResetClientV1, hardResetServerV1, hardResetClientV2, hardResetServerV2, softResetV1, controlV1:
	default:
		return stream.SniffNone
	}
	_, p, ok := digestOf(b)
	switch {
	case !ok:
		return stream.SniffNone
	case p.op == hardResetServerV1 || p.op == hardResetServerV2 || p.hello() == serverHello:
		return stream.SniffServer
	}
	// Both sides send soft resets; the TLS hellos show which is the client.
	return stream.SniffClient
}
