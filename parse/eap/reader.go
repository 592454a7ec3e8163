package eap

import "pfsight/capture/stream"

// An Opening is the TLS of one EAP session. It shares memory with its Reader, not
// with the conversation.
type Opening struct {
	// Protocol is "eap-tls", "peap", "eap-ttls", "eap-fast" or "teap".
	Protocol string
	// TLS holds the two streams of records; ToServer is that of the TLS client,
	// which is the EAP peer. A mark names the datagram that carried the bytes. A
	// gap of one byte at the end marks a missing tail of unknown length. FIN means that the session ended.
	TLS [2]stream.Half
	// Swapped reports that the TLS client is the server of the conversation.
	Swapped bool
	// Result is the end of the EAP session: Success, Failure, or 0 if not seen.
	Result uint8
}

// A Reader extracts the TLS streams from EAP sessions. The zero value is ready to
// use. A Reader reuses its memory and is not safe for concurrent use.
type Reader struct {
	open Opening
	side [2]side // by Dir in TLS
	join []byte  // the current EAP packet, from RADIUS

	order order
	turns turns
}

// Read returns the TLS in an EAP session, or nil if it has none. c contains one
// session, as separated by a Sessions. The result is valid until the next call.
func (r *Reader) Read(c *stream.Conversation) *Opening {
	r.open = Opening{}
	for i := range r.side {
		h := &r.side[i].half
		r.side[i] = side{half: stream.Half{Data: h.Data[:0], Gaps: h.Gaps[:0], Marks: h.Marks[:0]}, total: -1}
	}
	r.turns = turns{}
	method := uint8(0)
	swapped, known := false, false
	r.order.read(r, c)
	for {
		d, ok := r.order.next(c)
		if !ok {
			break
		}
		m := c.Half[d].Marks[r.order.advance(d)]
		p, ok := r.packet(c.Half[d].Data[m.From:m.To], c.Transport)
		if !ok {
			continue
		}
		r.turns.add(&p, c.Half[d].Data[m.From:m.To], c.Transport)
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
		if !known {
			known, swapped = true, role != d
		}
		if p.start || len(p.data) == 0 && p.missing == 0 {
			continue // a start or the acknowledgment of a fragment
		}
		if method == 0 || r.side[0].packets+r.side[1].packets == 0 {
			method = p.method
		}
		if p.method != method {
			continue // RFC 3748 section 2.1: only one method per session
		}
		if r.side[role].repeats(&p) {
			continue
		}
		if o := &r.side[role.Opposite()]; o.begun {
			o.finish(false) // the message was complete, since the other side responds
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

// packet returns the EAP packet in a datagram. An Accept or Reject without one
// counts as Success or Failure.
func (r *Reader) packet(b []byte, t stream.Transport) (packet, bool) {
	if t == stream.EAPOL {
		return readPacket(eapol(b))
	}
	r.join, _ = joinEAP(r.join[:0], b)
	p, ok := readPacket(r.join)
	if !ok && isRADIUS(b) {
		switch b[0] {
		case accessAccept:
			return packet{code: Success}, true
		case accessReject:
			return packet{code: Failure}, true
		}
	}
	return p, ok
}
