package turn

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"

	"pfsight/capture/stream"
	"pfsight/parse/bounded"
)

// Limits of a Sessions.
const (
	maxAllocations = 1 << 14 // pairs of a client and its relay
	maxPeers       = 16      // peers of one of them
)

// A Sessions tells the peers of a relay's client apart, and the DTLS connections
// with one peer that follow each other. The method Split is a stream.Splitter. A
// Sessions remembers at most 16384 allocations of 16 peers. NewSessions makes
// one.
type Sessions struct {
	sniff       stream.Sniffer
	allocations *bounded.Map[uint64, *allocation] // by Datagram.Flow
	last        uint32
	seed        maphash.Seed
}

// An allocation is what is known of one pair of endpoints.
type allocation struct {
	peers []peer // maxPeers at the most
	next  int    // the index of the one that is replaced next
}

// A peer has an address, a channel, or both; what is not known is zero. The
// address may be cut off by the snaplen.
type peer struct {
	address netip.AddrPort
	channel uint16
	session uint32
	hello   uint64 // hash of the Random in the last ClientHello
	waits   bool   // the session has no answer yet
	from    uint8  // the endpoint of Datagram.Flow that sent the client's hello, where waits is set
}

// NewSessions returns an empty Sessions. sniff says whether relayed bytes begin a
// session.
func NewSessions(sniff stream.Sniffer) *Sessions {
	return &Sessions{sniff: sniff, allocations: bounded.NewMap[uint64, *allocation](maxAllocations), seed: maphash.MakeSeed()}
}

// Cost is about how many bytes a full Sessions takes.
const Cost = maxAllocations * (maxPeers*64 + 96)

// Within limits s to about this number of bytes. It is called before the first
// Split.
func (s *Sessions) Within(memory int64) {
	s.allocations = bounded.NewMap[uint64, *allocation](bounded.Fit(maxAllocations, memory, Cost))
}

// Split is a stream.Splitter. An indication to or from a peer belongs to the
// session of the channel that is bound to the peer. A hello begins a session.
// Anything else belongs to the session of its peer, if that has one.
func (s *Sessions) Split(d *stream.Datagram) (session uint32, dir stream.Dir, lost bool) {
	b := d.Data
	if d.Transport != stream.UDP || len(b) <= channelHeader {
		return 0, 0, false
	}
	var p peer
	var from, to int
	switch {
	case b[0] >= minChannel && b[0] <= maxChannel:
		var ok bool
		if to, ok = channelData(b); !ok {
			return 0, 0, false
		}
		p.channel, from = binary.BigEndian.Uint16(b), channelHeader
	case b[0] == 0 && (b[1] == typeSend || b[1] == typeData || b[1] == typeChannelBind):
		m, ok := read(b)
		if !ok || !m.peer.IsValid() && !(m.cut && m.to > m.from) {
			return 0, 0, false
		}
		p.address, from, to = m.peer, m.from, m.to
		if m.typ == typeChannelBind {
			if m.channel>>8 < minChannel || m.channel>>8 > maxChannel {
				return 0, 0, false
			}
			p.channel = m.channel
			return 0, 0, s.bind(d.Flow, p)
		}
	default:
		return 0, 0, false
	}
	a, _ := s.allocations.Get(d.Flow)
	var at *peer
	if a != nil {
		at = a.find(p)
	}
	sniff := s.sniff(b[from:to])
	if sniff < stream.SniffClient {
		if at == nil {
			return 0, 0, false
		}
		return at.session, 0, false
	}
	hello := s.random(b[from:to])
	if at == nil || at.session == 0 {
		a, lost = s.allocation(d.Flow)
		same := a.waiting(at, p, sniff, hello, d.From)
		switch {
		case same != nil && at != nil:
			at.session, at.hello = same.session, same.hello
			*same = peer{}
		case same != nil:
			at = same
			at.learn(p)
		case at == nil:
			var forgot bool
			at, forgot = a.add(p)
			lost = lost || forgot
		}
	}
	if at.session == 0 || sniff == stream.SniffClient && hello != 0 && at.hello != 0 && hello != at.hello {
		s.last = s.last%stream.MaxSession + 1
		at.session = s.last
	}
	if hello != 0 {
		at.hello = hello
	}
	if at.waits = sniff == stream.SniffClient; at.waits {
		at.from = d.From
	}
	return at.session, 0, lost
}

// waiting returns the peer of a that a hello of p belongs to, although it is not
// known by p's address or channel: the ChannelBind request or the address was not
// captured. It is the peer with the same ClientHello, or the only one that waits
// for this answer. except is excluded.
func (a *allocation) waiting(except *peer, p peer, sniff stream.Sniff, hello uint64, from uint8) (found *peer) {
	if except != nil {
		p = *except
	}
	for i := range a.peers {
		x := &a.peers[i]
		if x == except || x.session == 0 || p.channel != 0 && x.channel != 0 || p.address.IsValid() && x.address.IsValid() {
			continue
		}
		switch {
		case sniff == stream.SniffClient && hello != 0 && hello == x.hello:
			return x
		case sniff != stream.SniffServer || !x.waits || x.from == from:
		case found != nil:
			return nil
		default:
			found = x
		}
	}
	return found
}

// learn adds the address or the channel of p to the same peer.
func (x *peer) learn(p peer) {
	if p.channel != 0 {
		x.channel = p.channel
	}
	if p.address.IsValid() {
		x.address = p.address
	}
}

// bind notes the channel of a peer, RFC 8656 section 12.
func (s *Sessions) bind(flow uint64, p peer) (lost bool) {
	a, lost := s.allocation(flow)
	for i := range a.peers {
		if x := &a.peers[i]; x.address == p.address {
			x.channel = p.channel
			return lost
		}
	}
	if x := a.find(peer{channel: p.channel}); x != nil && !x.address.IsValid() {
		x.address = p.address // the channel was in use before the capture began
		return lost
	}
	for i := range a.peers {
		if x := &a.peers[i]; x.channel == p.channel {
			x.channel = 0 // the channel was bound again
		}
	}
	_, forgot := a.add(p)
	return lost || forgot
}

// random returns a hash of the Random in a ClientHello of DTLS, 0 if b does not
// hold it.
func (s *Sessions) random(b []byte) uint64 {
	const at = 13 + 12 + 2 // the headers of the record and of the message, and the version
	if len(b) < at+32 || b[13] != 1 || b[19]|b[20]|b[21] != 0 {
		return 0
	}
	return maphash.Bytes(s.seed, b[at:at+32]) | 1
}

// allocation returns the allocation of a pair of endpoints, and whether sessions
// of another one were forgotten for it.
func (s *Sessions) allocation(flow uint64) (a *allocation, lost bool) {
	if a, _ = s.allocations.Get(flow); a != nil {
		return a, false
	}
	a = new(allocation)
	if old, gone := s.allocations.Put(flow, a); gone {
		for _, p := range old.peers {
			lost = lost || p.session != 0
		}
	}
	return a, lost
}

// find returns the peer with the address or the channel of p, nil if there is
// none.
func (a *allocation) find(p peer) *peer {
	for i := range a.peers {
		x := &a.peers[i]
		switch {
		case p.channel != 0 && x.channel == p.channel, p.address.IsValid() && x.address == p.address:
			return x
		case p.channel == 0 && !p.address.IsValid() && x.channel == 0 && !x.address.IsValid() && x.session != 0:
			return x
		}
	}
	return nil
}

// add adds a peer. The result is valid until the next call. lost reports whether
// a session of another peer was forgotten for it.
func (a *allocation) add(p peer) (at *peer, lost bool) {
	if len(a.peers) < maxPeers {
		a.peers = append(a.peers, p)
		return &a.peers[len(a.peers)-1], false
	}
	at = &a.peers[a.next]
	a.next = (a.next + 1) % maxPeers
	lost = at.session != 0
	*at = p
	return at, lost
}
