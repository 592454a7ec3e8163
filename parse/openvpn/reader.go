package openvpn

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"pfsight/capture/stream"
)

// An Opening is the TLS of one key of an OpenVPN tunnel. It aliases the
// Reader's memory, but no bytes of the conversation.
type Opening struct {
	// Protocol is "openvpn".
	Protocol string
	// TLS are the streams of records. ToServer is what the TLS client said. A
	// mark names the packet that brought the bytes. A gap of one byte at the
	// end says that the rest was not seen and its length is not known.
	TLS [2]stream.Half
	// DTLS says that the records are of DTLS: never in OpenVPN.
	DTLS bool
	// Swapped says that the TLS client is the server of the conversation.
	Swapped bool
	// Result is how the outer protocol ended: OpenVPN says it inside of TLS,
	// so it is always 0.
	Result uint8
}

// A Reader puts the packets of OpenVPN's control channel in order. It keeps
// its memory between calls. The zero value is ready; one goroutine uses it.
type Reader struct {
	open Opening
	list [2][]piece       // by Dir of the conversation: the packets with a payload
	seen [2]int           // the longest packet, where some were cut
	half [2]stream.Half   // by who speaks in TLS
	tls  [2]chosen        // by Dir of the conversation
	mark [2][]arrivedMark // of half
}

// A piece is the payload of one packet.
type piece struct {
	channel channel
	id      uint32
	payload []byte // of the conversation
	cut     bool   // its end may be missing
	hello   uint8
	remote  uint64 // 0: not told
	mark    stream.Mark
	order   int // of arrival
}

// A channel is one key of one session, as one side names it.
type channel struct {
	session uint64
	key     uint8
}

type chosen struct {
	channel channel
	found   bool
}

type arrivedMark struct {
	mark  stream.Mark
	order int
}

// Read returns the TLS of the first exchange of keys in c, nil where there is
// none. The result is valid until the next call.
func (r *Reader) Read(c *stream.Conversation) *Opening {
	r.open = Opening{Protocol: "openvpn"}
	digest, ok := r.digest(c)
	if !ok {
		return nil
	}
	for d := range r.list {
		r.collect(c, stream.Dir(d), digest)
	}
	client, ok := r.choose()
	if !ok {
		return nil
	}
	r.open.Swapped = client == stream.ToClient
	for d := range r.list {
		role := stream.Dir(d)
		if r.open.Swapped {
			role = role.Opposite()
		}
		h := &r.half[role]
		*h = stream.Half{Data: h.Data[:0], Gaps: h.Gaps[:0], Marks: h.Marks[:0]}
		from := &c.Half[d]
		h.Packets, h.Full, h.Conflict, h.FIN, h.RST = from.Packets, from.Full, from.Conflict, from.FIN, from.RST
		if r.tls[d].found {
			r.join(h, stream.Dir(d))
		}
		if c.Transport == stream.TCP && len(h.Gaps) == 0 && (len(from.Gaps) > 0 || from.Lost) {
			// The packets behind a gap of the stream were not read.
			n := len(h.Data)
			h.Data, h.Gaps = append(h.Data, 0), append(h.Gaps, stream.Gap{From: n, To: n + 1})
		}
		r.open.TLS[role] = *h
	}
	return &r.open
}

// packets calls f with each whole packet of a half until it returns false.
func packets(c *stream.Conversation, d stream.Dir, f func(b []byte, from, to int) bool) {
	h := &c.Half[d]
	if c.Transport != stream.TCP {
		for _, m := range h.Marks {
			if !f(h.Data[m.From:m.To], int(m.From), int(m.To)) {
				return
			}
		}
		return
	}
	b := h.Data[:h.Contiguous()]
	for off := 0; off+2 < len(b); {
		n := int(binary.BigEndian.Uint16(b[off:]))
		if n == 0 || n > maxFrame || off+2+n > len(b) || !f(b[off+2:off+2+n], off, off+2+n) {
			return
		}
		off += 2 + n
	}
}

// digest finds the length of the HMAC. It is the same in both directions.
func (r *Reader) digest(c *stream.Conversation) (digest uint8, ok bool) {
	for d := stream.ToServer; d <= stream.ToClient && !ok; d++ {
		packets(c, d, func(b []byte, _, _ int) bool {
			digest, _, ok = digestOf(b)
			return !ok
		})
	}
	return digest, ok
}

// collect gathers the packets of a direction that carry something.
func (r *Reader) collect(c *stream.Conversation, d stream.Dir, digest uint8) {
	r.list[d], r.seen[d] = r.list[d][:0], 0
	h := &c.Half[d]
	mark := 0
	packets(c, d, func(b []byte, from, to int) bool {
		p, ok := readPacket(b, digest)
		if !ok || p.op != controlV1 || len(p.payload) == 0 {
			return true
		}
		x := piece{channel: channel{p.session, p.key}, id: p.id, payload: p.payload, hello: p.hello(), order: len(r.list[d])}
		if p.acks > 0 {
			x.remote = p.remote
		}
		if c.Transport == stream.TCP {
			x.mark = h.Completed(from, to)
		} else {
			for mark < len(h.Marks) && int(h.Marks[mark].From) != from {
				mark++
			}
			if mark < len(h.Marks) {
				x.mark = h.Marks[mark]
			}
			// The datagrams that the snaplen cut are the longest ones.
			if h.Cut {
				r.seen[d] = max(r.seen[d], len(b))
				x.cut = true
			}
		}
		r.list[d] = append(r.list[d], x)
		return true
	})
	if h.Cut && c.Transport != stream.TCP {
		for i := range r.list[d] {
			x := &r.list[d][i]
			x.cut = int(x.mark.To-x.mark.From) == r.seen[d]
		}
	}
}

// choose decides which exchange is read, and returns who is the client of
// TLS: the first one in which the server answers, else the first.
func (r *Reader) choose() (client stream.Dir, ok bool) {
	r.tls = [2]chosen{}
	told := false
	for _, want := range []uint8{2, 1} {
		for d := range r.list {
			for i := range r.list[d] {
				x := &r.list[d][i]
				if x.hello != want || told && r.tls[d].found {
					continue
				}
				dir := stream.Dir(d)
				if want == 2 {
					dir = dir.Opposite()
				}
				if told && dir != client {
					continue
				}
				if want == 1 && told && !r.answered(client, x.channel) {
					continue
				}
				told, client = true, dir
				r.tls[d] = chosen{x.channel, true}
				break
			}
			if told && want == 2 {
				break
			}
		}
	}
	if !told {
		return 0, false
	}
	for d := range r.tls { // a side whose hello was not seen
		if !r.tls[d].found {
			r.adopt(stream.Dir(d))
		}
	}
	return client, true
}

// answered reports whether the server's channel that was chosen may be that
// of the client's channel ch.
func (r *Reader) answered(client stream.Dir, ch channel) bool {
	server := r.tls[client.Opposite()]
	if !server.found {
		return true
	}
	if server.channel.key != ch.key {
		return false
	}
	for i := range r.list[client.Opposite()] {
		if x := &r.list[client.Opposite()][i]; x.channel == server.channel && x.remote != 0 {
			return x.remote == ch.session
		}
	}
	return true
}

// adopt chooses for a side the channel that speaks with the other's.
func (r *Reader) adopt(d stream.Dir) {
	other := r.tls[d.Opposite()]
	for i := range r.list[d] {
		x := &r.list[d][i]
		if x.channel.key == other.channel.key && (x.remote == 0 || x.remote == other.channel.session) {
			r.tls[d] = chosen{x.channel, true}
			return
		}
	}
}

// join puts the payloads of the chosen channel in the order of their ids.
func (r *Reader) join(h *stream.Half, d stream.Dir) {
	ch := r.tls[d].channel
	list := slices.DeleteFunc(r.list[d], func(x piece) bool { return x.channel != ch })
	r.list[d] = list
	slices.SortFunc(list, func(a, b piece) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.order, b.order)) })
	marks := r.mark[d][:0]
	broken := false
	for i := range list {
		x := &list[i]
		switch {
		case i > 0 && x.id == list[i-1].id:
			if n := min(len(x.payload), len(list[i-1].payload)); !bytes.Equal(x.payload[:n], list[i-1].payload[:n]) {
				h.Conflict = true
			}
			continue
		case i > 0 && x.id != list[i-1].id+1, i == 0 && x.id > 1 && x.hello == 0:
			broken = true
		case i == 0:
			h.SYN = x.id <= 1
			h.Midstream = !h.SYN
		}
		if broken {
			break
		}
		at := len(h.Data)
		h.Data = append(h.Data, x.payload...)
		m := x.mark
		m.From, m.To = uint32(at), uint32(len(h.Data))
		marks = append(marks, arrivedMark{m, x.order})
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
	slices.SortFunc(marks, func(a, b arrivedMark) int { return cmp.Compare(a.order, b.order) })
	for _, m := range marks {
		h.Marks = append(h.Marks, m.mark)
	}
	r.mark[d] = marks
}
