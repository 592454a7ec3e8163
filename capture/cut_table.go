package capture

import "pfsight/capture/stream"

// A shortTable remembers which endpoints of connections that are not followed
// sent packets that were cut too short to tell what is in them. If a handshake
// shows later, what is missing of it was cut, and is not lost. It has a fixed
// size, and an endpoint that is noted may take the place of another one.
type cutTable [1 << 12]uint32

// slot returns the place of endpoint e of s, and what is noted there.
func (t *cutTable) slot(s *segment, e uint8) (at *uint32, note uint32) {
	return &t[s.hash>>(64-12)^uint64(e)], uint32(s.hash)&^1 | uint32(e)
}

// note notes the endpoint that sent s.
func (t *cutTable) note(s *segment) {
	at, note := t.slot(s, s.fromB)
	*at = note
}

// mark marks the halves of c, which begins with s, whose endpoints are noted.
func (t *cutTable) mark(s *segment, f *flow, c *stream.Conversation) {
	for e := range uint8(2) {
		if at, note := t.slot(s, e); *at == note {
			h := &c.Half[dirOf(f, e)]
			h.Cut = true
			h.Packets++
		}
	}
}
