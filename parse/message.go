package parse

import (
	"fmt"

	"pfsight/capture/stream"
	"pfsight/parse/iana"
)

const messageHeader = 4

// A message is a handshake message, or the part of it that was seen.
type message struct {
	typ    uint8
	body   []byte // may be shorter than length
	length int    // in its header
	off    int    // of its header in the half
	end    int    // of its last byte in the half
	seen   int    // bytes of body before the first missing one

	// placed says that mark and split are set and need not be looked up in the
	// half.
	placed bool
	mark   stream.Mark
	split  bool
}

func (m *message) cut() bool { return len(m.body) < m.length }

// markOf returns the mark of the packet that completed m.
func (p *Parser) markOf(m *message) stream.Mark {
	if m.placed {
		return m.mark
	}
	return p.half.Completed(m.off, m.end)
}

// isSplit reports whether m came in more than one packet.
func (p *Parser) isSplit(m *message) bool {
	if m.placed {
		return m.split
	}
	return p.half.Split(m.off, m.end)
}

// nextMessage reads the header of a handshake message, RFC 8446 section 4.
func nextMessage(b []byte) (m message, s state) {
	if len(b) < messageHeader {
		return message{}, needMore
	}
	m = message{typ: b[0], length: int(b[1])<<16 | int(b[2])<<8 | int(b[3])}
	if m.length > maxMessage && !known(m.typ) {
		return m, notTLS
	}
	b = b[messageHeader:]
	if len(b) < m.length {
		m.body = b
		return m, needMore
	}
	m.body = b[:m.length:m.length]
	return m, have
}

// An assembler assembles handshake messages from record bodies. A message in one
// record is not copied.
type assembler struct {
	p     *Parser
	from  int  // start of the unfinished message in p.join
	start int  // offset of the unfinished message in the half
	open  bool // there is an unfinished message
	lost  bool // bytes of it were not seen
	seen  int  // if lost is set: the number of its bytes before those, with its header
	deaf  bool // the boundaries of messages are not known
}

// add adds the body of a handshake record, which is at [from, to) of the half.
func (a *assembler) add(b []byte, from, to int) {
	p := a.p
	missing := p.half.Missing(from, min(to, len(p.half.Data)))
	if a.deaf {
		// Assembly can continue at a record that begins with a known message of a
		// length that fits.
		if m, s := nextMessage(b); missing || s == notTLS || len(m.body) != m.length || m.length+messageHeader > len(b) || !known(m.typ) {
			return
		}
		a.deaf = false
	}
	at := 0
	for at < len(b) {
		if a.open {
			// Bytes of a message that began in an earlier record.
			got := len(p.join) - a.from
			want := messageHeader
			if got >= messageHeader {
				m, _ := nextMessage(p.join[a.from:])
				want = messageHeader + m.length
			}
			n := min(want-got, len(b)-at)
			if missing && p.half.Missing(from+at, from+at+n) {
				a.lose(got, from+at, from+at+n)
				if got < messageHeader {
					a.giveUp(from + at)
					return
				}
			}
			p.join = append(p.join, b[at:at+n]...)
			at += n
			if got+n < want {
				return
			}
			m, s := nextMessage(p.join[a.from:])
			if s == notTLS {
				a.giveUp(a.start)
				return
			}
			if s == have {
				a.emit(m, from+at)
			}
			continue
		}
		if missing && p.half.Missing(from+at, min(from+at+messageHeader, from+len(b))) {
			a.giveUp(from + at)
			return
		}
		m, s := nextMessage(b[at:])
		switch s {
		case notTLS:
			a.giveUp(from + at)
			return
		case have:
			a.start = from + at
			end := at + messageHeader + m.length
			if a.lost = false; missing && p.half.Missing(from+at, from+end) {
				a.lose(0, from+at, from+end)
			}
			a.emit(m, from+end)
			at = end
		default:
			a.open, a.start, a.from, a.lost = true, from+at, len(p.join), false
			if missing && p.half.Missing(from+at, from+len(b)) {
				a.lose(0, from+at, from+len(b))
			}
			p.join = append(p.join, b[at:]...)
			return
		}
	}
}

// lose notes that bytes of [from, to) in the half were not seen. The unfinished
// message has got bytes before them.
func (a *assembler) lose(got, from, to int) {
	if a.lost {
		return
	}
	a.lost = true
	for _, g := range a.p.half.Gaps {
		if g.To > from && g.From < to {
			a.seen = got + max(g.From-from, 0)
			return
		}
	}
}

func (a *assembler) emit(m message, end int) {
	a.open = false
	m.off, m.end = a.start, end
	if a.lost {
		m.seen = max(a.seen-messageHeader, 0)
		a.p.lost(m)
		return
	}
	a.p.message(m)
}

func (a *assembler) giveUp(off int) {
	a.p.problem(off, "handshake", "no message can begin here")
	a.open, a.deaf = false, true
}

// flush emits the seen part of an unfinished message.
func (a *assembler) flush() {
	if !a.open {
		return
	}
	a.open = false
	b := a.p.join[a.from:]
	if len(b) < messageHeader {
		a.p.began(b, a.start)
		return
	}
	m, s := nextMessage(b)
	if s == notTLS {
		return
	}
	m.off, m.end = a.start, len(a.p.half.Data)
	if a.lost {
		m.seen = max(a.seen-messageHeader, 0)
		a.p.lost(m)
		return
	}
	what := "cut"
	if m.length > maxMessage {
		what = fmt.Sprintf("its length, %d, is over the limit of %d", m.length, maxMessage)
	}
	a.p.problem(m.off, messageName(m.typ), what)
	a.p.message(m)
}

// began notes a message of which less than the header was seen.
func (p *Parser) began(b []byte, off int) {
	if len(b) == 0 {
		return
	}
	p.problem(off, messageName(b[0]), "cut")
	switch {
	case p.role == stream.ToServer:
		p.hs.ClientSeen = p.hs.ClientSeen || known(b[0])
	case known(b[0]):
		p.hs.ServerSeen = true
		p.hs.ServerHelloSeen = p.hs.ServerHelloSeen || b[0] == msgServerHello
	}
}

// lost notes a message with missing bytes. Its presence alone may be a fact.
func (p *Parser) lost(m message) {
	p.problem(m.off, messageName(m.typ), "bytes missing")
	if p.role == stream.ToServer {
		p.hs.ClientSeen = true
		switch m.typ {
		case msgCertificate:
			p.prefixOf(m)
			p.hs.ClientCertificatesSeen = true
		case msgClientKeyExchange:
			p.cke = ClientKeyExchange{Length: m.length}
			p.hs.ClientKeyExchange = &p.cke
		case msgClientHello:
			p.prefixOf(m)
		}
		return
	}
	p.hs.ServerSeen = true
	switch m.typ {
	case msgCertificate:
		p.prefixOf(m)
		p.hs.CertificatesSeen = true
	case msgServerKeyExchange:
		if p.prefixOf(m); p.hs.ServerKeyExchange == nil {
			p.ske = ServerKeyExchange{Unread: true}
			p.hs.ServerKeyExchange = &p.ske
		}
	case msgServerHello:
		p.hs.ServerHelloSeen = true
		p.prefixOf(m)
	}
}

// prefixOf reads a message up to its first missing byte.
func (p *Parser) prefixOf(m message) {
	if m.placed {
		p.message(m)
		return
	}
	if m.seen > 0 && m.seen < len(m.body) {
		m.body = m.body[:m.seen]
		p.message(m)
	}
}

func known(typ uint8) bool {
	switch typ {
	case msgClientHello, msgServerHello, msgNewSessionTicket, msgHelloRetryRequest, msgCertificate, msgServerKeyExchange,
		msgCertificateRequest, msgServerHelloDone, msgCertificateVerify, msgClientKeyExchange, msgCertificateStatus:
		return true
	}
	return false
}

func messageName(typ uint8) string {
	switch typ {
	case msgClientHello:
		return "client_hello"
	case msgServerHello:
		return "server_hello"
	case msgNewSessionTicket:
		return "new_session_ticket"
	case msgHelloRetryRequest:
		return "hello_retry_request"
	case msgCertificate:
		return "certificate"
	case msgServerKeyExchange:
		return "server_key_exchange"
	case msgCertificateRequest:
		return "certificate_request"
	case msgServerHelloDone:
		return "server_hello_done"
	case msgCertificateVerify:
		return "certificate_verify"
	case msgClientKeyExchange:
		return "client_key_exchange"
	case msgCertificateStatus:
		return "certificate_status"
	}
	return "handshake"
}

// readRecords reads the records of one half, whose sender has this role.
func (p *Parser) readRecords(in records, role stream.Dir) {
	h, off := in.half, in.from
	p.half, p.role = h, role
	a := assembler{p: p}
	if off = p.sslv2(h, off); p.hs.ServerHello != nil && p.hs.ServerHello.LegacyVersion == iana.SSL20 {
		return
	}
	ccs := false
	for {
		if h.Missing(off, min(off+recordHeader, len(h.Data))) {
			break
		}
		r, s := nextRecord(h.Data, off)
		if s != have {
			if s == notTLS && off > in.from {
				p.problem(off, "record", "no record begins here")
			}
			break
		}
		off = r.to
		body := h.Data[r.from:min(r.to, len(h.Data))]
		switch r.typ {
		case recHandshake:
			typ, whole := plainMessage(body)
			whole = whole && !h.Missing(r.from, r.from+messageHeader)
			if ccs && !p.isTLS13() && !(whole && (typ == msgClientHello || typ == msgServerHello)) {
				p.enc[role] = keep(p.enc[role], r)
				break
			}
			a.add(body, r.from, r.to)
		case recCCS:
			ccs = true
			if role == stream.ToServer {
				p.hs.ClientCCS = true
			} else {
				p.hs.ServerCCS = true
			}
		case recAlert:
			p.readAlert(r, body, ccs)
		case recData:
			p.data[role] = keep(p.data[role], r)
		}
	}
	a.flush()
}

// isTLS13 reports whether the server chose TLS 1.3. There the outer type of
// encrypted records is application data, so a handshake record is always in the
// clear.
func (p *Parser) isTLS13() bool {
	return p.hs.RetryRequest != nil || p.hs.ServerHello != nil && p.hs.ServerHello.Version().IsTLS13()
}

// keepRecords is the number of records after the handshake that are kept.
const keepRecords = maxEarly + 4

func keep(list []record, r record) []record {
	if len(list) < keepRecords {
		list = append(list, r)
	}
	return list
}

// maxPlainAlert is the length of the longest record of alerts in the clear.
// TLS 1.2 does not forbid several in one record. An encrypted alert has 18 bytes
// or more.
const maxPlainAlert = 8

// readAlert reads an alert, RFC 8446 section 6. After the keys changed its
// content is not known.
func (p *Parser) readAlert(r record, body []byte, ccs bool) {
	packet := p.half.Completed(r.off, r.to).Packet
	// If the ChangeCipherSpec was not seen, the length shows that it is encrypted.
	if ccs && !p.isTLS13() && len(body) != 2 || r.to-r.from > maxPlainAlert {
		p.alert(Alert{From: p.role, Encrypted: true, Packet: packet})
		return
	}
	if len(body) < 2 || p.half.Missing(r.from, r.from+2) {
		p.problem(r.off, "alert", "cut")
		return
	}
	p.alert(Alert{From: p.role, Fatal: body[0] == 2, Code: iana.Alert(body[1]), Packet: packet})
}
