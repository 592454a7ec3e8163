package capture

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// A flowKey names a connection without saying who began it: the endpoint
// whose bytes compare lower is a. IPv4 addresses are IPv4-mapped. Ports are
// a's above b's.
type flowKey struct {
	aHi, aLo, bHi, bLo uint64
	ports              uint32
	proto              uint32 // the protocol number, and above it the session of a stream.Splitter
}

// sessionShift is where in flowKey.proto the session is.
const sessionShift = 8

// protocol returns the protocol number.
func (k *flowKey) protocol() uint8 { return uint8(k.proto) }

// headCut is the segment.wire of a TCP segment that was cut inside its header:
// of the header, only the ports and the sequence number are known.
const headCut = -1

// split makes the key that of a session among those that share its endpoints.
func (s *segment) setSession(session uint32) {
	s.key.proto |= session << sessionShift
	s.hash = mix(s.hash^uint64(session), 0x9e3779b97f4a7c15)
}

// A segment is what the headers of one frame say about the transport.
type segment struct {
	key      flowKey
	hash     uint64
	time     int64
	packet   uint64 // number of the frame in its file, from 1
	payload  []byte // captured payload; aliases the frame
	wire     int    // payload length on the wire, >= len(payload); headCut
	seq      uint32
	ack      uint32
	flags    uint8  // of TCP
	fromB    uint8  // 0: sent by a; 1: sent by b
	deferred bool   // the frame is in payload, wire and seq (its link type): to be decoded in the order of the capture
	input    uint16 // Record.Input
	domain   uint16 // of the VLAN or tunnel, see enter; 0: none
	encap    uint64 // the layers around the addresses, by byte, outermost lowest
}

// enter notes the number of a VLAN, or of a network inside a tunnel, that the
// segment was seen in. 0 is none, as in a priority tag. The numbers make one
// domain, in which addresses mean one host; of two domains one in 65,536 pairs
// is taken for one.
func (s *segment) enterNetwork(id uint32) {
	if id != 0 {
		h := (uint32(s.domain)<<16 ^ id) * 0x9e3779b1
		s.domain = max(uint16(h>>16), 1)
	}
}

// enterBetween notes the ends of a tunnel, the same for both directions.
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
	protoEAPOL   = 0 // none: it is IPv6's hop-by-hop options, which are no transport
	protoIPv4    = 4
	protoTCP     = 6
	protoUDP     = 17
	protoIPv6    = 41
	protoGRE     = 47
	protoEtherIP = 97
	protoMPLS    = 137
)

// v4Mapped is the high part of the low half of an IPv4-mapped address, RFC
// 4291 section 2.5.5.2.
const v4Mapped = 0x0000ffff00000000

// setEndpoints fills the key from the addresses as halves of 16 bytes.
func (s *segment) setEndpoints(srcHi, srcLo, dstHi, dstLo uint64, srcPort, dstPort uint16, proto uint8) {
	// Which side is a is as good as random, so no branch hangs on it.
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

// is reports whether the keys are equal: what == does, without a call.
func (k *flowKey) is(o *flowKey) bool {
	return k.aLo == o.aLo && k.bLo == o.bLo && k.ports == o.ports && k.proto == o.proto && k.aHi == o.aHi && k.bHi == o.bHi
}

// hash mixes the key with a secret seed, so that nobody on the wire can
// choose connections that collide. The two endpoints give one hash.
func (k *flowKey) hash(seed uint64) uint64 {
	const m = 0x9e3779b97f4a7c15
	h := seed ^ k.aLo
	h = mix(h, k.bLo^m)
	h = mix(h^k.aHi, k.bHi^uint64(k.ports)<<8^uint64(k.proto))
	return mix(h, m)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b|1)
	return hi ^ lo
}

// endpoint returns a (0) or b (1).
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
