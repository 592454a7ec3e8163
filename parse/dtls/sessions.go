package dtls

import (
	"encoding/binary"
	"hash/maphash"
	"slices"

	"pfsight/capture/stream"
	"pfsight/parse/bounded"
)

// Limits of a Sessions.
const (
	maxEndpoints = 1 << 14 // pairs of endpoints that are remembered
	maxAttempts  = 8       // connections of one of them
	sharedBits   = 1 << 16 // size of the filter of pairs with several connections
	maxLooked    = 8       // records of a datagram that are looked at
)

// A Sessions tells apart the connections between one pair of endpoints: a
// ClientHello with another Random begins another one (RFC 6347 section 4.2.8).
// Its method Split is a stream.Splitter. The first connection of a pair has
// session 0, so the application data of a pair with one connection cost one
// probe of a filter. A Sessions remembers the latest 16384 pairs, and of each
// the last 8 connections. NewSessions makes one.
type Sessions struct {
	pairs  *bounded.Map[uint64, *sharing] // by Datagram.Flow
	shared [sharedBits / 64]uint64        // by the low bits of Datagram.Flow: the pair may have several connections
	last   uint32
	seed   maphash.Seed
}

// A sharing is the connections of one pair of endpoints, in order of their
// first datagram.
type sharing struct {
	attempts []attempt
	at       [2]uint32 // by endpoint: the session of what it said last
}

// An attempt is what is known of one connection, by endpoint. Both endpoints
// may send a ClientHello, in WebRTC, until one gives way.
type attempt struct {
	session uint32
	hello   [2]uint64 // hash of the Random in its ClientHello, 0 if none was seen
	answer  [2]uint64 // hash of the Random in its ServerHello, 0 if none was seen
	later   [2]bool   // it said more than hellos: it has what the other one answered
	over    [2]bool   // it said something under new keys, or an alert
	cookie  [2]bool   // its ClientHello had a cookie
	verify  [2]bool   // it sent a HelloVerifyRequest or a HelloRetryRequest
	asked   [2]uint64 // hash of that, 0 if none with a cookie was seen
}

// SessionsCost is about what a Sessions takes when it is full, bytes.
const SessionsCost = maxEndpoints * (maxAttempts*72 + 128)

// Within has s remember less, so that it takes no more than about so many
// bytes. It is called before the first Split.
func (s *Sessions) Within(memory int64) {
	s.pairs = bounded.NewMap[uint64, *sharing](bounded.Fit(maxEndpoints, memory, SessionsCost))
}

// NewSessions returns a Sessions that has seen nothing.
func NewSessions() *Sessions {
	return &Sessions{pairs: bounded.NewMap[uint64, *sharing](maxEndpoints), seed: maphash.MakeSeed()}
}

// A look is what Split sees of a datagram.
type look struct {
	hello, answer uint64 // hash of a Random, 0 if there is none
	cookie        bool   // the ClientHello has one
	verify        bool   // a HelloVerifyRequest or a HelloRetryRequest
	asked         uint64 // hash of that, 0 if it has no cookie
	later         bool   // another message of epoch 0 or a ChangeCipherSpec
	alert         bool   // an alert of epoch 0
	protected     bool   // a later epoch, application data aside
	data          bool   // what is application data
}

// Split is a stream.Splitter. It takes the datagrams of an endpoint to be of
// the connection that its last hello is of. The server's datagrams may come
// later than the client's next ClientHello: then a ServerHello is of the oldest
// connection in which the client has gone on without one, else of the latest.
func (s *Sessions) Split(d *stream.Datagram) (session uint32, dir stream.Dir, lost bool) {
	if d.Transport != stream.UDP {
		return 0, 0, false
	}
	l, ok := s.look(d.Data)
	if !ok || l.data && s.shared[d.Flow%sharedBits/64]&(1<<(d.Flow%64)) == 0 {
		return 0, 0, false
	}
	x, _ := s.pairs.Get(d.Flow)
	if x == nil {
		if l.hello == 0 && l.answer == 0 && !l.verify {
			return 0, 0, false
		}
		x = new(sharing)
		if old, gone := s.pairs.Put(d.Flow, x); gone {
			lost = len(old.attempts) > 1
		}
	}
	from := d.From & 1
	a := x.of(from, &l)
	if a == nil {
		a = x.add()
		if len(x.attempts) > 1 {
			s.last = s.last%stream.MaxSession + 1
			a.session = s.last
			s.shared[d.Flow%sharedBits/64] |= 1 << (d.Flow % 64)
		}
	}
	if l.hello != 0 {
		a.hello[from] = l.hello
	}
	if l.answer != 0 && a.answer[from] == 0 {
		a.answer[from] = l.answer
	}
	a.cookie[from] = a.cookie[from] || l.hello != 0 && l.cookie
	a.verify[from] = a.verify[from] || l.verify
	if l.asked != 0 && a.asked[from] == 0 {
		a.asked[from] = l.asked
	}
	a.later[from] = a.later[from] || l.later || l.protected
	a.over[from] = a.over[from] || l.protected || l.alert
	x.at[from] = a.session
	return a.session, 0, lost
}

// of returns the connection that what an endpoint said is of, nil for one that
// was not seen before.
func (x *sharing) of(from uint8, l *look) *attempt {
	if len(x.attempts) == 0 {
		return nil
	}
	last, to := &x.attempts[len(x.attempts)-1], from^1
	switch {
	case l.hello != 0:
		for i := range x.attempts {
			if a := &x.attempts[i]; a.hello[from] == l.hello {
				return a
			}
		}
		switch {
		case last.hello[from] == 0 && !last.over[from]:
			return last // the other one's datagrams come first
		case l.cookie && last.answer[to] == 0:
			return last
		}
		return nil
	case l.answer != 0:
		for i := range x.attempts {
			if a := &x.attempts[i]; a.answer[from] == l.answer {
				return a
			}
		}
		fallthrough
	case l.verify:
		a := x.expect(from)
		if l.verify && a.cookie[to] && !a.verify[from] {
			return a // which was overtaken by what followed it
		}
		switch {
		case l.asked != 0 && a.answer[from] != 0, a.over[from] && (a.answer[from] != 0 || a.hello[from] != 0):
			return x.verified(from, l.asked) // or the client's datagrams come later
		}
		return a
	case l.alert && last.answer[from] == 0 && last.hello[to] != 0:
		return x.expect(from)
	}
	// What goes on with what was said before.
	for i := range x.attempts {
		if a := &x.attempts[i]; a.session == x.at[from] && (a.hello[from] != 0 || a.answer[from] != 0) {
			return a
		}
	}
	return x.expect(from)
}

// verified returns the latest connection in which an endpoint sent the
// HelloVerifyRequest or HelloRetryRequest with this hash before, nil if there is
// none. A cookie is of one ClientHello (RFC 6347 section 4.2.1).
func (x *sharing) verified(from uint8, asked uint64) *attempt {
	for i := len(x.attempts) - 1; asked != 0 && i >= 0; i-- {
		if a := &x.attempts[i]; a.asked[from] == asked {
			return a
		}
	}
	return nil
}

// expect returns the connection that the next ServerHello of an endpoint is of.
func (x *sharing) expect(from uint8) *attempt {
	last, to := &x.attempts[len(x.attempts)-1], from^1
	for i := range x.attempts {
		if a := &x.attempts[i]; a.answer[from] == 0 && a.hello[to] != 0 && a.later[to] && !a.over[from] {
			return a
		}
	}
	return last
}

// add adds a connection.
func (x *sharing) add() *attempt {
	if len(x.attempts) == maxAttempts {
		x.attempts = slices.Delete(x.attempts, 0, 1)
	}
	x.attempts = append(x.attempts, attempt{})
	return &x.attempts[len(x.attempts)-1]
}

// look reads the records of a datagram as far as Split needs it.
func (s *Sessions) look(b []byte) (l look, ok bool) {
	off := 0
	if isCapwap(b) {
		off = capwapHeader
	}
	if len(b) < off+recordHeader || b[off] < RecordChangeCipherSpec || b[off] > 63 {
		return l, false
	}
	for n := 0; n < maxLooked && off < len(b); n++ {
		r, st := nextRecord(b, off, -1)
		if st != have {
			break
		}
		ok = true
		switch {
		case r.typ == RecordUnified:
			l.protected = l.protected || r.epoch == 2 // the handshake
			l.data = l.data || r.epoch != 2
			return l, true
		case r.hasCID:
			l.data = true
			return l, true
		case r.epoch != 0:
			l.protected = l.protected || r.typ != RecordApplicationData
			l.data = l.data || r.typ == RecordApplicationData
		case r.typ == RecordHandshake:
			s.message(&l, b[min(r.from, len(b)):min(r.to, len(b))])
		case r.typ == RecordAlert:
			l.alert = true
		case r.typ == RecordChangeCipherSpec:
			l.later = true
		}
		off = r.to
	}
	l.data = l.data && l.hello == 0 && l.answer == 0 && !l.verify && !l.later && !l.alert && !l.protected
	return l, ok
}

// Bytes of a hello before its session_id: version and Random.
const helloHead = 2 + 32

// retryRandom is the Random of a HelloRetryRequest, RFC 8446 section 4.1.3.
const retryRandom = "\xCF\x21\xAD\x74\xE5\x9A\x61\x11\xBE\x1D\x8C\x02\x1E\x65\xB8\x91" +
	"\xC2\xA2\x11\x16\x7A\xBB\x8C\x5E\x07\x9E\x09\xE2\xC8\xA8\x33\x9C"

// message looks at the first fragment of a record of epoch 0.
func (s *Sessions) message(l *look, b []byte) {
	if len(b) < messageHeader {
		return
	}
	f, ok := readFragment(b)
	if !ok {
		return
	}
	body := b[messageHeader:]
	whole := f.off == 0 && len(body) >= helloHead
	switch f.typ {
	case TypeClientHello:
		if whole && l.hello == 0 {
			l.hello = maphash.Bytes(s.seed, body[2:helloHead]) | 1
			c := skipVector(body[helloHead:], 1)
			l.cookie = f.seq > 0 || len(c) > 0 && c[0] > 0
		}
	case TypeServerHello:
		switch {
		case whole && string(body[2:helloHead]) == retryRandom:
			l.verify = true
			if m := (Message{Type: f.typ, Body: body[:min(f.len, len(body))]}); f.len == f.length && hasCookie(&m) {
				l.asked = maphash.Bytes(s.seed, m.Body) | 1
			}
		case whole && l.answer == 0:
			l.answer = maphash.Bytes(s.seed, body[2:helloHead]) | 1
		}
	case TypeHelloVerifyRequest:
		l.verify = true
		if f.len == f.length && len(body) >= f.len {
			l.asked = maphash.Bytes(s.seed, body[:f.len]) | 1
		}
	default:
		l.later = true
	}
}

// hasCookie reports whether a hello has the extension cookie, RFC 8446 section
// 4.2.2.
func hasCookie(m *Message) bool {
	const extCookie = 44
	ext := extensions(m)
	for len(ext) >= 4 {
		if binary.BigEndian.Uint16(ext) == extCookie {
			return true
		}
		ext = skipVector(ext[2:], 2)
	}
	return false
}
