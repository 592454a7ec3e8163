package main

import (
	"cmp"
	"slices"
)

// An entry is a connection in a tool's output.
type entry struct {
	keys   []string // key of the endpoints; for EAPOL both MAC addresses
	at     int64    // start, nanoseconds; 0 if the tool does not report it
	answer answer
}

// match returns the entry of each label, nil if there is none, and the number of
// entries that match no label. Connections on the same 5-tuple are matched by
// time.
func match(labels []label, all []entry) (got []*entry, extra int) {
	got = make([]*entry, len(labels))
	byKey := map[string][]int{}
	for i := range labels {
		byKey[labels[i].key] = append(byKey[labels[i].key], i)
	}
	found := map[string][]int{}
	for i := range all {
		n := slices.IndexFunc(all[i].keys, func(k string) bool { return byKey[k] != nil })
		if n < 0 {
			extra++
			continue
		}
		found[all[i].keys[n]] = append(found[all[i].keys[n]], i)
	}
	for key, is := range found {
		ls := byKey[key]
		extra += max(0, len(is)-len(ls))
		slices.SortStableFunc(ls, func(a, b int) int { return cmp.Compare(labels[a].at, labels[b].at) })
		slices.SortStableFunc(is, func(a, b int) int { return cmp.Compare(all[a].at, all[b].at) })
		for l, i := range pair(ls, is, func(l, i int) int64 {
			if all[i].at == 0 {
				return 0
			}
			return max(labels[l].at-all[i].at, all[i].at-labels[l].at)
		}) {
			got[l] = &all[i]
		}
	}
	return got, extra
}

// pair matches labels with entries: in order if their numbers are equal, else the
// closest ones first.
func pair(ls, is []int, distance func(l, i int) int64) map[int]int {
	out := map[int]int{}
	if len(ls) == len(is) {
		for n, l := range ls {
			out[l] = is[n]
		}
		return out
	}
	type edge struct {
		l, i int
		d    int64
	}
	var edges []edge
	for _, l := range ls {
		for _, i := range is {
			edges = append(edges, edge{l, i, distance(l, i)})
		}
	}
	slices.SortStableFunc(edges, func(a, b edge) int { return cmp.Compare(a.d, b.d) })
	used := map[int]bool{}
	for _, e := range edges {
		if _, done := out[e.l]; !done && !used[e.i] {
			out[e.l], used[e.i] = e.i, true
		}
	}
	return out
}

// Outcomes of one field of one connection.
type outcome int

const (
	unscored outcome = iota // the stack did not report the value
	right
	undetermined
	missed // the tool did not list the connection
	wrong
	numOutcomes
)

// judgeField compares a value in a tool's output with the label.
func judgeField(want string, got *entry, field int) outcome {
	switch {
	case want == "":
		return unscored
	case got == nil:
		return missed
	case got.answer[field] == "":
		return undetermined
	case equalName(got.answer[field], want):
		return right
	}
	return wrong
}

// A tally counts outcomes.
type tally [numOutcomes]int

func (t *tally) of() int { return t[right] + t[undetermined] + t[missed] + t[wrong] }

func (t *tally) add(o tally) {
	for i := range t {
		t[i] += o[i]
	}
}

// A result holds the outcomes of one tool for one corpus.
type result struct {
	got      []*entry
	extra    int
	outcomes [][numFields]outcome // by label
	fields   [numFields]tally
	found    tally // connections: right or missed
	failed   error // the tool could not read the capture
}

func score(c *corpus, all []entry) *result {
	r := &result{}
	r.got, r.extra = match(c.labels, all)
	for i, l := range c.labels {
		var o [numFields]outcome
		for f := range o {
			o[f] = judgeField(l.want[f], r.got[i], f)
			r.fields[f][o[f]]++
		}
		r.outcomes = append(r.outcomes, o)
		if r.got[i] != nil {
			r.found[right]++
		} else {
			r.found[missed]++
		}
	}
	return r
}
