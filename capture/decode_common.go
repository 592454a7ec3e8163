package capture

import (
	"encoding/binary"
	"math/bits"
)

// decodeCommon decodes the most frequent kind of frame in one pass: Ethernet II
// with at most one VLAN tag, IPv4 or IPv6 without options, extension headers and
// fragments, and TCP. Its result equals that of frame, in half the time. It
// returns false for all other frames, which frame decodes.
func (d *decoder) decodeCommon(b []byte, wireLen int, time int64, s *segment) bool {
	const least = 4 + 14 + 20 + 20 // VLAN tag, Ethernet, IPv4, TCP; shorter frames are rare
	if len(b) < least {
		return false
	}
	eth := (*[18]byte)(b)
	t, tag := binary.BigEndian.Uint16(eth[12:]), uint64(0)
	s.domain = 0
	ip := b[14:]
	if t == etherVLAN {
		t, tag = binary.BigEndian.Uint16(eth[16:]), uint64(encVLAN)
		s.enterNetwork(uint32(binary.BigEndian.Uint16(eth[14:])) & 0xfff)
		ip = b[18:]
	}
	var tcp []byte
	var wire int
	k := &s.key
	switch t {
	case etherIPv4:
		h := (*[20]byte)(ip)
		total := int(binary.BigEndian.Uint16(h[2:]))
		if h[0] != 0x45 || h[9] != protoTCP || binary.BigEndian.Uint16(h[6:])&0x3fff != 0 || total < 40 || total > len(ip)+max(wireLen-len(b), 0) {
			return false
		}
		tcp, wire = ip[20:min(total, len(ip))], total-20
		if len(tcp) < 20 {
			return false
		}
		// The address and port of each side form one number. Which side is a
		// is random, so a branch would often be mispredicted.
		x := uint64(binary.BigEndian.Uint32(h[12:]))<<16 | uint64(binary.BigEndian.Uint16(tcp))
		y := uint64(binary.BigEndian.Uint32(h[16:]))<<16 | uint64(binary.BigEndian.Uint16(tcp[2:]))
		_, less := bits.Sub64(y, x, 0)
		swap := (x ^ y) & -less
		x, y = x^swap, y^swap
		s.fromB = uint8(less)
		*k = flowKey{aLo: v4Mapped | x>>16, bLo: v4Mapped | y>>16, ports: uint32(x)<<16 | uint32(y)&0xffff, proto: protoTCP}
	case etherIPv6:
		if len(ip) < 60 {
			return false
		}
		h := (*[40]byte)(ip)
		wire = int(binary.BigEndian.Uint16(h[4:]))
		if h[0]>>4 != 6 || h[6] != protoTCP || wire < 20 || wire > len(ip)-40+max(wireLen-len(b), 0) {
			return false
		}
		tcp = ip[40:min(40+wire, len(ip))]
		if len(tcp) < 20 {
			return false
		}
		s.setEndpoints(binary.BigEndian.Uint64(h[8:]), binary.BigEndian.Uint64(h[16:]), binary.BigEndian.Uint64(h[24:]), binary.BigEndian.Uint64(h[32:]),
			binary.BigEndian.Uint16(tcp), binary.BigEndian.Uint16(tcp[2:]), protoTCP)
	default:
		return false
	}
	h := (*[20]byte)(tcp)
	off := int(h[12]>>4) * 4
	if off < 20 || off > wire {
		return false
	}
	s.time, s.deferred, s.encap = time, false, tag
	s.seq, s.ack, s.flags = binary.BigEndian.Uint32(h[4:]), binary.BigEndian.Uint32(h[8:]), h[13]
	s.wire, s.payload = wire-off, nil
	if len(tcp) > off {
		s.payload = tcp[off:]
	}
	s.hash = k.hash(d.seed)
	return true
}
