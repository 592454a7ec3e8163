package capture

import (
	"hash/maphash"
	"slices"
)

// A wholeTable remembers the datagrams that became whole last, so that a
// fragment that was captured twice is not taken for the first fragment of
// another datagram. An identification is used again after 65536 datagrams, so
// a fragment is a copy only if its bytes are the same.
type completedTable struct {
	at   map[fragKey]int     // index in list
	list []completedDatagram // up to maxWhole
	next int                 // index in list of the oldest, once list is full
	seed maphash.Seed
}

type completedDatagram struct {
	key  fragKey
	time int64 // when it became whole
	sums []uint32
}

// sum returns what tells fragments of one datagram apart.
func (t *completedTable) sum(off int, more bool, b []byte) uint32 {
	place := uint64(off) << 1
	if more {
		place |= 1
	}
	return uint32(maphash.Bytes(t.seed, b) ^ place*0x9e3779b97f4a7c15>>32)
}

// has reports whether the datagram k became whole with a fragment of this sum.
func (t *completedTable) has(k fragKey, sum uint32, now int64) bool {
	i, ok := t.at[k]
	if !ok {
		return false
	}
	w := &t.list[i]
	return now-w.time <= maxFragmentTime && now >= w.time-maxFragmentTime && slices.Contains(w.sums, sum)
}

// remember takes the sums of g, and forgets the oldest datagram for them.
func (t *completedTable) remember(g *reassembly, now int64) {
	i, ok := t.at[g.key]
	switch {
	case ok:
	case len(t.list) < maxWhole:
		i = len(t.list)
		t.list = append(t.list, completedDatagram{})
	default:
		i = t.next
		t.next = (t.next + 1) % maxWhole
		delete(t.at, t.list[i].key)
	}
	w := &t.list[i]
	t.at[g.key] = i
	w.key, w.time = g.key, now
	w.sums, g.sums = g.sums, w.sums
}

// shift moves the times by d.
func (t *completedTable) shift(d int64) {
	for i := range t.list {
		t.list[i].time += d
	}
}
