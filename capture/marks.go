package capture

import (
	"slices"

	"pfsight/capture/stream"
)

// mark records that packet s brought the bytes [from, to). It sets the fields
// in place, because copying a Mark right after its fields were written stalls
// on the stores.
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

// markFull is mark for a half with MaxMarks.
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

// keptMarks is the number of first marks that are never joined. The marks of
// the hello show in how many packets it arrived.
const keptMarks = 32

// joinMarks joins adjacent marks with the same acknowledgment number, such as
// those of many small segments. A joined mark says the same about the order of
// the two directions.
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
			i = len(out) // search again: the joined mark may touch another one
		}
		out = append(out, m)
	}
	h.Marks = out
}

// maxOvertaken is the number of latest marks that are searched for an adjacent
// one. Segments are not reordered further than that.
const maxOvertaken = 24
