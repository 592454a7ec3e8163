package policy

import (
	"slices"
	"strings"
)

// nearest returns at most three names of built-in policies that are like word:
// those that hold it, then those that are a few letters from it.
func nearest(word string) []string {
	word = strings.ToLower(strings.TrimSpace(word))
	if word == "" || len(word) > 64 {
		return nil
	}
	type near struct {
		name string
		d    int
	}
	var list []near
	for _, p := range builtin {
		switch d := distance(word, p.Name); {
		case strings.Contains(p.Name, word):
			// Nothing is wrong but what is missing: the newest comes first,
			// since names end in versions and dates.
			list = append([]near{{p.Name, -1}}, list...)
		case d <= max(2, len(word)/5):
			list = append(list, near{p.Name, d})
		}
	}
	slices.SortStableFunc(list, func(a, b near) int { return a.d - b.d })
	var out []string
	for _, n := range list[:min(3, len(list))] {
		out = append(out, n.name)
	}
	return out
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diag
			if a[i] != b[j] {
				d++
			}
			diag = row[j+1]
			row[j+1] = min(d, diag+1, row[j]+1)
		}
	}
	return row[len(b)]
}
