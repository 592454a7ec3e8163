package eap

import (
	"encoding/binary"
	"hash/maphash"

	"pfsight/capture/stream"
	"pfsight/parse/bounded"
)

const (
	// maxKeys is the number of keys that a Sessions remembers. A session needs
	// each of its keys for one round trip and uses about six.
	maxKeys = 1 << 16
	// keyLifetime is the time in nanoseconds after which an identifier may
	// belong to another session. Retransmissions stop earlier.
	keyLifetime = 30 * 1e9
	// maxMissing limits the search for a session by its identifiers: up to
	// maxMissing-1 packets of one direction may be missing in a row.
	maxMissing = 16
)

// A Sessions separates EAP sessions that share a pair of endpoints: those that one
// NAS forwards from one port to a RADIUS server, at the same time and one after
// another, and those of the stations of a LAN.
//
// In RADIUS a reply has the identifier of its request, and the next request
// returns the State attribute of the challenge (RFC 2865 sections 3 and 5.24). If
// packets are missing, Sessions uses the EAP identifiers: RFC 3748 section 4.1
// requires a new one for each Request, and in practice they count up.
//
// In a LAN a session belongs to the station that is authenticated. If its address
// is not in the frames, because both directions use the group address, a
// Response belongs to the Request with the same identifier.
//
// A Sessions remembers up to 65536 keys, as hashes, and no content. Its method
// Split is the stream.Splitter of EAP in RADIUS and EAPOL. Use NewSessions to create one.
type Sessions struct {
	seed   maphash.Seed
	keys   map[key]value
	ring   []key // in the order of insertion
	oldest int
	limit  int // of keys
	last   uint32
	frames [recentFrames]recentFrame   // of LANs, by hash
	lan    *bounded.Map[uint32, state] // of sessions in a LAN; not more than keys, since each has one
}

// A key is a property of a packet by which a later packet of the same session is
// recognized.
type key struct {
	flow uint64
	what uint64
	kind uint8
	id   uint8
}

// The kinds of keys.
const (
	byRequest = iota // id is the RADIUS identifier; value.what is a hash of the authenticator
	byState          // what is a hash of the State attribute
	byPeer           // id is the identifier expected in the next EAP Response; what is a hash of the user
	byServer         // id is the identifier expected in the next EAP Request
	byStation        // what is the MAC address of the authenticated station
	byAuth           // what is the MAC address of an authenticator that uses the group address
	byGroup          // id is the identifier of a Request to the group address
	byNext           // id is the identifier expected in the next Request to a station that uses the group address
	byFlow           // for the session of the last RADIUS packet between two endpoints
	numKinds
)

// A value is the session of a key.
type value struct {
	session uint32
	slot    uint32 // index in the ring
	what    uint64
	time    int64
}

// NewSessions returns an empty Sessions.
func NewSessions() *Sessions {
	return &Sessions{seed: maphash.MakeSeed(), keys: map[key]value{}, lan: bounded.NewMap[uint32, state](maxKeys), limit: maxKeys}
}

// Cost is the approximate size of a full Sessions, bytes.
const Cost = maxKeys * 176

// Within limits s to about memory bytes. Call it before the first Split.
func (s *Sessions) Within(memory int64) {
	s.limit = bounded.Fit(maxKeys, memory, Cost)
	s.lan = bounded.NewMap[uint32, state](s.limit)
}

// begin returns the number of a new session.
func (s *Sessions) begin() uint32 {
	s.last = s.last%stream.MaxSession + 1
	return s.last
}

// Split is the stream.Splitter of EAP in RADIUS and EAPOL.
func (s *Sessions) Split(d *stream.Datagram) (session uint32, dir stream.Dir, lost bool) {
	if d.Transport == stream.EAPOL {
		return s.frame(d)
	}
	if n := radiusLength(d.Data); n < len(d.Data) {
		return 0, 0, false
	} else if n > len(d.Data) {
		if session, dir = s.truncated(d); session != 0 {
			return session, dir, false
		}
	}
	if !isRADIUS(d.Data) {
		return 0, 0, false
	}
	session, dir, lost = s.radius(d)
	if session != 0 {
		lost = s.store(key{flow: d.Flow, kind: byFlow}, session, 0, d.Time) || lost
	}
	return session, dir, lost
}

// truncated returns the session of a RADIUS packet that the capture cut before its
// EAP-Message. A reply belongs to the session of its request. Otherwise the packet
// is assigned to the last session between the endpoints. The result is 0 if the
// packet has an EAP-Message or the session is not known.
func (s *Sessions) truncated(d *stream.Datagram) (session uint32, dir stream.Dir) {
	if isRADIUS(d.Data) {
		if _, found := firstEAP(d.Data); found {
			return 0, 0
		}
	}
	keys := []key{{flow: d.Flow, kind: byFlow}}
	if d.Data[0] != accessRequest {
		keys, dir = []key{{flow: d.Flow, kind: byRequest, id: d.Data[1]}, keys[0]}, stream.ToClient
	}
	for _, k := range keys {
		v, ok := s.keys[k]
		if age := d.Time - v.time; ok && age <= keyLifetime && age >= -keyLifetime {
			return v.session, dir
		}
	}
	return 0, 0
}

// radius is Split for a RADIUS packet.
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
		return 0, 0, false // not RADIUS
	}
	id := d.Data[1]
	pending := key{flow: d.Flow, kind: byRequest, id: id}
	eapID, hasID := uint8(0), len(msg) >= 4
	if hasID {
		eapID = msg[1]
	}
	if d.Data[0] != accessRequest {
		v, known := s.keys[pending]
		final := d.Data[0] != accessChallenge
		if !hasEAP && !final {
			return 0, stream.ToClient, false
		}
		if !known && hasID {
			session = s.byCounter(d, byServer, 0, eapID, final)
			if session == 0 && len(state) > 0 && !final { // a copy whose request is missing
				session = s.keys[key{flow: d.Flow, kind: byState, what: maphash.Bytes(s.seed, state)}].session
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
			return 0, stream.ToClient, false // an Accept for a session without EAP
		}
		if len(state) > 0 && !final {
			lost = s.store(key{flow: d.Flow, kind: byState, what: maphash.Bytes(s.seed, state)}, session, 0, d.Time) || lost
		}
		if hasID {
			lost = s.storeCounter(d, byServer, 0, eapID, session, final) || lost
		}
		return session, stream.ToClient, lost
	}

	if !hasEAP {
		delete(s.keys, pending) // the RADIUS identifier is used for another session now
		return 0, stream.ToServer, false
	}
	auth := binary.BigEndian.Uint64(d.Data[4:]) ^ binary.BigEndian.Uint64(d.Data[12:])*0x9e3779b97f4a7c15
	user := uint64(0)
	if hasWho {
		user = who.Sum64()
	}
	if v, ok := s.keys[pending]; ok && v.what == auth {
		return v.session, stream.ToServer, false // a retransmission
	}
	if len(state) > 0 {
		session = s.keys[key{flow: d.Flow, kind: byState, what: maphash.Bytes(s.seed, state)}].session
	}
	if begins := len(msg) < 5 || msg[0] == codeResponse && msg[4] == typeIdentity; session == 0 && !begins {
		for back := range uint8(maxMissing) {
			if session = s.byCounter(d, byPeer, user, eapID-back, false); session != 0 {
				break
			}
		}
	}
	if session == 0 {
		session = s.begin()
	}
	lost = s.store(pending, session, auth, d.Time)
	if hasID {
		lost = s.storeNext(d, byServer, 0, eapID, session) || lost
		lost = s.storeCounter(d, byPeer, user, eapID, session, false) || lost
	}
	return session, stream.ToServer, lost
}

// ambiguous is the session of a key that two sessions have.
const ambiguous = ^uint32(0)

// byCounter returns the session that expects EAP identifier id next, or 0. A final
// packet has the identifier of the Response before it, or the next one.
func (s *Sessions) byCounter(d *stream.Datagram, kind uint8, what uint64, id uint8, final bool) uint32 {
	if final {
		if n := s.byCounter(d, kind, what, id+1, false); n != 0 {
			return n
		}
	}
	v, ok := s.keys[key{d.Flow, what, kind, id}]
	if age := d.Time - v.time; !ok || v.session == ambiguous || age > keyLifetime || age < -keyLifetime {
		return 0
	}
	return v.session
}

// only returns the session that expects a Request with an identifier shortly before
// id, which is the case if packets are missing. It returns 0 if there is none or
// more than one.
func (s *Sessions) only(d *stream.Datagram, id uint8) (session uint32) {
	for back := uint8(1); back < maxMissing; back++ {
		v, ok := s.keys[key{d.Flow, 0, byServer, id - back}]
		if age := d.Time - v.time; !ok || age > keyLifetime || age < -keyLifetime {
			continue
		}
		if v.session == ambiguous || session != 0 && session != v.session {
			return 0
		}
		session = v.session
	}
	return session
}

// storeCounter replaces the key for identifier id with one for the next identifier.
func (s *Sessions) storeCounter(d *stream.Datagram, kind uint8, what uint64, id uint8, session uint32, final bool) (lost bool) {
	if k := (key{d.Flow, what, kind, id}); s.keys[k].session == session {
		delete(s.keys, k)
	}
	if final {
		return false
	}
	return s.storeNext(d, kind, what, id, session)
}

// storeNext adds a key for the identifier after id.
func (s *Sessions) storeNext(d *stream.Datagram, kind uint8, what uint64, id uint8, session uint32) (lost bool) {
	next := key{d.Flow, what, kind, id + 1}
	if v, ok := s.keys[next]; ok && v.session != session && d.Time-v.time < keyLifetime {
		session = ambiguous
	}
	return s.store(next, session, 0, d.Time)
}

// store sets the session of a key. lost reports that this removed a key that an
// unfinished session may need.
func (s *Sessions) store(k key, session uint32, what uint64, now int64) (lost bool) {
	if v, ok := s.keys[k]; ok {
		v.session, v.what, v.time = session, what, now
		s.keys[k] = v
		return false
	}
	slot := s.oldest
	if len(s.ring) < s.limit {
		slot = len(s.ring)
		s.ring = append(s.ring, k)
	} else {
		s.oldest = (slot + 1) % s.limit
		old := s.ring[slot]
		if v, ok := s.keys[old]; ok && v.slot == uint32(slot) {
			lost = now-v.time < keyLifetime && old.kind != byPeer && old.kind != byServer
			delete(s.keys, old)
		}
		s.ring[slot] = k
	}
	s.keys[k] = value{session: session, slot: uint32(slot), what: what, time: now}
	return lost
}
