package main

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

var (
	le order = binary.LittleEndian
	be order = binary.BigEndian
)

// pcap returns a little-endian pcap file with microseconds.
func pcap(link uint32, in []frame) []byte {
	if link > 0xff { // gopacket's LinkType has 8 bits
		return rawPcap(le, micro, link, in)
	}
	var b bytes.Buffer
	writePcap(pcapgo.NewWriter(&b), link, in)
	return b.Bytes()
}

func writePcap(w *pcapgo.Writer, link uint32, in []frame) {
	check(w.WriteFileHeader(0, layers.LinkType(link))) // a snapshot length of 0 is no limit
	for _, f := range in {
		check(w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(0, f.time), CaptureLength: len(f.data), Length: f.wire}, f.data))
	}
}

// nanoPcap returns a little-endian pcap file of Ethernet frames with nanoseconds.
func nanoPcap(in []frame) []byte {
	var b bytes.Buffer
	writePcap(pcapgo.NewWriterNanos(&b), 1, in)
	return b.Bytes()
}

// Magic numbers of pcap files.
const (
	micro    = 0xa1b2c3d4
	nano     = 0xa1b23c4d
	modified = 0xa1b2cd34
)

// rawPcap returns a pcap file of a kind that pcapgo does not write.
func rawPcap(o order, magic, link uint32, in []frame) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(o.AppendUint16(b, 2), 4)
	b = append(b, make([]byte, 12)...)
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

// snap returns a pcap file with a snapshot length of n.
func snap(in []frame, n int) []byte {
	for i := range in {
		in[i].data = in[i].data[:min(n, len(in[i].data))]
	}
	return pcap(1, in)
}

// block appends a pcapng block, with padding, to b.
func block(o order, b []byte, kind uint32, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	n := uint32(len(body) + 12)
	b = o.AppendUint32(o.AppendUint32(b, kind), n)
	return o.AppendUint32(append(b, body...), n)
}

// section returns a Section Header Block without options and with unknown length.
func section(o order) []byte {
	h := o.AppendUint32(nil, 0x1a2b3c4d)
	h = o.AppendUint16(o.AppendUint16(h, 1), 0)
	return block(o, nil, 0x0a0d0d0a, o.AppendUint64(h, ^uint64(0)))
}

// pcapng returns a section with a block of unknown type, two interfaces, and the
// frames, which belong to the second interface.
func pcapng(o order, resolution byte, in []frame) []byte {
	b := section(o)
	b = block(o, b, 0x0bad, []byte("unknown to all"))
	iface := func(link uint16, res byte) []byte {
		i := o.AppendUint16(o.AppendUint16(nil, link), 0)
		i = o.AppendUint32(i, 0)
		i = o.AppendUint16(o.AppendUint16(i, 9), 1)
		i = append(i, res, 0, 0, 0)
		return append(i, 0, 0, 0, 0)
	}
	b = block(o, b, 1, iface(101, 6))
	b = block(o, b, 1, iface(1, resolution))
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
		b = block(o, b, 6, append(p, f.data...))
	}
	return b
}

// pcapngBlocks returns a section in which every other packet is an obsolete Packet
// Block. The packets have options.
func pcapngBlocks(in []frame) []byte {
	b := section(le)
	b = block(le, b, 1, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // the default resolution, microseconds
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
		b = block(le, b, kind, p)
	}
	return b
}
