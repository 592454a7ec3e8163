package eap

import (
	"slices"

	"pfsight/capture/stream"
)

// An order tells in which order the datagrams of both halves were sent. It is
// not that of the capture where one direction, or one packet, arrives late. EAP
// is a lock-step protocol: a Response has the identifier of its Request and
// comes after it, and before the next Request (RFC 3748 section 4.1).
type order struct {
	at    [2]int // the next datagram of each half, an index of index
	index [2][stream.MaxMarks]uint8
	code  [2][stream.MaxMarks]uint8 // by index of the mark; 0 is that of what is no EAP
	id    [2][stream.MaxMarks]uint8
	last  uint8 // identifier of the last Request
	any   bool  // there was one
}

// look reads codes and identifiers.
func (o *order) look(r *Reader, c *stream.Conversation) {
	o.at, o.any = [2]int{}, false
	for d := range c.Half {
		h := &c.Half[d]
		for i := range min(len(h.Marks), stream.MaxMarks) {
			p, _ := r.packet(h.Data[h.Marks[i].From:h.Marks[i].To], c.Transport)
			o.code[d][i], o.id[d][i], o.index[d][i] = p.code, p.id, uint8(i)
		}
	}
}

// next returns the half whose next datagram was sent first.
func (o *order) next(c *stream.Conversation) (stream.Dir, bool) {
	var left [2]int
	for d := range c.Half {
		left[d] = min(len(c.Half[d].Marks), stream.MaxMarks) - o.at[d]
	}
	switch {
	case left[0] <= 0 && left[1] <= 0:
		return 0, false
	case left[0] <= 0:
		return 1, true
	case left[1] <= 0:
		return 0, true
	}
	first := [2]uint8{o.index[0][o.at[0]], o.index[1][o.at[1]]}
	for d := range stream.Dir(2) {
		if o.code[d][first[d]] == 0 {
			return d, true
		}
	}
	for d := range stream.Dir(2) {
		to := d.Opposite()
		if o.code[d][first[d]] != codeResponse || o.code[to][first[to]] == codeResponse {
			continue
		}
		// d is the peer's. Its Response comes first if its Request was there, or
		// is none of those to come.
		id := o.id[d][first[d]]
		if o.any && id == o.last {
			return d, true
		}
		rest := o.index[to][o.at[to] : o.at[to]+left[to]]
		for i, k := range rest {
			if o.code[to][k] == codeRequest && o.id[to][k] == id {
				if i > 0 && o.answers(c, d, o.id[to][rest[0]]) {
					// It was sent before those that were captured before it.
					copy(rest[1:i+1], slices.Clone(rest[:i]))
					rest[0] = k
				}
				return to, true
			}
		}
		return d, true
	}
	a, b := c.Half[0].Marks[first[0]], c.Half[1].Marks[first[1]]
	if b.Time < a.Time || b.Time == a.Time && b.Packet < a.Packet {
		return 1, true
	}
	return 0, true
}

// answers reports whether one of the datagrams to come of a half, but for the
// next one, is a Response with this identifier.
func (o *order) answers(c *stream.Conversation, d stream.Dir, id uint8) bool {
	for _, i := range o.index[d][o.at[d]+1 : min(len(c.Half[d].Marks), stream.MaxMarks)] {
		if o.code[d][i] == codeResponse && o.id[d][i] == id {
			return true
		}
	}
	return false
}

// take moves behind the next datagram of a half and returns the index of its
// mark.
func (o *order) take(d stream.Dir) int {
	i := o.index[d][o.at[d]]
	o.at[d]++
	if o.code[d][i] == codeRequest {
		o.last, o.any = o.id[d][i], true
	}
	return int(i)
}
