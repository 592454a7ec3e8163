package render

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"

	"pfsight/report"
	"pfsight/report/diff"
	"pfsight/report/secrecy"
)

// DiffFormats are the formats that Diff writes.
var DiffFormats = []string{"table", "json", "csv", "markdown", "html"}

// Diff writes a comparison in one of DiffFormats.
func Diff(w io.Writer, d *diff.Diff, format string, opt Options) error {
	switch format {
	case "json":
		return writeJSON(w, diffJSON(d), "  ")
	case "csv":
		return diffCSV(w, d)
	}
	return diffDocument(d, format, opt).write(w, format, opt)
}

func diffDocument(d *diff.Diff, format string, opt Options) *document {
	doc := &document{title: "What changed, as observed"}
	sides := &table{header: []string{"", "before", "after"}, right: []bool{false, true, true}, elastic: 1}
	b, a := &d.Before, &d.After
	name := func(in *report.Input) string {
		n := inputName(in)
		if most := (opt.width() - 2 - len("connections") - 4) / 2; format == "table" && utf8.RuneCountInString(n) > most {
			r := []rune(n) // the end of a path is more specific
			return "…" + string(r[len(r)-max(most-1, leastElastic):])
		}
		return n
	}
	sides.rows = [][]string{
		{"read", name(&b.Input), name(&a.Input)},
		{"from, UTC", inputStamp(&b.Input, b.Input.First), inputStamp(&a.Input, a.Input.First)},
		{"over", inputSpan(&b.Input), inputSpan(&a.Input)},
		{"connections", Number(b.Connections), Number(a.Connections)},
		{"negotiated", Number(b.Negotiated), Number(a.Negotiated)},
		{"clients", Number(d.Clients.Before), Number(d.Clients.After)},
		{"servers", Number(d.Servers.Before), Number(d.Servers.After)},
	}
	doc.add(sides, len(sides.rows))
	for _, s := range []struct {
		name string
		in   *diff.SideInput
	}{{"before", b}, {"after", a}} {
		in := &s.in.Input
		for _, text := range whyPartial(in) {
			doc.text("Of the input %s: %s", s.name, text)
		}
		if in.Filter != "" && s.name == "before" {
			doc.text("Only packets that match %s.", in.Filter)
		}
		if in.Where != "" && s.name == "before" {
			doc.text("Only connections where %s.", in.Where)
		}
		for _, l := range s.in.Input.Loss {
			doc.text("Missing %s: %s.", s.name, lossText(&l, func(s string) string { return s }))
		}
		if l := s.in.Lost; l.Clients+l.Servers+l.Labels > 0 {
			doc.text("Beyond the limits %s: connections of %s clients, %s servers and %s other names count in the shares only.", s.name, Number(l.Clients), Number(l.Servers), Number(l.Labels))
		}
	}
	doc.heading("Shares that changed")
	all := shareTable(d, func(s *diff.Share) bool { return s.Change == diff.More || s.Change == diff.Less })
	if len(all.rows) == 0 {
		doc.text("No significant change.")
	}
	doc.add(all, 2*opt.top())
	if t := shareTable(d, func(s *diff.Share) bool { return s.Change == diff.Chance || s.Change == diff.Undetermined }); len(t.rows) > 0 {
		doc.heading("Differences that are not significant or undetermined")
		doc.add(t, opt.top())
	}
	doc.note("%s", "Tested at a significance level of "+strconv.FormatFloat(d.Alpha, 'g', 3, 64)+" for all "+Number(uint64(d.Tests))+" shares together (Holm). Connections of one client are not independent and count less (design effect); small expected counts use Fisher's exact test. The two sides are assumed to be independent. The tests do not account for unseen clients or for other days of the week.")
	partyTables(doc, "server", &d.Servers, opt)
	partyTables(doc, "client", &d.Clients, opt)
	return doc
}

func inputName(in *report.Input) string {
	switch len(in.Files) {
	case 0:
		return "nothing"
	case 1:
		return in.Files[0]
	}
	return fmt.Sprintf("%s and %d more", in.Files[0], len(in.Files)-1)
}

func inputStamp(in *report.Input, ns int64) string {
	if !in.Timed() {
		return "–"
	}
	return stamp(ns)
}

func inputSpan(in *report.Input) string {
	if !in.Timed() {
		return "–"
	}
	return Span(in.Last - in.First)
}

func shareTable(d *diff.Diff, want func(*diff.Share) bool) *table {
	t := &table{header: []string{"what", "", "before", "", "after", "", "change", "p-value"}, right: []bool{false, false, true, true, true, true, false, true},
		drop: []int{5, 0, 4, 0, 4, 0, 0, 3}, elastic: 1}
	for i := range d.Shares {
		s := &d.Shares[i]
		if !want(s) {
			continue
		}
		label := s.Label
		if s.Kind == diff.KindVerdict {
			for v, text := range verdictLabel {
				if secrecy.Verdict(v).String() == label {
					label = text
				}
			}
		}
		t.rows = append(t.rows, []string{s.Name, label, Number(s.Before.N), Share(s.Before.N, s.Before.Of), Number(s.After.N), Share(s.After.N, s.After.Of), points(s), pValue(s)})
	}
	return t
}

// points returns the change of a share in percentage points.
func points(s *diff.Share) string {
	x := 100 * (s.After.Share() - s.Before.Share())
	if math.IsNaN(x) {
		return "–"
	}
	text := fmt.Sprintf("%+.1f", x)
	if text == "+0.0" || text == "-0.0" {
		text = "<0.1"
	}
	if s.Change == diff.Undetermined {
		text += " undetermined"
	}
	return text
}

func pValue(s *diff.Share) string {
	switch {
	case s.P < 0:
		return ""
	case s.P < 0.0001:
		return "<0.0001"
	}
	return strconv.FormatFloat(s.P, 'f', 4, 64)
}

func partyTables(doc *document, what string, p *diff.Parties, opt Options) {
	for i, l := range []struct {
		title string
		list  []diff.Moved
	}{
		{"%s answered before and refused after", p.Refused}, {"%s refused before and answered after", p.Answered},
		{"%s that gained forward secrecy", p.Gained}, {"%s that lost forward secrecy", p.Lost}, {"%s still without it in some connections", p.StillNot},
		{"New: %s seen only after", p.New}, {"Gone: %s seen only before", p.Gone},
	} {
		if len(l.list) == 0 {
			continue
		}
		doc.heading("%s", fmt.Sprintf(l.title, plural(uint64(len(l.list)), what)))
		of, before := partyShare, "not forward secret before"
		if i < 2 {
			of, before = partyAnswered, "answered before"
		}
		t := &table{header: []string{what, before, "after"}, right: []bool{false, true, true}, elastic: 0}
		for i := range l.list {
			m := &l.list[i]
			t.rows = append(t.rows, []string{m.Name, of(&m.Before), of(&m.After)})
		}
		doc.add(t, opt.top())
	}
	if p.Unchanged > 0 {
		doc.text("%s unchanged.", plural(p.Unchanged, what))
	}
}

// partyShare returns how many of the negotiated connections were not forward
// secret.
func partyShare(p *diff.Party) string {
	if p.Connections == 0 {
		return "–"
	}
	return Number(p.Verdicts[secrecy.No]) + " of " + Number(p.Negotiated())
}

// partyAnswered returns how many of the connections were negotiated.
func partyAnswered(p *diff.Party) string {
	return Number(p.Negotiated()) + " of " + Number(p.Connections)
}

// diffJSON returns the JSON form of the comparison.
func diffJSON(d *diff.Diff) any {
	type side struct {
		Files       []string   `json:"files"`
		First       string     `json:"first,omitempty"`
		Last        string     `json:"last,omitempty"`
		Filter      string     `json:"filter,omitempty"`
		Where       string     `json:"where,omitempty"`
		Loss        []jsonLoss `json:"loss"` // losses by reason
		Connections uint64     `json:"connections"`
		Negotiated  uint64     `json:"negotiated"`
		Beyond      diff.Lost  `json:"beyond_limits"`
	}
	of := func(s *diff.SideInput) side {
		out := side{Files: s.Input.Files, Filter: s.Input.Filter, Where: s.Input.Where, Loss: jsonLosses(s.Input.Loss), Connections: s.Connections, Negotiated: s.Negotiated, Beyond: s.Lost}
		if s.Input.Timed() {
			out.First, out.Last = timeText(s.Input.First), timeText(s.Input.Last)
		}
		return out
	}
	return struct {
		Before  side         `json:"before"`
		After   side         `json:"after"`
		Alpha   float64      `json:"alpha"`
		Tests   int          `json:"tests"`
		Shares  []diff.Share `json:"shares"`
		Servers diff.Parties `json:"servers"`
		Clients diff.Parties `json:"clients"`
	}{of(&d.Before), of(&d.After), d.Alpha, d.Tests, d.Shares, d.Servers, d.Clients}
}

func diffCSV(w io.Writer, d *diff.Diff) error {
	c := csv.NewWriter(w)
	_ = c.Write([]string{"kind", "label", "share_of", "before", "before_of", "before_clients", "after", "after_of", "after_clients", "change", "p"})
	num := func(n uint64) string { return strconv.FormatUint(n, 10) }
	for i := range d.Shares {
		s := &d.Shares[i]
		p := ""
		if s.P >= 0 {
			p = strconv.FormatFloat(s.P, 'g', 6, 64)
		}
		_ = c.Write([]string{s.Name, Cell(s.Label), s.Of, num(s.Before.N), num(s.Before.Of), num(s.Before.Clients), num(s.After.N), num(s.After.Of), num(s.After.Clients), string(s.Change), p})
	}
	for _, x := range []struct {
		kind string
		p    *diff.Parties
	}{{"server", &d.Servers}, {"client", &d.Clients}} {
		for _, l := range []struct {
			change string
			list   []diff.Moved
		}{{"refused", x.p.Refused}, {"answered", x.p.Answered}, {"gained", x.p.Gained}, {"lost", x.p.Lost}, {"new", x.p.New}, {"gone", x.p.Gone}, {"still_not", x.p.StillNot}} {
			for i := range l.list {
				m := &l.list[i]
				_ = c.Write([]string{x.kind, Cell(m.Name), "not forward secret of negotiated", num(m.Before.Verdicts[secrecy.No]), num(m.Before.Negotiated()), "",
					num(m.After.Verdicts[secrecy.No]), num(m.After.Negotiated()), "", l.change, ""})
			}
		}
	}
	c.Flush()
	return c.Error()
}
