package eap

import (
	"encoding/binary"
	"hash/maphash"

	"pfsight/capture/stream"
	"pfsight/parse/bounded"
)

// Limits of a Sessions.
const (
	// maxTraces is how many traces of sessions are remembered; a session needs
	// each of its own for one round trip, and leaves about six.
	maxTraces = 1 << 16
	// traceTime is how long a trace is good that can mean another session
	// later, nanoseconds: what is retransmitted for longer is given up.
	traceTime = 30 * 1e9
	// mostUnseen is how many packets of one direction may be missing in a row
	// and the session is still known by its identifiers.
	mostUnseen = 16
)

// A Sessions tells apart the EAP sessions that one NAS carries to one RADIUS
// server from one port, beside each other and one after the other, and those
// of the stations of a LAN. Its method Split is a stream.Splitter. It keeps
// 64 bits of what it remembers of a session, of at most 65536 traces, and
// nothing of what was said. NewSessions makes one.
//
// In RADIUS the reply has the identifier of the request, and the next request
// returns the State of the challenge (RFC 2865 sections 3 and 5.24). Where a
// packet is missing, the identifiers of EAP go on: RFC 3748 section 4.1 has
// each new Request change it, and in practice it counts.
//
// In a LAN the session is that of the station which is to be authenticated.
// Its frames may go to the group address, as may those to it; then a Response
// belongs to the Request with its identifier.
type Sessions struct {
	seed   maphash.Seed
	traces map[trace]value
	ring   []trace // in the order in which they were left
	oldest int
	most   int // of traces
	last   uint32
	frames [recentFrames]frame
	over   *bounded.Map[uint32, state] // of sessions of a LAN: each leaves a trace at least, so there are no more of them
}

// A trace is what a packet shows of the session to which another belongs.
type trace struct {
	flow uint64
	what uint64
	kind uint8
	id   uint8
}

// The kinds of traces.
const (
	byRequest = iota // of RADIUS: id is its identifier; value.what names the authenticator
	byState          // what names the State
	byPeer           // id is the identifier that the next EAP Response is to have; what names the user
	byServer         // id is the identifier that the next EAP Request is to have
	byStation        // what is the MAC address of the station to be authenticated
	byAuth           // what is the MAC address of an authenticator that speaks to the group
	byGroup          // id is the identifier of a Request to the group
	byNext           // id is the identifier that the next Request to a station is to have, which answered to the group
	byFlow           // the session of the last packet of RADIUS between two endpoints
	numKinds
)

type value struct {
	session uint32
	slot    uint32 // in the ring
	what    uint64
	time    int64
}

// NewSessions returns a Sessions that has seen nothing.
func NewSessions() *Sessions {
	return &Sessions{seed: maphash.MakeSeed(), traces: map[trace]value{}, over: bounded.NewMap[uint32, state](maxTraces), most: maxTraces}
}

// Cost is about what a Sessions takes when it is full, bytes.
const Cost = maxTraces * 176

// Within has s remember less, so that it takes no more than about so many
// bytes. It is called before the first Split.
func (s *Sessions) Within(memory int64) {
	s.most = bounded.Fit(maxTraces, memory, Cost)
	s.over = bounded.NewMap[uint32, state](s.most)
}

func (s *Sessions) begin() uint32 {
	s.last = s.last%stream.MaxSession + 1
	return s.last
}

// Split is a stream.Splitter.
func (s *Sessions) Split(d *stream.Datagram) (session uint32, dir stream.Dir, lost bool) {
	if d.Transport == stream.EAPOL {
		return s.frame(d)
	}
	if n := radiusLength(d.Data); n < len(d.Data) {
		return 0, 0, false
	} else if n > len(d.Data) {
		if session, dir = s.cut(d); session != 0 {
			return session, dir, false
		}
	}
	if !isRADIUS(d.Data) {
		return 0, 0, false
	}
	session, dir, lost = s.radius(d)
	if session != 0 {
		lost = s.leave(trace{flow: d.Flow, kind: byFlow}, session, 0, d.Time) || lost
	}
	return session, dir, lost
}

// cut returns the session of a packet of RADIUS that was cut before its EAP: of
// an answer, that of the request with its identifier, and else the one that was
// seen last between the same endpoints. It is 0 if the EAP is there, or none.
func (s *Sessions) cut(d *stream.Datagram) (session uint32, dir stream.Dir) {
	if isRADIUS(d.Data) {
		if _, found := firstEAP(d.Data); found {
			return 0, 0
		}
	}
	list := []trace{{flow: d.Flow, kind: byFlow}}
	if d.Data[0] != accessRequest {
		list, dir = []trace{{flow: d.Flow, kind: byRequest, id: d.Data[1]}, list[0]}, stream.ToClient
	}
	for _, t := range list {
		v, ok := s.traces[t]
		if age := d.Time - v.time; ok && age <= traceTime && age >= -traceTime {
			return v.session, dir
		}
	}
	return 0, 0
}

// radius takes a packet of RADIUS.
func (s *Sessions) radius(d *stream.Datagram) (session uint32, dir stream.Dir, lost bool) {
	var msg, state []byte
	var who maphash.Hash
	hasEAP, hasWho := false, false
	a := radiusAttributes(d.Data)
	for a.next() {
		switch a.typ {
		case attrEAPMessage:
			if !hasEAP {
				msg, hasEAP = a.value, true
			}
		case attrState:
			state = a.value
		case attrUserName, attrCallingStationID:
			if d.Data[0] == accessRequest {
				if !hasWho {
					who.SetSeed(s.seed)
					hasWho = true
				}
				_ = who.WriteByte(a.typ)
				_, _ = who.Write(a.value)
			}
		}
	}
	if a.malformed {
		return 0, 0, false // something else
	}
	id := d.Data[1]
	pending := trace{flow: d.Flow, kind: byRequest, id: id}
	eapID, coded := uint8(0), len(msg) >= 4
	if coded {
		eapID = msg[1]
	}
	if d.Data[0] != accessRequest {
		v, known := s.traces[pending]
		final := d.Data[0] != accessChallenge
		if !hasEAP && !final {
			return 0, stream.ToClient, false
		}
		if !known && coded {
			session = s.counted(d, byServer, 0, eapID, final)
			if session == 0 && len(state) > 0 && !final { // a copy, where the Request was not seen
				session = s.traces[trace{flow: d.Flow, kind: byState, what: maphash.Bytes(s.seed, state)}].session
			}
			if session == 0 {
				session = s.only(d, eapID)
			}
			if session == 0 && !final {
				session = s.begin()
			}
		} else {
			session = v.session
		}
		if session == 0 {
			return 0, stream.ToClient, false // an Accept to what was no EAP
		}
		if len(state) > 0 && !final {
			lost = s.leave(trace{flow: d.Flow, kind: byState, what: maphash.Bytes(s.seed, state)}, session, 0, d.Time) || lost
		}
		if coded {
			lost = s.count(d, byServer, 0, eapID, session, final) || lost
		}
		return session, stream.ToClient, lost
	}

	if !hasEAP {
		delete(s.traces, pending) // the identifier is used for something else now
		return 0, stream.ToServer, false
	}
	auth := binary.BigEndian.Uint64(d.Data[4:]) ^ binary.BigEndian.Uint64(d.Data[12:])*0x9e3779b97f4a7c15
	user := uint64(0)
	if hasWho {
		user = who.Sum64()
	}
	if v, ok := s.traces[pending]; ok && v.what == auth {
		return v.session, stream.ToServer, false // a retransmission
	}
	if len(state) > 0 {
		session = s.traces[trace{flow: d.Flow, kind: byState, what: maphash.Bytes(s.seed, state)}].session
	}
	if begins := len(msg) < 5 || msg[0] == codeResponse && msg[4] == typeIdentity; session == 0 && !begins {
		for back := range uint8(mostUnseen) {
			if session = s.counted(d, byPeer, user, eapID-back, false); session != 0 {
				break
			}
		}
	}
	if session == 0 {
		session = s.begin()
	}
	lost = s.leave(pending, session, auth, d.Time)
	if coded {
		lost = s.expect(d, byServer, 0, eapID, session) || lost
		lost = s.count(d, byPeer, user, eapID, session, false) || lost
	}
	return session, stream.ToServer, lost
}

// ambiguous is the session of a trace that two sessions left.
const ambiguous = ^uint32(0)

// counted finds the session whose next identifier of EAP this is, 0 for none.
// A final packet has the identifier of the Response before it, or the next.
func (s *Sessions) counted(d *stream.Datagram, kind uint8, what uint64, id uint8, final bool) uint32 {
	if final {
		if n := s.counted(d, kind, what, id+1, false); n != 0 {
			return n
		}
	}
	v, ok := s.traces[trace{d.Flow, what, kind, id}]
	if age := d.Time - v.time; !ok || v.session == ambiguous || age > traceTime || age < -traceTime {
		return 0
	}
	return v.session
}

// only returns the one session that waits for a Request from the server with one
// of the identifiers before id, as it does where packets were not seen; 0 where
// there is none or more than one.
func (s *Sessions) only(d *stream.Datagram, id uint8) (session uint32) {
	for back := uint8(1); back < mostUnseen; back++ {
		v, ok := s.traces[trace{d.Flow, 0, byServer, id - back}]
		if age := d.Time - v.time; !ok || age > traceTime || age < -traceTime {
			continue
		}
		if v.session == ambiguous || session != 0 && session != v.session {
			return 0
		}
		session = v.session
	}
	return session
}

// count leaves the trace by which the next packet would be counted.
func (s *Sessions) count(d *stream.Datagram, kind uint8, what uint64, id uint8, session uint32, final bool) (lost bool) {
	if t := (trace{d.Flow, what, kind, id}); s.traces[t].session == session {
		s.forget(t)
	}
	if final {
		return false
	}
	return s.expect(d, kind, what, id, session)
}

// expect leaves the trace by which the packet after that with an identifier is
// counted.
func (s *Sessions) expect(d *stream.Datagram, kind uint8, what uint64, id uint8, session uint32) (lost bool) {
	next := trace{d.Flow, what, kind, id + 1}
	if v, ok := s.traces[next]; ok && v.session != session && d.Time-v.time < traceTime {
		session = ambiguous
	}
	return s.leave(next, session, 0, d.Time)
}

// leave remembers a trace, and reports whether one had to be forgotten that
// may still have been wanted.
func (s *Sessions) leave(t trace, session uint32, what uint64, now int64) (lost bool) {
	if v, ok := s.traces[t]; ok {
		v.session, v.what, v.time = session, what, now
		s.traces[t] = v
		return false
	}
	slot := s.oldest
	if len(s.ring) < s.most {
		slot = len(s.ring)
		s.ring = append(s.ring, t)
	} else {
		s.oldest = (slot + 1) % s.most
		old := s.ring[slot]
		if v, ok := s.traces[old]; ok && v.slot == uint32(slot) {
			lost = now-v.time < traceTime && old.kind != byPeer && old.kind != byServer
			delete(s.traces, old)
		}
		s.ring[slot] = t
	}
	s.traces[t] = value{session: session, slot: uint32(slot), what: what, time: now}
	return lost
}

func (s *Sessions) forget(t trace) { delete(s.traces, t) }
