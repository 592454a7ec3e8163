package latest

import "testing"

func TestMap(t *testing.T) {
	m := NewMap[int, string](2)
	for _, c := range []struct {
		k    int
		v    string
		old  string
		gone bool
	}{{1, "a", "", false}, {2, "b", "", false}, {1, "A", "", false}, {3, "c", "A", true}, {4, "d", "b", true}, {1, "e", "c", true}} {
		if old, gone := m.Put(c.k, c.v); old != c.old || gone != c.gone {
			t.Errorf("%d: %q %v went, want %q %v", c.k, old, gone, c.old, c.gone)
		}
		if v, ok := m.Get(c.k); v != c.v || !ok || m.Len() > 2 || len(m.order) > 2 {
			t.Errorf("%d is %q, of %d", c.k, v, m.Len())
		}
	}
	if _, ok := m.Get(3); ok {
		t.Error("3 is still there")
	}
}
