package laws

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// Protocol numbers, EtherTypes, link types and TCP flags.
const (
	protoTCP, protoUDP = 6, 17

	etherIPv4, etherIPv6, etherVLAN, etherQinQ = 0x0800, 0x86dd, 0x8100, 0x88a8

	linkNull, linkEthernet, linkPPP, linkRaw                  = 0, 1, 9, 101
	linkCHDLC, linkWiFi, linkLoop, linkSLL, linkRadiotap      = 104, 105, 108, 113, 127
	linkPPPHDLC, linkPPI, linkIPv4, linkIPv6, linkNFLOG, lSL2 = 50, 192, 228, 229, 239, 276

	flagFIN, flagSYN, flagRST, flagPSH, flagACK = 1, 2, 4, 8, 16
)

var be = binary.BigEndian

// layers are the offsets of the parts of a frame, -1 for missing parts.
type layers struct {
	ip    int   // IP header
	l4    int   // TCP or UDP header
	data  int   // payload of TCP or UDP
	end   int   // end of the IP packet in the frame
	heads int   // number of layers of encapsulation before ip, such as tags
	proto uint8 // protoTCP or protoUDP; 0 for others and for fragments
}

var none = layers{ip: -1, l4: -1, data: -1}

// parse decodes the link layer, IP and the transport. Packets that it does not
// know have no layers, and changes do not modify them.
func parse(link uint16, b []byte) layers {
	at, heads := linkHead(link, b)
	if at < 0 || at >= len(b) {
		return none
	}
	l := layers{ip: at, l4: -1, data: -1, end: len(b), heads: heads}
	ip := b[at:]
	var proto uint8
	var hdr, total int
	switch {
	case ip[0]>>4 == 4 && len(ip) >= 20:
		hdr, total = int(ip[0]&15)*4, int(be.Uint16(ip[2:]))
		proto = ip[9]
		if be.Uint16(ip[6:])&0x3fff != 0 {
			proto = 0
		}
	case ip[0]>>4 == 6 && len(ip) >= 40:
		hdr, total = 40, 40+int(be.Uint16(ip[4:]))
		proto = ip[6]
	default:
		return none
	}
	if total < hdr {
		total = len(ip) // segmentation offload
	}
	l.end = min(at+total, len(b))
	if len(ip) < hdr {
		return none
	}
	l.l4 = at + hdr
	rest := b[l.l4:l.end]
	switch {
	case proto == protoTCP && len(rest) >= 20 && int(rest[12]>>4)*4 >= 20 && int(rest[12]>>4)*4 <= len(rest):
		l.proto, l.data = protoTCP, l.l4+int(rest[12]>>4)*4
	case proto == protoUDP && len(rest) >= 8:
		l.proto, l.data = protoUDP, l.l4+8
	default:
		l.l4 = -1
	}
	return l
}

// linkHead returns the offset of IP in a frame, -1 if there is none, and the
// number of layers of encapsulation before it.
func linkHead(link uint16, b []byte) (at, heads int) {
	var t uint16
	switch link {
	case linkEthernet:
		at = 14
	case linkSLL:
		at = 16
	case lSL2:
		if len(b) < 20 {
			return -1, 0
		}
		return ifIP(be.Uint16(b), 20), 0
	case linkNull, linkLoop:
		return 4, 0
	case linkRaw, 12, 14, linkIPv4, linkIPv6:
		return 0, 0
	default:
		return -1, 0
	}
	if len(b) < at {
		return -1, 0
	}
	for t = be.Uint16(b[at-2:]); len(b) >= at+4; heads++ {
		switch t {
		case etherVLAN, etherQinQ, 0x9100:
			t, at = be.Uint16(b[at+2:]), at+4
			continue
		}
		break
	}
	return ifIP(t, at), heads
}

func ifIP(t uint16, at int) int {
	if t == etherIPv4 || t == etherIPv6 {
		return at
	}
	return -1
}

func (p *Packet) v6() bool        { return p.Data[p.ip]>>4 == 6 }
func (p *Packet) seq() uint32     { return be.Uint32(p.Data[p.l4+4:]) }
func (p *Packet) flags() uint8    { return p.Data[p.l4+13] }
func (p *Packet) payload() []byte { return p.Data[p.data:p.end] }
func (p *Packet) inner() []byte   { return p.Data[p.ip:p.end] }
func (p *Packet) addrs() (int, int) {
	if p.v6() {
		return p.ip + 8, 16
	}
	return p.ip + 12, 4
}

// An endpoint is an address and a port. A flow is a pair of endpoints, the
// lower one first, and the protocol.
type endpoint struct {
	addr string
	port uint16
}

type flow struct {
	a, b  endpoint
	proto uint8
}

func (p *Packet) src() endpoint {
	at, n := p.addrs()
	return endpoint{string(p.Data[at : at+n]), be.Uint16(p.Data[p.l4:])}
}

// String returns address:port, as in the records.
func (e endpoint) String() string {
	a, _ := netip.AddrFromSlice([]byte(e.addr))
	return netip.AddrPortFrom(a, e.port).String()
}

func (p *Packet) dst() endpoint {
	at, n := p.addrs()
	return endpoint{string(p.Data[at+n : at+2*n]), be.Uint16(p.Data[p.l4+2:])}
}

func flowOf(p *Packet) flow {
	a, b := p.src(), p.dst()
	if a.addr > b.addr || a.addr == b.addr && a.port > b.port {
		a, b = b, a
	}
	return flow{a, b, p.proto}
}

// whole reports whether p is an uncut TCP segment or datagram, which changes
// can rebuild.
func (p *Packet) whole() bool { return p.proto != 0 && !p.cut() }

// with returns a copy of p with another transport payload.
func (p *Packet) with(payload []byte) Packet {
	q := *p
	q.Data = append(bytes.Clone(p.Data[:p.data]), payload...)
	q.end = len(q.Data)
	q.Wire = q.end
	n := q.end - q.ip
	if q.v6() {
		be.PutUint16(q.Data[q.ip+4:], uint16(n-40))
	} else {
		be.PutUint16(q.Data[q.ip+2:], uint16(n))
	}
	if q.proto == protoUDP {
		be.PutUint16(q.Data[q.l4+4:], uint16(q.end-q.l4))
	}
	return q
}

// segment returns a copy of the TCP segment p with another part of the stream.
func (p *Packet) segment(seq uint32, flags uint8, payload []byte) Packet {
	q := p.with(payload)
	be.PutUint32(q.Data[q.l4+4:], seq)
	q.Data[q.l4+13] = flags
	return q
}

// rewrite returns a copy of p with other endpoints of the same IP version.
func (p *Packet) rewrite(src, dst endpoint) Packet {
	q := *p
	q.Data = bytes.Clone(p.Data)
	at, n := q.addrs()
	copy(q.Data[at:at+n], src.addr)
	copy(q.Data[at+n:], dst.addr)
	be.PutUint16(q.Data[q.l4:], src.port)
	be.PutUint16(q.Data[q.l4+2:], dst.port)
	return q
}

// version returns the EtherType of the IP version.
func (p *Packet) version() uint16 {
	if p.v6() {
		return etherIPv6
	}
	return etherIPv4
}

// frame returns an Ethernet II frame.
func frame(t uint16, parts ...[]byte) []byte {
	b := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, byte(t >> 8), byte(t)}
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// A Transport is the protocol of a packet.
type Transport uint8

// The transports that are distinguished.
const (
	TCP Transport = protoTCP
	UDP Transport = protoUDP
)

// Transports returns the transport of each packet, or nil if one of them has
// another transport.
func Transports(c *Capture) []Transport {
	var list []Transport
	for i := range c.Packets {
		p := &c.Packets[i]
		if !p.whole() || p.heads > 0 || p.Link != linkEthernet {
			return nil
		}
		list = append(list, Transport(p.proto))
	}
	return list
}
