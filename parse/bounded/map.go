// Package bounded holds a map with a limit on its size, for state that hostile
// traffic would otherwise grow without end.
package bounded

// A Map holds a limited number of keys. Adding a key to a full Map removes the
// key that was added first. Use NewMap to create one.
type Map[K comparable, V any] struct {
	values map[K]V
	keys   []K // in the order of insertion; a ring once the Map is full
	oldest int // index in keys of the first one added, once the Map is full
	limit  int
}

// NewMap returns an empty Map that holds up to limit keys; limit is at least 1.
func NewMap[K comparable, V any](limit int) *Map[K, V] {
	return &Map[K, V]{values: map[K]V{}, limit: limit}
}

// Fit returns the limit of a Map that may take about memory bytes, given that
// a Map of limit keys takes cost bytes. The result is between 64 and limit.
func Fit(limit int, memory, cost int64) int {
	const least = 64
	if memory >= cost {
		return limit
	}
	return max(int(float64(limit)*float64(memory)/float64(cost)), least)
}

// Len returns the number of keys.
func (m *Map[K, V]) Len() int { return len(m.values) }

// Get returns the value of k and whether k is in the map.
func (m *Map[K, V]) Get(k K) (v V, ok bool) {
	v, ok = m.values[k]
	return v, ok
}

// Put sets the value of k. If that removes the oldest key, Put returns its
// value and true. Setting a key that is in the map does not change its age.
func (m *Map[K, V]) Put(k K, v V) (evicted V, ok bool) {
	if _, exists := m.values[k]; !exists {
		if len(m.keys) < m.limit {
			m.keys = append(m.keys, k)
		} else {
			key := &m.keys[m.oldest]
			evicted, ok = m.values[*key], true
			delete(m.values, *key)
			*key = k
			m.oldest = (m.oldest + 1) % m.limit
		}
	}
	m.values[k] = v
	return evicted, ok
}
