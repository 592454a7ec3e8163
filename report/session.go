package report

import (
	"hash/maphash"

	"pfsight/parse"
	"pfsight/report/secrecy"
)

// maxSessions is how many sessions are remembered for resumptions to be
// joined to; the oldest make room.
const maxSessions = 1 << 16

// Sessions joins resumptions of TLS <= 1.2 to the connections that made their
// sessions, by the bytes of the session ID or of the ticket. In TLS 1.3 the
// ticket is encrypted where it is issued, so nothing can be joined. One
// goroutine uses it.
type Sessions struct {
	seed maphash.Seed
	made map[uint64]Session
	ring []uint64 // in the order in which they were made
	next int
}

// A Session is the connection that made a session.
type Session struct {
	Time           int64  // of its first packet
	Packet         uint64 // of its ServerHello
	Source         string
	ForwardSecrecy secrecy.Verdict
}

// NewSessions returns Sessions that remember nothing yet.
func NewSessions() *Sessions {
	return &Sessions{seed: maphash.MakeSeed(), made: map[uint64]Session{}}
}

// sessionNames are hashes of the names of a session; 0 is none.
type sessionNames struct {
	id, ticket uint64 // made or renewed by the connection
	resumed    uint64 // taken up by it
}

// Join notes the session that r made and, if r resumed one that is known,
// notes in r which connection made that. Rows are to be given in the order of
// the capture.
func (s *Sessions) Join(r *Connection) {
	made := Session{r.Time, r.ServerHelloPacket, r.Source, r.ForwardSecrecy}
	if r.session.resumed != 0 {
		origin, ok := s.made[r.session.resumed]
		if !ok {
			return
		}
		r.Session, r.HasSession = origin, true
		made = origin // a ticket that is renewed carries the same keys
	}
	for _, name := range [2]uint64{r.session.id, r.session.ticket} {
		if name != 0 {
			s.remember(name, made)
		}
	}
}

func (s *Sessions) remember(name uint64, made Session) {
	if _, ok := s.made[name]; !ok {
		if len(s.ring) < maxSessions {
			s.ring = append(s.ring, name)
		} else {
			delete(s.made, s.ring[s.next])
			s.ring[s.next] = name
			s.next = (s.next + 1) % maxSessions
		}
	}
	s.made[name] = made
}

// sessionNames finds the names of the sessions that a handshake made or took up.
func (b *Builder) sessionNames(r *Connection, h *parse.Handshake) {
	sh := h.ServerHello
	if b.sessions == nil || sh == nil || r.Version.IsTLS13() {
		return
	}
	hash := func(name []byte) uint64 {
		if len(name) == 0 {
			return 0
		}
		return maphash.Bytes(b.sessions.seed, name) | 1
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
