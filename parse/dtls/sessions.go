package dtls

import (
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

// A Sessions tells the connections between one pair of endpoints apart. A
// ClientHello with another Random begins another connection (RFC 6347 section
// 4.2.8). The method Split is a stream.Splitter. The first connection of a pair
// has session 0, so application data of a pair with one connection cost one probe
// of a filter. A Sessions remembers the latest 16384 pairs, and the last 8
// connections of each. NewSessions makes one.
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
	at       [2]uint32 // by endpoint: the session of its last datagram
}

// An attempt is what is known of one connection.
type attempt struct {
	session uint32
	capwap  bool     // its datagrams have the CAPWAP DTLS header
	party   [2]party // by endpoint
}

// A party is what one endpoint has sent in one connection.
type party struct {
	hello    uint32 // hash of the Random in its ClientHello, 0 if none was seen
	answer   uint32 // hash of the Random in its ServerHello, 0 if none was seen
	cookie   uint32 // hash of the cookie in its ClientHello, 0 if there was none
	asked    uint32 // hash of the cookie in its HelloVerifyRequest or HelloRetryRequest, 0 if none was seen
	later    bool   // it sent more than hellos, so it has received an answer
	alerted  bool   // it sent an alert in the clear
	changed  bool   // it sent records under new keys
	records  prints
	messages outline
}

// SessionsCost is about how many bytes a full Sessions takes.
const SessionsCost = maxEndpoints * (maxAttempts*72 + 128)

// Within limits s to about this number of bytes. It is called before the first
// Split.
func (s *Sessions) Within(memory int64) {
	s.pairs = bounded.NewMap[uint64, *sharing](bounded.Fit(maxEndpoints, memory, SessionsCost))
}

// NewSessions returns a Sessions that has seen nothing.
func NewSessions() *Sessions {
	return &Sessions{pairs: bounded.NewMap[uint64, *sharing](maxEndpoints), seed: maphash.MakeSeed()}
}

// Split is a stream.Splitter. A hello belongs to the connection with the same
// Random. Any other datagram belongs to the connection in which its sender was
// last seen, or to the oldest one that waits for such an answer. A datagram does
// not belong to a connection in which its sender has used the same record number
// or message_seq for something else.
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
		if l.hello == 0 && l.answer == 0 && !l.verify && !l.later {
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
		a.capwap = l.capwap
		if len(x.attempts) > 1 {
			s.last = s.last%stream.MaxSession + 1
			a.session = s.last
			s.shared[d.Flow%sharedBits/64] |= 1 << (d.Flow % 64)
		}
	}
	a.party[from].learn(&l)
	x.at[from] = a.session
	return a.session, 0, lost
}

// learn notes what a datagram of the party shows.
func (p *party) learn(l *look) {
	if l.hello != 0 {
		p.hello = l.hello
	}
	if p.answer == 0 {
		p.answer = l.answer
	}
	if l.cookie != 0 {
		p.cookie = l.cookie
	}
	if p.asked == 0 {
		p.asked = l.asked
	}
	p.later = p.later || l.later || l.protected
	p.alerted, p.changed = p.alerted || l.alert, p.changed || l.protected
	for i, h := range l.records {
		if p.records[i] == 0 {
			p.records[i] = h
		}
	}
	for i, h := range l.messages {
		if p.messages[i] == 0 {
			p.messages[i] = h
		}
	}
}

// silent reports whether the party sent no hello.
func (p *party) silent() bool { return p.hello == 0 && p.answer == 0 }

// fits reports whether an endpoint can have sent a datagram in the connection:
// it has not used the record numbers, or the message_seq, for something else.
func (a *attempt) fits(from uint8, l *look) bool {
	if a.capwap != l.capwap {
		return false
	}
	p := &a.party[from]
	for i, h := range l.records {
		if h != 0 && p.records[i] != 0 && h != p.records[i] {
			return false
		}
	}
	for i, h := range l.messages {
		if h != 0 && p.messages[i] != 0 && h != p.messages[i] {
			return false
		}
	}
	return true
}

// of returns the connection of a datagram of an endpoint, nil for a new one.
func (x *sharing) of(from uint8, l *look) *attempt {
	if len(x.attempts) == 0 {
		return nil
	}
	switch {
	case l.hello != 0:
		return x.greeted(from, l)
	case l.answer != 0 || l.verify:
		return x.answered(from, l)
	}
	last := x.latest()
	if l.alert && last.party[from].answer == 0 && last.party[from^1].hello != 0 {
		if a := x.expect(from, l); a != nil {
			return a
		}
	}
	for i := range x.attempts {
		a := &x.attempts[i]
		p := &a.party[from]
		switch {
		case a.session != x.at[from] || p.silent() || !a.fits(from, l):
		case l.later && (p.changed || p.answer == 0 && a.party[from^1].silent()) && last.party[from].silent() && last.party[from^1].hello != 0 && last.fits(from, l):
			return last // the message overtook its ServerHello: in the other connection the endpoint has sent its Finished, or has no answer
		default:
			return a // the same connection as before
		}
	}
	if a := x.expect(from, l); a != nil {
		return a
	}
	for i := len(x.attempts) - 1; i >= 0; i-- {
		if a := &x.attempts[i]; a.fits(from, l) {
			return a
		}
	}
	return nil
}

// greeted returns the connection of a ClientHello: the one with the same Random,
// else the oldest after the endpoint's other ClientHellos in which only the
// server was seen.
func (x *sharing) greeted(from uint8, l *look) (found *attempt) {
	for i := len(x.attempts) - 1; i >= 0; i-- {
		a := &x.attempts[i]
		p := &a.party[from]
		if p.hello == l.hello && a.capwap == l.capwap {
			return a
		}
	}
	for i := len(x.attempts) - 1; i >= 0; i-- {
		a := &x.attempts[i]
		p := &a.party[from]
		if p.hello != 0 {
			break
		}
		peer := &a.party[from^1]
		if p.answer == 0 && !p.alerted && !(p.later && peer.changed) && peer.hello == 0 && a.fits(from, l) {
			found = a
		}
	}
	return found
}

// answered returns the connection of a ServerHello, a HelloRetryRequest or a
// HelloVerifyRequest: the one with the same Random or cookie, else one that waits
// for it.
func (x *sharing) answered(from uint8, l *look) *attempt {
	for i := len(x.attempts) - 1; i >= 0; i-- {
		a := &x.attempts[i]
		p, peer := &a.party[from], &a.party[from^1]
		if a.capwap == l.capwap && (l.answer != 0 && p.answer == l.answer || l.asked != 0 && (p.asked == l.asked || peer.cookie == l.asked)) {
			return a
		}
	}
	return x.expect(from, l)
}

// expect returns the connection of the next answer of an endpoint: the oldest in
// which the other endpoint has continued and the answer is missing, else the
// latest. It returns nil if the datagram fits neither. Then it begins a
// connection whose client's datagrams are late.
func (x *sharing) expect(from uint8, l *look) *attempt {
	for i := range x.attempts {
		a := &x.attempts[i]
		p, peer := &a.party[from], &a.party[from^1]
		if p.answer == 0 && peer.hello != 0 && peer.later && !p.later && a.waits(from, l) {
			return a
		}
	}
	for i := len(x.attempts) - 1; i >= 0; i-- {
		if a := &x.attempts[i]; a.capwap == l.capwap {
			if a.waits(from, l) {
				return a
			}
			break
		}
	}
	return nil
}

// waits reports whether an answer of an endpoint may belong to the connection.
func (a *attempt) waits(from uint8, l *look) bool {
	p, peer := &a.party[from], &a.party[from^1]
	switch {
	case !a.fits(from, l):
		return false
	case l.answer == 0 && !l.verify:
		return true // an alert
	case p.alerted, p.changed && !p.silent(), p.answer != 0 && l.answer != 0:
		return false
	}
	used := p.answer != 0 || p.asked != 0 && p.asked == peer.cookie
	return l.asked == 0 || !used
}

func (x *sharing) latest() *attempt { return &x.attempts[len(x.attempts)-1] }

// add adds a connection.
func (x *sharing) add() *attempt {
	if len(x.attempts) == maxAttempts {
		x.attempts = slices.Delete(x.attempts, 0, 1)
	}
	x.attempts = append(x.attempts, attempt{})
	return x.latest()
}
