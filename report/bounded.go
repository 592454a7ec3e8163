package report

import "container/heap"

// A heavy is a table of the keys that come most often, in bounded memory, as
// Metwally, Agrawal and El Abbadi describe it in "Efficient computation of
// frequent and top-k elements in data streams" (Space-Saving). As long as it
// is not full everything in it is exact. When it is, a key that is new takes
// the place of the one that weighs least and inherits its weight: so nothing
// new is shut out for ever, and whatever has more than its share of all weight
// is in the table. What is kept of a key counts from when it came in.
type heavy[K comparable, V any] struct {
	m     map[K]*heavyEntry[K, V]
	least heavyHeap[K, V] // lightest first; empty until the table is full
	limit int
	came  uint64
}

type heavyEntry[K comparable, V any] struct {
	key    K
	weight uint64 // what was inherited included
	order  uint64 // of coming in
	at     int    // in least
	value  V
}

func newHeavy[K comparable, V any](limit int) heavy[K, V] {
	return heavy[K, V]{m: map[K]*heavyEntry[K, V]{}, limit: limit}
}

// get returns the entry of a key, nil if it has none.
func (h *heavy[K, V]) get(k K) *heavyEntry[K, V] { return h.m[k] }

// add gives weight to a key; e is what get returned of it. fresh says that its
// value is a new one; evicted is the value that made room for it, nil for none.
// Of two that weigh the same the one that was there first goes.
func (h *heavy[K, V]) add(e *heavyEntry[K, V], k K, weight uint64) (value *V, fresh bool, evicted *V) {
	if e != nil {
		e.weight += weight
		if len(h.least) > 0 {
			heap.Fix(&h.least, e.at)
		}
		return &e.value, false, nil
	}
	h.came++
	e = &heavyEntry[K, V]{key: k, weight: weight, order: h.came}
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

// A reuses remembers values that may come again, in bounded memory: those
// that did come again since they were last looked at stay, of the others the
// oldest make room. Its sums are of all that was ever seen.
type reuses[K comparable] struct {
	m     map[K]uint32 // places in ring: without pointers the collector has nothing to do
	ring  []reuse[K]   // in the order in which they came
	next  int
	limit int

	values      uint64 // distinct, as far as they were remembered
	span        int64  // the longest time between the first and the last use of one, nanoseconds
	again       uint64 // values seen more than once
	connections uint64 // with those
	againSpan   int64  // span of those
	forgotten   uint64
}

// A reuse is one value seen in one or several connections.
type reuse[K comparable] struct {
	key         K
	n           uint64
	first, last int64
	came        bool // again, since the ring passed it
}

func newReuses[K comparable](limit int) reuses[K] {
	return reuses[K]{m: map[K]uint32{}, limit: limit}
}

// get returns what is remembered of a value, nil for nothing.
func (r *reuses[K]) get(k K) *reuse[K] {
	if at, ok := r.m[k]; ok {
		return &r.ring[at]
	}
	return nil
}

// see takes one use of a value; u is what get returned of it.
func (r *reuses[K]) see(u *reuse[K], k K, first, last int64) {
	if u == nil {
		u = r.room(k)
		*u = reuse[K]{key: k, first: first, last: last}
		r.values++
	} else {
		u.came = true
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

// stretch takes up how long u is in use.
func (r *reuses[K]) stretch(u *reuse[K]) {
	if u.first != 0 {
		r.span = max(r.span, u.last-u.first)
	}
	if u.n > 1 {
		r.againSpan = max(r.againSpan, u.last-u.first)
	}
}

// ended says that a use went on until last.
func (r *reuses[K]) ended(k K, last int64) {
	if u := r.get(k); u != nil {
		u.last = max(u.last, last)
		r.stretch(u)
	}
}

// room makes room for k in the ring.
func (r *reuses[K]) room(k K) *reuse[K] {
	if n := len(r.ring); n < r.limit {
		r.ring = append(r.ring, reuse[K]{})
		r.m[k] = uint32(n)
		return &r.ring[n]
	}
	// Values that all came again are passed over for so long only: the work for
	// one that is new does not grow with the table.
	const mostPassed = 64
	for passed := 0; ; passed++ {
		at := r.next
		r.next = (r.next + 1) % r.limit
		u := &r.ring[at]
		if u.came && passed < mostPassed {
			u.came = false
			continue
		}
		delete(r.m, u.key)
		r.forgotten++
		r.m[k] = uint32(at)
		return u
	}
}
