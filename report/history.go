package report

import (
	"encoding/binary"
	"hash/maphash"

	"pfsight/parse"
	"pfsight/report/secrecy"
)

// Limits of what a History remembers; the oldest make room.
const (
	maxSessions  = 1 << 16 // names of sessions
	maxEphemeral = 1 << 16 // ephemeral public values
	maxTicketKey = 1 << 14 // names of ticket keys
)

// ticketKeyLife is how long one ticket key is used at the most by those who
// rotate them, nanoseconds.
const ticketKeyLife = 24 * 3600 * 1e9

// A History tells of a connection what only those before it show: the
// connection that made the session which it resumes, an ephemeral value that
// was used before, a ticket key that is old. One goroutine uses it.
//
// Resumptions of TLS <= 1.2 are known by the bytes of the session ID or of the
// ticket. In TLS 1.3 the ticket is encrypted where it is issued, so nothing
// can be joined.
type History struct {
	seed      maphash.Seed
	sessions  recent[uint64, Session]
	ephemeral recent[KeyID, uint64] // the random of the first hello with it
	tickets   recent[string, int64] // when it was first seen
}

// A Session is the connection that made a session.
type Session struct {
	Time           int64  // of its first packet
	Packet         uint64 // of its ServerHello
	Source         string
	ForwardSecrecy secrecy.Verdict
}

// NewHistory returns a History that remembers nothing yet.
func NewHistory() *History {
	return &History{
		seed:     maphash.MakeSeed(),
		sessions: newRecent[uint64, Session](maxSessions), ephemeral: newRecent[KeyID, uint64](maxEphemeral), tickets: newRecent[string, int64](maxTicketKey),
	}
}

// Join notes in r what those before it tell, and remembers r. Rows are to be
// given in the order of the capture.
func (s *History) Join(r *Connection) {
	s.joinSession(r)
	if r.EphemeralKey != (KeyID{}) {
		// The same handshake seen on both sides of a translator of addresses
		// is no second use.
		if random, ok := s.ephemeral.get(r.EphemeralKey); !ok {
			s.ephemeral.add(r.EphemeralKey, r.random)
		} else if random != r.random {
			r.Reasons.Add(secrecy.ReusedEphemeralKey)
		}
	}
	if r.TicketKey != "" {
		if r.Time == 0 {
			// It does not tell how old the key is.
		} else if first, ok := s.tickets.get(r.TicketKey); !ok {
			s.tickets.add(r.TicketKey, r.Time)
		} else if r.Time-first > ticketKeyLife {
			r.Reasons.Add(secrecy.TicketKeyUnrotated)
		}
	}
}

// sessionNames are hashes of the names of a session; 0 is none.
type sessionNames struct {
	id, ticket uint64 // made or renewed by the connection
	resumed    uint64 // taken up by it
}

// joinSession notes the session that r made and, if r resumed one that is
// known, notes in r which connection made that.
func (s *History) joinSession(r *Connection) {
	made := Session{r.Time, r.ServerHelloPacket, r.Source, r.ForwardSecrecy}
	if r.session.resumed != 0 {
		origin, ok := s.sessions.get(r.session.resumed)
		if !ok {
			return
		}
		r.Session, r.HasSession = origin, true
		made = origin // a ticket that is renewed carries the same keys
	}
	for _, name := range [2]uint64{r.session.id, r.session.ticket} {
		if name != 0 {
			s.sessions.put(name, made)
		}
	}
}

// recent remembers the values of the keys that came last.
type recent[K comparable, V any] struct {
	values map[K]V
	ring   []K // in the order in which they came
	next   int
	limit  int
}

func newRecent[K comparable, V any](limit int) recent[K, V] {
	return recent[K, V]{values: map[K]V{}, limit: limit}
}

func (m *recent[K, V]) get(k K) (V, bool) { v, ok := m.values[k]; return v, ok }

func (m *recent[K, V]) put(k K, v V) {
	if _, ok := m.values[k]; !ok {
		m.add(k, v)
		return
	}
	m.values[k] = v
}

// add puts what is not there yet.
func (m *recent[K, V]) add(k K, v V) {
	if len(m.ring) < m.limit {
		m.ring = append(m.ring, k)
	} else {
		delete(m.values, m.ring[m.next])
		m.ring[m.next] = k
		m.next = (m.next + 1) % m.limit
	}
	m.values[k] = v
}

// sessionNames finds the names of the sessions that a handshake made or took up.
func (b *Builder) sessionNames(r *Connection, h *parse.Handshake) {
	sh := h.ServerHello
	if b.history == nil || sh == nil {
		return
	}
	if len(sh.Random) >= 16 {
		// Its first bytes may be the time, and its last ones are the same
		// wherever TLS 1.3 was not agreed on, RFC 8446 section 4.1.3.
		r.random = binary.BigEndian.Uint64(sh.Random[8:])
	}
	if r.Version.IsTLS13() {
		return
	}
	hash := func(name []byte) uint64 {
		if len(name) == 0 {
			return 0
		}
		return maphash.Bytes(b.history.seed, name) | 1
	}
	if h.Ticket != nil {
		r.session.ticket = hash(h.Ticket.Ticket)
	}
	switch {
	case r.Resumed == secrecy.False:
		r.session.id = hash(sh.SessionID)
	case r.Resumption == "ticket" && h.ClientHello != nil:
		r.session.resumed = hash(h.ClientHello.Ticket)
	case r.Resumption == "session_id":
		r.session.resumed = hash(sh.SessionID)
	}
}
