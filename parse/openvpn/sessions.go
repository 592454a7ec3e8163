package openvpn

import (
	"pfsight/capture/stream"
	"pfsight/parse/bounded"
)

const (
	// maxTunnels is the number of tunnels that a Sessions remembers.
	maxTunnels = 1 << 14
	// resetLifetime is the time in nanoseconds during which a repeated reset is
	// a retransmission. OpenVPN gives a key exchange up after 60 s
	// (--hand-window) and renews keys every hour.
	resetLifetime = 60 * 1e9
)

// A Sessions numbers the key exchanges of tunnels over UDP. One tunnel carries
// several: its keys are renewed, and a client may start again from the same
// port. The data encrypted with a key belongs to the key's exchange.
//
// A Sessions remembers up to 16384 tunnels. Its method Split is a
// stream.Splitter. Use NewSessions to create one.
type Sessions struct {
	tunnels *bounded.Map[uint64, *tunnel] // by Datagram.Flow
	last    uint32
}

// A tunnel is the state of one pair of endpoints.
type tunnel struct {
	client  uint64    // session ID of the client since its last hard reset; 0 if not known
	keys    [8]uint32 // session number by key ID; 0 for none
	began   [8]int64  // when, by key ID
	before  uint32    // session number of key ID 0 before the last hard reset; 0 for none
	control [2]uint8  // number of control packets since then, by Datagram.From, up to minControl
}

// minControl is the minimum number of control packets that each side sends before
// data encrypted with the new key: its first TLS flight, and the message of key
// method 2 after the handshake. Earlier data belong to the previous exchange.
const minControl = 2

// NewSessions returns an empty Sessions.
func NewSessions() *Sessions {
	return &Sessions{tunnels: bounded.NewMap[uint64, *tunnel](maxTunnels)}
}

// Cost is the approximate size of a full Sessions, bytes.
const Cost = maxTunnels * 192

// Within limits s to about memory bytes. Call it before the first Split.
func (s *Sessions) Within(memory int64) {
	s.tunnels = bounded.NewMap[uint64, *tunnel](bounded.Fit(maxTunnels, memory, Cost))
}

// Split is the stream.Splitter of OpenVPN. The direction that it returns is
// always ToServer: the Reader finds out who the client is.
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
			if t.keys[0] != 0 && (t.client == p.session || t.client == 0 && d.Time-t.began[0] < resetLifetime) {
				t.client = p.session // a retransmission, or captured after the server's answer
				return t.keys[0], stream.ToServer, lost
			}
			*t = tunnel{client: p.session, before: t.keys[0]}
		} else if t.keys[key] != 0 && d.Time-t.began[key] < resetLifetime {
			return t.keys[key], stream.ToServer, lost
		}
		s.begin(t, key, d.Time)
		return t.keys[key], stream.ToServer, lost
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
			// The client's reset was not captured, or is captured later.
			t = new(tunnel)
			switch {
			case p.hello() == 1:
				t.client = p.session
			case p.acks > 0:
				t.client = p.remote
			}
			_, lost = s.tunnels.Put(d.Flow, t)
			s.begin(t, key, d.Time)
		}
		if key == 0 && t.before != 0 && t.precedes(op, d.From) {
			return t.before, stream.ToServer, lost
		}
		return t.keys[key], stream.ToServer, lost
	}
	return 0, 0, false
}

// precedes reports whether a packet with key ID 0 carries data of the exchange before
// the last hard reset.
func (t *tunnel) precedes(op, from uint8) bool {
	switch op {
	case controlV1:
		t.control[from&1] = min(t.control[from&1]+1, minControl)
	case dataV1, dataV2:
		if min(t.control[0], t.control[1]) < minControl {
			return true
		}
		t.before = 0
	}
	return false
}

// begin gives the key exchange that begins in t a new number.
func (s *Sessions) begin(t *tunnel, key uint8, now int64) {
	s.last = s.last%stream.MaxSession + 1
	t.keys[key], t.began[key] = s.last, now
}
