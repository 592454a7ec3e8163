package eap

import (
	"bytes"
	"slices"

	"pfsight/capture/stream"
)

// An Opening is the TLS that one session of EAP carried. It aliases the
// Reader's memory, but no bytes of the conversation.
type Opening struct {
	// Protocol is "eap-tls", "peap", "eap-ttls", "eap-fast" or "teap".
	Protocol string
	// TLS are the streams of records. ToServer is what the TLS client said,
	// which is the peer of EAP. A mark names the datagram that brought the
	// bytes. A gap of one byte at the end says that the rest was not seen and
	// its length is not known. FIN says that the session ended.
	TLS [2]stream.Half
	// DTLS says that the records are of DTLS: never in EAP.
	DTLS bool
	// Swapped says that the TLS client is the server of the conversation.
	Swapped bool
	// Result is how the outer protocol ended: Success, Failure, 0 not seen.
	Result uint8
}

// A Reader puts together what EAP carries. It keeps its memory between calls.
// The zero value is ready; one goroutine uses it.
type Reader struct {
	open Opening
	side [2]side // by who speaks in TLS
	join []byte  // one EAP packet

	order order
	turns turns
}

// A side is one direction of the TLS in EAP.
type side struct {
	half    stream.Half
	begun   bool // a message is being put together
	dead    bool // what was not seen is of unknown length: nothing can be placed behind it
	start   int  // where in half.Data the message began
	total   int  // its length; -1: not told
	lastID  uint8
	jumps   int // fragments of the message whose identifier is not the next one
	jump    int // where in half.Data the first of these begins
	recent  [recentPackets]recent
	packets int // with TLS in them
}

// A recent packet is one that a retransmission may repeat.
type recent struct {
	used     bool
	id       uint8
	from, to int // its data in half.Data
}

// recentPackets is how far back a retransmission is known: as far as a Half has
// marks. EAP is a lock-step protocol, RFC 3748 section 4.1, and repeats the last
// packet only, but copies that the capture made may come later.
const recentPackets = stream.MaxMarks

// Read returns the TLS in a session of EAP, nil where there is none. c holds
// one session: its Datagrams were told apart by a Sessions. The result is
// valid until the next call.
func (r *Reader) Read(c *stream.Conversation) *Opening {
	r.open = Opening{}
	for i := range r.side {
		h := &r.side[i].half
		r.side[i] = side{half: stream.Half{Data: h.Data[:0], Gaps: h.Gaps[:0], Marks: h.Marks[:0]}, total: -1}
	}
	r.turns = turns{}
	method := uint8(0)
	swapped, told := false, false
	r.order.look(r, c)
	for {
		d, ok := r.order.next(c)
		if !ok {
			break
		}
		m := c.Half[d].Marks[r.order.take(d)]
		p, ok := r.packet(c.Half[d].Data[m.From:m.To], c.Transport)
		if !ok {
			continue
		}
		r.turns.take(&p, c.Half[d].Data[m.From:m.To], c.Transport)
		if p.code >= Success {
			r.open.Result = p.code
			continue
		}
		if !p.tls {
			continue
		}
		role := stream.ToServer
		if p.code == codeRequest {
			role = stream.ToClient
		}
		if !told {
			told, swapped = true, role != d
		}
		if p.start || len(p.data) == 0 && p.missing == 0 {
			continue // a start, or an acknowledgment of a fragment
		}
		if method == 0 || r.side[0].packets+r.side[1].packets == 0 {
			method = p.method
		}
		if p.method != method {
			continue // another method after the first one carried TLS: RFC 3748 section 2.1 has none
		}
		if r.side[role].repeats(&p) {
			continue
		}
		if o := &r.side[role.Opposite()]; o.begun {
			o.finish(false) // it went on to listen, so its message was complete
		}
		r.side[role].add(&p, m)
	}
	if r.side[0].packets+r.side[1].packets == 0 {
		return nil
	}
	r.open.Protocol = methodName(method)
	r.open.Swapped = swapped
	lost := r.turns.lost(c)
	for role := range r.side {
		s := &r.side[role]
		if s.begun && s.jumps > 0 {
			s.finish(false)
		}
		d := stream.Dir(role)
		if swapped {
			d = d.Opposite()
		}
		from := &c.Half[d]
		h := &s.half
		h.Packets, h.Full, h.Conflict = from.Packets, from.Full, h.Conflict || from.Conflict
		h.FIN = r.open.Result != 0
		h.Lost = lost[role]
		r.open.TLS[role] = *h
	}
	return &r.open
}

// packet returns the EAP packet in a datagram.
func (r *Reader) packet(b []byte, t stream.Transport) (packet, bool) {
	if t == stream.EAPOL {
		return readPacket(eapol(b))
	}
	r.join, _ = joinEAP(r.join[:0], b)
	p, ok := readPacket(r.join)
	if !ok && isRADIUS(b) {
		// The Accept or the Reject says it without EAP too.
		switch b[0] {
		case accessAccept:
			return packet{code: Success}, true
		case accessReject:
			return packet{code: Failure}, true
		}
	}
	return p, ok
}

// repeats reports whether a packet was there before.
func (s *side) repeats(p *packet) bool {
	for i := range s.recent {
		k := &s.recent[i]
		if k.used && k.id == p.id && len(p.data) == k.to-k.from && bytes.Equal(p.data, s.half.Data[k.from:k.to]) {
			return true
		}
	}
	if last := &s.recent[(s.packets+recentPackets-1)%recentPackets]; last.used && last.id == p.id {
		s.half.Conflict = true // a new Request has another identifier, RFC 3748 section 4.1
		return true
	}
	return false
}

// add takes a packet that carries data of TLS.
func (s *side) add(p *packet, m stream.Mark) {
	from := len(s.half.Data)
	to := from + len(p.data)
	if s.dead || to > maxMessage {
		s.half.Full = s.half.Full || to > maxMessage
		return
	}
	if !s.begun {
		s.begun, s.start, s.total, s.jumps = true, from, -1, 0
		if !beginsRecord(p.data) {
			s.end() // the fragment before it was not seen
			return
		}
	} else if p.id != s.lastID+1 {
		if s.jumps == 0 {
			s.jump = from
		}
		s.jumps++
	}
	if p.total >= 0 {
		s.total = p.total
	}
	s.lastID = p.id
	s.half.Data = append(s.half.Data, p.data...)
	if len(p.data) > 0 {
		s.mark(from, to, m)
	}
	s.recent[s.packets%recentPackets] = recent{true, p.id, from, to}
	s.packets++
	if p.missing > 0 {
		s.half.Cut = true
		s.gap(to, min(p.missing, maxMessage-to))
	}
	if !p.more {
		s.finish(true)
	}
}

// beginsRecord reports whether a TLS record may begin here: what EAP carries
// in one message are whole records.
func beginsRecord(b []byte) bool {
	return len(b) < 2 || b[0] >= 20 && b[0] <= 24 && b[1] == 3
}

func (s *side) mark(from, to int, m stream.Mark) {
	m.From, m.To = uint32(from), uint32(to)
	s.half.Marks = append(s.half.Marks, m)
}

// finish ends a message. last says that its last fragment was seen. Where
// bytes are missing their place is where the identifiers jump.
func (s *side) finish(last bool) {
	s.begun = false
	missing := s.total - (len(s.half.Data) - s.start)
	if s.dead || s.total < 0 && last || s.total >= 0 && missing <= 0 {
		return
	}
	switch {
	case s.total < 0 || s.total > maxMessage || s.jumps > 1 || s.jumps == 1 && !last, s.jumps == 0 && last:
		if s.jumps > 0 {
			s.cutAt(s.jump)
		}
		s.end()
	case s.jumps == 1:
		s.insert(s.jump, missing)
	default: // its end
		s.gap(len(s.half.Data), missing)
	}
}

// end says that what follows was not seen, and is of unknown length.
func (s *side) end() {
	if !s.dead {
		s.gap(len(s.half.Data), 1)
	}
	s.dead, s.begun = true, false
}

// gap puts n bytes that were not seen at the end.
func (s *side) gap(at, n int) {
	if n <= 0 || at+n > maxMessage {
		s.dead = true
		return
	}
	h := &s.half
	h.Data = slices.Grow(h.Data, n)[:at+n]
	clear(h.Data[at:])
	if k := len(h.Gaps); k > 0 && h.Gaps[k-1].To == at {
		h.Gaps[k-1].To = at + n
		return
	}
	h.Gaps = append(h.Gaps, stream.Gap{From: at, To: at + n})
}

// cutAt forgets what is behind at.
func (s *side) cutAt(at int) {
	h := &s.half
	h.Data = h.Data[:at]
	h.Marks = slices.DeleteFunc(h.Marks, func(m stream.Mark) bool { return int(m.From) >= at })
	h.Gaps = slices.DeleteFunc(h.Gaps, func(g stream.Gap) bool { return g.From >= at })
	s.recent = [recentPackets]recent{}
}

// insert puts n bytes that were not seen at a place inside.
func (s *side) insert(at, n int) {
	h := &s.half
	size := len(h.Data)
	if size+n > maxMessage {
		s.cutAt(at)
		s.end()
		return
	}
	h.Data = slices.Grow(h.Data, n)[:size+n]
	copy(h.Data[at+n:], h.Data[at:size])
	clear(h.Data[at : at+n])
	for i := range h.Marks {
		if m := &h.Marks[i]; int(m.From) >= at {
			m.From, m.To = m.From+uint32(n), m.To+uint32(n)
		}
	}
	where := len(h.Gaps)
	for i := range h.Gaps {
		if g := &h.Gaps[i]; g.From >= at {
			where = min(where, i)
			g.From, g.To = g.From+n, g.To+n
		}
	}
	h.Gaps = slices.Insert(h.Gaps, where, stream.Gap{From: at, To: at + n})
	for i := range s.recent {
		if k := &s.recent[i]; k.from >= at {
			k.from, k.to = k.from+n, k.to+n
		}
	}
}
