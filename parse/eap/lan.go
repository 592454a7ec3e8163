package eap

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"

	"pfsight/capture/stream"
)

// A state is the progress of a session in a LAN.
type state struct {
	tls, ended bool
	asked      bool   // a Request for the identity was seen
	id         uint8  // identifier of that Request
	at         uint32 // time of that Request or of the end, ms; wraps around
	before     uint32 // the station's session before this one; 0 for none
}

// copyTime is the time in milliseconds within which a Request for the identity
// with the same identifier is a copy. Authenticators wait longer before they
// send another one: seconds in RFC 3748 section 4.3, 30 s in IEEE 802.1X.
const copyTime = 1000

// A recentFrame is a frame with TLS data. The data distinguish a late copy from a
// frame of the next session.
type recentFrame struct {
	sum     uint64 // hash of the frame
	session uint32
	at      uint32 // ms
}

const (
	recentFrames = 1 << 10 // slots for frames, direct mapped
	leastData    = 16      // bytes of TLS data that are unique to a session
)

// repeats reports whether p is a copy of the Request that began the session.
func (st *state) repeats(p *packet, at uint32) bool {
	d := int32(at - st.at)
	return st.asked && st.id == p.id && -copyTime < d && d < copyTime
}

// frame is Split for an EAPOL frame.
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
		session = s.keys[key{kind: byStation, what: mac(station)}].session
	} else {
		session = s.keys[key{kind: byAuth, what: mac(auth)}].session
		if p.code == codeRequest && p.method != typeIdentity && (session == 0 || s.ended(session)) {
			session = cmp.Or(s.expecting(byNext, &p, d.Time), session)
		}
	}
	if p.code == codeResponse && (session == 0 || s.ended(session)) {
		session = cmp.Or(s.expecting(byGroup, &p, d.Time), session)
	}
	at := uint32(d.Time / 1e6)
	if before, ok := s.copyOf(session, &p, at); ok {
		return before, dir, false
	}
	data := &recentFrame{}
	if p.tls && len(p.data) >= leastData {
		sum := maphash.Bytes(s.seed, d.Data)
		data = &s.frames[sum%recentFrames]
		if age := int32(at - data.at); data.sum == sum && data.session != session && -copyTime < age && age < copyTime {
			return data.session, dir, false
		}
		data.sum, data.at = sum, at
	}
	st, ok := s.lan.Get(session)
	asks := p.code == codeRequest && p.method == typeIdentity
	if again := st.ended && p.code <= codeResponse || st.tls && asks && !st.repeats(&p, at); !ok || again {
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
		st.ended, st.at = true, at
	}
	s.lan.Put(session, st)
	data.session = session
	if known {
		lost = s.store(key{kind: byStation, what: mac(station)}, session, 0, d.Time)
	} else if p.code == codeRequest && toGroup {
		lost = s.store(key{kind: byAuth, what: mac(auth)}, session, 0, d.Time)
		lost = s.storeShared(key{kind: byGroup, id: p.id}, session, d.Time) || lost
	}
	if p.code == codeResponse && toGroup {
		lost = s.storeShared(key{kind: byNext, id: p.id + 1}, session, d.Time) || lost
	}
	return session, dir, lost
}

// storeShared is store for a key that several stations may have, because the frame
// uses the group address.
func (s *Sessions) storeShared(k key, session uint32, now int64) (lost bool) {
	if v, ok := s.keys[k]; ok && v.session != session && now-v.time < keyLifetime && !s.ended(v.session) {
		session = ambiguous
	}
	return s.store(k, session, 0, now)
}

// expecting returns the session with a key for p's identifier, or for one shortly
// before it, which is the case if packets are missing. It returns 0 if there is
// none.
func (s *Sessions) expecting(kind uint8, p *packet, now int64) uint32 {
	for back := range uint8(maxMissing) {
		if back > 0 && p.method == typeIdentity {
			return 0 // a packet for the identity begins a session
		}
		v, ok := s.keys[key{kind: kind, id: p.id - back}]
		if age := now - v.time; ok && v.session != ambiguous && -keyLifetime <= age && age <= keyLifetime && !s.ended(v.session) {
			return v.session
		}
	}
	return 0
}

// copyOf returns the session of which p is a late copy: session, if it ended within
// copyTime, or the one before session, if that ended within copyTime and p does not
// fit into session.
func (s *Sessions) copyOf(session uint32, p *packet, at uint32) (uint32, bool) {
	recent := func(x uint32) bool {
		st, _ := s.lan.Get(x)
		d := int32(at - st.at)
		return st.ended && -copyTime < d && d < copyTime
	}
	if p.code > codeResponse || p.method == typeIdentity {
		return 0, false
	}
	if recent(session) {
		return session, true
	}
	st, _ := s.lan.Get(session)
	if st.before != 0 && !st.tls && (!st.asked || p.id != st.id+1) && recent(st.before) {
		return st.before, true
	}
	return 0, false
}

// ended reports whether a session in a LAN has ended.
func (s *Sessions) ended(session uint32) bool {
	st, _ := s.lan.Get(session)
	return st.ended
}

// mac returns m as a number.
func mac(m stream.MAC) uint64 {
	return uint64(binary.BigEndian.Uint16(m[:]))<<32 | uint64(binary.BigEndian.Uint32(m[2:]))
}
