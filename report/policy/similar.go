package policy

import (
	"slices"
	"strings"

	"pfsight/report/suggest"
)

// similarNames returns at most three names of built-in policies similar to
// word: first those that contain it, then those a few letters away. Of those
// equally near, later names come first, because names end in versions and
// dates.
func similarNames(word string) []string {
	word = strings.ToLower(strings.TrimSpace(word))
	if word == "" || len(word) > 64 {
		return nil
	}
	var list suggest.Ranking
	for _, p := range slices.Backward(builtin) {
		switch d := suggest.Distance(word, p.Name); {
		case strings.Contains(p.Name, word):
			list.Add(p.Name, -1) // word is only incomplete
		case d <= max(2, len(word)/5):
			list.Add(p.Name, d)
		}
	}
	return list.Best(3)
}
