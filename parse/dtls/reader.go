package dtls

import (
	"encoding/binary"
	"slices"

	"pfsight/capture/stream"
	"pfsight/parse/turn"
)

// A Reader reads conversations. It keeps its memory between calls. The zero
// value is ready; one goroutine uses it.
type Reader struct {
	o       Opening
	side    [2]side // by half
	c       *stream.Conversation
	pending []pending
	arena   []byte // bodies that had to be copied together
	over    bool   // another connection began
}

// A side is the state of one half.
type side struct {
	Side
	assembly
	problems []Problem
	numbers  numbers
}

// A pending is the rest of a datagram from a record on whose connection ID has a
// length that is not known before the hellos are read.
type pending struct {
	d        stream.Dir
	from, to int // in Half.Data
	mark     stream.Mark
}

// Read reads a conversation. It returns nil if c has no record of DTLS. The
// result is valid until the next call and aliases c. The datagrams of both halves
// are read in the order of the capture, so that a second connection between the
// same endpoints is not mixed with the first.
func (r *Reader) Read(c *stream.Conversation) *Opening {
	r.reset(c)
	var next [2]int // offset of the next datagram
	var mark [2]int // its index
	for !r.over {
		d := stream.ToServer
		a, okA := datagramAt(&c.Half[0], next[0], mark[0])
		b, okB := datagramAt(&c.Half[1], next[1], mark[1])
		switch {
		case !okA && !okB:
			return r.finish()
		case !okA || okB && earlier(b, a):
			d, a = stream.ToClient, b
		}
		next[d], mark[d] = int(a.To), mark[d]+1
		r.datagram(d, a)
	}
	return r.finish()
}

func (r *Reader) reset(c *stream.Conversation) {
	r.c = c
	r.o = Opening{Said: r.o.Said, Problems: r.o.Problems[:0]}
	r.pending, r.arena = r.pending[:0], r.arena[:0]
	r.over = false
	for d := range r.side {
		s := &r.side[d]
		s.Side = Side{Dir: stream.Dir(d), Versions: s.Versions[:0], Messages: s.Messages[:0], Alerts: s.Alerts[:0], Records: s.Records[:0]}
		s.assembly.reset()
		s.problems = s.problems[:0]
		s.numbers = numbers{}
	}
}

// datagramAt returns the datagram at offset off of the half, where i is the index
// of its mark. Bytes without a mark are taken for one datagram.
func datagramAt(h *stream.Half, off, i int) (stream.Mark, bool) {
	if off >= len(h.Data) {
		return stream.Mark{}, false
	}
	m := stream.Mark{}
	if i < len(h.Marks) {
		m = h.Marks[i]
	}
	if int(m.From) != off || int(m.To) <= off || int(m.To) > len(h.Data) {
		m.From, m.To = uint32(off), uint32(len(h.Data))
	}
	return m, true
}

func earlier(a, b stream.Mark) bool {
	return a.Time < b.Time || a.Time == b.Time && a.Packet < b.Packet
}

// datagram reads the records of a datagram.
func (r *Reader) datagram(d stream.Dir, m stream.Mark) {
	s := &r.side[d]
	b := r.c.Half[d].Data[m.From:m.To]
	off := 0
	inCapwap, inTurn := isCapwap(b), false
	if inCapwap {
		off = capwapHeader
	} else if from, to, ok := turn.Unwrap(b); ok {
		b, off, inTurn = b[:to], from, true
	}
	for n := 0; off < len(b) && !r.over; n++ {
		rec, st := nextRecord(b, off, -1)
		if st == notDTLS && n > 0 && isCapwap(b[off:]) { // some stacks repeat it before each record
			off += capwapHeader
			continue
		}
		if st != have {
			if n == 0 && st == notDTLS {
				r.o.Foreign++
				return
			}
			s.problem(int(m.From)+off, "record", r.why(d, st))
			return
		}
		r.o.Capwap = r.o.Capwap || inCapwap
		r.o.TURN = r.o.TURN || inTurn
		at := int(m.From) + off
		if rec.hasCID {
			s.count(rec, m)
			if len(r.pending) < maxPending {
				r.pending = append(r.pending, pending{d, at, int(m.From) + len(b), m})
			} else {
				s.keep(rec, at, -1, nil, m)
			}
			return
		}
		if rec.to > len(b) {
			s.problem(at, "record.length", r.why(d, cut))
		}
		body := b[min(rec.from, len(b)):min(rec.to, len(b))]
		if rec.epoch != 0 || rec.typ == RecordUnified {
			s.count(rec, m)
			s.keep(rec, at, rec.to-rec.from, nil, m)
		} else {
			r.plain(d, rec, body, int(m.From)+rec.from, m)
		}
		off = rec.to
	}
}

// why returns the problem with bytes that end too early or are no record.
func (r *Reader) why(d stream.Dir, s state) string {
	if s == cut && r.c.Half[d].Cut {
		return "cut"
	}
	return "malformed"
}

// plain reads a record of epoch 0. Its body b is at offset at of the half.
func (r *Reader) plain(d stream.Dir, rec record, b []byte, at int, m stream.Mark) {
	s := &r.side[d]
	if !slices.Contains(s.Versions, rec.version) && len(s.Versions) < maxVersions {
		s.Versions = append(s.Versions, rec.version)
	}
	s.numbers.add(&rec, b)
	switch rec.typ {
	case RecordChangeCipherSpec:
		s.CCS.add(m)
	case RecordAlert:
		if len(b) != 2 {
			s.problem(at, "alert", r.why(d, cut))
		} else if len(s.Alerts) < maxAlerts {
			s.Alerts = append(s.Alerts, Alert{b[0], b[1], m})
		}
	case RecordHandshake:
		r.fragments(d, b, at, m)
	}
}

// fragments reads the fragments of handshake messages in a record.
func (r *Reader) fragments(d stream.Dir, b []byte, at int, m stream.Mark) {
	s := &r.side[d]
	for len(b) > 0 && !r.over {
		if len(b) < messageHeader {
			s.problem(at, "handshake", r.why(d, cut))
			return
		}
		f, ok := readFragment(b)
		if !ok {
			s.problem(at, "handshake.fragment_length", "malformed")
			return
		}
		body := b[messageHeader:]
		if len(body) < f.len {
			s.problem(at, "handshake.fragment_length", r.why(d, cut))
		} else {
			body = body[:f.len]
		}
		if f.typ == TypeHelloVerifyRequest && f.off == 0 && len(body) >= 2 && s.Verify == 0 {
			s.Verify = binary.BigEndian.Uint16(body)
		}
		if (f.typ == TypeClientHello && f.seq == 0 || f.typ == TypeServerHello && s.protected()) && s.otherRandom(f, body) {
			r.again(d, f.typ, m)
			if r.over {
				return
			}
		}
		if what := s.add(f, body, at, m); what != "" {
			s.problem(at, "handshake", what)
		}
		n := messageHeader + len(body)
		b, at = b[n:], at+n
	}
}

// again handles a hello with another Random. Before a ServerHello, the new
// attempt replaces the old one. After it, the new connection is ignored.
func (r *Reader) again(d stream.Dir, typ uint8, m stream.Mark) {
	other := &r.side[d.Opposite()]
	if typ == TypeServerHello || other.began(TypeServerHello) || other.protected() {
		r.over = true
		r.o.Another, r.o.AnotherAt = true, m
		return
	}
	r.o.Restarts++
	r.side[d].assembly.reset()
	other.assembly.reset()
	r.side[d].numbers, other.numbers = numbers{}, numbers{}
}

// protected reports whether any protected record was seen.
func (s *Side) protected() bool {
	return s.Handshake.Count+s.Data.Count+s.Alert.Count+s.CID.Count+s.Unified.Count > 0
}

// count counts a protected record.
func (s *side) count(rec record, m stream.Mark) {
	switch rec.typ {
	case RecordUnified:
		s.Unified.add(m)
		if rec.epoch == 1 {
			s.Early.add(m)
		}
	case RecordCID:
		s.CID.add(m)
	case RecordHandshake:
		s.Handshake.add(m)
	case RecordApplicationData:
		s.Data.add(m)
	case RecordAlert:
		s.Alert.add(m)
	}
}

func (s *side) keep(rec record, at, length int, cid []byte, m stream.Mark) {
	if len(s.Records) < maxRecords {
		s.Records = append(s.Records, Record{rec.typ, rec.epoch, length, cid, at, m})
	}
}

func (s *side) problem(off int, field, what string) {
	if len(s.problems) < maxProblems {
		s.problems = append(s.problems, Problem{s.Dir, off, field, what})
	}
}
