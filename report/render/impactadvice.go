package render

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"

	"pfsight/report/impact"
)

// impactAdvice writes how strict a policy can be.
func impactAdvice(doc *document, r *ImpactReport, opt Options, format string) {
	a := r.Advice
	doc.heading("Strictest policy without breakage")
	switch {
	case a.Strictest != nil:
		doc.text("The strictest of %s that breaks no observed client, with nothing undetermined, is %s: %s.", Number(uint64(len(a.Steps)))+" policies", a.Strictest.Name, a.Strictest.Policy.Title)
		if n := a.Strictest.NoForwardSecrecy; n.Connections > 0 {
			doc.text("It would answer %s of %s without forward secrecy.", plural(n.Connections, "connection"), plural(n.Clients, "client"))
		}
	default:
		doc.text("Each of %s breaks an observed client, or may break one.", Number(uint64(len(a.Steps)))+" policies")
	}
	if a.Next != nil {
		which := "which is stricter"
		if a.Strictest == nil {
			which = "which breaks the fewest"
		}
		doc.text("%s would break under %s, %s: %s.", pluralClients(a.Next.Breaks.Clients), a.Next.Name, which, a.Next.Policy.Title)
		breakingTables(doc, a.NextBreaking, 0, opt, format)
	}
	for i := range a.Openings {
		impactOpening(doc, &a.Openings[i], format)
	}
	doc.heading("Strictness against breakage")
	best := slices.DeleteFunc(slices.Clone(a.Steps), func(s impact.Step) bool { return !s.Best && !s.Asked })
	if format == "html" {
		doc.blocks = append(doc.blocks, block{figure: &figure{svg: stepsSVG(best, r.Now.Complete.Clients), caption: "Clients that each policy would break; strictest first. The light parts are undetermined clients."}})
	}
	t := &table{header: []string{"policy", "alike", "FS", "from", "breaks", "clients", "undet.", "no FS"}, right: []bool{false, true, false, false, true, true, true, true}, drop: []int{0, 0, 1, 0, 0, 0, 0, 0}, elastic: 0}
	alike := 0
	for i := range best {
		s := &best[i]
		color := ""
		if s.Breaks.Connections > 0 {
			color = "2"
		}
		name := s.Name
		if s.Asked {
			name += " (requested)"
		}
		row := []string{name, "", s.ForwardSecret, s.MinVersion, Number(s.Breaks.Connections), Number(s.Breaks.Clients), Number(s.Depends.Connections), Number(s.NoForwardSecrecy.Connections)}
		if n := len(t.rows); n > 0 && format == "table" && !s.Asked && slices.Equal(t.rows[n-1][2:], row[2:]) {
			alike++
			t.rows[n-1][1] = "+" + strconv.Itoa(alike)
			continue
		}
		alike = 0
		t.rows, t.colors = append(t.rows, row), append(t.colors, color)
	}
	if format != "table" { // only if each policy has its own line
		for i := range t.rows {
			t.rows[i] = slices.Delete(t.rows[i], 1, 2)
		}
		t.header, t.right = slices.Delete(t.header, 1, 2), slices.Delete(t.right, 1, 2)
	}
	doc.add(t, len(t.rows))
	doc.note("Of %d policies: the requested ones, and those that no other policy beats in both strictness and affected clients. Ordered by %s. FS: whether all or part of what the policy accepts is forward secret; undet.: undetermined connections; no FS: connections answered without forward secrecy; alike: adjacent policies with the same numbers.", len(a.Steps), impact.Strictness)
}

func pluralClients(n uint64) string { return plural(n, "client") }

// impactOpening writes the smallest change that lets all observed clients in.
func impactOpening(doc *document, o *impact.Opening, format string) {
	doc.heading("Smallest change that lets every observed client in: %s", o.Policy.Name)
	if o.Policy.Unread != "" {
		doc.text("The configuration of this server cannot be read.")
		return
	}
	if len(o.Additions) == 0 {
		if o.Left.Connections == 0 {
			doc.text("No addition is needed.")
		} else {
			doc.text("There is none: %s of %s need what is not added.", plural(o.Left.Connections, "connection"), pluralClients(o.Left.Clients))
			isolateTable(doc, o)
		}
		return
	}
	t := &table{header: []string{"add", "opens", "clients", "still break", "no FS", "no auth.", "weak", "less PQ"}, right: []bool{false, true, true, true, true, true, true, true}, drop: []int{0, 0, 0, 3, 0, 0, 0, 0}, elastic: 0}
	for _, g := range o.Gains {
		var names []string
		for _, a := range g.Additions {
			name := a.String()
			if a.HasSuite && format == "table" {
				name = strings.ReplaceAll(strings.TrimPrefix(name, "TLS_"), "_WITH_", " ")
			}
			if a.Version != 0 { // versions go first, because the others depend on them
				names = append([]string{name}, names...)
				continue
			}
			names = append(names, name)
		}
		t.rows = append(t.rows, []string{strings.Join(names, " + "), Number(g.Opens.Connections), Number(g.Opens.Clients), Number(g.Breaks.Connections),
			Number(g.NoForwardSecrecy), Number(g.Unauthenticated), Number(g.Weak), Number(g.LosesPostQuantum)})
	}
	for i := len(t.header) - 1; i > 4 && format == "table"; i-- { // drop price columns without a value
		if slices.ContainsFunc(t.rows, func(r []string) bool { return r[i] != "0" }) {
			continue
		}
		t.header, t.right, t.drop = slices.Delete(t.header, i, i+1), slices.Delete(t.right, i, i+1), slices.Delete(t.drop, i, i+1)
		for j := range t.rows {
			t.rows[j] = slices.Delete(t.rows[j], i, i+1)
		}
	}
	doc.add(t, len(t.rows))
	doc.note("Each line adds to the lines above it, so you can stop after any line; the order is greedy. opens: connections that no longer break. The price of a line is the additional connections answered without forward secrecy (no FS), without authentication, below TLS 1.2 or 128 bits (weak), or no longer with a post-quantum group (less PQ). Prices that are always 0 are omitted.")
	exact := "No smaller set of additions suffices"
	if !o.Exact {
		exact = "The search reached its limit, so a smaller set may exist"
	}
	doc.text("%s, for %s that %s refuses.", exact, plural(uint64(o.Hellos), "ClientHello"), o.Policy.Name)
	if o.Price.Connections > 0 {
		doc.text("The price: %s of %s would then be answered without forward secrecy.", plural(o.Price.Connections, "connection"), pluralClients(o.Price.Clients))
	} else {
		doc.text("Forward secrecy does not change.")
	}
	if o.Left.Connections > 0 {
		doc.text("%s of %s would still break.", plural(o.Left.Connections, "connection"), pluralClients(o.Left.Clients))
		isolateTable(doc, o)
	}
}

// isolateTable adds a table of the clients that only a weakness would let in,
// or nothing.
func isolateTable(doc *document, o *impact.Opening) {
	if len(o.Isolate) == 0 {
		return
	}
	type kind struct{ ja4, needs string }
	var order []kind
	sums := map[kind]uint64{}
	clients := map[kind]map[string]bool{}
	for i := range o.Isolate {
		x := &o.Isolate[i]
		needs := strings.Join(x.Needs.Names(), ", ")
		if needs == "" {
			needs = "not possible by policy: " + x.Failure.Text()
		}
		k := kind{x.JA4, needs}
		if clients[k] == nil {
			clients[k] = map[string]bool{}
			order = append(order, k)
		}
		sums[k] += x.Connections
		clients[k][x.Client.String()] = true
	}
	slices.SortStableFunc(order, func(a, b kind) int { return cmp.Compare(sums[b], sums[a]) })
	t := &table{header: []string{"upgrade or isolate", "clients", "conn.", "needs"}, right: []bool{false, true, true, false}, drop: []int{0, 0, 0, 0}, elastic: 0}
	for _, k := range order {
		var names []string
		for c := range clients[k] {
			names = append(names, c)
		}
		slices.Sort(names)
		who := names[0]
		if len(names) > 1 {
			who += fmt.Sprintf(" and %d more", len(names)-1)
		}
		if k.ja4 != "" {
			who += " (" + k.ja4 + ")"
		}
		t.rows = append(t.rows, []string{who, Number(uint64(len(names))), Number(sums[k]), k.needs})
	}
	doc.add(t, 20)
	doc.note("NULL encryption, anonymous suites, export strength, RC4, 3DES and versions below TLS 1.0 are not added unless --allow permits them.")
}

// stepsSVG draws the clients that break, by policy. All text that is not
// constant is escaped.
func stepsSVG(steps []impact.Step, all uint64) template.HTML {
	const bar, gap, height, left, top, foot = 14, 4, 180, 46, 12, 190
	width := left + len(steps)*(bar+gap) + 10
	most := uint64(1)
	for i := range steps {
		most = max(most, steps[i].Affected.Clients)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="clients that break, by policy" font-family="system-ui, sans-serif" font-size="10" fill="currentColor">`, width, top+height+foot, width, top+height+foot)
	for _, part := range []uint64{0, 1, 2} {
		y := top + height - int(part)*height/2
		fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="currentColor" stroke-opacity=".18"/><text x="%d" y="%d" text-anchor="end">%s</text>`, left-4, y, width, y, left-8, y+3, Number(most*part/2))
	}
	for i := range steps {
		s := &steps[i]
		x := left + i*(bar+gap)
		full := int(float64(s.Breaks.Clients) / float64(most) * height)
		if s.Breaks.Clients > 0 {
			full = max(full, 1)
		}
		// A client that breaks at one server and depends at another counts
		// once.
		light := int(float64(s.Affected.Clients-s.Breaks.Clients) / float64(most) * height)
		title := template.HTMLEscapeString(Quote(fmt.Sprintf("%s: %s of %s break, %s undetermined", s.Name, Number(s.Breaks.Clients), pluralClients(all), Number(s.Depends.Clients))))
		fmt.Fprintf(&b, `<g><title>%s</title>`, title)
		if light > 0 {
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="#a33" fill-opacity=".3"/>`, x, top+height-full-light, bar, light)
		}
		if full > 0 {
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="#a33"/>`, x, top+height-full, bar, full)
		} else if light == 0 {
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="2" fill="#383"/>`, x, top+height-2, bar)
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" transform="rotate(-60 %d %d)">%s</text></g>`, x+bar, top+height+12, x+bar, top+height+12, template.HTMLEscapeString(Quote(cut(s.Name, 34))))
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // every text was escaped above
}
