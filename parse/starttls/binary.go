package starttls

import (
	"bytes"
	"encoding/binary"
)

// Phases of the layers in this file, of tds.go and of websocket.go.
const (
	first    = iota
	switched // TLS was requested or granted; nothing else may follow
)

// Codes of PostgreSQL's first message, which has no type byte.
const (
	pgSSLRequest    = 80877103
	pgGSSENCRequest = 80877104
)

// postgres reads SSLRequest, GSSENCRequest or the letter that is the response.
func (w *walker) postgres() result {
	if w.phase == switched {
		return w.onlyTLS()
	}
	b := w.rest()
	if w.dir == dirServer {
		switch b[0] {
		case 'S':
			w.phase = switched
		case 'N':
		default:
			return no
		}
		return w.pass(1)
	}
	if len(b) < 8 {
		return w.need(8)
	}
	if binary.BigEndian.Uint32(b) != 8 {
		return no
	}
	switch binary.BigEndian.Uint32(b[4:]) {
	case pgSSLRequest:
		w.phase = switched
	case pgGSSENCRequest:
	default:
		return no
	}
	return w.pass(8)
}

const (
	mysqlClientSSL = 0x800 // CLIENT_SSL, a capability
	// minGreeting is less than the length of any MySQL greeting. Text does not
	// begin with a byte below it.
	minGreeting = 0x20
)

// mysql reads the server's greeting or the client's SSLRequest.
func (w *walker) mysql() result {
	if w.phase == switched {
		return w.onlyTLS()
	}
	b := w.rest()
	if len(b) < 6 {
		return w.need(6)
	}
	n := 4 + int(b[0]) + int(b[1])<<8 + int(b[2])<<16
	if w.dir == dirClient && (n != 36 || b[3] != 1 || binary.LittleEndian.Uint16(b[4:])&mysqlClientSSL == 0) || n > maxPacket {
		return no
	}
	if len(b) < n {
		return w.need(n)
	}
	w.phase = switched
	return w.pass(n)
}

// X.224 TPDUs and structures of MS-RDPBCGR sections 2.2.1.1 and 2.2.1.2.
const (
	x224Request  = 0xe0
	x224Confirm  = 0xd0
	rdpNegReq    = 1
	rdpNegRsp    = 2
	rdpNegLen    = 8
	rdpFixedPart = 11 // TPKT header and fixed part of the TPDU
)

// rdp reads the X.224 connection request or confirm.
func (w *walker) rdp() result {
	if w.phase == switched {
		return w.onlyTLS()
	}
	b := w.rest()
	if len(b) < 6 {
		return w.need(6)
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	kind := byte(x224Request)
	if w.dir == dirServer {
		kind = x224Confirm
	}
	if b[0] != 3 || n < rdpFixedPart+rdpNegLen || n > maxPacket || b[5]&0xf0 != kind {
		return no
	}
	if len(b) < n {
		return w.need(n)
	}
	v := b[rdpFixedPart:n]
	want := byte(rdpNegRsp)
	if w.dir == dirClient {
		want = rdpNegReq
		// A routing token or cookie is a line.
		if i := bytes.Index(v, []byte("\r\n")); i >= 0 && v[0] != rdpNegReq {
			v = v[i+2:]
		}
	}
	// A zero set of protocols means the standard RDP security, without TLS.
	if len(v) < rdpNegLen || v[0] != want || binary.LittleEndian.Uint32(v[4:]) == 0 {
		return no
	}
	w.phase = switched
	return w.pass(n)
}

// amqpTLS is the protocol header of AMQP 1.0 that requests TLS, and that grants it,
// OASIS AMQP 1.0 part 5 section 2.1.
const amqpTLS = "AMQP\x02\x01\x00\x00"

// amqp reads a protocol header.
func (w *walker) amqp() result {
	if w.phase == switched {
		return w.onlyTLS()
	}
	b := w.rest()
	n := len(amqpTLS)
	if len(b) < n {
		return w.need(n)
	}
	if string(b[:n]) != amqpTLS {
		return no
	}
	w.phase = switched
	return w.pass(n)
}

// BER tags of LDAP, RFC 4511 appendix B.
const (
	ldapBind           = 0x60
	ldapBindResponse   = 0x61
	ldapUnbind         = 0x42
	ldapSearch         = 0x63
	ldapSearchEntry    = 0x64
	ldapSearchDone     = 0x65
	ldapSearchRef      = 0x73
	ldapAbandon        = 0x50
	ldapExtended       = 0x77
	ldapExtResponse    = 0x78
	ldapIntermediate   = 0x79
	ldapSimple         = 0x80 // authentication, [0]
	ldapRequestName    = 0x80 // [0]
	ldapStartTLS       = "1.3.6.1.4.1.1466.20037"
	berInteger         = 0x02
	berOctets          = 0x04
	berSequence        = 0x30
	berMaxLengthLength = 4
)

// element reads the header of a BER element. The contents are [from, to), which may
// exceed b. LDAP requires definite lengths, but not their shortest form.
func element(b []byte) (tag byte, from, to int, r result) {
	if len(b) < 2 {
		return 0, 0, 2, more
	}
	n := int(b[1])
	from = 2
	if n&0x80 != 0 {
		k := n & 0x7f
		if k == 0 || k > berMaxLengthLength {
			return 0, 0, 0, no
		}
		if from += k; len(b) < from {
			return 0, 0, from, more
		}
		n = 0
		for _, c := range b[2:from] {
			n = min(n<<8|int(c), 1<<24)
		}
	}
	return b[0], from, from + n, next
}

// inner reads an element that must be complete in b, and returns the rest of b.
func inner(b []byte) (tag byte, v, rest []byte, ok bool) {
	tag, from, to, r := element(b)
	if r != next || to > len(b) {
		return 0, nil, nil, false
	}
	return tag, b[from:to], b[to:], true
}

// ldap reads one LDAPMessage.
func (w *walker) ldap() result {
	if w.phase == switched {
		// Responses to earlier requests may follow.
		if r := w.record(); r != next {
			return r
		}
	}
	b := w.rest()
	if b[0] != berSequence {
		return no
	}
	_, from, to, r := element(b)
	if r == more {
		return w.need(to)
	}
	if r == no || to > maxPacket {
		return no
	}
	if len(b) < to {
		return w.need(to)
	}
	tag, id, body, ok := inner(b[from:to])
	if !ok || tag != berInteger || len(id) > 4 {
		return no
	}
	op, v, _, ok := inner(body)
	if !ok {
		return no
	}
	if w.dir == dirServer {
		switch op {
		case ldapExtResponse:
			w.phase = switched
		case ldapBindResponse, ldapSearchEntry, ldapSearchDone, ldapSearchRef, ldapIntermediate:
		default:
			return no
		}
		return w.pass(to)
	}
	switch op {
	case ldapExtended:
		if tag, name, _, ok := inner(v); ok && tag == ldapRequestName && string(name) == ldapStartTLS {
			w.phase = switched
		}
	case ldapBind:
		if !anonymousBind(v) {
			return no
		}
	case ldapSearch, ldapUnbind, ldapAbandon:
	default:
		return no
	}
	return w.pass(to)
}

// anonymousBind reports whether a BindRequest has no credentials. TLS does not
// follow one with credentials.
func anonymousBind(v []byte) bool {
	tag, _, v, ok := inner(v)
	if !ok || tag != berInteger {
		return false
	}
	tag, _, v, ok = inner(v)
	if !ok || tag != berOctets {
		return false
	}
	tag, password, _, ok := inner(v)
	return ok && tag == ldapSimple && len(password) == 0
}
