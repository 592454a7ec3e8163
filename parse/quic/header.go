package quic

import "encoding/binary"

// maxCID is the longest connection ID of the known versions, RFC 9000 section
// 17.2.
const maxCID = 20

// minFirstCID is the shortest Destination Connection ID of a client's first
// Initial, RFC 9000 section 7.2.
const minFirstCID = 8

// minDatagram is the smallest UDP payload with an Initial of a client, RFC 9000
// section 14.1.
const minDatagram = 1200

// minProtected is the least length of a protected packet after its header: the
// sample of header protection needs it, RFC 9001 section 5.4.2.
const minProtected = 4 + 16

// A kind is the type of a packet.
type kind uint8

const (
	kindInitial kind = iota
	kindZeroRTT
	kindHandshake
	kindRetry
	kindNegotiation // Version Negotiation
	kindUnknown     // a long header of an unknown version
	kindShort       // 1-RTT, or anything else that is not a long header
)

// A packet has the positions of its parts in the bytes that it was read from. The
// connection IDs and the token alias these.
type packet struct {
	kind       kind
	version    Version
	from, to   int // to is the end of the captured part
	number     int // of the packet number, for kinds that have a length
	length     int // of the bytes from number on, in the header
	cut        bool
	dcid, scid []byte
	token      []byte
}

// nextPacket reads the header of the packet at b[from:]; b ends with its
// datagram. A packet without a length is as long as the rest of b. ok is false if
// no packet of QUIC begins there.
func nextPacket(b []byte, from int) (p packet, ok bool) {
	p.from, p.to = from, len(b)
	if from >= len(b) {
		return p, false
	}
	first := b[from]
	if first&0x80 == 0 {
		p.kind = kindShort
		return p, true
	}
	at := from + 5
	if at+2 > len(b) {
		return p, false
	}
	p.version = Version(binary.BigEndian.Uint32(b[from+1:]))
	if p.dcid, at, ok = prefixed(b, at); !ok {
		return p, false
	}
	if p.scid, at, ok = prefixed(b, at); !ok {
		return p, false
	}
	p.number = at
	if p.version == 0 {
		p.kind = kindNegotiation
		return p, true
	}
	d := p.version.dialect()
	if d == nil {
		p.kind = kindUnknown
		return p, true
	}
	if len(p.dcid) > maxCID || len(p.scid) > maxCID {
		return p, false
	}
	typ := first >> 4 & 3
	if d.v2 {
		typ = (typ - 1) & 3
	}
	switch typ {
	case 0:
		p.kind = kindInitial
		n, next, ok := varint(b, at)
		if !ok || n > uint64(len(b)-next) {
			return p, false
		}
		p.token, at = b[next:next+int(n)], next+int(n)
	case 1:
		p.kind = kindZeroRTT
	case 2:
		p.kind = kindHandshake
	case 3:
		p.kind = kindRetry
		p.token = b[at:]
		return p, true
	}
	n, at, ok := varint(b, at)
	if !ok || n > 1<<16 {
		return p, false
	}
	p.number, p.length = at, int(n)
	if p.cut = p.length > len(b)-at; !p.cut {
		p.to = at + p.length
	}
	return p, true
}

// prefixed reads bytes with a length of one byte before them.
func prefixed(b []byte, at int) (v []byte, next int, ok bool) {
	if at >= len(b) {
		return nil, at, false
	}
	n := int(b[at])
	at++
	if n > len(b)-at {
		return nil, at, false
	}
	return b[at : at+n], at + n, true
}

// varint reads a variable-length integer, RFC 9000 section 16.
func varint(b []byte, at int) (v uint64, next int, ok bool) {
	if at >= len(b) {
		return 0, at, false
	}
	n := 1 << (b[at] >> 6)
	if n > len(b)-at {
		return 0, at, false
	}
	v = uint64(b[at] & 0x3f)
	for _, c := range b[at+1 : at+n] {
		v = v<<8 | uint64(c)
	}
	return v, at + n, true
}

// negotiates reports whether a Version Negotiation packet has a list of
// versions, one of which is known.
func (p *packet) negotiates(b []byte) bool {
	list := b[p.number:p.to]
	if len(list) == 0 || len(list)%4 != 0 || len(list) > 4*64 {
		return false
	}
	known := false
	for ; len(list) > 0; list = list[4:] {
		known = known || Version(binary.BigEndian.Uint32(list)).listed()
	}
	return known
}
