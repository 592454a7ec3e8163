package eap

import "pfsight/capture/stream"

// Bits and fields of stream.Note.State.
const (
	noteTLS      = 1 << iota // a packet of a method that carries TLS was seen in this direction
	noteResponse             // a Response was seen
	noteEnd                  // a Success or a Failure was seen
	noteEndID                // it had an identifier
	noteLast     = 8         // shift of the identifier of the last Response, 8 bits
	noteOver     = 16        // shift of the identifier of the Success or Failure, 8 bits
)

// Ask is the stream.Asker of an EAP session in RADIUS or EAPOL. It returns Enough
// when it has seen a Success or Failure and the Response with the same
// identifier (RFC 3748 section 4.2), which may arrive later. An Accept or Reject
// without EAP packet ends a session immediately.
func Ask(c *stream.Conversation, d stream.Dir) stream.Decision {
	h, other := &c.Half[d], &c.Half[d.Opposite()]
	st := &h.Note.State
	for int(h.Note.Aux) < len(h.Marks) {
		m := h.Marks[h.Note.Aux]
		h.Note.Aux++
		h.Note.Offset = int(m.To)
		h.Want = int(m.To) + 1
		code, method, id, hasID := peek(h.Data[m.From:m.To], c.Transport)
		switch method {
		case typeTLS, typeTTLS, typePEAP, typeFAST, typeTEAP, typeExpanded:
			*st |= noteTLS
		}
		switch code {
		case codeResponse:
			*st = *st&^(0xff<<noteLast) | noteResponse | uint32(id)<<noteLast
		case Success, Failure:
			*st = *st&^(0xff<<noteOver) | noteEnd | uint32(id)<<noteOver
			if hasID {
				*st |= noteEndID
			}
		}
	}
	for _, pair := range [2][2]*stream.Half{{h, other}, {other, h}} {
		peer := pair[1]
		end, last := pair[0].Note.State, peer.Note.State
		if end&noteEnd == 0 {
			continue
		}
		if end&noteEndID != 0 && !(last&noteResponse != 0 && uint8(end>>noteOver) == uint8(last>>noteLast)) && !responded(peer, uint8(end>>noteOver), c.Transport) {
			return stream.More
		}
		if (end|last)&noteTLS == 0 {
			return stream.Refuse
		}
		return stream.Enough
	}
	return stream.More
}

// responded reports whether h contains a Response with this identifier. It need not
// be the last one, because a copy of an earlier one may arrive late.
func responded(h *stream.Half, id uint8, t stream.Transport) bool {
	for _, m := range h.Marks {
		if code, _, got, _ := peek(h.Data[m.From:m.To], t); code == codeResponse && got == id {
			return true
		}
	}
	return false
}

// peek returns the code, the method and the identifier of the EAP packet in a
// datagram. hasID is false without such a packet; then an Accept counts as
// Success and a Reject as Failure.
func peek(b []byte, t stream.Transport) (code, method, id uint8, hasID bool) {
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
		id, hasID = p[1], true
	}
	if len(p) >= 5 && p[0] <= codeResponse {
		method = p[4]
	}
	return code, method, id, hasID
}
