// Package openvpn finds the TLS records in OpenVPN's control channel, over
// UDP and TCP, with --tls-auth and without. It puts the packets of each
// direction in order and says which brought the bytes; the records are for
// others to read. With --tls-crypt the control channel is encrypted and shows
// nothing; it is not taken for what it is not.
//
// The format is that of the OpenVPN wire protocol (draft-openvpn-wire-protocol)
// and of OpenVPN's ssl_pkt.h.
package openvpn

import (
	"encoding/binary"

	"pfsight/capture/stream"
)

// Opcodes, the high five bits of a packet; the low three are the key id.
const (
	hardResetClientV1 = 1
	hardResetServerV1 = 2
	softResetV1       = 3
	controlV1         = 4
	ackV1             = 5
	dataV1            = 6
	hardResetClientV2 = 7
	hardResetServerV2 = 8
	dataV2            = 9
)

// maxAcks is how many packets one packet acknowledges at most.
const maxAcks = 8

// digests are the lengths of the HMAC of --tls-auth, 0 for none: MD5, SHA-1
// and RIPEMD-160, SHA-224, SHA-256, SHA-384, SHA-512. Behind it are a
// packet id and a time, 4 bytes each.
var digests = [...]uint8{0, 16, 20, 28, 32, 48, 64}

// A packet is one of the control channel:
//
//	opcode and key id(1) session id(8) [HMAC packet id(4) time(4)]
//	number of acknowledgments(1) [acknowledged ids(4 each) remote session id(8)]
//	[message packet id(4) payload]
//
// where the last line is not of an ACK.
type packet struct {
	op, key uint8
	session uint64
	acks    int
	remote  uint64 // session id of the other side; where acks > 0
	id      uint32 // of the message; not of an ACK
	payload []byte
}

// readPacket reads a packet of the control channel with an HMAC of this
// length.
func readPacket(b []byte, digest uint8) (p packet, ok bool) {
	if len(b) < 10 {
		return p, false
	}
	p.op, p.key = b[0]>>3, b[0]&7
	switch p.op {
	case hardResetClientV1, hardResetServerV1, hardResetClientV2, hardResetServerV2, softResetV1, controlV1, ackV1:
	default:
		return p, false
	}
	p.session = binary.BigEndian.Uint64(b[1:])
	b = b[9:]
	if digest > 0 {
		if len(b) <= int(digest)+8 {
			return p, false
		}
		b = b[digest+8:]
	}
	p.acks = int(b[0])
	b = b[1:]
	if p.acks > maxAcks {
		return p, false
	}
	if p.acks > 0 {
		if len(b) < 4*p.acks+8 {
			return p, false
		}
		b = b[4*p.acks:]
		p.remote, b = binary.BigEndian.Uint64(b), b[8:]
	}
	if p.op == ackV1 {
		return p, p.acks > 0 && len(b) == 0
	}
	if len(b) < 4 {
		return p, false
	}
	p.id, p.payload = binary.BigEndian.Uint32(b), b[4:]
	return p, true
}

// isReset reports whether p is one of the packets that begin an exchange:
// number 0, and nothing in it. Those of a server acknowledge the client's.
func (p *packet) isReset() bool {
	if p.id != 0 || len(p.payload) != 0 {
		return false
	}
	switch p.op {
	case hardResetClientV1, hardResetClientV2:
		return p.acks == 0 && p.key == 0 && p.session != 0
	case hardResetServerV1, hardResetServerV2:
		return p.acks <= 1 && p.key == 0 && p.session != 0 && (p.acks == 0 || p.remote != 0)
	case softResetV1:
		return p.acks <= 1 && p.key != 0 && p.session != 0
	}
	return false
}

// hello returns the type of the hello that the payload begins with: 1 of a
// client, 2 of a server, 0 none.
func (p *packet) hello() uint8 {
	b := p.payload
	if p.op == controlV1 && len(b) >= 6 && b[0] == 22 && b[1] == 3 && b[2] <= 4 && (b[5] == 1 || b[5] == 2) {
		return b[5]
	}
	return 0
}

// digestOf finds the length of the HMAC from a packet that leaves no doubt.
func digestOf(b []byte) (digest uint8, p packet, ok bool) {
	for _, n := range digests {
		acks := 9
		if n > 0 {
			acks += int(n) + 8
		}
		if acks >= len(b) || b[acks] > maxAcks {
			continue // the cheap half of what follows
		}
		p, ok = readPacket(b, n)
		if ok && (p.isReset() || p.hello() != 0) {
			return n, p, true
		}
	}
	return 0, packet{}, false
}

// Sign is a stream.Signer of both UDP and TCP, where each packet has its
// length before it in two bytes. It knows the resets by their exact length
// and their zeros, and control packets that carry a hello. Of a short segment
// it says what it may be.
func Sign(b []byte) stream.Sign {
	if len(b) > 0 && MayBegin(b) && (len(b) < 16 || len(b) < 2+int(b[1])) {
		return stream.MaybeSign // the first segment may be short
	}
	if len(b) < 14 {
		return stream.NoSign
	}
	if s := sign(b); s != stream.NoSign {
		return s
	}
	if n := int(binary.BigEndian.Uint16(b)); n >= 14 && n <= maxFrame {
		return sign(b[2:min(2+n, len(b))])
	}
	return stream.NoSign
}

// MayBegin reports whether b, of any length, may be a part of the first packet
// of a side over TCP, from its beginning.
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

// firstOverTCP reports whether the first packet of a side, the reset of a
// client or of a server, may have this length and first byte.
func firstOverTCP(length, first byte) bool {
	n := int(length) - 14 // without acknowledgment
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

func sign(b []byte) stream.Sign {
	switch b[0] >> 3 {
	case hardResetClientV1, hardResetServerV1, hardResetClientV2, hardResetServerV2, softResetV1:
	case controlV1:
	default:
		return stream.NoSign
	}
	_, p, ok := digestOf(b)
	switch {
	case !ok:
		return stream.NoSign
	case p.op == hardResetServerV1 || p.op == hardResetServerV2 || p.hello() == 2:
		return stream.ServerSign
	}
	return stream.ClientSign // a soft reset too: both sides send it, and what is in TLS tells who is who
}

// maxFrame is the longest packet that is believed over TCP: OpenVPN's buffers
// are of about the size of the tunnel's MTU.
const maxFrame = 1 << 14
