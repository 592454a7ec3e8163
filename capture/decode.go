package capture

import (
	"encoding/binary"

	"pfsight/capture/packet"
)

// maxHeaders is the maximum number of nested headers from the link layer to
// the transport. It is more than real stacks have, and limits the work for a
// packet that consists of headers only.
const maxHeaders = 32

// A decoder decodes frames from the link layer to the transport. It does not
// retain frames.
type decoder struct {
	drops    *Counters
	frags    *fragments // nil: fragments are deferred to a decoder that has them
	seed     uint64
	depth    int
	layers   int  // number of layers in the segment's encap
	deferred bool // the current frame contains a fragment, and frags is nil
	eapol    bool // the current frame contains EAPOL, and no caller has taken it yet
	short    bool // the current frame, or a packet in it, was cut
	unread   unreadLinks
}

// EtherTypes of the IANA IEEE 802 registry.
const (
	etherIPv4      = 0x0800
	etherIPv6      = 0x86dd
	etherVLAN      = 0x8100
	etherQinQ      = 0x88a8
	etherQinQ9100  = 0x9100
	etherQinQ9200  = 0x9200
	etherQinQ9300  = 0x9300
	etherPPPoE     = 0x8864
	etherCMD       = 0x8909 // Cisco MetaData, which carries security group tags
	etherMPLS      = 0x8847
	etherMPLSMulti = 0x8848
	etherMACsec    = 0x88e5
	etherPBB       = 0x88e7
	etherVNTag     = 0x8926
	etherNSH       = 0x894f
	etherEAPOL     = 0x888e
	etherWCCP      = 0x883e // in GRE: a packet redirected by a router
	ether80211     = 0x2452 // an IEEE 802.11 frame, mirrored by an access point or driver
)

// decode decodes a frame into s. It reports whether the frame contains a TCP
// segment, a UDP datagram or EAPOL, or may contain one that only a decoder
// with frags can decode; then s.deferred is set. wireLen is the length of the
// frame on the wire.
func (d *decoder) decode(link packet.LinkType, b []byte, wireLen int, time int64, s *segment) bool {
	if link == packet.LinkEthernet && d.decodeCommon(b, wireLen, time, s) {
		return true
	}
	d.deferred = false
	if d.frame(link, b, wireLen, time, s) {
		return true
	}
	if d.deferred {
		s.deferred, s.payload, s.wire, s.seq = true, b, wireLen, uint32(link)
		return true
	}
	return d.dropEAPOL()
}

// frame decodes a frame of any kind.
func (d *decoder) frame(link packet.LinkType, b []byte, wireLen int, time int64, s *segment) bool {
	d.depth, d.layers, d.eapol, d.short = 0, 0, false, wireLen > len(b)
	s.time = time
	s.deferred = false
	s.encap, s.domain = 0, 0
	return d.link(link, b, max(wireLen-len(b), 0), s)
}

// deeper counts a header and reports whether the limit of nesting allows it.
func (d *decoder) deeper() bool {
	if d.depth++; d.depth > maxHeaders {
		d.drops[TooDeep]++
		return false
	}
	return true
}

// etherType decodes the payload of an EtherType. The capture cut the last cut
// bytes of the frame.
func (d *decoder) etherType(t uint16, b []byte, cut int, s *segment) bool {
	for {
		switch t {
		case etherIPv4:
			return d.ipv4(b, cut, s)
		case etherIPv6:
			return d.ipv6(b, cut, s)
		case etherVLAN, etherQinQ, etherQinQ9100, etherQinQ9200, etherQinQ9300:
			if len(b) < 4 {
				return d.cutHeader()
			}
			e := encVLAN
			if t != etherVLAN {
				e = encQinQ
			}
			if !d.addLayer(e, s) {
				return false
			}
			s.enterNetwork(uint32(be16(b) & 0xfff))
			t, b = binary.BigEndian.Uint16(b[2:]), b[4:]
			continue
		case etherMPLS, etherMPLSMulti:
			return d.mpls(b, cut, s)
		case etherMACsec:
			return d.macsec(b, cut, s)
		case etherPBB:
			// I-TAG(4), then the customer's frame.
			if len(b) < 4 {
				return d.cutHeader()
			}
			s.enterNetwork(be32(b) & 0xffffff)
			return d.addLayer(encPBB, s) && d.ethernet(b[4:], cut, s)
		case etherVNTag:
			if len(b) < 6 {
				return d.cutHeader()
			}
			if !d.addLayer(encVNTag, s) {
				return false
			}
			t, b = binary.BigEndian.Uint16(b[4:]), b[6:]
			continue
		case etherNSH:
			return d.nsh(b, cut, s)
		case etherEAPOL:
			return d.eapolPDU(b, s)
		case ether80211:
			return d.addLayer(encIEEE80211, s) && d.ieee80211(b, cut, s)
		case 0x6558: // transparent Ethernet bridging
			return d.ethernet(b, cut, s)
		case etherPPPoE:
			return d.pppoe(b, cut, s)
		case etherCMD:
			// version(1) length(1) option(2) security group(2) EtherType(2)
			if len(b) < 8 {
				return d.cutHeader()
			}
			if !d.addLayer(encCMD, s) {
				return false
			}
			t, b = binary.BigEndian.Uint16(b[6:]), b[8:]
			continue
		}
		// IEEE 802.3: a length, then LLC and SNAP with an EtherType.
		if t <= 1500 && len(b) >= 8 && b[0] == 0xaa && b[1] == 0xaa && b[2] == 3 && b[3] == 0 && b[4] == 0 && b[5] == 0 {
			if !d.deeper() {
				return false
			}
			t, b = binary.BigEndian.Uint16(b[6:]), b[8:]
			continue
		}
		d.drops[NotIP]++
		return false
	}
}

// ip decodes an IP packet of either version.
func (d *decoder) ip(b []byte, cut int, s *segment) bool {
	if len(b) == 0 {
		return d.cutHeader()
	}
	switch b[0] >> 4 {
	case 4:
		return d.ipv4(b, cut, s)
	case 6:
		return d.ipv6(b, cut, s)
	}
	d.drops[NotIP]++
	return false
}

// ipv4 decodes an IPv4 packet, RFC 791 section 3.1.
func (d *decoder) ipv4(b []byte, cut int, s *segment) bool {
	if len(b) < 20 {
		return d.cutHeader()
	}
	ihl := int(b[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if b[0]>>4 != 4 || ihl < 20 {
		d.drops[BadHeader]++
		return false
	}
	if len(b) < ihl {
		return d.cutHeader()
	}
	// With segmentation offload the total length is 0, and the frame length
	// applies. If it exceeds the length of the frame on the wire, a mirror or
	// packet broker cut the packet before the capture.
	if wire := len(b) + cut; total == 0 {
		total = wire
	} else if total > wire {
		d.short = true
	}
	if total < ihl {
		d.drops[BadHeader]++
		return false
	}
	payload, wire := b[ihl:], total-ihl
	if len(payload) > wire {
		payload = payload[:wire] // link-layer padding
	}
	srcLo := v4Mapped | uint64(binary.BigEndian.Uint32(b[12:]))
	dstLo := v4Mapped | uint64(binary.BigEndian.Uint32(b[16:]))
	if frag := binary.BigEndian.Uint16(b[6:]); frag&0x3fff != 0 {
		if d.frags == nil {
			d.deferred = true
			return false
		}
		k := fragKey{0, srcLo, 0, dstLo, uint32(binary.BigEndian.Uint16(b[4:])), b[9]}
		whole, total, ok := d.frags.add(k, int(frag&0x1fff)*8, frag&0x2000 != 0, payload, wire, s.time, d.drops)
		if !ok {
			return false
		}
		d.short = d.short || len(whole) < total
		payload, wire = whole, total
	}
	return d.transport(b[9], 0, srcLo, 0, dstLo, payload, wire, s)
}

// ipv6 decodes an IPv6 packet and its extension headers, RFC 8200 sections 3
// and 4.
func (d *decoder) ipv6(b []byte, cut int, s *segment) bool {
	if len(b) < 40 {
		return d.cutHeader()
	}
	if b[0]>>4 != 6 {
		d.drops[BadHeader]++
		return false
	}
	wire := int(binary.BigEndian.Uint16(b[4:]))
	payload := b[40:]
	if most := len(payload) + cut; wire == 0 { // a jumbogram or segmentation offload
		wire = most
	} else if wire > most { // cut before the capture, as in ipv4
		d.short = true
	}
	if len(payload) > wire {
		payload = payload[:wire]
	}
	srcHi, srcLo := binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])
	dstHi, dstLo := binary.BigEndian.Uint64(b[24:]), binary.BigEndian.Uint64(b[32:])
	next := b[6]
	for {
		var n int
		switch next {
		case 0, 43, 60, 135, 139, 140: // hop-by-hop, routing, destination, mobility, HIP, shim6
			if len(payload) < 8 {
				return d.cutHeader()
			}
			n = (int(payload[1]) + 1) * 8
		case 51: // authentication, RFC 4302 section 2.2
			if len(payload) < 8 {
				return d.cutHeader()
			}
			n = (int(payload[1]) + 2) * 4
		case 44: // fragment
			if len(payload) < 8 {
				return d.cutHeader()
			}
			off := binary.BigEndian.Uint16(payload[2:])
			inner := payload[0]
			if off&0xfff9 == 0 { // an atomic fragment, RFC 6946
				n = 8
				break
			}
			if d.frags == nil {
				d.deferred = true
				return false
			}
			k := fragKey{srcHi, srcLo, dstHi, dstLo, binary.BigEndian.Uint32(payload[4:]), 0xff}
			whole, total, ok := d.frags.add(k, int(off&^7), off&1 != 0, payload[8:], wire-8, s.time, d.drops)
			if !ok {
				return false
			}
			d.short = d.short || len(whole) < total
			next, payload, wire = inner, whole, total
			if !d.deeper() {
				return false
			}
			continue
		default:
			return d.transport(next, srcHi, srcLo, dstHi, dstLo, payload, wire, s)
		}
		if len(payload) < n {
			return d.cutHeader()
		}
		if !d.deeper() {
			return false
		}
		next, payload, wire = payload[0], payload[n:], wire-n
	}
}

// Lengths of the TCP header's beginning, in bytes: the ports and the sequence
// number, and everything up to the flags.
const (
	leastTCP = 8
	wholeTCP = 14
)

// transport decodes a TCP header, RFC 9293 section 3.1, a UDP header, RFC 768,
// or an encapsulated packet.
func (d *decoder) transport(proto uint8, srcHi, srcLo, dstHi, dstLo uint64, b []byte, wire int, s *segment) bool {
	switch proto {
	case protoTCP:
	case protoUDP:
		return d.udp(srcHi, srcLo, dstHi, dstLo, b, wire, s)
	case protoIPv4: // RFC 2003, RFC 2473
		e := encIPIP
		if srcHi != 0 || srcLo>>32 != 0xffff {
			e = enc4in6
		}
		s.enterTunnel(srcHi, srcLo, dstHi, dstLo)
		return d.addLayer(e, s) && d.ipv4(b, wire-len(b), s)
	case protoIPv6: // RFC 4213
		e := enc6in4
		if srcHi != 0 || srcLo>>32 != 0xffff {
			e = encIPIP
		}
		s.enterTunnel(srcHi, srcLo, dstHi, dstLo)
		return d.addLayer(e, s) && d.ipv6(b, wire-len(b), s)
	case protoGRE:
		s.enterTunnel(srcHi, srcLo, dstHi, dstLo)
		return d.gre(b, wire-len(b), s)
	case protoEtherIP: // RFC 3378
		if len(b) < 2 || b[0] != 0x30 {
			return d.cutHeader()
		}
		return d.addLayer(encEtherIP, s) && d.ethernet(b[2:], wire-len(b), s)
	case protoMPLS: // RFC 4023
		return d.mpls(b, wire-len(b), s)
	default:
		d.drops[OtherTransport]++
		return false
	}
	if len(b) < 20 {
		d.cutHeader()
		if len(b) < leastTCP || !d.short {
			return false
		}
		if len(b) < wholeTCP {
			s.seq, s.ack, s.flags = binary.BigEndian.Uint32(b[4:]), 0, 0
			s.wire, s.payload = headCut, nil
			s.setEndpoints(srcHi, srcLo, dstHi, dstLo, binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), proto)
			s.hash = s.key.hash(d.seed)
			return true
		}
	}
	off := int(b[12]>>4) * 4
	if off < 20 || off > wire {
		d.drops[BadHeader]++
		return false
	}
	s.seq = binary.BigEndian.Uint32(b[4:])
	s.ack = binary.BigEndian.Uint32(b[8:])
	s.flags = b[13]
	s.wire = wire - off
	if len(b) > off {
		s.payload = b[off:]
	} else {
		s.payload = nil
	}
	s.setEndpoints(srcHi, srcLo, dstHi, dstLo, binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), proto)
	s.hash = s.key.hash(d.seed)
	return true
}

// udp decodes a UDP header, RFC 768, or a tunnel over UDP.
func (d *decoder) udp(srcHi, srcLo, dstHi, dstLo uint64, b []byte, wire int, s *segment) bool {
	if len(b) < 8 {
		return d.cutHeader()
	}
	src, dst, n := be16(b), be16(b[2:]), int(be16(b[4:]))
	if n < 8 || n > wire { // 0 with jumbograms and offload; any other value is wrong
		n = wire
	}
	payload := b[8:min(n, len(b))]
	if d.inUDP(srcHi, srcLo, dstHi, dstLo, src, dst, payload, n-8-len(payload), s) {
		return true
	}
	if d.deferred {
		return false
	}
	s.seq, s.ack, s.flags = 0, 0, 0
	s.wire, s.payload = n-8, payload
	s.setEndpoints(srcHi, srcLo, dstHi, dstLo, src, dst, protoUDP)
	s.hash = s.key.hash(d.seed)
	return true
}
