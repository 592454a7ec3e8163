package render

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"pfsight/report"
	"pfsight/report/secrecy"
)

// Options control the output. The zero value of a field selects its default.
type Options struct {
	Width int  // columns; default 80, at least 40
	Color bool // ANSI colours
	ASCII bool // bars and lines in ASCII only
	Top   int  // rows of a list; default 10
	// Memory limits a table of connections, which is kept until its end, bytes;
	// default 256 MiB.
	Memory int64
}

func (o Options) width() int {
	if o.Width == 0 {
		return 80
	}
	return max(o.Width, 40)
}

func (o Options) top() int {
	if o.Top == 0 {
		return 10
	}
	return o.Top
}

// The verdicts are always written out too, so colour is never the only
// distinction.
var verdictColor = [4]string{secrecy.Unknown: "2", secrecy.Yes: "32", secrecy.No: "31", secrecy.Conditional: "33"}

var verdictLabel = [4]string{
	secrecy.Yes: "forward secret", secrecy.No: "not forward secret",
	secrecy.Conditional: "depends on a ticket or cache", secrecy.Unknown: "cannot be told",
}

// VerdictLabel describes a verdict in words.
func VerdictLabel(v secrecy.Verdict) string { return verdictLabel[v&3] }

var verdictOrder = []secrecy.Verdict{secrecy.Yes, secrecy.No, secrecy.Conditional, secrecy.Unknown}

type printer struct {
	b   strings.Builder
	opt Options
}

func (p *printer) color(code, s string) string {
	if !p.opt.Color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *printer) line(format string, args ...any) { fmt.Fprintf(&p.b, format+"\n", args...) }

func (p *printer) title(s string) { p.line("\n%s", p.color("1", s)) }

// wrap writes text in lines no longer than the width.
func (p *printer) wrap(indent, text string) {
	line := indent
	for _, w := range strings.Fields(text) {
		if len([]rune(line))+len([]rune(w))+1 > p.opt.width() && strings.TrimSpace(line) != "" {
			p.line("%s", strings.TrimRight(line, " "))
			line = indent
		}
		line += w + " "
	}
	p.line("%s", strings.TrimRight(line, " "))
}

// Summary writes the summary for a terminal.
func Summary(w io.Writer, s *report.Summary, opt Options) error {
	p := &printer{opt: opt}
	p.input(s)
	if s.Connections == 0 {
		p.line("")
		p.wrap("", noConnections(&s.Input))
		_, err := io.WriteString(w, p.b.String())
		return err
	}
	p.verdicts(s)
	p.counts("Key exchange", s.KeyExchanges, s.Negotiated, true)
	p.counts("Version", s.Versions, s.Negotiated, false)
	p.counts("Group", s.Groups, s.Negotiated, false)
	p.servers(s)
	p.notes(s)
	p.undetermined(s)
	_, err := io.WriteString(w, p.b.String())
	return err
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
const eventsWhere = "All connections are counted; events are of those where "

// savedLoss qualifies the losses of saved records.
const savedLoss = "what was lost before the records were saved is not in them"

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
		if in := &s.Input; len(reading(in)) > 0 {
			return "Nothing that belongs to a handshake is known to be missing from what was read."
		}
		return "Nothing that belongs to a handshake is known to be missing."
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
	p.sub(s.TicketKey, s.Verdicts[secrecy.Yes], "of the forward secret ones also rest on a ticket key (TLS 1.2 tickets)")
	if n := s.Connections - s.Negotiated; n > 0 {
		p.wrap("  ", fmt.Sprintf("Beside them %s without a ServerHello: %s rejected, %s incomplete.", plural(n, "connection"),
			Number(min(n, s.Outcomes[report.Rejected])), Number(n-min(n, s.Outcomes[report.Rejected]))))
	}
}

func (p *printer) sub(n, of uint64, what string) {
	if n > 0 {
		p.wrap("  ", fmt.Sprintf("%s (%s) %s.", Number(n), Share(n, of), what))
	}
}

func (p *printer) bar(n, of uint64, width int) string {
	if p.opt.ASCII {
		return strings.Repeat("#", (eighths(n, of, width)+7)/8)
	}
	return Bar(n, of, width)
}

// eighths returns the length of a bar in eighths of a column.
func eighths(n, of uint64, width int) int {
	if of == 0 || width <= 0 {
		return 0
	}
	e := int(float64(n) / float64(of) * float64(width) * 8)
	if n > 0 && e == 0 {
		return 1
	}
	return e
}

// Bar draws a share as a bar of at most width columns.
func Bar(n, of uint64, width int) string {
	eighths := eighths(n, of, width)
	s := strings.Repeat("█", eighths/8)
	if r := eighths % 8; r > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[r-1])
	}
	return s
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
			p.b.WriteString(g.lines())
			p.line("  and %s more", Number(uint64(len(list)-i)))
			return
		}
		row := []string{cut(Quote(c.Label), 34), Number(c.N), Share(c.N, of)}
		if verdict {
			row = append(row, verdictShort(c.Note))
		}
		g.rows = append(g.rows, row)
	}
	p.b.WriteString(g.lines())
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

// lines returns the rows of the grid without its header.
func (g *grid) lines() string {
	var b strings.Builder
	if err := g.text(&b, "  "); err != nil {
		return err.Error() + "\n"
	}
	text := b.String()
	if i := strings.IndexByte(text, '\n'); strings.TrimSpace(text[:i]) == "" {
		text = text[i+1:]
	}
	return text
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
	for i, v := range s.Servers[:min(n, p.opt.top())] {
		_ = i
		row := []string{cut(v.Addr.String(), 27), cut(Quote(v.Name), name), Number(v.Verdicts[secrecy.No]), Number(v.Verdicts[secrecy.Conditional]), Number(v.N), cut(v.Why, why)}
		if !wide {
			row = []string{row[0], row[2], row[3], row[4]}
		}
		g.rows = append(g.rows, row)
	}
	if err := g.text(&p.b, "  "); err != nil {
		p.line("%v", err)
	}
	if n > p.opt.top() {
		p.line("  and %s more", Number(uint64(n-p.opt.top())))
	}
	if s.ServersLost > 0 {
		p.wrap("  ", fmt.Sprintf("%s of servers that made room for others are not in this list of %s.", plural(s.ServersLost, "connection"), Number(s.ServersTotal)))
	}
}

func (p *printer) notes(s *report.Summary) {
	out := notes(s)
	if len(s.Exposure) > 0 {
		e := s.Exposure[0]
		out = append(out, fmt.Sprintf("One key, %s %d of %s (%s), opens %s with %s, recorded over %s.", e.Key, e.Bits, Quote(cut(e.Name, 40)), e.Server, plural(e.N, "connection"), Size(e.Bytes), Span(e.Last-e.First)))
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
		out = append(out, fmt.Sprintf("%s (%s) continued an earlier session.", Number(s.Resumed), Share(s.Resumed, s.Negotiated)))
	}
	if s.PostQuantumOffered > 0 || s.PostQuantum > 0 {
		out = append(out, fmt.Sprintf("Post-quantum: offered by %s of %s ClientHellos, taken in %s (%s); %s cost a HelloRetryRequest, %s came in more than one packet.",
			Number(s.PostQuantumOffered), Number(s.ClientHellos), Number(s.PostQuantum), Share(s.PostQuantum, s.Negotiated),
			plural(s.HelloRetryRequests, "connection"), plural(s.HellosSplit, "ClientHello")))
	}
	if s.ReusedKeys > 0 {
		out = append(out, fmt.Sprintf("Reused: %s of servers served %s, over up to %s.", plural(s.ReusedKeys, "ephemeral value"), plural(s.ReusedKeyConnections, "connection"), Span(s.ReusedKeySpan)))
	}
	if s.KeysLost > 0 {
		out = append(out, fmt.Sprintf("%s of keys beyond the limit of distinct keys: of their reuse, age and exposure nothing is known.", plural(s.KeysLost, "observation")))
	}
	return out
}

func (p *printer) undetermined(s *report.Summary) {
	if len(s.Undetermined) == 0 {
		return
	}
	p.title("What could not be told, and why")
	g := grid{header: []string{"", "", ""}, right: []bool{true, false, false}}
	for _, c := range s.Undetermined {
		g.rows = append(g.rows, []string{Number(c.N), c.Label, cut(c.Note, max(20, p.opt.width()-32))})
	}
	p.b.WriteString(g.lines())
}

// Number formats n with separators between thousands.
func Number(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Share formats n/of as a percentage. A value that is not 0 or 100 % is never
// rounded to it.
func Share(n, of uint64) string {
	if of == 0 {
		return "–"
	}
	x := 100 * float64(n) / float64(of)
	switch {
	case n > 0 && x < 0.05:
		return "<0.1 %"
	case n < of && x > 99.95:
		return ">99.9 %"
	}
	return strconv.FormatFloat(x, 'f', 1, 64) + " %"
}

// Size formats a number of bytes with decimal prefixes.
func Size(n uint64) string {
	if n < 1000 {
		return plural(n, "byte")
	}
	x, unit := float64(n), ""
	for _, u := range []string{"kB", "MB", "GB", "TB", "PB"} {
		if x /= 1000; x < 999.5 || u == "PB" {
			unit = u
			break
		}
	}
	prec := 0
	if x < 10 {
		prec = 1
	}
	return strconv.FormatFloat(x, 'f', prec, 64) + " " + unit
}

// Span formats a duration in at most two units.
func Span(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d < 0:
		return "–"
	case d < time.Second:
		return strconv.FormatInt(int64(d.Milliseconds()), 10) + " ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d days %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02 15:04:05") }

func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return Number(n) + " " + what + "s"
}

// cut shortens s to n columns. Each rune of s must take one column.
func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
