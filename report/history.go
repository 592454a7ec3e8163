package report

import (
	"encoding/binary"
	"hash/maphash"

	"pfsight/parse"
	"pfsight/parse/bounded"
	"pfsight/report/secrecy"
)

// Limits of the tables of a History. A full table evicts its oldest entry.
const (
	maxSessions  = 1 << 16 // session IDs and tickets
	maxEphemeral = 1 << 16 // ephemeral public values
	maxTicketKey = 1 << 14 // names of ticket keys
)

// ticketKeyLife is the age from which a ticket key counts as unrotated,
// nanoseconds.
const ticketKeyLife = 24 * 3600 * 1e9

// A History links a connection to earlier ones: to the connection that created
// the session it resumes, to earlier uses of its ephemeral value, and to the
// first use of its ticket key. A History is not safe for concurrent use.
//
// In TLS <= 1.2 a resumption is matched by the bytes of its session ID or
// ticket. In TLS 1.3 tickets are issued encrypted, so resumptions cannot be
// matched.
type History struct {
	seed      maphash.Seed
	sessions  *bounded.Map[uint64, Session]
	ephemeral *bounded.Map[KeyID, uint64] // the random of the first handshake with it
	tickets   *bounded.Map[string, int64] // the time of its first use
}

// A Session identifies the connection that created a session.
type Session struct {
	Time           int64  // of its first packet
	Packet         uint64 // of its ServerHello
	Source         string
	ForwardSecrecy secrecy.Verdict
}

// NewHistory returns an empty History.
func NewHistory() *History {
	return &History{
		seed:     maphash.MakeSeed(),
		sessions: bounded.NewMap[uint64, Session](maxSessions), ephemeral: bounded.NewMap[KeyID, uint64](maxEphemeral), tickets: bounded.NewMap[string, int64](maxTicketKey),
	}
}

// Join completes r from earlier rows, and records r. Rows must be passed in
// capture order.
func (s *History) Join(r *Connection) {
	s.joinSession(r)
	if r.EphemeralKey != (KeyID{}) {
		// One handshake captured on both sides of a NAT is not a reuse.
		if random, ok := s.ephemeral.Get(r.EphemeralKey); !ok {
			s.ephemeral.Put(r.EphemeralKey, r.random)
		} else if random != r.random {
			r.Reasons.Add(secrecy.ReusedEphemeralKey)
		}
	}
	if r.TicketKey != "" {
		if r.Time == 0 {
			// Without a time, the age of the key is undetermined.
		} else if first, ok := s.tickets.Get(r.TicketKey); !ok {
			s.tickets.Put(r.TicketKey, r.Time)
		} else if r.Time-first > ticketKeyLife {
			r.Reasons.Add(secrecy.TicketKeyUnrotated)
		}
	}
}

// sessionNames are hashes of the identifiers of a session; 0 is none.
type sessionNames struct {
	id, ticket uint64 // created or renewed by the connection
	resumed    uint64 // resumed by it
}

// joinSession records the session that r created. If r resumed a recorded
// session, it sets the connection that created it.
func (s *History) joinSession(r *Connection) {
	made := Session{r.Time, r.ServerHelloPacket, r.Source, r.ForwardSecrecy}
	if r.session.resumed != 0 {
		origin, ok := s.sessions.Get(r.session.resumed)
		if !ok {
			return
		}
		r.Session, r.HasSession = origin, true
		made = origin // a renewed ticket carries the same keys
	}
	for _, name := range [2]uint64{r.session.id, r.session.ticket} {
		if name != 0 {
			s.sessions.Put(name, made)
		}
	}
}

// sessionNames sets the identifiers of the sessions that a handshake created or
// resumed.
func (b *Builder) sessionNames(r *Connection, h *parse.Handshake) {
	sh := h.ServerHello
	if b.history == nil || sh == nil {
		return
	}
	if len(sh.Random) >= 16 {
		// The first bytes may be a time, and the last 8 are a constant in a
		// downgrade from TLS 1.3, RFC 8446 section 4.1.3.
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
