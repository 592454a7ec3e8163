package suggest

import (
	"slices"
	"strings"
	"testing"
)

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"tls13-onyl", "tls13-only", 2}, {"same", "same", 0},
		{strings.Repeat("a", 65), "a", 64}, {"a", strings.Repeat("a", 1<<20), 64},
	} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("%.20q, %.20q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestRanking(t *testing.T) {
	var r Ranking
	if got := r.Best(3); len(got) != 0 {
		t.Error(got)
	}
	for i, name := range []string{"far", "near", "also near", "nearest"} {
		r.Add(name, []int{9, 2, 2, 1}[i])
	}
	if got := r.Best(3); !slices.Equal(got, []string{"nearest", "near", "also near"}) {
		t.Error(got)
	}
}
