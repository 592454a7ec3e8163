package openvpn

import (
	"pfsight/capture/stream"
	"pfsight/parse/bounded"
)

// Limits of a Sessions.
const (
	// maxTunnels is how many tunnels are remembered.
	maxTunnels = 1 << 14
	// renewed is for how long packets that begin an exchange of keys are
	// retransmissions of the first one, nanoseconds. OpenVPN gives an
	// exchange up after 60 s (--hand-window), and renews keys each hour.
	renewed = 60 * 1e9
)

// A Sessions tells apart the exchanges of keys that one tunnel over UDP
// carries one after the other: renewed keys, and those of a client that begins
// again from the same port. The data under a key belong to its exchange. Its
// method Split is a stream.Splitter. It remembers at most 16384 tunnels.
// NewSessions makes one.
type Sessions struct {
	tunnels *bounded.Map[uint64, *tunnel] // by Datagram.Flow
	last    uint32
}

// A tunnel is what is known of one pair of endpoints.
type tunnel struct {
	client uint64    // session id of the client in its last hard reset, as far as it is known; 0 is not
	keys   [8]uint32 // the session of each key id; 0 none
	began  [8]int64
}

// NewSessions returns a Sessions that has seen nothing.
func NewSessions() *Sessions { return &Sessions{tunnels: bounded.NewMap[uint64, *tunnel](maxTunnels)} }

// Cost is about what a Sessions takes when it is full, bytes.
const Cost = maxTunnels * 192

// Within has s remember less, so that it takes no more than about so many
// bytes. It is called before the first Split.
func (s *Sessions) Within(memory int64) {
	s.tunnels = bounded.NewMap[uint64, *tunnel](bounded.Fit(maxTunnels, memory, Cost))
}

// Split is a stream.Splitter.
func (s *Sessions) Split(d *stream.Datagram) (session uint32, dir stream.Dir, lost bool) {
	b := d.Data
	if d.Transport != stream.UDP || len(b) < 10 {
		return 0, 0, false
	}
	op, key := b[0]>>3, b[0]&7
	switch op {
	case hardResetClientV1, hardResetClientV2, softResetV1:
		_, p, ok := digestOf(b)
		if !ok || !p.isReset() {
			return 0, 0, false
		}
		t, _ := s.tunnels.Get(d.Flow)
		if t == nil {
			t = new(tunnel)
			_, lost = s.tunnels.Put(d.Flow, t)
		}
		if op != softResetV1 {
			if t.keys[0] != 0 && (t.client == p.session || t.client == 0 && d.Time-t.began[0] < renewed) {
				t.client = p.session
				return t.keys[0], stream.ToServer, lost // a retransmission, or captured after the server's answer
			}
			*t = tunnel{client: p.session}
		} else if t.keys[key] != 0 && d.Time-t.began[key] < renewed {
			return t.keys[key], stream.ToServer, lost
		}
		s.last = s.last%stream.MaxSession + 1
		t.keys[key], t.began[key] = s.last, d.Time
		return s.last, stream.ToServer, lost
	case hardResetServerV1, hardResetServerV2, controlV1, ackV1, dataV1, dataV2:
		t, _ := s.tunnels.Get(d.Flow)
		if t == nil {
			if op == ackV1 || op == dataV1 || op == dataV2 {
				return 0, 0, false
			}
			_, p, ok := digestOf(b)
			if !ok {
				return 0, 0, false
			}
			// The capture began after the client's reset, or that comes late.
			t = new(tunnel)
			switch {
			case p.hello() == 1:
				t.client = p.session
			case p.acks > 0:
				t.client = p.remote
			}
			_, lost = s.tunnels.Put(d.Flow, t)
			s.last = s.last%stream.MaxSession + 1
			t.keys[key], t.began[key] = s.last, d.Time
		}
		return t.keys[key], stream.ToServer, lost
	}
	return 0, 0, false
}
