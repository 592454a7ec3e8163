package quic

import (
	"encoding/binary"

	"pfsight/capture/stream"
)

// minShort is the least length of a 1-RTT packet: shorter ones could not be told
// from a stateless reset and are not sent, RFC 9000 section 10.3.
const minShort = 21

// Sniff is the stream.Sniffer of QUIC. It does not decrypt. SniffClient is for an
// Initial of a known version that may be the first of a client, and for such a
// packet with a reserved version, which a client sends to force a version
// negotiation. SniffServer is for a Version Negotiation, a Retry, and an Initial
// to a connection ID that is too short for a client's first Initial. SniffMaybe is
// for other packets of a known version, and for what may be a 1-RTT packet. Only
// one bit shows the latter; without it, as RFC 9287 allows, the result is SniffNone.
func Sniff(b []byte) stream.Sniff {
	if len(b) < 7 {
		return stream.SniffNone
	}
	if b[0]&0x80 == 0 {
		if b[0]&0x40 != 0 && len(b) >= minShort {
			return stream.SniffMaybe
		}
		return stream.SniffNone
	}
	v := Version(binary.BigEndian.Uint32(b[1:]))
	switch {
	case v == 0:
		if p, ok := nextPacket(b, 0); ok && len(p.dcid) <= maxCID && len(p.scid) <= maxCID && p.negotiates(b) {
			return stream.SniffServer
		}
		return stream.SniffNone
	case v.Known():
		return sniffKnown(b)
	case v.IsReserved():
		// The layout is that of the versions that such a client knows.
		if b[0]&0x70 == 0x40 && len(b) >= minDatagram && b[5] >= minFirstCID && sniffReserved(b) {
			return stream.SniffClient
		}
	}
	return stream.SniffNone
}

func sniffKnown(b []byte) stream.Sniff {
	p, ok := nextPacket(b, 0)
	if !ok {
		return stream.SniffNone
	}
	if p.kind == kindZeroRTT && p.length >= minProtected {
		p = initialBehind(b, p) // RFC 9000 section 12.2 allows both orders
	}
	fixed := b[p.from]&0x40 != 0
	switch p.kind {
	case kindInitial:
		switch {
		case p.length < minProtected:
			return stream.SniffNone
		case !fixed && len(p.token) == 0:
			// RFC 9287: an endpoint leaves the bit out only after its peer has
			// allowed it. A server that allowed it has also given the client a
			// token.
			return stream.SniffMaybe
		case len(p.dcid) < minFirstCID && len(p.scid) > 0 && len(p.token) == 0 && fixed:
			return stream.SniffServer
		case len(p.dcid) < minFirstCID || len(b) < minDatagram && !p.cut:
			return stream.SniffMaybe
		}
		return stream.SniffClient
	case kindRetry:
		switch {
		case len(p.token) <= 16 || len(b) >= minDatagram:
			return stream.SniffNone
		case fixed:
			return stream.SniffServer
		}
		return stream.SniffMaybe
	}
	if p.length < minProtected {
		return stream.SniffNone
	}
	return stream.SniffMaybe
}

// sniffReserved reports whether b has the layout of an Initial of version 1.
func sniffReserved(b []byte) bool {
	dcid, at, ok := prefixed(b, 5)
	if !ok || len(dcid) > maxCID {
		return false
	}
	scid, at, ok := prefixed(b, at)
	if !ok || len(scid) > maxCID {
		return false
	}
	n, at, ok := varint(b, at)
	if !ok || n > uint64(len(b)-at) {
		return false
	}
	at += int(n)
	n, at, ok = varint(b, at)
	return ok && n >= minProtected && n <= uint64(len(b)-at)
}
