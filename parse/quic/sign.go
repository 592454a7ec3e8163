package quic

import (
	"encoding/binary"

	"pfsight/capture/stream"
)

// minShort is the least length of a 1-RTT packet that is told from other
// datagrams: shorter ones that could not be told from a stateless reset are
// not sent, RFC 9000 section 10.3.
const minShort = 21

// Sign is a stream.Signer for UDP: it tells from the first bytes of a
// datagram whether a handshake of QUIC may begin there. It says ClientSign
// for an Initial of a known version that may be a client's first, and for a
// packet of the same shape with a reserved version, which a client sends to
// force a version negotiation; ServerSign for a Version Negotiation, for a
// Retry, and for an Initial to a connection ID that is too short for a client's
// first; MaybeSign for other packets of a known version and for what may be a 1-RTT packet, which has nothing to be known by but
// one bit, and not even that if the peer said that it need not be there (RFC
// 9287): that is NoSign. It does not decrypt.
func Sign(b []byte) stream.Sign {
	if len(b) < 7 {
		return stream.NoSign
	}
	if b[0]&0x80 == 0 {
		if b[0]&0x40 != 0 && len(b) >= minShort {
			return stream.MaybeSign
		}
		return stream.NoSign
	}
	v := Version(binary.BigEndian.Uint32(b[1:]))
	switch {
	case v == 0:
		if p, ok := nextPacket(b, 0); ok && len(p.dcid) <= maxCID && len(p.scid) <= maxCID && p.negotiates(b) {
			return stream.ServerSign
		}
		return stream.NoSign
	case v.Known():
		return signKnown(b)
	case v.IsReserved():
		// The layout is that of the versions such a client knows.
		if b[0]&0x70 == 0x40 && len(b) >= minDatagram && b[5] >= minFirstCID && signReserved(b) {
			return stream.ClientSign
		}
	}
	return stream.NoSign
}

func signKnown(b []byte) stream.Sign {
	p, ok := nextPacket(b, 0)
	if !ok {
		return stream.NoSign
	}
	if p.kind == kindZeroRTT && p.length >= minProtected {
		p = initialBehind(b, p) // RFC 9000 section 12.2 has no order for these two
	}
	fixed := b[p.from]&0x40 != 0
	switch p.kind {
	case kindInitial:
		switch {
		case p.length < minProtected:
			return stream.NoSign
		case !fixed && len(p.token) == 0:
			// RFC 9287: only who has been told may leave the bit out, a client by
			// a server that also gave it a token.
			return stream.MaybeSign
		case len(p.dcid) < minFirstCID && len(p.scid) > 0 && len(p.token) == 0 && fixed:
			return stream.ServerSign
		case len(p.dcid) < minFirstCID || len(b) < minDatagram && !p.cut:
			return stream.MaybeSign
		}
		return stream.ClientSign
	case kindRetry:
		switch {
		case len(p.token) <= 16 || len(b) >= minDatagram:
			return stream.NoSign
		case fixed:
			return stream.ServerSign
		}
		return stream.MaybeSign
	}
	if p.length < minProtected {
		return stream.NoSign
	}
	return stream.MaybeSign
}

// signReserved reports whether b goes on like an Initial of version 1.
func signReserved(b []byte) bool {
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
