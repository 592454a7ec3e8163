package dtls

import (
	"encoding/binary"
	"slices"

	"pfsight/capture/stream"
)

// finish makes an Opening from what was read.
func (r *Reader) finish() *Opening {
	for d := range r.side {
		s := &r.side[d]
		s.Missing = !r.c.Half[d].Cut && (s.numbers.missing() || s.numbers.hello != 0 && s.numbers.ccs == 0 && s.protected())
		s.Messages, r.arena = s.messages(s.Messages, r.c.Half[d].Data, r.arena, func(off int) {
			s.problem(off, "handshake", "a repeated fragment with other bytes; the first are kept")
		})
	}
	r.identified()
	client, server := &r.side[0], &r.side[1]
	swap, known := speaksAsServer(&client.Side, &server.Side)
	if swap {
		r.o.Swapped = true
		client, server = server, client
	}
	if !known { // either side sends a Certificate
		for d := range r.side {
			s := &r.side[d]
			s.Messages = slices.DeleteFunc(s.Messages, func(m Message) bool { return m.Type == typeCertificate })
		}
	}
	seen := false
	for role, s := range [2]*side{client, server} {
		r.o.Said[role] = s.Side
		seen = seen || len(s.Versions) > 0 || s.protected()
		for _, p := range s.problems {
			p.From = stream.Dir(role)
			r.o.Problems = append(r.o.Problems, p)
		}
	}
	if !seen {
		return nil
	}
	return &r.o
}

// speaksAsServer reports whether a is the server, and whether any message shows
// it. In WebRTC both may send a ClientHello until one gives way; the one that
// answers is the server.
func speaksAsServer(a, b *Side) (yes, known bool) {
	as, bs := a.has(TypeServerHello, TypeHelloVerifyRequest), b.has(TypeServerHello, TypeHelloVerifyRequest)
	if as != bs {
		return as, true
	}
	fromServer := []uint8{typeServerKeyExchange, typeCertificateRequest, typeServerHelloDone, typeNewSessionTicket}
	fromClient := []uint8{TypeClientHello, typeClientKeyExchange, typeCertificateVerify}
	is, not := a.has(fromServer...) || b.has(fromClient...), b.has(fromServer...) || a.has(fromClient...)
	return is && !not, as || is || not
}

func (s *Side) has(types ...uint8) bool {
	return slices.ContainsFunc(s.Messages, func(m Message) bool { return slices.Contains(types, m.Type) })
}

// identified reads the records with a connection ID, after the hellos, which show
// its length: each side chooses the connection ID of the packets to it (RFC 9146
// section 3).
func (r *Reader) identified() {
	for _, p := range r.pending {
		s := &r.side[p.d]
		b := r.c.Half[p.d].Data[:p.to]
		cid, known := chosenID(r.side[p.d.Opposite()].Messages)
		if !known {
			cid = guessID(b, p.from)
		}
		if cid < 0 {
			rec, _ := nextRecord(b, p.from, -1)
			s.keep(rec, p.from, -1, nil, p.mark)
			continue
		}
		for off, first := p.from, true; off < len(b); first = false {
			rec, st := nextRecord(b, off, cid)
			if st != have {
				s.problem(off, "record.cid", r.why(p.d, st))
				break
			}
			if rec.to > len(b) {
				s.problem(off, "record.length", r.why(p.d, cut))
			}
			var id []byte
			if rec.hasCID {
				if rec.typ == RecordCID {
					id = b[off+11 : off+11+rec.cid : off+11+rec.cid]
				} else {
					id = b[off+1 : off+1+rec.cid : off+1+rec.cid]
				}
				if s.ConnectionID == nil {
					s.ConnectionID = id
				}
			}
			if first {
				s.keep(rec, off, rec.to-rec.from, id, p.mark)
			} else if rec.hasCID || rec.epoch != 0 {
				s.count(rec, p.mark)
				s.keep(rec, off, rec.to-rec.from, id, p.mark)
			}
			off = rec.to
		}
	}
}

// guessID returns the shortest length of connection ID with which the records
// from off on fill their datagram b, -1 if there is none or if the header has no
// length.
func guessID(b []byte, off int) int {
	if b[off]>>5 == 1 && b[off]&0x14 == 0x10 {
		return -1
	}
	for n := 0; n <= 255; n++ {
		for at := off; ; {
			r, s := nextRecord(b, at, n)
			if s == have && r.to == len(b) {
				return n
			}
			if s != have || r.to > len(b) {
				break
			}
			at = r.to
		}
	}
	return -1
}

// Extensions with a connection ID: RFC 9146 section 3, and that of its drafts.
const (
	extConnectionID      = 54
	extConnectionIDDraft = 53
)

// chosenID returns the length of the connection ID in the last of the hellos.
func chosenID(messages []Message) (n int, ok bool) {
	for i := range messages {
		ext := extensions(&messages[i])
		for len(ext) >= 4 {
			typ, size := binary.BigEndian.Uint16(ext), int(binary.BigEndian.Uint16(ext[2:]))
			ext = ext[4:]
			if size > len(ext) {
				break
			}
			if (typ == extConnectionID || typ == extConnectionIDDraft) && size > 0 && int(ext[0]) == size-1 {
				n, ok = size-1, true
			}
			ext = ext[size:]
		}
	}
	return n, ok
}

// extensions returns the extensions of a hello as far as they were seen.
func extensions(m *Message) []byte {
	b := skip(m.Body, 34)
	switch m.Type {
	case TypeClientHello:
		b = skipVector(skipVector(skipVector(skipVector(b, 1), 1), 2), 1)
	case TypeServerHello:
		b = skip(skipVector(b, 1), 3)
	default:
		return nil
	}
	return skip(b, 2)
}

func skip(b []byte, n int) []byte { return b[min(n, len(b)):] }

// skipVector skips a vector whose length field has size bytes.
func skipVector(b []byte, size int) []byte {
	if len(b) < size {
		return nil
	}
	n := int(b[0])
	if size == 2 {
		n = n<<8 | int(b[1])
	}
	return skip(b, size+n)
}
