package openvpn

import "encoding/binary"

// Opcodes: the high five bits of a packet's first byte. The low three are the
// key ID.
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

const (
	// maxAcks is the largest number of acknowledgments in one packet.
	maxAcks = 8
	// maxFrame is the longest packet accepted over TCP, bytes. OpenVPN's
	// buffers are about the size of the tunnel's MTU.
	maxFrame = 1 << 14
)

// digests lists the possible lengths of the HMAC of --tls-auth: none, MD5,
// SHA-1 and RIPEMD-160, SHA-224, SHA-256, SHA-384, SHA-512. A packet ID and a
// timestamp, 4 bytes each, follow an HMAC.
var digests = [...]uint8{0, 16, 20, 28, 32, 48, 64}

// A packet is a packet of the control channel:
//
//	opcode and key ID (1)  session ID (8)  [HMAC  packet ID (4)  timestamp (4)]
//	number of acknowledgments (1)  [acknowledged IDs (4 each)  remote session ID (8)]
//	[message packet ID (4)  payload]
//
// An ACK has no third line.
type packet struct {
	op, key uint8
	session uint64
	acks    int
	acked   []byte // acknowledged message packet IDs, 4 bytes each
	remote  uint64 // session ID of the other side; set if acks > 0
	id      uint32 // message packet ID; not set in an ACK
	payload []byte
}

// readPacket reads a packet of the control channel whose HMAC has digest bytes.
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
		p.acked, b = b[:4*p.acks], b[4*p.acks:]
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

// isReset reports whether p is a reset, the packet that begins a key exchange:
// message 0 without payload. A server's reset acknowledges the client's.
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

// Types of TLS handshake messages, RFC 8446 section 4.
const (
	clientHello = 1
	serverHello = 2
)

// hello returns clientHello or serverHello if the payload begins with a TLS
// record that begins with that message, else 0.
func (p *packet) hello() uint8 {
	b := p.payload
	if p.op == controlV1 && len(b) >= 6 && b[0] == 22 && b[1] == 3 && b[2] <= 4 && (b[5] == clientHello || b[5] == serverHello) {
		return b[5]
	}
	return 0
}

// digestOf reads a packet whose HMAC length is not known. ok is true only for
// a reset or a hello: other packets fit more than one length.
func digestOf(b []byte) (digest uint8, p packet, ok bool) {
	for _, n := range digests {
		acks := 9
		if n > 0 {
			acks += int(n) + 8
		}
		if acks >= len(b) || b[acks] > maxAcks {
			continue // readPacket would fail too, at a higher cost
		}
		p, ok = readPacket(b, n)
		if ok && (p.isReset() || p.hello() != 0) {
			return n, p, true
		}
	}
	return 0, packet{}, false
}
