package capture

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// A flowKey identifies a connection, equal in both directions. Of the two
// endpoints, a is the one whose bytes compare lower. IPv4 addresses are
// IPv4-mapped. The port of a is above that of b.
type flowKey struct {
	aHi, aLo, bHi, bLo uint64
	ports              uint32
	proto              uint32 // the protocol number, and from bit sessionShift on the session of a stream.Splitter
}

// sessionShift is the position of the session in flowKey.proto.
const sessionShift = 8

// protocol returns the protocol number.
func (k *flowKey) protocol() uint8 { return uint8(k.proto) }

// headCut is the segment.wire of a TCP segment that the snaplen cut inside its
// header. Only its ports and its sequence number are known.
const headCut = -1

// setSession adds a session to the key, which separates it from others between
// the same endpoints.
func (s *segment) setSession(session uint32) {
	s.key.proto |= session << sessionShift
	s.hash = mix(s.hash^uint64(session), 0x9e3779b97f4a7c15)
}

// A segment is a decoded TCP segment, UDP datagram or EAPOL PDU.
type segment struct {
	key      flowKey
	hash     uint64
	time     int64
	packet   uint64 // number of the packet in its file, from 1
	payload  []byte // captured payload; aliases the frame
	wire     int    // payload length on the wire, at least len(payload); or headCut
	seq      uint32
	ack      uint32
	flags    uint8  // of TCP
	fromB    uint8  // 0: sent by a; 1: sent by b
	deferred bool   // not decoded yet, because it needs earlier frames; payload is the frame, wire its length and seq its link type
	input    uint16 // Record.Input
	domain   uint16 // hash of the VLANs and tunnels, see enterNetwork; 0: none
	encap    uint64 // layers of encapsulation, one per byte, outermost lowest
}

// enterNetwork adds a VLAN or a network inside a tunnel to the domain of the
// segment. id is its number, 0 for none, as in a priority tag. Within a domain
// an address means one host. Of 65,536 pairs of domains, one is not
// distinguished.
func (s *segment) enterNetwork(id uint32) {
	if id != 0 {
		h := (uint32(s.domain)<<16 ^ id) * 0x9e3779b1
		s.domain = max(uint16(h>>16), 1)
	}
}

// enterTunnel adds the endpoints of a tunnel to the domain, equal for both
// directions.
func (s *segment) enterTunnel(srcHi, srcLo, dstHi, dstLo uint64) {
	x := srcHi ^ dstHi ^ srcLo ^ dstLo ^ srcLo*dstLo
	s.enterNetwork(uint32(x) ^ uint32(x>>32))
}

// TCP flags, RFC 9293 section 3.1.
const (
	flagFIN = 0x01
	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10
)

// Protocol numbers, IANA.
const (
	protoEAPOL   = 0 // no IP protocol; 0 is an IPv6 extension header
	protoIPv4    = 4
	protoTCP     = 6
	protoUDP     = 17
	protoIPv6    = 41
	protoGRE     = 47
	protoEtherIP = 97
	protoMPLS    = 137
)

// v4Mapped is the upper part of the lower half of an IPv4-mapped address, RFC
// 4291 section 2.5.5.2.
const v4Mapped = 0x0000ffff00000000

// setEndpoints sets the endpoints of the key and fromB. Each address is given
// as two halves of 16 bytes.
func (s *segment) setEndpoints(srcHi, srcLo, dstHi, dstLo uint64, srcPort, dstPort uint16, proto uint8) {
	// Which side is a is random, so a branch would often be mispredicted.
	_, less := bits.Sub64(uint64(dstPort), uint64(srcPort), 0)
	_, less = bits.Sub64(dstLo, srcLo, less)
	_, less = bits.Sub64(dstHi, srcHi, less)
	hi, lo, port := (srcHi^dstHi)&-less, (srcLo^dstLo)&-less, (srcPort^dstPort)&-uint16(less)
	s.fromB = uint8(less)
	s.key = flowKey{
		aHi: srcHi ^ hi, aLo: srcLo ^ lo, bHi: dstHi ^ hi, bLo: dstLo ^ lo,
		ports: uint32(srcPort^port)<<16 | uint32(dstPort^port), proto: uint32(proto),
	}
}

// is reports whether the keys are equal. It is == without a function call.
func (k *flowKey) is(o *flowKey) bool {
	return k.aLo == o.aLo && k.bLo == o.bLo && k.ports == o.ports && k.proto == o.proto && k.aHi == o.aHi && k.bHi == o.bHi
}

// hash hashes the key with a secret seed, so that collisions cannot be
// constructed. It is equal for both directions.
func (k *flowKey) hash(seed uint64) uint64 {
	const m = 0x9e3779b97f4a7c15
	h := seed ^ k.aLo
	h = mix(h, k.bLo^m)
	h = mix(h^k.aHi, k.bHi^uint64(k.ports)<<8^uint64(k.proto))
	return mix(h, m)
}

// mix combines a and b by a 128-bit multiplication.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b|1)
	return hi ^ lo
}

// endpoint returns endpoint a for 0, b for 1.
func (k *flowKey) endpoint(which uint8) netip.AddrPort {
	hi, lo, port := k.aHi, k.aLo, uint16(k.ports>>16)
	if which == 1 {
		hi, lo, port = k.bHi, k.bLo, uint16(k.ports)
	}
	if hi == 0 && lo>>32 == 0xffff {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(lo))
		return netip.AddrPortFrom(netip.AddrFrom4(b), port)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], hi)
	binary.BigEndian.PutUint64(b[8:], lo)
	return netip.AddrPortFrom(netip.AddrFrom16(b), port)
}
