package main

import (
	"cmp"
	"slices"

	"pfsight/capture"
	"pfsight/capture/pcapfile"
	"pfsight/report"
	"pfsight/report/render"
)

// maxGapFiles is how many inputs are told apart that have connections with bytes
// missing.
const maxGapFiles = 1 << 14

// gapCount counts connections with bytes missing inside the handshake, by
// input.
type gapCount struct {
	n     uint64
	saved uint64 // of n, in saved records: all of their input was read
	files map[string]uint64
}

func (g *gapCount) add(r *report.Connection, saved bool) {
	if !r.Gap {
		return
	}
	g.n++
	if saved {
		g.saved++
	}
	if _, ok := g.files[r.Source]; !ok && len(g.files) == maxGapFiles {
		return
	}
	if g.files == nil {
		g.files = map[string]uint64{}
	}
	g.files[r.Source]++
}

// lossesOf says what was lost of what was read so far.
func lossesOf(st *capture.Stats, gaps *gapCount) []report.Loss {
	var out []report.Loss
	for _, d := range st.Drops.List() {
		if !d.Reason.Loss() {
			continue
		}
		l := report.Loss{Reason: d.Reason.String(), What: d.Reason.What(), Count: d.Count, Incomplete: d.Reason.Incomplete()}
		for _, u := range st.Unread {
			if u.Reason == d.Reason {
				l.Kinds = append(l.Kinds, report.Count{Label: u.Link.Numbered(), N: u.Packets})
			}
		}
		for i := range st.Files {
			if n := st.Files[i].Drops[d.Reason]; n > 0 {
				l.Files = append(l.Files, report.Count{Label: st.Files[i].Name, N: n})
			}
		}
		out = append(out, l)
	}
	if gaps.n > 0 {
		l := report.Loss{Reason: "tcp_gaps", What: "connections with bytes missing inside the handshake", Count: gaps.n, Incomplete: gaps.n > gaps.saved}
		for name, n := range gaps.files {
			l.Files = append(l.Files, report.Count{Label: name, N: n})
		}
		out = append(out, l)
	}
	return out
}

// inputLosses is lossesOf when all was read, with what is known of the inputs
// only then.
func inputLosses(st *capture.Stats, gaps *gapCount, src *pcapfile.Source) []report.Loss {
	out := lossesOf(st, gaps)
	problems := src.Problems()
	if i := slices.IndexFunc(out, func(l report.Loss) bool { return l.Reason == capture.KernelDrops.String() }); i >= 0 {
		for _, in := range src.Inputs() {
			if in.Drops > 0 {
				out[i].Files = append(out[i].Files, report.Count{Label: in.Name, N: in.Drops})
			}
		}
	}
	// Whoever is given the report was not told by the warnings.
	if len(problems) > 0 {
		l := report.Loss{Reason: "cut_inputs", What: "inputs cut, damaged or not readable", Count: uint64(len(problems)), Incomplete: true}
		for _, p := range problems {
			l.Files = append(l.Files, report.Count{Label: p.File})
		}
		out = append(out, l)
	}
	several := len(src.Inputs()) > 1 || len(src.Inputs()) == 1 && slices.ContainsFunc(problems, func(p pcapfile.Problem) bool { return p.Skipped })
	for i := range out {
		l := &out[i]
		if !several {
			l.Files = nil // there is one
			continue
		}
		slices.SortFunc(l.Files, func(a, b report.Count) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Label, b.Label)) })
		l.MoreFiles = max(len(l.Files)-report.MaxLossFiles, 0)
		l.Files = l.Files[:len(l.Files)-l.MoreFiles]
	}
	return out
}

// tell says on standard error what is missing of the input, and sets the exit
// code. What is wrong with files was told before.
func (a *app) tell(o *options, list []report.Loss) {
	for _, l := range list {
		if !l.Incomplete {
			continue
		}
		a.code = exitIncomplete
		if !o.quiet && l.Reason != "cut_inputs" {
			a.warn("missing: %s", render.LossText(&l))
		}
	}
}
