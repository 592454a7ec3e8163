package eap

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"

	"pfsight/capture/stream"
)

// A state is how far a session of a LAN came.
type state struct {
	tls, over bool
	asked     bool   // for the identity, by a Request that was seen
	id        uint8  // identifier of that Request
	at        uint32 // its time, ms; it wraps around. Of a session that is over: the time of its end
	before    uint32 // the session of the same station that was over when this one began; 0 for none
}

// copyTime is within which a Request for the identity with the same identifier
// is a copy, ms. An authenticator sends none again so soon: RFC 3748 section 4.3
// has it wait for seconds, and IEEE 802.1X for 30.
const copyTime = 1000

// A frame is what is remembered of one with data of TLS, which tell a late copy
// from a frame of the next session.
type frame struct {
	sum     uint64
	session uint32
	at      uint32 // ms
}

const (
	recentFrames = 1 << 10 // remembered; one may take the place of another
	leastFrame   = 16      // bytes of TLS that no other session has
)

// repeats reports whether p is a copy of the Request that began the session.
func (st *state) repeats(p *packet, at uint32) bool {
	d := int32(at - st.at)
	return st.asked && st.id == p.id && -copyTime < d && d < copyTime
}

// frame takes a frame of EAPOL.
func (s *Sessions) frame(d *stream.Datagram) (session uint32, dir stream.Dir, lost bool) {
	p, ok := readPacket(eapol(d.Data))
	if !ok {
		return 0, 0, false
	}
	station, auth := d.Dst, d.Src
	dir = stream.ToClient
	if p.code == codeResponse {
		station, auth = auth, station
		dir = stream.ToServer
	}
	var zero stream.MAC
	toGroup := d.Dst == zero || d.Dst.IsGroup()
	known := station != zero && !station.IsGroup()
	if known {
		session = s.traces[trace{kind: byStation, what: mac(station)}].session
	} else {
		session = s.traces[trace{kind: byAuth, what: mac(auth)}].session
		if p.code == codeRequest && p.method != typeIdentity && (session == 0 || s.isOver(session)) {
			session = cmp.Or(s.awaiting(byNext, &p, d.Time), session)
		}
	}
	if p.code == codeResponse && (session == 0 || s.isOver(session)) {
		session = cmp.Or(s.awaiting(byGroup, &p, d.Time), session)
	}
	at := uint32(d.Time / 1e6)
	if before, ok := s.copyOf(session, &p, at); ok {
		return before, dir, false
	}
	data := &frame{}
	if p.tls && len(p.data) >= leastFrame {
		sum := maphash.Bytes(s.seed, d.Data)
		data = &s.frames[sum%recentFrames]
		if age := int32(at - data.at); data.sum == sum && data.session != session && -copyTime < age && age < copyTime {
			return data.session, dir, false
		}
		data.sum, data.at = sum, at
	}
	st, ok := s.over.Get(session)
	asks := p.code == codeRequest && p.method == typeIdentity
	if again := st.over && p.code <= codeResponse || st.tls && asks && !st.repeats(&p, at); !ok || again {
		if p.code > codeResponse {
			return 0, dir, false
		}
		before := session
		session, st = s.begin(), state{}
		if ok {
			st.before = before
		}
	}
	if asks && !st.tls {
		st.asked, st.id, st.at = true, p.id, at
	}
	st.tls = st.tls || p.tls
	if p.code > codeResponse {
		st.over, st.at = true, at
	}
	s.over.Put(session, st)
	data.session = session
	if known {
		lost = s.leave(trace{kind: byStation, what: mac(station)}, session, 0, d.Time)
	} else if p.code == codeRequest && toGroup {
		lost = s.leave(trace{kind: byAuth, what: mac(auth)}, session, 0, d.Time)
		lost = s.waitFor(trace{kind: byGroup, id: p.id}, session, d.Time) || lost
	}
	if p.code == codeResponse && toGroup {
		lost = s.waitFor(trace{kind: byNext, id: p.id + 1}, session, d.Time) || lost
	}
	return session, dir, lost
}

// waitFor leaves a trace of a frame to the group, which shares its identifier
// with those of others.
func (s *Sessions) waitFor(t trace, session uint32, now int64) (lost bool) {
	if v, ok := s.traces[t]; ok && v.session != session && now-v.time < traceTime && !s.isOver(v.session) {
		session = ambiguous
	}
	return s.leave(t, session, 0, now)
}

// awaiting returns the one session that a trace of p's identifier tells, or one
// of an identifier before it, where packets were not seen; 0 for none.
func (s *Sessions) awaiting(kind uint8, p *packet, now int64) uint32 {
	for back := range uint8(mostUnseen) {
		if back > 0 && p.method == typeIdentity {
			return 0 // it begins a session
		}
		v, ok := s.traces[trace{kind: kind, id: p.id - back}]
		if age := now - v.time; ok && v.session != ambiguous && -traceTime <= age && age <= traceTime && !s.isOver(v.session) {
			return v.session
		}
	}
	return 0
}

// copyOf returns the session of which p is a late copy: it has ended within
// copyTime, or has made way for session, in which p has no place.
func (s *Sessions) copyOf(session uint32, p *packet, at uint32) (uint32, bool) {
	recent := func(x uint32) bool {
		st, _ := s.over.Get(x)
		d := int32(at - st.at)
		return st.over && -copyTime < d && d < copyTime
	}
	if p.code > codeResponse || p.method == typeIdentity {
		return 0, false
	}
	if recent(session) {
		return session, true
	}
	st, _ := s.over.Get(session)
	if st.before != 0 && !st.tls && (!st.asked || p.id != st.id+1) && recent(st.before) {
		return st.before, true
	}
	return 0, false
}

// isOver reports whether a session of a LAN has come to its end.
func (s *Sessions) isOver(session uint32) bool {
	st, _ := s.over.Get(session)
	return st.over
}

func mac(m stream.MAC) uint64 {
	return uint64(binary.BigEndian.Uint16(m[:]))<<32 | uint64(binary.BigEndian.Uint32(m[2:]))
}
