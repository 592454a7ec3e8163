package capture

import "pfsight/capture/stream"

// A cutTable remembers endpoints of connections that are not followed yet and
// whose packets were cut too short to examine. If a handshake of such a
// connection appears later, its missing bytes count as cut, not as lost. The
// table has a fixed size. A new entry may overwrite an older one.
type cutTable [1 << 12]uint32

// slot returns the place for endpoint e of s, and the value that marks it as
// noted.
func (t *cutTable) slot(s *segment, e uint8) (at *uint32, note uint32) {
	return &t[s.hash>>(64-12)^uint64(e)], uint32(s.hash)&^1 | uint32(e)
}

// note records the endpoint that sent s.
func (t *cutTable) note(s *segment) {
	at, note := t.slot(s, s.fromB)
	*at = note
}

// mark sets Cut in the halves of c whose endpoints are recorded. s is the
// first segment of c.
func (t *cutTable) mark(s *segment, f *flow, c *stream.Conversation) {
	for e := range uint8(2) {
		if at, note := t.slot(s, e); *at == note {
			h := &c.Half[dirOf(f, e)]
			h.Cut = true
			h.Packets++
		}
	}
}
