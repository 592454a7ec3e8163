package filter

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"slices"

	"pfsight/capture/frametest"
	"pfsight/capture/packet"
)

// samplePackets returns frames of a link type in every shape that the
// expressions test, and damaged ones. None is cut inside its headers, because
// tcpdump's answer then depends on its optimizer.
func samplePackets(link uint32) [][]byte {
	var out [][]byte
	var head []int // length of the link-layer header of each
	for _, p := range network() {
		p.data = append(p.data, make([]byte, 60)...) // padding
		for _, b := range framed(link, p) {
			out, head = append(out, b), append(head, len(b)-len(p.data))
		}
	}
	r := rand.New(rand.NewSource(int64(link)))
	for i, p := range out[:len(out):len(out)] {
		q := append(bytes.Clone(p), make([]byte, 150)...)
		from := 0
		switch link {
		case 1, 101, 113, 276:
		default:
			// tcpdump trusts the address family. This package does not if the IP
			// version contradicts it.
			from = head[i] + 1
		}
		for range 1 + r.Intn(3) {
			q[from+r.Intn(len(p)-from)] = byte(r.Intn(256))
		}
		out = append(out, q)
	}
	return out
}

type l3 struct {
	etherType uint16
	data      []byte
}

// network returns packets of IPv4, IPv6 and ARP.
func network() []l3 {
	v4 := [][]byte{{10, 0, 0, 1}, {10, 0, 0, 2}, {10, 1, 2, 3}, {192, 168, 1, 7}, {224, 0, 0, 5}, {255, 255, 255, 255}}
	v6 := [][]byte{
		append([]byte{0x20, 1, 0xd, 0xb8}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), append([]byte{0x20, 1, 0xd, 0xb8}, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2),
		append(make([]byte, 15), 1), append([]byte{0xff, 2}, append(make([]byte, 13), 1)...), {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1},
	}
	ports := [][2]uint16{{50000, 443}, {443, 50000}, {50001, 53}, {22, 8443}, {80, 5353}, {1500, 5500}, {0, 65535}}
	var bodies []struct {
		proto byte
		data  []byte
	}
	add := func(proto byte, b []byte) {
		bodies = append(bodies, struct {
			proto byte
			data  []byte
		}{proto, b})
	}
	for i, p := range ports {
		h := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, p[0]), p[1])
		flags := []byte{2, 0x12, 0x10, 0x18, 0x11, 4, 0x20}[i]
		tcp := append(bytes.Clone(h), 0, 0, 0, byte(i), 0, 0, 0x20, 0, byte(5+i%2)<<4, flags, 1, 0, 0, 0, 0, 0)
		if i%2 == 1 {
			tcp = append(tcp, 1, 1, 1, 0)
		}
		add(6, append(tcp, 0x16, 3, 1, 0, 40, 1, 0, 0))
		add(17, append(append(bytes.Clone(h), 0, 120, 0, 0), 0x12, 0x34, 0x56, 0x78))
		add(132, append(append(bytes.Clone(h), 0, 0, 0, 0), 1, 2, 3, 4))
	}
	for _, proto := range []byte{1, 2, 47, 50, 51, 58, 103, 112, 59} {
		add(proto, []byte{8, 0, 0, 0, 1, 2, 3, 4})
		add(proto, []byte{135, 0, 0, 0, 1, 2, 3, 4})
	}
	var out []l3
	for i, b := range bodies {
		for j := range 3 {
			src, dst := v4[(i+j)%len(v4)], v4[(i*3+j+1)%len(v4)]
			ihl := 5 + j%2
			frag := uint16([]int{0x4000, 0, 0x2000, 0x2010}[(i+j)%4])
			h := []byte{0x40 | byte(ihl), 0, 0, 0, 0, byte(i), byte(frag >> 8), byte(frag), byte(3 + j), b.proto, 0, 0}
			h = append(append(append(h, src...), dst...), make([]byte, (ihl-5)*4)...)
			h = append(h, b.data...)
			h = append(h, make([]byte, j*300)...)
			binary.BigEndian.PutUint16(h[2:], uint16(len(h)))
			out = append(out, l3{0x0800, h})
			s6, d6 := v6[(i+j)%len(v6)], v6[(i*2+j+1)%len(v6)]
			next, body := b.proto, b.data
			if j == 2 {
				next, body = 44, append([]byte{b.proto, 0, 0, byte(i%2) * 8, 0, 0, 0, 1}, b.data...)
			}
			g := []byte{0x60, 0, 0, 0, 0, byte(len(body)), next, 64}
			out = append(out, l3{0x86dd, append(append(append(g, s6...), d6...), body...)})
		}
	}
	for op := range 2 {
		for i := range 3 {
			a := append([]byte{0, 1, 8, 0, 6, 4, 0, byte(op + 1), 2, 0, 0, 0, 0, 1}, v4[i]...)
			a = append(append(a, 2, 0, 0, 0, 0, 2), v4[i+1]...)
			out = append(out, l3{0x0806, a}, l3{0x8035, a})
		}
	}
	return append(out, l3{0x88cc, []byte{2, 7, 4, 1, 2, 3}}, l3{60, []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0, 0x45}})
}

// framed returns the frames of a packet for a link type, without those that
// libpcap does not support: BSD loopback in another byte order than the
// file's, OpenBSD's IPv6 family in PFLOG on Linux, and IEEE 802.11 with four
// addresses.
func framed(link uint32, p l3) [][]byte {
	t := []byte{byte(p.etherType >> 8), byte(p.etherType)}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	out := frametest.Frames(packet.LinkType(link), p.etherType, p.data)
	switch link {
	case 0:
		out = slices.DeleteFunc(out, func(b []byte) bool { return b[0] == 0 })
	case 117:
		if p.etherType == 0x86dd {
			return nil
		}
	case 105, 119, 127, 163, 192:
		const forms, fourAddresses = 5, 3 // indexes in frametest.Frames
		i := -1
		out = slices.DeleteFunc(out, func([]byte) bool { i++; return i%forms == fourAddresses })
	case 1:
		if p.data[len(p.data)-1]%3 == 0 { // some packets also in these forms
			macs := slices.Concat(frametest.Dst, frametest.Src)
			out = append(out,
				join([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9}, t, p.data),
				join([]byte{1, 0, 0x5e, 0, 0, 5, 2, 0, 0, 0, 0, 9}, t, p.data),
				join(macs, []byte{0x81, 0, 0, 5}, t, p.data),
				join(macs, []byte{0x81, 0, 0x20, 6}, t, p.data),
				join(macs, []byte{0x88, 0xa8, 0, 7, 0x81, 0, 0, 5}, t, p.data),
				join(macs, []byte{0x81, 0, 0, 7, 0x81, 0, 0, 5}, t, p.data))
		}
	case 113:
		out = append(out, join([]byte{0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, t, p.data))
	}
	return out
}
