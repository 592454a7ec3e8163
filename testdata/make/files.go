package main

import (
	"encoding/binary"
	"math/bits"
)

type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

var (
	le order = binary.LittleEndian
	be order = binary.BigEndian
)

// Kinds of pcap.
const (
	micro    = 0xa1b2c3d4
	nano     = 0xa1b23c4d
	modified = 0xa1b2cd34
)

func pcap(o order, magic, link uint32, in []frame) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(o.AppendUint16(b, 2), 4)
	b = append(b, make([]byte, 8)...)
	b = o.AppendUint32(b, 0) // a snaplen of 0 means that there is none
	b = o.AppendUint32(b, link)
	unit := int64(1000)
	if magic == nano {
		unit = 1
	}
	for _, f := range in {
		b = o.AppendUint32(b, uint32(f.time/1e9))
		b = o.AppendUint32(b, uint32(f.time%1e9/unit))
		b = o.AppendUint32(b, uint32(len(f.data)))
		b = o.AppendUint32(b, uint32(f.wire))
		if magic == modified {
			b = append(b, 0, 0, 0, 1, 8, 0, 0, 0)
		}
		b = append(b, f.data...)
	}
	return b
}

// snap cuts the frames to n bytes.
func snap(in []frame, n int) []byte {
	for i := range in {
		in[i].data = in[i].data[:min(n, len(in[i].data))]
	}
	return pcap(le, micro, 1, in)
}

// pcapng writes one section: a block of an unknown type, two interfaces, and
// the frames on the second.
func pcapng(o order, resolution byte, in []frame) []byte {
	block := func(b []byte, kind uint32, body []byte) []byte {
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		n := uint32(len(body) + 12)
		b = o.AppendUint32(o.AppendUint32(b, kind), n)
		return o.AppendUint32(append(b, body...), n)
	}
	h := o.AppendUint32(nil, 0x1a2b3c4d)
	h = o.AppendUint16(o.AppendUint16(h, 1), 0)
	h = o.AppendUint64(h, ^uint64(0))
	b := block(nil, 0x0a0d0d0a, h)
	b = block(b, 0x0bad, []byte("unknown to all"))
	iface := func(link uint16, res byte) []byte {
		i := o.AppendUint16(o.AppendUint16(nil, link), 0)
		i = o.AppendUint32(i, 0)
		i = o.AppendUint16(o.AppendUint16(i, 9), 1)
		i = append(i, res, 0, 0, 0)
		return append(i, 0, 0, 0, 0)
	}
	b = block(b, 1, iface(101, 6))
	b = block(b, 1, iface(1, resolution))
	units := uint64(1)
	if resolution&0x80 != 0 {
		units <<= resolution & 0x7f
	} else {
		for range resolution {
			units *= 10
		}
	}
	for _, f := range in {
		hi, lo := bits.Mul64(uint64(f.time), units)
		t, _ := bits.Div64(hi, lo, 1e9)
		p := o.AppendUint32(nil, 1)
		p = o.AppendUint32(o.AppendUint32(p, uint32(t>>32)), uint32(t))
		p = o.AppendUint32(o.AppendUint32(p, uint32(len(f.data))), uint32(f.wire))
		b = block(b, 6, append(p, f.data...))
	}
	return b
}

// pcapngBlocks writes a section with the obsolete Packet Block for every other
// packet, and options behind the packets.
func pcapngBlocks(in []frame) []byte {
	block := func(b []byte, kind uint32, body []byte) []byte {
		n := uint32(len(body) + 12)
		b = le.AppendUint32(le.AppendUint32(b, kind), n)
		return le.AppendUint32(append(b, body...), n)
	}
	h := le.AppendUint32(nil, 0x1a2b3c4d)
	h = le.AppendUint16(le.AppendUint16(h, 1), 0)
	b := block(nil, 0x0a0d0d0a, le.AppendUint64(h, ^uint64(0)))
	b = block(b, 1, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // microseconds where nothing is said
	for i, f := range in {
		t := uint64(f.time / 1000)
		var p []byte
		kind := uint32(6)
		if i%2 == 0 {
			kind, p = 2, []byte{0, 0, 0xff, 0xff} // interface 0, drops unknown
		} else {
			p = le.AppendUint32(nil, 0)
		}
		p = le.AppendUint32(le.AppendUint32(p, uint32(t>>32)), uint32(t))
		p = le.AppendUint32(le.AppendUint32(p, uint32(len(f.data))), uint32(f.wire))
		p = append(p, f.data...)
		for len(p)%4 != 0 {
			p = append(p, 0)
		}
		p = append(p, 1, 0, 3, 0, 'o', 'n', 'e', 0, 0, 0, 0, 0) // opt_comment, opt_endofopt
		b = block(b, kind, p)
	}
	return b
}
