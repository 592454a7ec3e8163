package turn

import (
	"encoding/binary"
	"net/netip"
)

const (
	channelHeader = 4  // RFC 8656 section 12.4
	stunHeader    = 20 // RFC 8489 section 5
	magicCookie   = 0x2112a442
	minChannel    = 0x40 // first bytes of the channel numbers, RFC 8656 section 12
	maxChannel    = 0x4f
)

// STUN message types, RFC 8656 section 17.
const (
	typeChannelBind = 0x0009 // request
	typeSend        = 0x0016 // indication
	typeData        = 0x0017 // indication
)

// STUN attributes, RFC 8656 section 18.
const (
	attrChannelNumber  = 0x000c
	attrXORPeerAddress = 0x0012
	attrData           = 0x0013
)

// Unwrap finds the bytes b[from:to] that a datagram b carries for a peer. ok is
// false where it carries none. What the snaplen cut off is missing there.
func Unwrap(b []byte) (from, to int, ok bool) {
	if len(b) <= channelHeader {
		return 0, 0, false
	}
	switch {
	case b[0] >= minChannel && b[0] <= maxChannel:
		to, ok = channelData(b)
		return channelHeader, to, ok
	case b[0] == 0 && (b[1] == typeSend || b[1] == typeData):
		if m, ok := read(b); ok && m.to > m.from {
			return m.from, m.to, true
		}
	}
	return 0, 0, false
}

// channelData reads the length of a ChannelData message. Over UDP up to three
// bytes of padding may follow it.
func channelData(b []byte) (to int, ok bool) {
	n := int(binary.BigEndian.Uint16(b[2:]))
	have := len(b) - channelHeader
	return channelHeader + min(n, have), n > 0 && have-n <= 3
}

// A message is what matters of a STUN message.
type message struct {
	typ      uint16
	peer     netip.AddrPort
	channel  uint16
	from, to int // of DATA
	cut      bool
}

// read reads a STUN message, RFC 8489 sections 5 and 14.
func read(b []byte) (m message, ok bool) {
	if len(b) < stunHeader || binary.BigEndian.Uint32(b[4:]) != magicCookie {
		return m, false
	}
	m.typ = binary.BigEndian.Uint16(b)
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n%4 != 0 {
		return m, false
	}
	end := min(stunHeader+n, len(b))
	m.cut = end < stunHeader+n
	for at := stunHeader; at+4 <= end; {
		typ, n := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		at += 4
		v := b[at:min(at+n, end)]
		switch {
		case typ == attrData && m.to == 0:
			m.from, m.to = at, at+len(v)
		case typ == attrXORPeerAddress && !m.peer.IsValid():
			m.peer = address(v, b)
		case typ == attrChannelNumber && len(v) == 4 && m.channel == 0:
			m.channel = binary.BigEndian.Uint16(v)
		}
		at += (n + 3) &^ 3
	}
	return m, true
}

// address reads an XOR-PEER-ADDRESS of the message b, RFC 8489 section 14.2.
func address(v, b []byte) netip.AddrPort {
	var ip [16]byte
	port := func() uint16 { return binary.BigEndian.Uint16(v[2:]) ^ magicCookie>>16 }
	xor := func(n int) {
		for i := range n {
			ip[i] = v[4+i] ^ b[4+i] // the cookie, and the transaction ID behind it
		}
	}
	switch {
	case len(v) == 8 && v[1] == 1:
		xor(4)
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[:4])), port())
	case len(v) == 20 && v[1] == 2:
		xor(16)
		return netip.AddrPortFrom(netip.AddrFrom16(ip), port())
	}
	return netip.AddrPort{}
}
