package main

import (
	"bytes"
	"encoding/binary"
)

// A frame is a captured packet.
type frame struct {
	time int64
	data []byte
	wire int
}

func frames(in []seg, network func(seg, []byte) []byte, link func([]byte) []byte) []frame {
	var out []frame
	for _, s := range in {
		b := link(network(s, tcp(s)))
		out = append(out, frame{s.time, b, len(b)})
	}
	return out
}

func tcp(s seg) []byte {
	b := binary.BigEndian.AppendUint16(nil, s.sport)
	b = binary.BigEndian.AppendUint16(b, s.dport)
	b = binary.BigEndian.AppendUint32(b, s.seq)
	b = binary.BigEndian.AppendUint32(b, s.ack)
	return append(append(b, 5<<4, s.flags, 0xff, 0xff, 0, 0, 0, 0), s.data...)
}

var (
	clientV4 = []byte{127, 0, 0, 1}
	serverV4 = []byte{127, 0, 0, 1}
)

func ipv4Header(s seg, n, id, frag int) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0}
	binary.BigEndian.PutUint16(b[2:], uint16(20+n))
	binary.BigEndian.PutUint16(b[4:], uint16(id))
	binary.BigEndian.PutUint16(b[6:], uint16(frag))
	if s.fromServer {
		return append(append(b, serverV4...), clientV4...)
	}
	return append(append(b, clientV4...), serverV4...)
}

func ipv4(s seg, t []byte) []byte { return append(ipv4Header(s, len(t), 0, 0x4000), t...) }

// ipv6 returns a function that adds an IPv6 header and these extension headers.
func ipv6(ext ...byte) func(seg, []byte) []byte {
	return func(s seg, t []byte) []byte {
		client := append([]byte{0x20, 1, 0xd, 0xb8}, make([]byte, 12)...)
		server := bytes.Clone(client)
		client[15], server[15] = 1, 2
		if s.fromServer {
			client, server = server, client
		}
		kinds := append(bytes.Clone(ext), 6)
		body := []byte{}
		for i := range ext {
			body = append(body, kinds[i+1], 0, 1, 4, 0, 0, 0, 0)
		}
		body = append(body, t...)
		b := []byte{0x60, 0, 0, 0, byte(len(body) >> 8), byte(len(body)), kinds[0], 64}
		return append(append(append(b, client...), server...), body...)
	}
}

func head(b ...byte) func([]byte) []byte {
	return func(p []byte) []byte { return append(bytes.Clone(b), p...) }
}

// ether returns a function that adds an Ethernet II header with EtherType t,
// followed by the bytes in more.
func ether(t uint16, more ...byte) func([]byte) []byte {
	b := append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}, byte(t>>8), byte(t))
	return head(append(b, more...)...)
}

// snapLLC adds an IEEE 802.3 header with LLC and SNAP.
func snapLLC(p []byte) []byte {
	n := len(p) + 8
	return head(2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, byte(n>>8), byte(n), 0xaa, 0xaa, 3, 0, 0, 0, 8, 0)(p)
}

// fragmented returns the segments as IPv4 fragments of n bytes, the last one first.
func fragmented(in []seg, n int) []frame {
	var out []frame
	for i, s := range in {
		t := tcp(s)
		var parts []frame
		for at := 0; at < len(t); at += n {
			end := min(at+n, len(t))
			flags := at / 8
			if end < len(t) {
				flags |= 0x2000
			}
			b := ether(0x0800)(append(ipv4Header(s, end-at, i+1, flags), t[at:end]...))
			parts = append([]frame{{s.time, b, len(b)}}, parts...)
		}
		out = append(out, parts...)
	}
	return out
}

// invalid returns frames whose headers contain wrong lengths.
func invalid(in []seg) []frame {
	var out []frame
	for i, f := range frames(in, ipv4, ether(0x0800)) {
		b := bytes.Clone(f.data)
		switch i % 6 {
		case 0:
			binary.BigEndian.PutUint16(b[16:], 0xffff) // IP total length
		case 1:
			binary.BigEndian.PutUint16(b[16:], 3)
		case 2:
			b[14] = 0x4f // header length
		case 3:
			b[14+20+12] = 0xf0 // TCP data offset
		case 4:
			b[14+20+12] = 0
		case 5:
			b = b[:14+20+7]
		}
		out = append(out, frame{f.time, b, f.wire})
	}
	return out
}
