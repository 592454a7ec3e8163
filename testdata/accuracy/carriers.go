package main

import (
	"encoding/binary"
	"net/netip"
)

// A carrier returns a packet as a frame, or nil if it cannot carry the packet:
// EAPOL requires Ethernet.
type carrier func(p *packet) []byte

// Endpoints of the tunnels.
var (
	tunnelA = netip.AddrFrom4([4]byte{198, 51, 100, 1})
	tunnelB = netip.AddrFrom4([4]byte{198, 51, 100, 2})
)

func be16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

func ethernet(p *packet) []byte { return tagged(p) }

// tagged returns an Ethernet frame with tags before the EtherType.
func tagged(p *packet, tags ...byte) []byte {
	b := append([]byte(nil), p.mac[:]...)
	b = append(append(b, tags...), be16(p.etherType())...)
	return append(b, p.network()...)
}

func vlan(p *packet) []byte { return tagged(p, 0x81, 0, 0, 5) }
func qinq(p *packet) []byte { return tagged(p, 0x88, 0xa8, 0, 7, 0x81, 0, 0, 5) }

func vlanOneDirection(p *packet) []byte {
	if p.fromServer {
		return ethernet(p)
	}
	return vlan(p)
}

// shim returns a carrier that puts another header between Ethernet and IP.
func shim(etherType uint16, head func(ip []byte, p *packet) []byte) carrier {
	return func(p *packet) []byte {
		if p.eapol() {
			return nil
		}
		b := append(append([]byte(nil), p.mac[:]...), be16(etherType)...)
		ip := p.network()
		return append(append(b, head(ip, p)...), ip...)
	}
}

var mpls = shim(0x8847, func([]byte, *packet) []byte { return []byte{0, 1, 0x01, 64} }) // label 16, the last

var pppoe = shim(0x8864, func(ip []byte, p *packet) []byte {
	b := append([]byte{0x11, 0, 0, 1}, be16(uint16(len(ip)+2))...) // RFC 2516 section 4
	if p.src.Is4() {
		return append(b, 0, 0x21)
	}
	return append(b, 0, 0x57)
})

// tunnel makes an Ethernet frame with an IPv4 packet between the tunnel's ends.
func tunnel(p *packet, proto byte, body []byte) []byte {
	src, dst := ends(p)
	b := append(append([]byte(nil), p.mac[:]...), be16(etherIPv4)...)
	return append(b, ipPacket(src, dst, proto, body)...)
}

func udpTunnel(p *packet, port uint16, body []byte) []byte {
	src, dst := ends(p)
	return tunnel(p, protoUDP, udpDatagram(src, dst, 50000, port, body))
}

func ends(p *packet) (src, dst netip.Addr) {
	if p.fromServer {
		return tunnelB, tunnelA
	}
	return tunnelA, tunnelB
}

func gre(p *packet) []byte {
	if p.eapol() {
		return nil
	}
	return tunnel(p, 47, append(append([]byte{0, 0}, be16(p.etherType())...), p.network()...))
}

func ipInIP(p *packet) []byte {
	switch p.etherType() {
	case etherIPv4:
		return tunnel(p, 4, p.network())
	case etherIPv6:
		return tunnel(p, 41, p.network())
	}
	return nil
}

func vxlan(p *packet) []byte {
	return udpTunnel(p, 4789, append([]byte{8, 0, 0, 0, 0, 0, 9, 0}, ethernet(p)...))
}

func geneve(p *packet) []byte {
	return udpTunnel(p, 6081, append([]byte{0, 0, 0x65, 0x58, 0, 0, 9, 0}, ethernet(p)...))
}

func gtpu(p *packet) []byte {
	if p.eapol() {
		return nil
	}
	ip := p.network()
	return udpTunnel(p, 2152, append(append([]byte{0x30, 0xff, byte(len(ip) >> 8), byte(len(ip))}, 0, 0, 0, 9), ip...))
}

// erspan returns ERSPAN type II: GRE with a sequence number, a header of 8 bytes,
// the frame.
func erspan(p *packet) []byte {
	head := []byte{0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0, 1, 0, 0, 0, 0}
	return tunnel(p, 47, append(head, ethernet(p)...))
}

func rawIP(p *packet) []byte {
	if p.eapol() {
		return nil
	}
	return p.network()
}

// cooked returns a frame of LINKTYPE_LINUX_SLL2.
func cooked(p *packet) []byte {
	if p.eapol() {
		return nil
	}
	b := append(be16(p.etherType()), 0, 0, 0, 0, 0, 2, 0, 1, 0, 6)
	b = append(b, p.mac[6:12]...)
	return append(append(b, 0, 0), p.network()...)
}

// fragments returns IPv4 fragments of at most 256 bytes, the last one first. IPv6
// and small packets are not fragmented.
func fragments(p *packet, id uint16) [][]byte {
	const size = 256
	if p.etherType() != etherIPv4 {
		return [][]byte{ethernet(p)}
	}
	t := p.transport()
	if len(t) <= size {
		return [][]byte{ethernet(p)}
	}
	var out [][]byte
	for at := (len(t) - 1) / size * size; at >= 0; at -= size {
		end := min(at+size, len(t))
		offset := uint16(at / 8)
		if end < len(t) {
			offset |= 0x2000
		}
		b := append(append([]byte(nil), p.mac[:]...), be16(etherIPv4)...)
		b = append(b, ipv4Header(p.src, p.dst, p.proto, end-at, id, offset)...)
		out = append(out, append(b, t[at:end]...))
	}
	return out
}
