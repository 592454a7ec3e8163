package policy

import (
	"slices"
	"strings"

	"pfsight/report/near"
)

// nearest returns at most three names of built-in policies that are like word:
// those that hold it, then those that are a few letters from it. Of those the
// last come first, since names end in versions and dates.
func nearest(word string) []string {
	word = strings.ToLower(strings.TrimSpace(word))
	if word == "" || len(word) > 64 {
		return nil
	}
	var list near.Ranking
	for _, p := range slices.Backward(builtin) {
		switch d := near.Distance(word, p.Name); {
		case strings.Contains(p.Name, word):
			list.Add(p.Name, -1) // nothing is wrong but what is missing
		case d <= max(2, len(word)/5):
			list.Add(p.Name, d)
		}
	}
	return list.Best(3)
}
