package eap

import (
	"bytes"
	"slices"

	"pfsight/capture/stream"
)

// A side is the TLS stream of one direction.
type side struct {
	half    stream.Half
	begun   bool // a message is incomplete
	dead    bool // a part of unknown length is missing, so later data have no place
	start   int  // index in half.Data of the message
	total   int  // length of the message; -1 if not given
	lastID  uint8
	jumps   int // number of fragments of the message before which others are missing
	jump    int // index in half.Data of the first of these
	history [historySize]received
	packets int // number of packets with TLS data
}

// A received is a packet that may be retransmitted.
type received struct {
	used     bool
	id       uint8
	from, to int // range of its data in half.Data
}

// historySize is the number of packets in which retransmissions are recognized. EAP
// is a lock-step protocol, RFC 3748 section 4.1, and retransmits only the last
// packet, but copies made by the capture may come later.
const historySize = stream.MaxMarks

// repeats reports whether p is a retransmission.
func (s *side) repeats(p *packet) bool {
	for i := range s.history {
		k := &s.history[i]
		if k.used && k.id == p.id && len(p.data) == k.to-k.from && bytes.Equal(p.data, s.half.Data[k.from:k.to]) {
			return true
		}
	}
	if last := &s.history[(s.packets+historySize-1)%historySize]; last.used && last.id == p.id {
		s.half.Conflict = true // RFC 3748 section 4.1: a new Request has a new identifier
		return true
	}
	return false
}

// add appends the TLS data of a packet.
func (s *side) add(p *packet, m stream.Mark) {
	from := len(s.half.Data)
	to := from + len(p.data)
	if s.dead || to > maxMessage {
		s.half.Full = s.half.Full || to > maxMessage
		return
	}
	if !s.begun {
		s.begun, s.start, s.total, s.jumps = true, from, -1, 0
		if !beginsRecord(p.data) {
			s.end() // the fragment before p was not seen
			return
		}
	} else if p.id != s.lastID+1 {
		if s.jumps == 0 {
			s.jump = from
		}
		s.jumps++
	}
	if p.total >= 0 {
		s.total = p.total
	}
	s.lastID = p.id
	s.half.Data = append(s.half.Data, p.data...)
	if len(p.data) > 0 {
		s.mark(from, to, m)
	}
	s.history[s.packets%historySize] = received{true, p.id, from, to}
	s.packets++
	if p.missing > 0 {
		s.half.Cut = true
		s.gap(to, min(p.missing, maxMessage-to))
	}
	if !p.more {
		s.finish(true)
	}
}

// beginsRecord reports whether b may begin a TLS record. EAP messages consist of
// complete records.
func beginsRecord(b []byte) bool {
	return len(b) < 2 || b[0] >= 20 && b[0] <= 24 && b[1] == 3
}

// mark adds a mark for the bytes [from, to).
func (s *side) mark(from, to int, m stream.Mark) {
	m.From, m.To = uint32(from), uint32(to)
	s.half.Marks = append(s.half.Marks, m)
}

// finish ends a message. last reports whether its last fragment was seen. If bytes
// are missing, their place is where identifiers are missing.
func (s *side) finish(last bool) {
	s.begun = false
	missing := s.total - (len(s.half.Data) - s.start)
	if s.dead || s.total < 0 && last || s.total >= 0 && missing <= 0 {
		return
	}
	switch {
	case s.total < 0 || s.total > maxMessage || s.jumps > 1 || s.jumps == 1 && !last, s.jumps == 0 && last:
		if s.jumps > 0 {
			s.cutAt(s.jump)
		}
		s.end()
	case s.jumps == 1:
		s.insert(s.jump, missing)
	default: // the end of the message is missing
		s.gap(len(s.half.Data), missing)
	}
}

// end marks the rest of the stream as missing.
func (s *side) end() {
	if !s.dead {
		s.gap(len(s.half.Data), 1)
	}
	s.dead, s.begun = true, false
}

// gap appends a gap of n bytes. at is the length of the data.
func (s *side) gap(at, n int) {
	if n <= 0 || at+n > maxMessage {
		s.dead = true
		return
	}
	h := &s.half
	h.Data = slices.Grow(h.Data, n)[:at+n]
	clear(h.Data[at:])
	if k := len(h.Gaps); k > 0 && h.Gaps[k-1].To == at {
		h.Gaps[k-1].To = at + n
		return
	}
	h.Gaps = append(h.Gaps, stream.Gap{From: at, To: at + n})
}

// cutAt removes the data from at on.
func (s *side) cutAt(at int) {
	h := &s.half
	h.Data = h.Data[:at]
	h.Marks = slices.DeleteFunc(h.Marks, func(m stream.Mark) bool { return int(m.From) >= at })
	h.Gaps = slices.DeleteFunc(h.Gaps, func(g stream.Gap) bool { return g.From >= at })
	s.history = [historySize]received{}
}

// insert inserts a gap of n bytes at at.
func (s *side) insert(at, n int) {
	h := &s.half
	size := len(h.Data)
	if size+n > maxMessage {
		s.cutAt(at)
		s.end()
		return
	}
	h.Data = slices.Grow(h.Data, n)[:size+n]
	copy(h.Data[at+n:], h.Data[at:size])
	clear(h.Data[at : at+n])
	for i := range h.Marks {
		if m := &h.Marks[i]; int(m.From) >= at {
			m.From, m.To = m.From+uint32(n), m.To+uint32(n)
		}
	}
	index := len(h.Gaps)
	for i := range h.Gaps {
		if g := &h.Gaps[i]; g.From >= at {
			index = min(index, i)
			g.From, g.To = g.From+n, g.To+n
		}
	}
	h.Gaps = slices.Insert(h.Gaps, index, stream.Gap{From: at, To: at + n})
	for i := range s.history {
		if k := &s.history[i]; k.from >= at {
			k.from, k.to = k.from+n, k.to+n
		}
	}
}
