package report

import "container/heap"

// A heavy is a table of the most frequent keys in bounded memory: the
// Space-Saving algorithm of Metwally, Agrawal and El Abbadi, "Efficient
// computation of frequent and top-k elements in data streams". Until the table
// is full, it is exact. When it is full, a new key replaces the key with the
// lowest weight and inherits that weight. So a new key is always accepted, and
// each key with more than total weight / limit is in the table. The value of a
// key counts only what was added since the key entered the table.
type heavy[K comparable, V any] struct {
	m          map[K]*heavyEntry[K, V]
	least      heavyHeap[K, V] // min-heap by weight; empty until the table is full
	limit      int
	insertions uint64
}

type heavyEntry[K comparable, V any] struct {
	key    K
	weight uint64 // includes the inherited weight
	order  uint64 // of insertion
	at     int    // index in least
	value  V
}

func newHeavy[K comparable, V any](limit int) heavy[K, V] {
	return heavy[K, V]{m: map[K]*heavyEntry[K, V]{}, limit: limit}
}

// get returns the entry of a key, or nil.
func (h *heavy[K, V]) get(k K) *heavyEntry[K, V] { return h.m[k] }

// add adds weight to a key. e is the entry that get returned for k. fresh
// reports whether the value is new. evicted is the value that was removed to
// make room, or nil. Of two keys with the lowest weight, the older one is
// removed.
func (h *heavy[K, V]) add(e *heavyEntry[K, V], k K, weight uint64) (value *V, fresh bool, evicted *V) {
	if e != nil {
		e.weight += weight
		if len(h.least) > 0 {
			heap.Fix(&h.least, e.at)
		}
		return &e.value, false, nil
	}
	h.insertions++
	e = &heavyEntry[K, V]{key: k, weight: weight, order: h.insertions}
	if len(h.m) >= h.limit {
		if len(h.least) == 0 {
			h.least = make(heavyHeap[K, V], 0, len(h.m))
			for _, x := range h.m {
				x.at = len(h.least)
				h.least = append(h.least, x)
			}
			heap.Init(&h.least)
		}
		old := h.least[0]
		delete(h.m, old.key)
		evicted = &old.value
		e.weight += old.weight
		h.least[0] = e
		h.m[k] = e
		heap.Fix(&h.least, 0)
		return &e.value, true, evicted
	}
	h.m[k] = e
	return &e.value, true, nil
}

type heavyHeap[K comparable, V any] []*heavyEntry[K, V]

func (h heavyHeap[K, V]) Len() int { return len(h) }
func (h heavyHeap[K, V]) Less(i, j int) bool {
	return h[i].weight < h[j].weight || h[i].weight == h[j].weight && h[i].order < h[j].order
}
func (h heavyHeap[K, V]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}
func (h *heavyHeap[K, V]) Push(x any) { *h = append(*h, x.(*heavyEntry[K, V])) }
func (h *heavyHeap[K, V]) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// A reuses counts repeated values in bounded memory. When it is full, it
// replaces the oldest value that was not repeated since the ring position last
// passed it. Its sums cover all values ever seen.
type reuses[K comparable] struct {
	m     map[K]uint32 // index in ring; holds no pointers, so the garbage collector does not scan it
	ring  []reuse[K]   // in order of insertion
	next  int
	limit int

	values      uint64 // distinct values, where a forgotten value counts again
	span        int64  // the longest time between the first and the last use of a value, nanoseconds
	again       uint64 // values seen more than once
	connections uint64 // connections with a value seen more than once
	againSpan   int64  // as span, of the values seen more than once
	forgotten   uint64
}

// A reuse is one value and the connections that used it.
type reuse[K comparable] struct {
	key         K
	n           uint64
	first, last int64
	repeated    bool // repeated since the ring position last passed it
}

func newReuses[K comparable](limit int) reuses[K] {
	return reuses[K]{m: map[K]uint32{}, limit: limit}
}

// get returns the entry of a value, or nil.
func (r *reuses[K]) get(k K) *reuse[K] {
	if at, ok := r.m[k]; ok {
		return &r.ring[at]
	}
	return nil
}

// see counts one use of a value. u is the entry that get returned for k.
func (r *reuses[K]) see(u *reuse[K], k K, first, last int64) {
	if u == nil {
		u = r.room(k)
		*u = reuse[K]{key: k, first: first, last: last}
		r.values++
	} else {
		u.repeated = true
	}
	u.n++
	u.first, u.last = Earlier(u.first, first), max(u.last, last)
	switch {
	case u.n == 2:
		r.again++
		r.connections += 2
	case u.n > 2:
		r.connections++
	}
	r.stretch(u)
}

// stretch updates the longest spans with that of u.
func (r *reuses[K]) stretch(u *reuse[K]) {
	if u.first != 0 {
		r.span = max(r.span, u.last-u.first)
	}
	if u.n > 1 {
		r.againSpan = max(r.againSpan, u.last-u.first)
	}
}

// ended extends the last use of k to the time last.
func (r *reuses[K]) ended(k K, last int64) {
	if u := r.get(k); u != nil {
		u.last = max(u.last, last)
		r.stretch(u)
	}
}

// room returns a slot of the ring for k. It may evict another value.
func (r *reuses[K]) room(k K) *reuse[K] {
	if n := len(r.ring); n < r.limit {
		r.ring = append(r.ring, reuse[K]{})
		r.m[k] = uint32(n)
		return &r.ring[n]
	}
	// The limit keeps the cost of one insertion constant when all values were
	// repeated.
	const mostPassed = 64
	for passed := 0; ; passed++ {
		at := r.next
		r.next = (r.next + 1) % r.limit
		u := &r.ring[at]
		if u.repeated && passed < mostPassed {
			u.repeated = false
			continue
		}
		delete(r.m, u.key)
		r.forgotten++
		r.m[k] = uint32(at)
		return u
	}
}
