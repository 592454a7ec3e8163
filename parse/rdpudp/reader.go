package rdpudp

import (
	"bytes"
	"cmp"
	"slices"

	"pfsight/capture/stream"
)

// An Opening is the TLS or DTLS of one connection of RDP over UDP. It aliases
// the Reader's memory, but no bytes of the conversation.
type Opening struct {
	// Protocol is "rdp-udp".
	Protocol string
	// TLS are the streams of records. ToServer is that of the TLS client. A mark
	// is the datagram that brought the bytes; for DTLS it is one datagram of
	// DTLS. A gap of one byte at the end says that the rest, of unknown length,
	// was not seen.
	TLS [2]stream.Half
	// DTLS says that the records are DTLS records.
	DTLS bool
	// Swapped says that the TLS client is the server of the conversation.
	Swapped bool
	// Result is always 0: the outer protocol has no result.
	Result uint8
}

// A Reader puts source packets in order. It keeps its memory between calls.
// The zero value is ready; one goroutine uses it.
type Reader struct {
	open Opening
	half [2]stream.Half // by role in TLS
	list [2][]piece     // by Dir of the conversation, in the order of arrival
	mark []arrived
}

// A piece is the payload of one source packet.
type piece struct {
	off     int32  // from the first of the sequence, or from the first that was seen
	payload []byte // of the conversation
	cut     bool   // its end may be missing
	mark    stream.Mark
	order   int // of arrival
}

type arrived struct {
	mark  stream.Mark
	order int
}

// Read returns the TLS or DTLS in c, nil if there is none. The result is valid
// until the next call.
func (r *Reader) Read(c *stream.Conversation) *Opening {
	r.open = Opening{Protocol: "rdp-udp"}
	var syns [2]*syn
	var room [2]syn
	client := stream.ToServer // direction of the TLS client
	version := uint8(version1)
	for d := range c.Half {
		if s, ok := firstSYN(&c.Half[d]); ok {
			room[d] = s
			syns[d] = &room[d]
			if s.ack == (d == int(stream.ToServer)) {
				client = stream.ToClient
			}
		}
	}
	for _, s := range syns {
		if s != nil && (s.ack || syns[0] == nil || syns[1] == nil) { // the SYN+ACK decides
			version = s.version
		}
	}
	any := false
	for d := range c.Half {
		r.collect(stream.Dir(d), &c.Half[d], version, syns[d])
		for i := range r.list[d] {
			typ, dtls := hello(r.list[d][i].payload)
			if typ == 0 {
				continue
			}
			r.open.DTLS = dtls
			if (typ == 1) == (d == int(stream.ToServer)) {
				client = stream.ToServer
			} else {
				client = stream.ToClient
			}
			any = true
			break
		}
	}
	if !any {
		return nil
	}
	r.open.Swapped = client == stream.ToClient
	for d := range c.Half {
		role := stream.Dir(d)
		if r.open.Swapped {
			role = role.Opposite()
		}
		from, h := &c.Half[d], &r.half[role]
		*h = stream.Half{Data: h.Data[:0], Gaps: h.Gaps[:0], Marks: h.Marks[:0]}
		h.Packets, h.Full, h.Conflict = from.Packets, from.Full, from.Conflict
		if r.open.DTLS {
			r.datagrams(h, r.list[d])
		} else {
			r.join(h, r.list[d], syns[d] != nil)
		}
		r.open.TLS[role] = *h
	}
	return &r.open
}

// firstSYN returns the first SYN of a half.
func firstSYN(h *stream.Half) (syn, bool) {
	for _, m := range h.Marks {
		if s, ok := readSYN(h.Data[m.From:m.To]); ok {
			return s, true
		}
	}
	return syn{}, false
}

// collect gathers the source packets of a half.
func (r *Reader) collect(d stream.Dir, h *stream.Half, version uint8, open *syn) {
	list := r.list[d][:0]
	longest := uint32(0)
	base, based := uint32(0), false
	switch {
	case version == version2:
		base, based = 1, true // channel sequence numbers begin with 1
	case open != nil:
		base, based = open.first+1, true
	}
	for _, m := range h.Marks {
		b := h.Data[m.From:m.To]
		longest = max(longest, m.To-m.From)
		if _, ok := readSYN(b); ok {
			continue
		}
		s, ok := readSource(b, version)
		if !ok {
			continue
		}
		if !based {
			base, based = s.seq, true
		}
		off := int32(s.seq - base)
		if version == version2 {
			off = int32(int16(s.seq - base))
		}
		list = append(list, piece{off: off, payload: s.payload, mark: m, order: len(list)})
	}
	if h.Cut { // the datagrams that the snaplen cut are the longest ones
		for i := range list {
			list[i].cut = list[i].mark.To-list[i].mark.From == longest
		}
	}
	r.list[d] = list
}

// datagrams makes a half of DTLS, in the order of arrival.
func (r *Reader) datagrams(h *stream.Half, list []piece) {
	for i := range list {
		x := &list[i]
		at := len(h.Data)
		h.Data = append(h.Data, x.payload...)
		m := x.mark
		m.From, m.To = uint32(at), uint32(len(h.Data))
		h.Marks = append(h.Marks, m)
		h.Cut = h.Cut || x.cut
	}
}

// join makes a half of TLS: the payloads in the order of their numbers. known
// says that the first number is 0.
func (r *Reader) join(h *stream.Half, list []piece, known bool) {
	slices.SortFunc(list, func(a, b piece) int { return cmp.Or(cmp.Compare(a.off, b.off), cmp.Compare(a.order, b.order)) })
	marks, broken := r.mark[:0], false
	for i := range list {
		x := &list[i]
		switch {
		case i > 0 && x.off == list[i-1].off:
			if n := min(len(x.payload), len(list[i-1].payload)); !bytes.Equal(x.payload[:n], list[i-1].payload[:n]) {
				h.Conflict = true
			}
			continue
		case i > 0 && x.off != list[i-1].off+1:
			broken = true
		case i == 0 && (!known || x.off != 0):
			typ, _ := hello(x.payload)
			h.Midstream, broken = typ != 0, typ == 0
		case i == 0:
			h.SYN = true
		}
		if broken {
			break
		}
		at := len(h.Data)
		h.Data = append(h.Data, x.payload...)
		m := x.mark
		m.From, m.To = uint32(at), uint32(len(h.Data))
		marks = append(marks, arrived{m, x.order})
		if x.cut {
			h.Cut, broken = true, true
			break
		}
	}
	if broken {
		n := len(h.Data)
		h.Data = append(h.Data, 0)
		h.Gaps = append(h.Gaps, stream.Gap{From: n, To: n + 1})
	}
	// Marks are in the order of arrival.
	slices.SortFunc(marks, func(a, b arrived) int { return cmp.Compare(a.order, b.order) })
	for _, m := range marks {
		h.Marks = append(h.Marks, m.mark)
	}
	r.mark = marks
}
