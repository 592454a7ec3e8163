package capture

import (
	"slices"

	"pfsight/capture/stream"
)

// mark records which packet brought which bytes. It sets the fields in place:
// a copy of a Mark that was just written waits for its stores.
func mark(h *stream.Half, from, to int, s *segment, seq, ack uint32) {
	n := len(h.Marks)
	if n >= stream.MaxMarks {
		markFull(h, stream.Mark{From: uint32(from), To: uint32(to), Seq: seq, Ack: ack, Packet: s.packet, Time: s.time})
		return
	}
	if n == cap(h.Marks) {
		h.Marks = slices.Grow(h.Marks, 1)
	}
	h.Marks = h.Marks[:n+1]
	m := &h.Marks[n]
	m.From, m.To, m.Seq, m.Ack, m.Packet, m.Time = uint32(from), uint32(to), seq, ack, s.packet, s.time
}

// markFull is mark where there are MaxMarks already.
func markFull(h *stream.Half, m stream.Mark) {
	if joinMarks(h); len(h.Marks) < stream.MaxMarks {
		h.Marks = append(h.Marks, m)
		return
	}
	last := &h.Marks[len(h.Marks)-1]
	m.From = min(last.From, m.From)
	if last.To > m.To {
		m.To, m.Seq = last.To, last.Seq
	}
	*last = m
}

// keptMarks is how many of the first marks stay as they are: those of the hello
// tell in how many packets it came.
const keptMarks = 32

// joinMarks makes one mark of those that touch each other and acknowledge the
// same, as of many small segments in whatever order: what they say of the order
// of the two directions is the same.
func joinMarks(h *stream.Half) {
	out := h.Marks[:keptMarks]
	for _, m := range h.Marks[keptMarks:] {
		for i := len(out) - 1; i >= max(keptMarks, len(out)-maxOvertaken); i-- {
			x := &out[i]
			if x.To != m.From && x.From != m.To || x.Ack != m.Ack || x.Seq == 0 || m.Seq == 0 {
				continue
			}
			if x.To > m.To {
				m.To, m.Seq = x.To, x.Seq
			}
			m.From = min(m.From, x.From)
			out = slices.Delete(out, i, i+1)
			i = len(out) // what it touches now
		}
		out = append(out, m)
	}
	h.Marks = out
}

// joinAmong is how many of the last marks are looked at for one that another one
// touches: segments do not overtake more.
const maxOvertaken = 24
