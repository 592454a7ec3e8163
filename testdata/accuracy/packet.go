package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// IP protocol numbers and EtherTypes.
const (
	protoTCP = 6
	protoUDP = 17

	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	etherEAPOL = 0x888e
)

// TCP flags.
const (
	flagFIN = 1
	flagSYN = 2
	flagRST = 4
	flagACK = 16
)

// A packet is a TCP segment, a UDP datagram or an EAPOL frame in a scene.
type packet struct {
	at         int64 // nanoseconds
	mac        [12]byte
	conv       int  // index of the conversation in its scene
	fromServer bool // direction within the conversation

	src, dst     netip.Addr // invalid in an EAPOL frame
	proto        byte
	sport, dport uint16
	seq, ack     uint32
	flags        byte
	options      []byte
	data         []byte // payload; in an EAPOL frame, what follows the EtherType
}

func (p *packet) eapol() bool { return !p.src.IsValid() }
func (p *packet) tcp() bool   { return !p.eapol() && p.proto == protoTCP }

// end returns the sequence number after the segment's data.
func (p *packet) end() uint32 { return p.seq + uint32(len(p.data)) }

// readPcap reads a pcap file of complete Ethernet frames.
func readPcap(b []byte) ([]packet, error) {
	r, err := pcapgo.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	if l := r.LinkType(); l != layers.LinkTypeEthernet {
		return nil, fmt.Errorf("link type %v, want Ethernet", l)
	}
	var out []packet
	for {
		data, info, err := r.ReadPacketData()
		if err == io.EOF {
			return out, nil
		}
		var p packet
		if err == nil {
			p, err = decode(data)
		}
		if err != nil {
			return nil, fmt.Errorf("packet %d: %w", len(out)+1, err)
		}
		p.at = info.Timestamp.UnixNano()
		out = append(out, p)
	}
}

// decode reads an Ethernet frame.
func decode(b []byte) (packet, error) {
	var p packet
	bad := fmt.Errorf("frame of %d bytes is not a complete TCP, UDP or EAPOL packet", len(b))
	if len(b) < 14 {
		return p, bad
	}
	copy(p.mac[:], b)
	kind := binary.BigEndian.Uint16(b[12:])
	b = b[14:]
	switch {
	case kind == etherEAPOL:
		p.data = b
		return p, nil
	case kind == etherIPv4 && len(b) >= 20 && binary.BigEndian.Uint16(b[6:])&0x3fff == 0:
		head, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
		if total > len(b) || head > total {
			return p, bad
		}
		p.proto = b[9]
		p.src, p.dst = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		b = b[head:total]
	case kind == etherIPv6 && len(b) >= 40 && len(b) >= 40+int(binary.BigEndian.Uint16(b[4:])):
		p.proto = b[6]
		p.src, p.dst = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		b = b[40 : 40+int(binary.BigEndian.Uint16(b[4:]))]
	default:
		return p, bad
	}
	switch {
	case p.proto == protoTCP && len(b) >= 20 && len(b) >= int(b[12]>>4)*4 && b[12]>>4 >= 5:
		head := int(b[12]>>4) * 4
		p.seq, p.ack, p.flags = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), b[13]
		p.options, p.data = b[20:head], b[head:]
	case p.proto == protoUDP && len(b) >= 8:
		p.data = b[8:]
	default:
		return p, bad
	}
	p.sport, p.dport = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	return p, nil
}

// etherType returns the EtherType of the packet's network layer.
func (p *packet) etherType() uint16 {
	switch {
	case p.eapol():
		return etherEAPOL
	case p.src.Is4():
		return etherIPv4
	}
	return etherIPv6
}

// network returns the packet from its IP header on, or the EAPOL PDU.
func (p *packet) network() []byte {
	if p.eapol() {
		return p.data
	}
	return ipPacket(p.src, p.dst, p.proto, p.transport())
}

func (p *packet) transport() []byte {
	if p.proto == protoUDP {
		return udpDatagram(p.src, p.dst, p.sport, p.dport, p.data)
	}
	b := binary.BigEndian.AppendUint16(nil, p.sport)
	b = binary.BigEndian.AppendUint16(b, p.dport)
	b = binary.BigEndian.AppendUint32(b, p.seq)
	b = binary.BigEndian.AppendUint32(b, p.ack)
	b = append(b, byte(20+len(p.options))<<2, p.flags, 0xff, 0xff, 0, 0, 0, 0)
	b = append(append(b, p.options...), p.data...)
	binary.BigEndian.PutUint16(b[16:], transportChecksum(p.src, p.dst, protoTCP, b))
	return b
}

func udpDatagram(src, dst netip.Addr, sport, dport uint16, data []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(data)))
	b = append(append(b, 0, 0), data...)
	sum := transportChecksum(src, dst, protoUDP, b)
	if sum == 0 {
		sum = 0xffff // RFC 768: zero means no checksum
	}
	binary.BigEndian.PutUint16(b[6:], sum)
	return b
}

func ipPacket(src, dst netip.Addr, proto byte, body []byte) []byte {
	if src.Is4() {
		return append(ipv4Header(src, dst, proto, len(body), 0, 0x4000), body...)
	}
	b := []byte{0x60, 0, 0, 0, byte(len(body) >> 8), byte(len(body)), proto, 64}
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	return append(b, body...)
}

func ipv4Header(src, dst netip.Addr, proto byte, n int, id, fragment uint16) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, proto, 0, 0}
	binary.BigEndian.PutUint16(b[2:], uint16(20+n))
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], fragment)
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	binary.BigEndian.PutUint16(b[10:], checksum(0, b))
	return b
}

// transportChecksum returns the checksum of a segment or datagram with its
// pseudo-header, RFC 9293 section 3.1, RFC 8200 section 8.1.
func transportChecksum(src, dst netip.Addr, proto byte, b []byte) uint16 {
	pseudo := append(src.AsSlice(), dst.AsSlice()...)
	pseudo = append(pseudo, 0, proto, byte(len(b)>>8), byte(len(b)))
	return checksum(^checksum(0, pseudo), b)
}

// checksum returns the Internet checksum of b, RFC 1071, added to an earlier sum.
func checksum(sum uint16, b []byte) uint16 {
	s := uint32(sum)
	for ; len(b) > 1; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

// clone returns a copy of in. The copies share data and options, which are never
// modified.
func clone(in []packet) []packet { return append([]packet(nil), in...) }

// A frame is a packet in a capture file.
type frame struct {
	at   int64
	data []byte
	wire int // its length on the wire
}

// writePcap returns a pcap file with microseconds.
func writePcap(link uint32, snaplen int, in []frame) ([]byte, error) {
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(uint32(snaplen), 0); err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint32(b.Bytes()[20:], link) // gopacket's LinkType has only 8 bits
	for _, f := range in {
		data := f.data[:min(len(f.data), snaplen)]
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(0, f.at), CaptureLength: len(data), Length: f.wire}, data); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// writePcapng returns a pcapng file of Ethernet frames with nanoseconds.
func writePcapng(in []frame) ([]byte, error) {
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriter(&b, layers.LinkTypeEthernet)
	if err != nil {
		return nil, err
	}
	for _, f := range in {
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(0, f.at), CaptureLength: len(f.data), Length: f.wire}, f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
