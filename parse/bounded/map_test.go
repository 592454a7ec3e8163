package bounded

import "testing"

func TestMap(t *testing.T) {
	t.Parallel()
	m := NewMap[int, string](2)
	for i, put := range []struct {
		key     int
		value   string
		evicted string
		ok      bool
	}{
		{1, "a", "", false},
		{2, "b", "", false},
		{1, "A", "", false},
		{3, "c", "A", true},
		{4, "d", "b", true},
		{1, "e", "c", true},
	} {
		if evicted, ok := m.Put(put.key, put.value); evicted != put.evicted || ok != put.ok {
			t.Errorf("step %d: Put(%d, %q) = %q, %v; want %q, %v", i, put.key, put.value, evicted, ok, put.evicted, put.ok)
		}
		if v, ok := m.Get(put.key); v != put.value || !ok {
			t.Errorf("step %d: Get(%d) = %q, %v; want %q, true", i, put.key, v, ok, put.value)
		}
		if m.Len() > 2 || len(m.keys) > 2 {
			t.Errorf("step %d: %d values and %d keys, want at most 2", i, m.Len(), len(m.keys))
		}
	}
	if v, ok := m.Get(3); ok {
		t.Errorf("Get(3) = %q, true; want it evicted", v)
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		memory, cost int64
		want         int
	}{
		{"more memory than needed", 200, 100, 1000},
		{"just enough", 100, 100, 1000},
		{"half", 50, 100, 500},
		{"the minimum", 1, 100, 64},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Fit(1000, c.memory, c.cost); got != c.want {
				t.Errorf("Fit(1000, %d, %d) = %d, want %d", c.memory, c.cost, got, c.want)
			}
		})
	}
}
