package rows

import (
	"pfsight/capture"
	"pfsight/report"
)

// maxGapFiles is for how many inputs connections with missing bytes are counted
// separately.
const maxGapFiles = 1 << 14

// Gaps counts connections with bytes missing inside the handshake, by input.
type Gaps struct {
	N     uint64
	saved uint64 // of N, in saved records: their input was read completely
	files map[string]uint64
}

// Add counts r if it has a gap. saved reports whether r is a saved record.
func (g *Gaps) Add(r *report.Connection, saved bool) {
	if !r.Gap {
		return
	}
	g.N++
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

// Losses returns what is missing of the input so far.
func Losses(st *capture.Stats, gaps *Gaps) []report.Loss {
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
	if gaps.N > 0 {
		l := report.Loss{Reason: "tcp_gaps", What: "connections with bytes missing inside the handshake", Count: gaps.N, Incomplete: gaps.N > gaps.saved}
		for name, n := range gaps.files {
			l.Files = append(l.Files, report.Count{Label: name, N: n})
		}
		out = append(out, l)
	}
	return out
}

// Input returns what was read so far, and what is missing of it.
func Input(st *capture.Stats, gaps *Gaps) report.Input {
	return report.Input{
		Packets: st.Packets, Bytes: st.Bytes, First: st.First, Last: st.Last, Loss: Losses(st, gaps),
		FilteredOut: st.Drops[capture.FilteredOut] + st.Drops[capture.NotFiltered],
	}
}
