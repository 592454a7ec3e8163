// Package suggest finds names similar to a typo.
package suggest

import "slices"

// maxWord is the length of the longest word that is compared, bytes. The cost
// of a comparison is the product of two lengths.
const maxWord = 64

// Distance returns the Levenshtein distance: the number of bytes to insert,
// delete or replace to turn a into b. If a word is longer than 64 bytes, it is
// 64.
func Distance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return maxWord
	}
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

// A Ranking orders names by their distance from a typo. The zero value is
// empty.
type Ranking struct{ list []ranked }

type ranked struct {
	name string
	d    int
}

// Add adds a name with its distance.
func (r *Ranking) Add(name string, distance int) { r.list = append(r.list, ranked{name, distance}) }

// Best returns at most n names, the nearest first. Equally near names keep the
// order of Add.
func (r *Ranking) Best(n int) []string {
	slices.SortStableFunc(r.list, func(a, b ranked) int { return a.d - b.d })
	var out []string
	for _, x := range r.list[:min(n, len(r.list))] {
		out = append(out, x.name)
	}
	return out
}
