package render

import (
	"fmt"
	"io"
	"strings"

	"pfsight/report"
	"pfsight/report/secrecy"
)

// Summary writes the summary for a terminal.
func Summary(w io.Writer, s *report.Summary, opt Options) error {
	p := &printer{opt: opt}
	p.input(s)
	if s.Connections == 0 {
		p.line("")
		p.wrap("", noConnections(&s.Input))
		return p.flush(w)
	}
	p.verdicts(s)
	p.counts("Key exchange", s.KeyExchanges, s.Negotiated, true)
	p.counts("Version", s.Versions, s.Negotiated, false)
	p.counts("Group", s.Groups, s.Negotiated, false)
	p.servers(s)
	p.notes(s)
	p.undetermined(s)
	return p.flush(w)
}

// input writes what was read and what was lost.
func (p *printer) input(s *report.Summary) {
	in := &s.Input
	name := "nothing"
	switch len(in.Files) {
	case 0:
	case 1:
		name = Quote(in.Files[0])
	default:
		name = fmt.Sprintf("%s and %s more", Quote(in.Files[0]), Number(uint64(len(in.Files)-1)))
	}
	p.wrap("", fmt.Sprintf("Read %s: %s.", name, inputSize(in)))
	for _, text := range scope(in, Quote) {
		p.wrap("", text)
	}
	if in.Timed() {
		p.wrap("", fmt.Sprintf("%s to %s UTC (%s).", stamp(in.First), stamp(in.Last), Span(in.Last-in.First)))
	}
	p.line("%s", p.loss(s))
}

// eventsWhere introduces the filter expression of events.
const eventsWhere = "All connections are counted; events are written only where "

// savedLoss qualifies the losses of saved records.
const savedLoss = "saved records do not state what was lost before they were saved"

// inputSize returns how much was read.
func inputSize(in *report.Input) string {
	if in.Saved && in.Packets == 0 {
		return inputCount(in)
	}
	return inputCount(in) + ", " + Size(in.Bytes)
}

func inputCount(in *report.Input) string {
	switch {
	case in.Saved && in.Packets == 0:
		return plural(in.Records, "saved record")
	case in.Saved:
		return plural(in.Records, "saved record") + " and " + Number(in.Packets) + " packets"
	}
	return Number(in.Packets) + " packets"
}

func (p *printer) loss(s *report.Summary) string {
	var parts []string
	for _, l := range s.Input.Loss {
		parts = append(parts, LossText(&l))
	}
	if n := s.ClientOnly + s.ServerOnly; n > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s connections seen in one direction only", Number(n), Number(s.Connections)))
	}
	if in := &s.Input; in.Saved {
		parts = append(parts, savedLoss)
	}
	if len(parts) == 0 {
		if in := &s.Input; len(whyPartial(in)) > 0 {
			return "No handshake data is known to be missing from what was read."
		}
		return "No handshake data is known to be missing."
	}
	q := &printer{opt: p.opt}
	q.wrap("  ", strings.Join(parts, "; ")+".")
	return p.color("33", "Missing:") + "\n" + strings.TrimRight(q.b.String(), "\n")
}

func (p *printer) verdicts(s *report.Summary) {
	p.title(fmt.Sprintf("Forward secrecy, of %s", plural(s.Negotiated, "negotiated connection")))
	const label, number = 29, 11
	bar := p.opt.width() - 2 - label - number - 9
	for _, v := range verdictOrder {
		n := s.Verdicts[v]
		text := fmt.Sprintf("  %-*s%*s %7s  ", label, verdictLabel[v], number-1, Number(n), Share(n, s.Negotiated))
		p.line("%s", strings.TrimRight(text+p.color(verdictColor[v], p.bar(n, s.Negotiated, bar)), " "))
	}
	p.sub(s.TicketKey, s.Verdicts[secrecy.Yes], "of the forward secret ones also depend on a ticket key (TLS 1.2 tickets)")
	if n := s.Connections - s.Negotiated; n > 0 {
		p.wrap("  ", fmt.Sprintf("Not counted: %s without a ServerHello: %s rejected, %s incomplete.", plural(n, "connection"),
			Number(min(n, s.Outcomes[report.Rejected])), Number(n-min(n, s.Outcomes[report.Rejected]))))
	}
}

func (p *printer) sub(n, of uint64, what string) {
	if n > 0 {
		p.wrap("  ", fmt.Sprintf("%s (%s) %s.", Number(n), Share(n, of), what))
	}
}

func (p *printer) counts(title string, list []report.Count, of uint64, verdict bool) {
	if len(list) == 0 {
		return
	}
	p.title(title)
	g := grid{header: []string{"", "", ""}, right: []bool{false, true, true}}
	if verdict {
		g.header, g.right = []string{"", "", "", ""}, []bool{false, true, true, false}
	}
	for i, c := range list {
		if i == p.opt.top() {
			p.table(&g)
			p.line("  and %s more", Number(uint64(len(list)-i)))
			return
		}
		row := []string{cut(Quote(c.Label), 34), Number(c.N), Share(c.N, of)}
		if verdict {
			row = append(row, verdictShort(c.Note))
		}
		g.rows = append(g.rows, row)
	}
	p.table(&g)
}

func verdictShort(v string) string {
	switch v {
	case "yes":
		return "forward secret"
	case "no":
		return "not forward secret"
	}
	return v
}

func (p *printer) servers(s *report.Summary) {
	n := 0
	for _, v := range s.Servers {
		if v.Verdicts[secrecy.No]+v.Verdicts[secrecy.Conditional] > 0 {
			n++
		}
	}
	if n == 0 {
		return
	}
	p.title("Servers without forward secrecy, as observed")
	wide := p.opt.width() >= 72
	g := grid{header: []string{"server", "name", "no", "cond.", "of", "why"}, right: []bool{false, false, true, true, true, false}}
	if !wide {
		g = grid{header: []string{"server", "no", "cond.", "of"}, right: []bool{false, true, true, true}}
	}
	why := max(18, min(28, p.opt.width()-60))
	name := max(14, p.opt.width()-2-22-2-2-7-2-7-7-2-why)
	for _, v := range s.Servers[:min(n, p.opt.top())] {
		row := []string{cut(v.Addr.String(), 27), cut(Quote(v.Name), name), Number(v.Verdicts[secrecy.No]), Number(v.Verdicts[secrecy.Conditional]), Number(v.N), cut(v.Why, why)}
		if !wide {
			row = []string{row[0], row[2], row[3], row[4]}
		}
		g.rows = append(g.rows, row)
	}
	p.table(&g)
	if n > p.opt.top() {
		p.line("  and %s more", Number(uint64(n-p.opt.top())))
	}
	if s.ServersLost > 0 {
		p.wrap("  ", fmt.Sprintf("Not listed: %s of servers beyond the limit of %s servers.", plural(s.ServersLost, "connection"), Number(s.ServersTotal)))
	}
}

func (p *printer) notes(s *report.Summary) {
	out := notes(s)
	if len(s.Exposure) > 0 {
		e := s.Exposure[0]
		server := e.Server.String()
		if e.Name != "" {
			server = Quote(cut(e.Name, 40)) + " (" + server + ")"
		}
		out = append(out, fmt.Sprintf("One key, %s %d of %s, decrypts %s with %s, recorded over %s.", e.Key, e.Bits, server, plural(e.N, "connection"), Size(e.Bytes), Span(e.Last-e.First)))
	}
	if len(out) == 0 {
		return
	}
	p.title("Also observed")
	for _, o := range out {
		p.wrap("  ", o)
	}
}

// notes returns the facts that only many connections together show.
func notes(s *report.Summary) []string {
	var out []string
	if s.Resumed > 0 {
		out = append(out, fmt.Sprintf("%s (%s) resumed an earlier session.", Number(s.Resumed), Share(s.Resumed, s.Negotiated)))
	}
	if s.PostQuantumOffered > 0 || s.PostQuantum > 0 {
		out = append(out, fmt.Sprintf("Post-quantum: offered by %s of %s ClientHellos, selected in %s (%s); %s needed a HelloRetryRequest, %s took more than one packet.",
			Number(s.PostQuantumOffered), Number(s.ClientHellos), Number(s.PostQuantum), Share(s.PostQuantum, s.Negotiated),
			plural(s.HelloRetryRequests, "connection"), plural(s.HellosSplit, "ClientHello")))
	}
	if s.ReusedKeys > 0 {
		out = append(out, fmt.Sprintf("Reused: %s of servers in %s, over up to %s.", plural(s.ReusedKeys, "ephemeral value"), plural(s.ReusedKeyConnections, "connection"), Span(s.ReusedKeySpan)))
	}
	if s.KeysLost > 0 {
		out = append(out, fmt.Sprintf("%s of keys beyond the limit of distinct keys: their reuse, age and exposure are undetermined.", plural(s.KeysLost, "observation")))
	}
	return out
}

func (p *printer) undetermined(s *report.Summary) {
	if len(s.Undetermined) == 0 {
		return
	}
	p.title("Undetermined, and why")
	g := grid{header: []string{"", "", ""}, right: []bool{true, false, false}}
	for _, c := range s.Undetermined {
		g.rows = append(g.rows, []string{Number(c.N), c.Label, cut(c.Note, max(20, p.opt.width()-32))})
	}
	p.table(&g)
}
