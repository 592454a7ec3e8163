package main

import (
	"pfsight/capture"
	"pfsight/report/render"
)

// stats tells how full the tables were, and what was dropped and why.
func (a *app) stats(st *capture.Stats) {
	t := &st.Tables
	n := func(v int) string { return render.Number(uint64(v)) }
	a.warn("stats: %s packets, %s captured", render.Number(st.Packets), render.Size(st.Bytes))
	a.warn("stats: at most %s half-open connections (limit %s)", n(t.HalfOpen), n(t.MaxHalfOpen))
	a.warn("stats: at most %s connections followed (limit %s)", n(t.Connections), n(t.MaxConnections))
	a.warn("stats: at most %s handshakes open, %s of them (limit %s)", n(t.Openings), render.Size(uint64(t.Held)), render.Size(uint64(t.MaxHeld)))
	for _, d := range st.Drops.List() {
		a.warn("stats: %s %s: %s", render.Number(d.Count), d.Reason, d.Reason.What())
	}
}
