// Package latest keeps what came last, so that hostile traffic fills no memory.
package latest

// A Map is a map of the keys that were added last. When there are as many as it
// may hold, a new one takes the place of the oldest. NewMap makes one.
type Map[K comparable, V any] struct {
	values map[K]V
	order  []K
	oldest int // of order, once that is full
	most   int
}

// NewMap returns an empty map of at most so many keys, one or more.
func NewMap[K comparable, V any](most int) *Map[K, V] {
	return &Map[K, V]{values: map[K]V{}, most: most}
}

// Share returns how many keys a Map may hold that with most keys takes cost
// bytes, where it is to take no more than memory: most at the most, and 64 in
// any case.
func Share(most int, memory, cost int64) int {
	const least = 64
	if memory >= cost {
		return most
	}
	return max(int(float64(most)*float64(memory)/float64(cost)), least)
}

// Len returns how many keys there are.
func (m *Map[K, V]) Len() int { return len(m.values) }

// Get returns the value of a key.
func (m *Map[K, V]) Get(k K) (v V, ok bool) {
	v, ok = m.values[k]
	return v, ok
}

// Put sets the value of a key, and returns that of the one which had to go for
// it. A key that is there keeps its age.
func (m *Map[K, V]) Put(k K, v V) (old V, gone bool) {
	if _, ok := m.values[k]; !ok {
		if len(m.order) < m.most {
			m.order = append(m.order, k)
		} else {
			at := &m.order[m.oldest]
			old, gone = m.values[*at], true
			delete(m.values, *at)
			*at = k
			m.oldest = (m.oldest + 1) % m.most
		}
	}
	m.values[k] = v
	return old, gone
}
