package openvpn

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"pfsight/capture/stream"
)

// An Opening is the TLS of one key exchange of an OpenVPN tunnel. It shares
// memory with its Reader, not with the conversation.
type Opening struct {
	// TLS holds the two streams of records; ToServer is that of the TLS client.
	// A mark names the packet that carried the bytes. A gap of one byte at the
	// end stands for a rest of unknown length that was not seen.
	TLS [2]stream.Half
	// Swapped reports that the TLS client is the server of the conversation.
	Swapped bool
}

// A Reader extracts the TLS streams from OpenVPN's control channel. The zero
// value is ready to use. A Reader reuses its memory and is not safe for
// concurrent use.
type Reader struct {
	open   Opening
	pieces [2][]piece // by Dir of the conversation
	tls    [2]choice  // the channel to read, by Dir of the conversation
	half   [2]stream.Half
	marks  []arrivedMark
	acked  [2][]lastAcked // by Dir of the acknowledged messages
}

// A lastAcked is the highest message packet ID of a channel that the other side
// has acknowledged.
type lastAcked struct {
	channel channel
	id      uint32
}

// maxChannels is the number of channels of one direction whose acknowledgments
// are remembered. A conversation has few key exchanges, usually one.
const maxChannels = 8

// A piece is the payload of one control packet.
type piece struct {
	channel channel
	id      uint32
	payload []byte // shares memory with the conversation
	cut     bool   // the snaplen may have cut the end of the payload
	hello   uint8
	remote  uint64 // session ID of the other side; 0 if the packet has none
	mark    stream.Mark
	order   int // of arrival
}

// A channel is the control channel of one key, as one side names it.
type channel struct {
	session uint64
	key     uint8
}

type choice struct {
	channel channel
	ok      bool
}

type arrivedMark struct {
	mark  stream.Mark
	order int
}

// Read returns the TLS of the first key exchange in c, or nil if c has none. The
// result is valid until the next call.
func (r *Reader) Read(c *stream.Conversation) *Opening {
	r.open = Opening{}
	digest, ok := r.digest(c)
	if !ok {
		return nil
	}
	for d := range r.pieces {
		r.collect(c, stream.Dir(d), digest)
	}
	client, ok := r.choose()
	if !ok {
		return nil
	}
	r.open.Swapped = client == stream.ToClient
	for d := range r.pieces {
		role := stream.Dir(d)
		if r.open.Swapped {
			role = role.Opposite()
		}
		h := &r.half[role]
		*h = stream.Half{Data: h.Data[:0], Gaps: h.Gaps[:0], Marks: h.Marks[:0]}
		from := &c.Half[d]
		h.Packets, h.Full, h.Conflict, h.FIN, h.RST = from.Packets, from.Full, from.Conflict, from.FIN, from.RST
		if r.tls[d].ok {
			r.join(h, stream.Dir(d))
		}
		if c.Transport == stream.TCP && len(h.Gaps) == 0 && (len(from.Gaps) > 0 || from.Lost) {
			addGap(h) // packets after a gap in the stream are not read
		}
		r.open.TLS[role] = *h
	}
	return &r.open
}

// addGap ends the data of h with a gap of one byte.
func addGap(h *stream.Half) {
	n := len(h.Data)
	h.Data = append(h.Data, 0)
	h.Gaps = append(h.Gaps, stream.Gap{From: n, To: n + 1})
}

// packets calls f with each whole packet of a half, and with its range in the
// half's data, until f returns false.
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

// digest returns the length of the HMAC, which both directions share.
func (r *Reader) digest(c *stream.Conversation) (digest uint8, ok bool) {
	for d := stream.ToServer; d <= stream.ToClient && !ok; d++ {
		packets(c, d, func(b []byte, _, _ int) bool {
			digest, _, ok = digestOf(b)
			return !ok
		})
	}
	return digest, ok
}

// collect fills r.pieces[d] with the control packets that have a payload.
func (r *Reader) collect(c *stream.Conversation, d stream.Dir, digest uint8) {
	r.pieces[d] = r.pieces[d][:0]
	h := &c.Half[d]
	mark, longest := 0, 0
	r.acked[d.Opposite()] = r.acked[d.Opposite()][:0]
	packets(c, d, func(b []byte, from, to int) bool {
		p, ok := readPacket(b, digest)
		if ok {
			r.acknowledge(d.Opposite(), &p)
		}
		if !ok || p.op != controlV1 || len(p.payload) == 0 {
			return true
		}
		x := piece{channel: channel{p.session, p.key}, id: p.id, payload: p.payload, hello: p.hello(), order: len(r.pieces[d])}
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
			longest = max(longest, len(b))
		}
		r.pieces[d] = append(r.pieces[d], x)
		return true
	})
	if h.Cut && c.Transport != stream.TCP {
		// The snaplen cuts the longest datagrams.
		for i := range r.pieces[d] {
			x := &r.pieces[d][i]
			x.cut = int(x.mark.To-x.mark.From) == longest
		}
	}
}

// choose selects the key exchange to read and returns the direction of the TLS
// client: the first exchange in which the server answers, else the first one.
func (r *Reader) choose() (client stream.Dir, ok bool) {
	r.tls = [2]choice{}
	for d := range r.pieces {
		i := slices.IndexFunc(r.pieces[d], func(x piece) bool { return x.hello == serverHello })
		if i >= 0 {
			r.tls[d] = choice{r.pieces[d][i].channel, true}
			client, ok = stream.Dir(d).Opposite(), true
			break
		}
	}
	for d := range r.pieces {
		if ok && stream.Dir(d) != client {
			continue
		}
		for i := range r.pieces[d] {
			if x := &r.pieces[d][i]; x.hello == clientHello && (!ok || r.answered(client, x.channel)) {
				r.tls[d] = choice{x.channel, true}
				client, ok = stream.Dir(d), true
				break
			}
		}
	}
	if !ok {
		return 0, false
	}
	for d := range r.tls {
		if !r.tls[d].ok {
			r.adopt(stream.Dir(d))
		}
	}
	return client, true
}

// answered reports whether the server's chosen channel may be the answer to the
// client's channel ch.
func (r *Reader) answered(client stream.Dir, ch channel) bool {
	server := r.tls[client.Opposite()]
	if !server.ok {
		return true
	}
	if server.channel.key != ch.key {
		return false
	}
	for i := range r.pieces[client.Opposite()] {
		if x := &r.pieces[client.Opposite()][i]; x.channel == server.channel && x.remote != 0 {
			return x.remote == ch.session
		}
	}
	return true
}

// adopt selects the channel of a side whose hello was not seen: the one that
// may belong to the chosen channel of the other side.
func (r *Reader) adopt(d stream.Dir) {
	other := r.tls[d.Opposite()]
	for i := range r.pieces[d] {
		x := &r.pieces[d][i]
		if x.channel.key == other.channel.key && (x.remote == 0 || x.remote == other.channel.session) {
			r.tls[d] = choice{x.channel, true}
			return
		}
	}
}

// join writes the payloads of the chosen channel to h in the order of their
// message packet IDs, up to the first missing one.
func (r *Reader) join(h *stream.Half, d stream.Dir) {
	ch := r.tls[d].channel
	list := slices.DeleteFunc(r.pieces[d], func(x piece) bool { return x.channel != ch })
	r.pieces[d] = list
	slices.SortFunc(list, func(a, b piece) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.order, b.order)) })
	marks := r.marks[:0]
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
	if broken || r.lacks(d, ch, list) {
		addGap(h)
	}
	// A Half keeps its marks in the order of arrival.
	slices.SortFunc(marks, func(a, b arrivedMark) int { return cmp.Compare(a.order, b.order) })
	for _, m := range marks {
		h.Marks = append(h.Marks, m.mark)
	}
	r.marks = marks
}

// acknowledge records the messages of direction d that p acknowledges.
func (r *Reader) acknowledge(d stream.Dir, p *packet) {
	ch := channel{p.remote, p.key}
	for b := p.acked; len(b) >= 4; b = b[4:] {
		id := binary.BigEndian.Uint32(b)
		i := slices.IndexFunc(r.acked[d], func(x lastAcked) bool { return x.channel == ch })
		switch {
		case i >= 0:
			r.acked[d][i].id = max(r.acked[d][i].id, id)
		case len(r.acked[d]) < maxChannels:
			r.acked[d] = append(r.acked[d], lastAcked{ch, id})
		}
	}
}

// lacks reports whether the other side has acknowledged a message after the last one
// in list, the messages of channel ch of direction d.
func (r *Reader) lacks(d stream.Dir, ch channel, list []piece) bool {
	i := slices.IndexFunc(r.acked[d], func(x lastAcked) bool { return x.channel == ch })
	return i >= 0 && len(list) > 0 && r.acked[d][i].id > list[len(list)-1].id
}
