package render

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"pfsight/report/secrecy"
	"pfsight/report/wrap"
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
	secrecy.Conditional: "depends on a ticket or cache", secrecy.Unknown: "undetermined",
}

// VerdictLabel describes a verdict in words.
func VerdictLabel(v secrecy.Verdict) string { return verdictLabel[v&3] }

var verdictOrder = []secrecy.Verdict{secrecy.Yes, secrecy.No, secrecy.Conditional, secrecy.Unknown}

// A printer collects text for a terminal.
type printer struct {
	b   strings.Builder
	opt Options
	err error // the first error of a table
}

// flush writes the collected text.
func (p *printer) flush(w io.Writer) error {
	if p.err != nil {
		return p.err
	}
	_, err := io.WriteString(w, p.b.String())
	return err
}

// table writes a grid, indented by two columns.
func (p *printer) table(g *grid) {
	if err := g.text(&p.b, "  "); err != nil && p.err == nil {
		p.err = err
	}
}

func (p *printer) color(code, s string) string {
	if !p.opt.Color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *printer) line(format string, args ...any) { fmt.Fprintf(&p.b, format+"\n", args...) }

func (p *printer) title(s string) { p.line("\n%s", p.color("1", s)) }

// wrap writes text in lines of less than the width.
func (p *printer) wrap(indent, text string) {
	for _, line := range wrap.Words(text, p.opt.width()-1-utf8.RuneCountInString(indent)) {
		p.line("%s", strings.TrimRight(indent+line, " "))
	}
}
