package laws

import (
	"bytes"
	"slices"
)

// mostPieces is the maximum number of fragments of a datagram. It is below the
// limit of gaps of the reassembly.
const mostPieces = 48

// fragment splits IP packets into fragments of at most size bytes. order 0
// keeps the order, 1 sends the last fragment first, 2 the odd ones first.
func fragment(w *Work, size, order int) bool {
	var out []Packet
	done := false
	for i := range w.Packets {
		p := &w.Packets[i]
		list := w.fragments(p, size)
		if list == nil {
			out = append(out, *p)
			continue
		}
		done = true
		switch order {
		case 1:
			slices.Reverse(list)
		case 2:
			var odd, even []Packet
			for k, f := range list {
				if k%2 == 1 {
					odd = append(odd, f)
				} else {
					even = append(even, f)
				}
			}
			list = append(odd, even...)
		}
		out = append(out, list...)
	}
	w.Packets = out
	return done
}

func (w *Work) fragments(p *Packet, size int) []Packet {
	if p.ip < 0 || p.cut() || p.end <= p.ip {
		return nil
	}
	ip := p.inner()
	hdr := 40
	if !p.v6() {
		hdr = int(ip[0]&15) * 4
		if hdr != 20 || be.Uint16(ip[6:])&0x3fff != 0 {
			return nil
		}
	} else if next := ip[6]; next != protoTCP && next != protoUDP && next != 41 && next != 4 && next != 47 {
		return nil // it has extension headers
	}
	body := ip[hdr:]
	size = max(size, (len(body)+mostPieces-1)/mostPieces+7) &^ 7
	if len(body) <= size {
		return nil
	}
	w.ids++
	var list []Packet
	for at := 0; at < len(body); at += size {
		end := min(at+size, len(body))
		head := bytes.Clone(p.Data[:p.ip+hdr])
		h := head[p.ip:]
		field := uint16(at)
		more := end < len(body)
		if p.v6() {
			next := h[6]
			h[6] = 44
			be.PutUint16(h[4:], uint16(8+end-at))
			if more {
				field |= 1
			}
			head = append(head, next, 0)
			head = be.AppendUint32(be.AppendUint16(head, field), w.ids)
		} else {
			field /= 8
			if more {
				field |= 0x2000
			}
			be.PutUint16(h[2:], uint16(hdr+end-at))
			be.PutUint16(h[4:], uint16(w.ids))
			be.PutUint16(h[6:], field)
		}
		q := *p
		q.Data = append(head, body[at:end]...)
		q.Wire = len(q.Data)
		q.l4, q.data, q.end, q.proto = -1, -1, len(q.Data), 0
		list = append(list, q)
	}
	return list
}
