package eap

import "pfsight/capture/stream"

// Bits of stream.Note.State. Above them are the identifier of the last Response
// and that of the Success or Failure, 8 bits each.
const (
	noteTLS      = 1 << iota // a packet of a method that carries TLS was seen in this direction
	noteResponse             // a Response was seen
	noteEnd                  // a Success or a Failure was seen
	noteNamed                // with an identifier
	noteLast     = 8         // from here on: the identifier of the last Response
	noteOver     = 16        // and that of the end
)

// Ask is the stream.Asker of a session of EAP in RADIUS or EAPOL. It looks at
// each datagram once, and has enough when the session ended with a Success or
// a Failure, or with an Accept or a Reject around none, and the Response that
// this answers is there: the identifier is the same, RFC 3748 section 4.2.
func Ask(c *stream.Conversation, d stream.Dir) stream.Decision {
	h, other := &c.Half[d], &c.Half[d.Opposite()]
	st := &h.Note.State
	for int(h.Note.Aux) < len(h.Marks) {
		m := h.Marks[h.Note.Aux]
		h.Note.Aux++
		h.Note.Offset = int(m.To)
		h.Want = int(m.To) + 1
		code, method, id, named := glance(h.Data[m.From:m.To], c.Transport)
		switch method {
		case typeTLS, typeTTLS, typePEAP, typeFAST, typeTEAP, typeExpanded:
			*st |= noteTLS
		}
		switch code {
		case codeResponse:
			*st = *st&^(0xff<<noteLast) | noteResponse | uint32(id)<<noteLast
		case Success, Failure:
			*st = *st&^(0xff<<noteOver) | noteEnd | uint32(id)<<noteOver
			if named {
				*st |= noteNamed
			}
		}
	}
	for _, x := range [2][2]*stream.Half{{h, other}, {other, h}} {
		peer := x[1]
		end, last := x[0].Note.State, peer.Note.State
		if end&noteEnd == 0 {
			continue
		}
		if end&noteNamed != 0 && !(last&noteResponse != 0 && uint8(end>>noteOver) == uint8(last>>noteLast)) && !responded(peer, uint8(end>>noteOver), c.Transport) {
			return stream.More
		}
		if (end|last)&noteTLS == 0 {
			return stream.Refuse
		}
		return stream.Enough
	}
	return stream.More
}

// responded reports whether a Response with this identifier is in h. It is asked
// where it is not the last one, since a copy of an older one came late.
func responded(h *stream.Half, id uint8, t stream.Transport) bool {
	for _, m := range h.Marks {
		if code, _, got, _ := glance(h.Data[m.From:m.To], t); code == codeResponse && got == id {
			return true
		}
	}
	return false
}

// glance returns the code, the method and the identifier of the EAP packet in a
// datagram; the code of an Accept or a Reject without one is that of what it
// says, and it is not named.
func glance(b []byte, t stream.Transport) (code, method, id uint8, named bool) {
	var p []byte
	if t == stream.EAPOL {
		p = eapol(b)
	} else {
		if !isRADIUS(b) {
			return 0, 0, 0, false
		}
		p, _ = firstEAP(b)
		switch {
		case b[0] == accessAccept:
			code = Success
		case b[0] == accessReject:
			code = Failure
		}
	}
	if code == 0 && len(p) >= 4 {
		code = p[0]
	}
	if len(p) >= 4 {
		id, named = p[1], true
	}
	if len(p) >= 5 && p[0] <= codeResponse {
		method = p[4]
	}
	return code, method, id, named
}
