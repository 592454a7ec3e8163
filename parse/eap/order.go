package eap

import (
	"slices"

	"pfsight/capture/stream"
)

// An order determines the order in which the datagrams of both directions were
// sent. The order in the capture differs if one direction or one packet arrives
// late. EAP is a lock-step protocol: a Response has the identifier of its Request
// and precedes the next Request (RFC 3748 section 4.1).
type order struct {
	at    [2]int                    // position in index of the next datagram, by Dir
	index [2][stream.MaxMarks]uint8 // of the marks, in the order sent
	code  [2][stream.MaxMarks]uint8 // by index of the mark; 0 for a datagram without EAP
	id    [2][stream.MaxMarks]uint8
	last  uint8 // identifier of the last Request
	any   bool  // there was a Request
}

// read reads the codes and identifiers of all datagrams.
func (o *order) read(r *Reader, c *stream.Conversation) {
	o.at, o.any = [2]int{}, false
	for d := range c.Half {
		h := &c.Half[d]
		for i := range min(len(h.Marks), stream.MaxMarks) {
			p, _ := r.packet(h.Data[h.Marks[i].From:h.Marks[i].To], c.Transport)
			o.code[d][i], o.id[d][i], o.index[d][i] = p.code, p.id, uint8(i)
		}
	}
}

// next returns the direction of the datagram that was sent next. ok is false at
// the end.
func (o *order) next(c *stream.Conversation) (d stream.Dir, ok bool) {
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
		// d is the direction of the EAP peer. Its Response is next unless its
		// Request has not been returned yet.
		id := o.id[d][first[d]]
		if o.any && id == o.last {
			return d, true
		}
		if peers := o.index[d][o.at[d] : o.at[d]+left[d]]; o.any && int8(id-o.last) > 0 {
			if i := o.find(d, peers, codeResponse, o.last); i > 0 {
				toFront(peers, i) // sent before those that were captured before it
				return d, true
			}
		}
		rest := o.index[to][o.at[to] : o.at[to]+left[to]]
		i := o.find(to, rest, codeRequest, id)
		if i < 0 {
			return d, true
		}
		if next := o.id[to][rest[0]]; i > 0 && int8(next-id) > 0 && o.find(d, o.index[d][o.at[d]+1:o.at[d]+left[d]], codeResponse, next) >= 0 {
			toFront(rest, i) // as above
		}
		return to, true
	}
	a, b := c.Half[0].Marks[first[0]], c.Half[1].Marks[first[1]]
	if b.Time < a.Time || b.Time == a.Time && b.Packet < a.Packet {
		return 1, true
	}
	return 0, true
}

// find returns the position in list, which holds indexes of marks of direction d, of a
// packet with this code and identifier, or -1.
func (o *order) find(d stream.Dir, list []uint8, code, id uint8) int {
	return slices.IndexFunc(list, func(k uint8) bool { return o.code[d][k] == code && o.id[d][k] == id })
}

// toFront moves the element at i to the front.
func toFront(list []uint8, i int) {
	k := list[i]
	copy(list[1:i+1], list[:i])
	list[0] = k
}

// advance skips the next datagram of a direction and returns the index of its mark.
func (o *order) advance(d stream.Dir) int {
	i := o.index[d][o.at[d]]
	o.at[d]++
	if o.code[d][i] == codeRequest {
		o.last, o.any = o.id[d][i], true
	}
	return int(i)
}
