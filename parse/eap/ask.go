package eap

import "pfsight/capture/stream"

// Bits of stream.Note.State.
const (
	noteTLS = 1 << iota // a packet of a method that carries TLS was seen in this direction
)

// Ask is the stream.Asker of a session of EAP in RADIUS or EAPOL. It looks at
// each datagram once, and has enough when the session ended with a Success or
// a Failure, or with an Accept or a Reject around none.
func Ask(c *stream.Conversation, d stream.Dir) stream.Verdict {
	h, other := &c.Half[d], &c.Half[d.Opposite()]
	for int(h.Note.Aux) < len(h.Marks) {
		m := h.Marks[h.Note.Aux]
		h.Note.Aux++
		h.Note.Offset = int(m.To)
		h.Want = int(m.To) + 1
		code, method := glance(h.Data[m.From:m.To], c.Transport)
		switch method {
		case typeTLS, typeTTLS, typePEAP, typeFAST, typeTEAP, typeExpanded:
			h.Note.State |= noteTLS
		}
		if code == Success || code == Failure {
			if (h.Note.State|other.Note.State)&noteTLS == 0 {
				return stream.Refuse
			}
			return stream.Enough
		}
	}
	return stream.More
}

// glance returns the code and the method of the EAP packet in a datagram; the
// code of an Accept or a Reject without one is that of what it says.
func glance(b []byte, t stream.Transport) (code, method uint8) {
	var p []byte
	if t == stream.EAPOL {
		p = eapol(b)
	} else {
		if !isRADIUS(b) {
			return 0, 0
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
	if len(p) >= 5 && p[0] <= codeResponse {
		method = p[4]
	}
	return code, method
}
