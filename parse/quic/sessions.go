package quic

import (
	"bytes"
	"slices"

	"pfsight/capture/stream"
	"pfsight/parse/bounded"
)

// Limits of a Sessions.
const (
	maxEndpoints = 1 << 14 // pairs of endpoints that are remembered
	maxAttempts  = 8       // connections of one of them
	maxNames     = 4       // connection IDs of one endpoint in one connection
	sharedBits   = 1 << 16 // size of the filter of pairs with several connections
)

// A Sessions tells the connections between one pair of endpoints apart, one after
// the other or several at once (RFC 9000 section 5.2). The method Split is a
// stream.Splitter. The first connection of a pair has session 0, so 1-RTT packets
// of a pair with one connection cost one probe of a filter. A Sessions remembers
// the latest 16384 pairs, and the last 8 connections of each. NewSessions makes
// one.
type Sessions struct {
	pairs  *bounded.Map[uint64, *sharing] // by Datagram.Flow
	shared [sharedBits / 64]uint64        // by the low bits of Datagram.Flow: the pair may have several connections
	last   uint32

	opener opener
	keys   pair
}

// A sharing is the connections of one pair of endpoints, in order of their
// first datagram.
type sharing struct {
	attempts []attempt
	at       [2]uint32 // by endpoint: the session of its last long header
}

// An attempt is what is known of one connection. The connection IDs of an
// endpoint are the source IDs of its packets and the destination IDs of its
// peer's packets, with the made-up one of the client's first Initial. Roles are
// not needed: the first datagram in the capture may be the server's.
type attempt struct {
	session   uint32
	version   [2]Version // of the last Initial or 0-RTT packet, by endpoint
	from      uint8      // the endpoint that sent the first datagram
	names     [2][]cid   // connection IDs by endpoint, maxNames at the most
	anonymous [2]bool    // an ID of the endpoint is empty
	spoke     [2]bool    // the endpoint sent more than a Retry or a Version Negotiation
	bare      [2]bool    // it sent an Initial without a token
	handshook [2]bool    // it sent a Handshake packet
	retried   [2]bool    // it sent a Retry
	token     bool       // an Initial had a token

	negotiated [2]bool // the endpoint sent a Version Negotiation
}

// SessionsCost is about how many bytes a full Sessions takes.
const SessionsCost = maxEndpoints * (maxAttempts*(128+2*maxNames*24) + 128)

// Within limits s to about this number of bytes. It is called before the first
// Split.
func (s *Sessions) Within(memory int64) {
	s.pairs = bounded.NewMap[uint64, *sharing](bounded.Fit(maxEndpoints, memory, SessionsCost))
}

// NewSessions returns an empty Sessions.
func NewSessions() *Sessions {
	return &Sessions{pairs: bounded.NewMap[uint64, *sharing](maxEndpoints)}
}

// Split is a stream.Splitter. A datagram with a long header belongs to the
// connection with its connection IDs. Unknown connection IDs begin another
// connection, with two exceptions: a client's answer to a Version Negotiation or
// Retry that was not seen before, and a packet of a client without a connection
// ID to an ID that the server chose in a datagram that was not seen before. In
// the second case the keys of a client's first Initial, which follow from its
// Destination Connection ID, show a new connection.
func (s *Sessions) Split(d *stream.Datagram) (session uint32, dir stream.Dir, lost bool) {
	b := d.Data
	if d.Transport != stream.UDP || len(b) < 7 {
		return 0, 0, false
	}
	if b[0]&0x80 == 0 {
		return s.short(d), 0, false
	}
	p, ok := nextPacket(b, 0)
	if ok && p.kind == kindZeroRTT {
		p = initialBehind(b, p)
	}
	switch {
	case !ok || len(p.dcid) > maxCID || len(p.scid) > maxCID:
		return 0, 0, false
	case p.kind == kindUnknown:
		if !p.version.IsReserved() {
			return 0, 0, false
		}
	case p.kind == kindNegotiation:
		if !p.negotiates(b) {
			return 0, 0, false
		}
	case p.kind != kindRetry && p.length < minProtected:
		return 0, 0, false
	}
	x, _ := s.pairs.Get(d.Flow)
	if x == nil {
		x = new(sharing)
		if old, gone := s.pairs.Put(d.Flow, x); gone {
			lost = len(old.attempts) > 1
		}
	}
	a := s.of(x, d.From&1, b, &p)
	if a == nil {
		a = x.add(d.From & 1)
		if len(x.attempts) > 1 {
			s.last = s.last%stream.MaxSession + 1
			a.session = s.last
			s.shared[d.Flow%sharedBits/64] |= 1 << (d.Flow % 64)
		}
	}
	a.learn(d.From&1, &p)
	x.at[d.From&1] = a.session
	return a.session, 0, lost
}

// short returns the session of a datagram that begins with a 1-RTT packet, which
// does not show the length of its connection ID. An unknown ID was given under
// encryption, or the receiver has none: then the datagram belongs to the
// connection of the sender's last long header.
func (s *Sessions) short(d *stream.Datagram) uint32 {
	if s.shared[d.Flow%sharedBits/64]&(1<<(d.Flow%64)) == 0 {
		return 0
	}
	x, _ := s.pairs.Get(d.Flow)
	if x == nil {
		return 0
	}
	to := d.From&1 ^ 1
	for i := len(x.attempts) - 1; i >= 0; i-- {
		for _, n := range x.attempts[i].names[to] {
			if bytes.HasPrefix(d.Data[1:], n.b[:n.n]) {
				return x.attempts[i].session
			}
		}
	}
	if d.Data[0]&0x40 == 0 {
		return 0
	}
	return x.at[d.From&1]
}

// of returns the connection of a packet of an endpoint, nil for a new one.
func (s *Sessions) of(x *sharing, from uint8, b []byte, p *packet) *attempt {
	if len(x.attempts) == 0 {
		return nil
	}
	to, last := from^1, x.latest()
	// After a Retry the client's Initial has a token; the server's datagrams may
	// come before it.
	retried := p.kind == kindInitial && len(p.token) > 0 && !last.token && !last.handshook[from]
	if a := x.find(from, p); a != nil {
		if a == last && a.from == from && a.answered() && !retried && p.kind == kindInitial && !a.has(to, p.dcid) && s.begins(b, p) {
			return nil // a client with the same connection ID in all connections
		}
		return a
	}
	switch {
	case len(p.dcid)+len(p.scid) == 0:
		return last
	case len(p.dcid) == 0:
		return s.waiting(x, from, b, p)
	case retried && (last.from == to || len(p.scid) == 0 && last.anonymous[from]):
		return last
	case p.kind == kindInitial && len(p.token) == 0 && last.token && !last.bare[from] && !last.handshook[from] && len(p.scid) == 0 && last.anonymous[from]:
		return last // the first Initial, captured after the one that follows the Retry
	case p.kind != kindRetry && p.kind != kindNegotiation && !last.spoke[to] && (last.from == from || last.negotiated[to]) &&
		(last.version[from] != 0 && p.version != last.version[from] || last.negotiated[to] && !last.spoke[from] || len(p.token) > 0 && !last.token):
		return last // after a Version Negotiation, or a Retry
	case p.kind == kindInitial && last.negotiated[from] && !last.spoke[from] && p.version != last.version[to]:
		return last // the server's packet comes before the client's second attempt
	case len(p.scid) == 0 && last.anonymous[from] && !(last.spoke[from] && last.spoke[to]):
		if last.from == to || !s.begins(b, p) {
			return last // the server's datagrams come first, or it has chosen an ID
		}
	}
	return nil
}

// waiting returns the connection of a server's packet to a client without a
// connection ID. It is one in which the server has not chosen an ID. Of several,
// the keys of an Initial show which; else it is the oldest.
func (s *Sessions) waiting(x *sharing, from uint8, b []byte, p *packet) (oldest *attempt) {
	n := 0
	for i := range x.attempts {
		a := &x.attempts[i]
		if !a.anonymous[from^1] || a.spoke[from] {
			continue
		}
		if n++; n == 1 || p.kind == kindRetry && oldest.retried[from] && !a.retried[from] {
			oldest = a // each of several Initials may be answered by a Retry
		}
	}
	if n < 2 || p.kind != kindInitial {
		return oldest
	}
	for i := range x.attempts {
		a := &x.attempts[i]
		if !a.anonymous[from^1] || a.spoke[from] {
			continue
		}
		for j := range a.names[from] {
			if id := &a.names[from][j]; s.opens(stream.ToClient, b, p, id.b[:id.n]) {
				return a
			}
		}
	}
	return oldest
}

// initialBehind returns the Initial that follows the 0-RTT packet p in its
// datagram, p if there is none.
func initialBehind(b []byte, p packet) packet {
	for at := p.to; at < len(b); {
		q, ok := nextPacket(b, at)
		switch {
		case ok && q.kind == kindInitial:
			return q
		case !ok || q.kind != kindZeroRTT:
			return p
		}
		at = q.to
	}
	return p
}

// begins reports whether p is an Initial of a client that has not heard from its
// server: its keys follow from its Destination Connection ID.
func (s *Sessions) begins(b []byte, p *packet) bool {
	if p.kind != kindInitial || len(p.dcid) < minFirstCID {
		return false
	}
	return s.opens(stream.ToServer, b, p, p.dcid)
}

// opens reports whether the Initial p is protected with the keys of a role that
// follow from id.
func (s *Sessions) opens(role stream.Dir, b []byte, p *packet, id []byte) bool {
	s.keys.start(p.version, id)
	frames, whole := s.opener.open(s.keys.of(role), b, p)
	return len(frames) > 0 && (whole || p.cut && plausible(frames, role, p.version.dialect()))
}

func (x *sharing) latest() *attempt { return &x.attempts[len(x.attempts)-1] }

// add adds a connection whose first datagram an endpoint sent.
func (x *sharing) add(from uint8) *attempt {
	if len(x.attempts) == maxAttempts {
		x.attempts = slices.Delete(x.attempts, 0, 1)
	}
	x.attempts = append(x.attempts, attempt{from: from})
	return x.latest()
}

// find returns the connection with most of the connection IDs of a packet, the
// latest of several, nil for none. Empty IDs do not count.
func (x *sharing) find(from uint8, p *packet) (best *attempt) {
	most := 0
	for i := len(x.attempts) - 1; i >= 0; i-- {
		a, n := &x.attempts[i], 0
		if a.has(from, p.scid) {
			n++
		}
		if a.has(from^1, p.dcid) {
			n++
		}
		if n > most {
			best, most = a, n
		}
	}
	return best
}

func (a *attempt) has(of uint8, id []byte) bool {
	for i := range a.names[of] {
		if n := &a.names[of][i]; len(id) > 0 && bytes.Equal(n.b[:n.n], id) {
			return true
		}
	}
	return false
}

// answered reports whether the second endpoint chose a connection ID.
func (a *attempt) answered() bool { return a.spoke[a.from^1] }

// learn notes what a packet of an endpoint shows.
func (a *attempt) learn(from uint8, p *packet) {
	switch p.kind {
	case kindNegotiation:
		a.negotiated[from] = true
	case kindUnknown:
		a.version[from] = p.version
	case kindRetry:
		a.retried[from] = true
	case kindInitial, kindZeroRTT, kindHandshake:
		a.spoke[from], a.version[from] = true, p.version
		a.handshook[from] = a.handshook[from] || p.kind == kindHandshake
		a.token = a.token || len(p.token) > 0
		a.bare[from] = a.bare[from] || p.kind == kindInitial && len(p.token) == 0
	}
	a.name(from, p.scid)
	a.name(from^1, p.dcid)
}

func (a *attempt) name(of uint8, id []byte) {
	switch {
	case len(id) == 0:
		a.anonymous[of] = true
	case !a.has(of, id) && len(a.names[of]) < maxNames:
		a.names[of] = append(a.names[of], newCID(0, id))
	}
}
