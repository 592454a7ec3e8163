package capture

import (
	"hash/maphash"
	"slices"
)

// A completedTable remembers the datagrams that were completed last. Otherwise
// a copy of a fragment would look like the first fragment of a new datagram.
// An identification is reused after 65536 datagrams, so only a fragment with
// the same bytes is a copy.
type completedTable struct {
	at   map[fragKey]int     // index in list
	list []completedDatagram // up to maxWhole
	next int                 // index in list of the oldest entry, if list is full
	seed maphash.Seed
}

type completedDatagram struct {
	key  fragKey
	time int64 // time of completion
	sums []uint32
}

// sum returns a hash of a fragment's position and bytes.
func (t *completedTable) sum(off int, more bool, b []byte) uint32 {
	place := uint64(off) << 1
	if more {
		place |= 1
	}
	return uint32(maphash.Bytes(t.seed, b) ^ place*0x9e3779b97f4a7c15>>32)
}

// has reports whether datagram k was completed and had a fragment with this
// sum.
func (t *completedTable) has(k fragKey, sum uint32, now int64) bool {
	i, ok := t.at[k]
	if !ok {
		return false
	}
	w := &t.list[i]
	return now-w.time <= maxFragmentTime && now >= w.time-maxFragmentTime && slices.Contains(w.sums, sum)
}

// remember adds the sums of g. If the table is full it replaces the oldest
// datagram.
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

// shift adds d to all times.
func (t *completedTable) shift(d int64) {
	for i := range t.list {
		t.list[i].time += d
	}
}
