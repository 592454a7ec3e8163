package laws

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
)

// A Form is a file format. The zero value is little-endian pcap with
// microseconds, or with nanoseconds if the times need them.
type Form struct {
	NG       bool // pcapng
	Big      bool // big-endian
	Nano     bool
	Sections int // pcapng: packets per section; 0 means one section
	Ifaces   int // pcapng: number of interfaces, used in turn; 0 means 1
}

// Packers are the compressors by name. Tests may add more.
var Packers = map[string]func([]byte) []byte{
	"gzip": func(b []byte) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, _ = z.Write(b)
		_ = z.Close()
		return out.Bytes()
	},
}

// finish makes the files.
func (w *Work) finish() {
	n := min(max(w.parts, 1), max(len(w.Packets), 1))
	for i := 1; i < len(w.Packets); i++ {
		// Files that overlap are merged by time, so the times must define the
		// order.
		switch d := w.Packets[i].Time - w.Packets[i-1].Time; {
		case d < 0:
			n = 1
		case d == 0:
			w.way = 0
		}
	}
	lists := make([][]Packet, n)
	for i := range w.Packets {
		k := i * n / len(w.Packets)
		switch w.way {
		case 1: // in turn
			k = i % n
		case 2: // by direction, as with two taps
			k = w.Packets[i].dir % n
		}
		lists[k] = append(lists[k], w.Packets[i])
	}
	for i, list := range lists {
		if len(list) == 0 {
			continue
		}
		b := w.form.encode(list)
		if f := Packers[w.Pack]; f != nil {
			b = f(b)
		}
		w.Files = append(w.Files, File{fmt.Sprintf("%02d.pcap", i+1), b})
	}
	if w.cutAt > 0 {
		f := &w.Files[len(w.Files)-1]
		f.Data = f.Data[:max(len(f.Data)*w.cutAt/1000, 1)]
	}
}

// encode returns the packets in this format.
func (f Form) encode(list []Packet) []byte {
	mixed := false
	for i := range list {
		mixed = mixed || list[i].Link != list[0].Link
		f.Nano = f.Nano || list[i].Time%1000 != 0
	}
	if f.NG || mixed {
		return f.pcapng(list)
	}
	return f.pcap(list)
}

func (f Form) order() binary.AppendByteOrder {
	if f.Big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func (f Form) pcap(list []Packet) []byte {
	o := f.order()
	magic, unit := uint32(0xa1b2c3d4), int64(1000)
	if f.Nano {
		magic, unit = 0xa1b23c4d, 1
	}
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(o.AppendUint16(b, 2), 4)
	b = append(b, make([]byte, 8)...)
	b = o.AppendUint32(o.AppendUint32(b, 262144), uint32(list[0].Link))
	for i := range list {
		p := &list[i]
		b = o.AppendUint32(b, uint32(p.Time/1e9))
		b = o.AppendUint32(b, uint32(p.Time%1e9/unit))
		b = o.AppendUint32(o.AppendUint32(b, uint32(len(p.Data))), uint32(p.Wire))
		b = append(b, p.Data...)
	}
	return b
}

func (f Form) pcapng(list []Packet) []byte {
	o := f.order()
	block := func(b []byte, typ uint32, body []byte) []byte {
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		n := uint32(12 + len(body))
		b = o.AppendUint32(o.AppendUint32(b, typ), n)
		return o.AppendUint32(append(b, body...), n)
	}
	var b []byte
	type iface struct {
		link uint16
		turn int
	}
	var known map[iface]int
	unit, res := int64(1000), byte(6)
	if f.Nano {
		unit, res = 1, 9
	}
	for i := range list {
		p := &list[i]
		if i == 0 || f.Sections > 0 && i%f.Sections == 0 {
			body := o.AppendUint16(o.AppendUint16(o.AppendUint32(nil, 0x1a2b3c4d), 1), 0)
			b = block(b, 0x0a0d0d0a, append(body, 255, 255, 255, 255, 255, 255, 255, 255))
			known = map[iface]int{}
		}
		key := iface{p.Link, i % max(f.Ifaces, 1)}
		id, ok := known[key]
		if !ok {
			id = len(known)
			known[key] = id
			body := o.AppendUint32(o.AppendUint16(o.AppendUint16(nil, p.Link), 0), 0)
			body = append(o.AppendUint16(o.AppendUint16(body, 9), 1), res, 0, 0, 0) // if_tsresol
			b = block(b, 1, o.AppendUint32(body, 0))
		}
		t := uint64(p.Time / unit)
		body := o.AppendUint32(o.AppendUint32(o.AppendUint32(nil, uint32(id)), uint32(t>>32)), uint32(t))
		body = o.AppendUint32(o.AppendUint32(body, uint32(len(p.Data))), uint32(p.Wire))
		b = block(b, 6, append(body, p.Data...))
	}
	return b
}

// FileOf returns a file with the packets.
func FileOf(list []Packet) File { return File{"capture.pcap", Form{}.encode(list)} }
