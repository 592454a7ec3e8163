package eap

import "pfsight/capture/stream"

// A turns detects missing packets of a session by their identifiers. A Response has
// that of its Request, and a Success or Failure that of the last Response (RFC 3748
// sections 4.1 and 4.2). A RADIUS reply has the identifier of its request (RFC 2865
// section 3).
type turns struct {
	requests, responses       idSet
	tlsRequests, tlsResponses idSet // with a method that carries TLS
	flight                    bool  // tlsRequests has a Request that is not a start
	last                      uint8 // identifier of the last of tlsRequests
	next                      uint8 // identifier expected in the next Request
	skipped                   bool  // a Request had a later identifier, so packets are missing
	end                       uint8 // identifier of the Success or Failure
	ended, hasID              bool  // it was seen; it has an EAP identifier

	// RADIUS identifiers of the requests, and of the replies except those that
	// start a method.
	radiusRequests, radiusReplies idSet
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

// add records the EAP packet p of the datagram b.
func (t *turns) add(p *packet, b []byte, by stream.Transport) {
	if by == stream.UDP {
		if b[0] == accessRequest {
			t.radiusRequests.add(b[1])
		} else if !p.start {
			t.radiusReplies.add(b[1])
		}
	}
	switch p.code {
	case codeRequest:
		if step := p.id - t.next; !t.requests.empty() && step > 0 && step < maxMissing {
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
		t.ended, t.hasID, t.end = true, p.length > 0, p.id
	}
}

// lost reports by Dir in TLS whether a packet is missing. It reports false if a
// direction was not captured or a packet is truncated, because then a missing
// packet is no evidence.
func (t *turns) lost(c *stream.Conversation) (lost [2]bool) {
	a, b := &c.Half[0], &c.Half[1]
	if !a.Seen() || !b.Seen() || a.Cut || b.Cut {
		return lost
	}
	requests := t.tlsResponses.without(&t.requests)
	lost[stream.ToClient] = !requests.empty() || t.skipped
	responses := t.tlsRequests.without(&t.responses)
	if !t.ended {
		responses.remove(t.last) // its Response may follow
	}
	asked := t.radiusReplies.without(&t.radiusRequests)
	// Some authenticators increment the identifier for the end.
	last := !t.hasID || t.responses.has(t.end) || t.responses.has(t.end-1) && t.flight
	lost[stream.ToServer] = !responses.empty() || !asked.empty() || !last || t.skipped
	return lost
}
