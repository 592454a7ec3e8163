package render

import (
	"bytes"
	"fmt"
	"io"

	"pfsight/report"
	"pfsight/report/secrecy"
)

// SummaryMarkdown writes the summary as a Markdown document.
func SummaryMarkdown(w io.Writer, s *report.Summary, opt Options) error {
	var b bytes.Buffer
	e := &errWriter{w: &b}
	in := &s.Input
	e.printf("# Forward secrecy report\n\n")
	for _, f := range in.Files[:min(len(in.Files), opt.top())] {
		e.printf("- %s\n", quoteMarkdown(f))
	}
	if n := len(in.Files) - opt.top(); n > 0 {
		e.printf("- and %d more files\n", n)
	}
	e.printf("\n%s", inputSize(in))
	if in.Timed() {
		e.printf(", %s to %s UTC (%s)", stamp(in.First), stamp(in.Last), Span(in.Last-in.First))
	}
	e.printf("\n\n")
	for _, text := range scope(in, quoteMarkdown) {
		e.printf("%s\n\n", text)
	}
	if in.Saved {
		e.printf("Saved records do not state what was lost before they were saved.\n\n")
	}
	if len(in.Loss) > 0 || s.ClientOnly+s.ServerOnly > 0 {
		e.printf("## Missing\n\n")
		g := grid{header: []string{"what", "count"}, right: []bool{false, true}}
		for _, l := range in.Loss {
			what := l.What
			if kinds := lossKinds(&l); kinds != "" {
				what += ": " + quoteMarkdown(kinds)
			}
			if files := lossFiles(&l, quoteMarkdown); files != "" {
				what += ", in " + files
			}
			g.rows = append(g.rows, []string{what, Number(l.Count)})
		}
		if n := s.ClientOnly + s.ServerOnly; n > 0 {
			g.rows = append(g.rows, []string{"connections seen in one direction only", Number(n)})
		}
		e.grid(&g)
	}
	if s.Connections == 0 {
		e.printf("%s\n\n", noConnections(in))
	}
	e.printf("## Verdicts\n\nOf %s. Not counted: %s without a ServerHello.\n\n", plural(s.Negotiated, "negotiated connection"), plural(s.Connections-s.Negotiated, "connection"))
	g := grid{header: []string{"forward secrecy", "connections", "share"}, right: []bool{false, true, true}}
	for _, v := range verdictOrder {
		g.rows = append(g.rows, []string{verdictLabel[v], Number(s.Verdicts[v]), Share(s.Verdicts[v], s.Negotiated)})
	}
	e.grid(&g)
	for _, t := range []struct {
		title string
		list  []report.Count
	}{{"Key exchange", s.KeyExchanges}, {"Version", s.Versions}, {"Group", s.Groups}, {"Cipher suite", s.Suites}} {
		if len(t.list) == 0 {
			continue
		}
		e.printf("## %s\n\n", t.title)
		g := grid{header: []string{"", "connections", "share", ""}, right: []bool{false, true, true, false}}
		for _, c := range t.list {
			g.rows = append(g.rows, []string{quoteMarkdown(c.Label), Number(c.N), Share(c.N, s.Negotiated), verdictShort(c.Note)})
		}
		e.grid(&g)
	}
	e.servers(s, opt)
	if len(s.Undetermined) > 0 {
		e.printf("## Undetermined, and why\n\n")
		g := grid{header: []string{"connections", "code", "why"}, right: []bool{true, false, false}}
		for _, c := range s.Undetermined {
			g.rows = append(g.rows, []string{Number(c.N), quoteMarkdown(c.Label), quoteMarkdown(c.Note)})
		}
		e.grid(&g)
	}
	if e.err != nil {
		return e.err
	}
	_, err := w.Write(append(bytes.TrimRight(b.Bytes(), "\n"), '\n'))
	return err
}

func (e *errWriter) servers(s *report.Summary, opt Options) {
	g := grid{header: []string{"server", "name", "no", "conditional", "of", "why"}, right: []bool{false, false, true, true, true, false}}
	more := 0
	for _, v := range s.Servers {
		if v.Verdicts[secrecy.No]+v.Verdicts[secrecy.Conditional] == 0 {
			continue
		}
		if len(g.rows) == opt.top() {
			more++
			continue
		}
		g.rows = append(g.rows, []string{v.Addr.String(), quoteMarkdown(v.Name), Number(v.Verdicts[secrecy.No]), Number(v.Verdicts[secrecy.Conditional]), Number(v.N), quoteMarkdown(v.Why)})
	}
	if len(g.rows) == 0 {
		return
	}
	e.printf("## Servers without forward secrecy, as observed\n\n")
	e.grid(&g)
	if more > 0 {
		e.printf("And %d more.\n\n", more)
	}
}

// An errWriter keeps the first error.
type errWriter struct {
	w   io.Writer
	err error
}

func (e *errWriter) printf(format string, args ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.w, format, args...)
	}
}

func (e *errWriter) grid(g *grid) {
	if e.err == nil {
		e.err = g.markdown(e.w)
	}
	e.printf("\n")
}
