package eap

import "pfsight/capture/stream"

// A turns finds out whether packets of a session were not seen. A Response has
// the identifier of its Request, and the end that of the last Response (RFC 3748
// sections 4.1 and 4.2); what the server of RADIUS says has the identifier of
// the packet that it answers (RFC 2865 section 3).
type turns struct {
	requests, responses       idSet
	tlsRequests, tlsResponses idSet // of a method that carries TLS
	flight                    bool  // a Request that is no start is among them
	last                      uint8 // identifier of the last of tlsRequests
	next                      uint8 // identifier of the next Request, as authenticators count
	skipped                   bool  // some of these were not seen
	end                       uint8 // identifier of the Success or Failure
	ended, named              bool  // it was seen; it has an identifier

	// Of RADIUS: what the NAS sent, and what was answered of it, but for the
	// answers that are the start of a method.
	asked, answered idSet
}

// An idSet is a set of identifiers.
type idSet [4]uint64

func (s *idSet) add(id uint8) { s[id>>6] |= 1 << (id & 63) }

func (s *idSet) remove(id uint8) { s[id>>6] &^= 1 << (id & 63) }

func (s *idSet) has(id uint8) bool { return s[id>>6]>>(id&63)&1 != 0 }

func (s *idSet) empty() bool { return s[0]|s[1]|s[2]|s[3] == 0 }

// without returns the identifiers of s that are not in o.
func (s *idSet) without(o *idSet) idSet {
	return idSet{s[0] &^ o[0], s[1] &^ o[1], s[2] &^ o[2], s[3] &^ o[3]}
}

// take takes the EAP packet p of the datagram b.
func (t *turns) take(p *packet, b []byte, by stream.Transport) {
	if by == stream.UDP {
		if b[0] == accessRequest {
			t.asked.add(b[1])
		} else if !p.start {
			t.answered.add(b[1])
		}
	}
	switch p.code {
	case codeRequest:
		if step := p.id - t.next; !t.requests.empty() && step > 0 && step < mostUnseen {
			t.skipped = true
		}
		if t.requests.empty() || int8(p.id-t.next) >= 0 {
			t.next = p.id + 1
		}
		t.requests.add(p.id)
		if p.tls {
			t.tlsRequests.add(p.id)
			t.last, t.flight = p.id, t.flight || !p.start
		}
	case codeResponse:
		t.responses.add(p.id)
		if p.tls {
			t.tlsResponses.add(p.id)
		}
	default:
		t.ended, t.named, t.end = true, p.length > 0, p.id
	}
}

// lost reports, by who speaks in TLS, whether a packet was sent that was not
// seen. Where one direction was not captured, or a packet was cut, nothing is
// claimed.
func (t *turns) lost(c *stream.Conversation) (lost [2]bool) {
	a, b := &c.Half[0], &c.Half[1]
	if !a.Seen() || !b.Seen() || a.Cut || b.Cut {
		return lost
	}
	requests := t.tlsResponses.without(&t.requests)
	lost[stream.ToClient] = !requests.empty() || t.skipped
	responses := t.tlsRequests.without(&t.responses)
	if !t.ended {
		responses.remove(t.last) // it may be under way
	}
	asked := t.answered.without(&t.asked)
	// Some authenticators count once more for the end.
	last := !t.named || t.responses.has(t.end) || t.responses.has(t.end-1) && t.flight
	lost[stream.ToServer] = !responses.empty() || !asked.empty() || !last || t.skipped
	return lost
}
