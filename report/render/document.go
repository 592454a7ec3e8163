package render

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
)

// A document is a report without a format. It is written for a terminal, as
// Markdown or as HTML. Its texts and cells are unquoted; each format quotes
// them.
type document struct {
	title  string
	blocks []block
}

// A block is one part of a document. One of heading, text, code, table and
// figure is set.
type block struct {
	heading string
	text    string
	note    bool // text is secondary
	table   *table
	code    string
	figure  *figure
}

// A figure is a picture for HTML only.
type figure struct {
	svg     template.HTML // made by this package, strings from the wire are escaped
	caption string
}

// A table is a grid with rules to fit a width.
type table struct {
	header  []string
	right   []bool
	rows    [][]string
	drop    []int // in a narrow table the column with the highest number is dropped first; 0 is never dropped
	elastic int   // the column that is shortened last
	more    uint64
	colors  []string // ANSI colour of each row, or ""
}

func (d *document) heading(format string, args ...any) {
	d.blocks = append(d.blocks, block{heading: fmt.Sprintf(format, args...)})
}

func (d *document) text(format string, args ...any) {
	d.blocks = append(d.blocks, block{text: fmt.Sprintf(format, args...)})
}

func (d *document) note(format string, args ...any) {
	d.blocks = append(d.blocks, block{text: fmt.Sprintf(format, args...), note: true})
}

func (d *document) code(text string) { d.blocks = append(d.blocks, block{code: text}) }

// add adds a table if it has rows. At most top rows are shown.
func (d *document) add(t *table, top int) {
	if len(t.rows) == 0 {
		return
	}
	if n := len(t.rows); n > top {
		t.more += uint64(n - top)
		t.rows = t.rows[:top]
	}
	d.blocks = append(d.blocks, block{table: t})
}

// write writes the document in a format: "table", "markdown" or "html".
func (d *document) write(w io.Writer, format string, opt Options) error {
	switch format {
	case "markdown":
		return d.markdown(w)
	case "html":
		return d.html(w)
	}
	return d.terminal(w, opt)
}

func (d *document) terminal(w io.Writer, opt Options) error {
	p := &printer{opt: opt}
	p.wrap("", Quote(d.title))
	for i, b := range d.blocks {
		if i > 0 && d.blocks[i-1].table != nil && b.heading == "" {
			p.line("")
		}
		switch {
		case b.heading != "":
			p.heading(Quote(b.heading))
		case b.text != "":
			p.wrap("  ", Quote(b.text))
		case b.code != "":
			for line := range strings.Lines(b.code) {
				p.line("    %s", quoteCode(strings.TrimRight(line, "\n")))
			}
		case b.table != nil:
			if err := p.grid(b.table); err != nil {
				return err
			}
		}
	}
	_, err := io.WriteString(w, p.b.String())
	return err
}

// heading writes a title, wrapped at the width.
func (p *printer) heading(s string) {
	q := &printer{opt: p.opt}
	q.wrap("", s)
	p.line("")
	for line := range strings.Lines(q.b.String()) {
		p.line("%s", p.color("1", strings.TrimSuffix(line, "\n")))
	}
}

// grid writes a table that fits the width.
func (p *printer) grid(t *table) error {
	g := grid{right: t.right}
	for _, h := range t.header {
		g.header = append(g.header, Quote(h))
	}
	for _, r := range t.rows {
		row := make([]string, len(r))
		for i, c := range r {
			row[i] = Quote(c)
		}
		g.rows = append(g.rows, row)
	}
	drop := slices.Clone(t.drop)
	if drop == nil {
		drop = make([]int, len(t.header))
	}
	g.fit(p.opt.width()-2, drop, t.elastic)
	var b strings.Builder
	if err := g.text(&b, "  "); err != nil {
		return err
	}
	i := 0 // of the row
	if g.hasHeader() {
		i = -1
	}
	for line := range strings.Lines(b.String()) {
		p.row(strings.TrimSuffix(line, "\n"), t.colors, i)
		i++
	}
	if t.more > 0 {
		p.line("  and %s more", Number(t.more))
	}
	return nil
}

func (p *printer) row(line string, colors []string, i int) {
	if i >= 0 && i < len(colors) && colors[i] != "" {
		line = p.color(colors[i], line)
	}
	p.line("%s", line)
}

func (d *document) markdown(w io.Writer) error {
	var b bytes.Buffer
	e := &errWriter{w: &b}
	e.printf("# %s\n\n", quoteMarkdown(d.title))
	for _, x := range d.blocks {
		switch {
		case x.heading != "":
			e.printf("## %s\n\n", quoteMarkdown(x.heading))
		case x.text != "":
			e.printf("%s\n\n", quoteMarkdown(x.text))
		case x.code != "":
			e.printf("```\n%s\n```\n\n", fenced(x.code))
		case x.table != nil:
			g := grid{right: x.table.right}
			for _, h := range x.table.header {
				g.header = append(g.header, quoteMarkdown(h))
			}
			for _, r := range x.table.rows {
				row := make([]string, len(r))
				for i, c := range r {
					row[i] = quoteMarkdown(c)
				}
				g.rows = append(g.rows, row)
			}
			e.grid(&g)
			if x.table.more > 0 {
				e.printf("And %s more.\n\n", Number(x.table.more))
			}
		}
	}
	if e.err != nil {
		return e.err
	}
	_, err := w.Write(append(bytes.TrimRight(b.Bytes(), "\n"), '\n'))
	return err
}

// quoteCode is Quote for code, where a backslash is not escaped.
func quoteCode(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r > 0x7e || r < ' ' && r != '\t' }) < 0 {
		return s
	}
	return Quote(s)
}

// fenced replaces code fences within text.
func fenced(s string) string {
	var out []string
	for line := range strings.Lines(strings.TrimRight(s, "\n")) {
		out = append(out, strings.ReplaceAll(quoteCode(strings.TrimRight(line, "\n")), "```", "'''"))
	}
	return strings.Join(out, "\n")
}

// html writes a self-contained page without scripts.
func (d *document) html(w io.Writer) error {
	type cell struct {
		Text        string
		Right, Wide bool
	}
	type view struct {
		Heading, Text, Code, More string
		Note                      bool
		Header                    []cell
		Rows                      [][]cell
		SVG                       template.HTML
		Caption                   string
	}
	var blocks []view
	cells := func(t *table, row []string) (out []cell) {
		for i, c := range row {
			out = append(out, cell{Quote(c), i < len(t.right) && t.right[i], len(c) > 40})
		}
		return out
	}
	for _, b := range d.blocks {
		v := view{Heading: Quote(b.heading), Text: Quote(b.text), Note: b.note}
		if b.code != "" {
			v.Code = fenced(b.code)
		}
		if t := b.table; t != nil {
			v.Header = cells(t, t.header)
			for _, r := range t.rows {
				v.Rows = append(v.Rows, cells(t, r))
			}
			if t.more > 0 {
				v.More = "and " + Number(t.more) + " more"
			}
		}
		if b.figure != nil {
			v.SVG, v.Caption = b.figure.svg, Quote(b.figure.caption)
		}
		blocks = append(blocks, v)
	}
	page, err := template.New("document").Parse(documentPage)
	if err != nil {
		return err
	}
	return page.Execute(w, struct {
		Title  string
		Blocks []view
	}{Quote(d.title), blocks})
}

const documentPage = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{.Title}}</title>
<style>
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --faint: color-mix(in srgb, currentColor 62%, transparent); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.35rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { max-width: 52rem; margin: .4rem 0; } .note { color: var(--faint); font-size: .9em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; font-size: .85em; color: var(--faint); } .r { text-align: right; }
td { white-space: nowrap; } td.w { white-space: normal; min-width: 24rem; overflow-wrap: break-word; }
pre { padding: .8rem; border: 1px solid var(--line); overflow-x: auto; font-size: .85em; }
figure { margin: 1rem 0; } figcaption { color: var(--faint); font-size: .9em; } svg { max-width: 100%; height: auto; }
</style>
</head>
<body>
<h1>{{.Title}}</h1>
{{range .Blocks}}{{if .Heading}}<h2>{{.Heading}}</h2>
{{end}}{{if .Text}}<p{{if .Note}} class="note"{{end}}>{{.Text}}</p>
{{end}}{{if .Code}}<pre>{{.Code}}</pre>
{{end}}{{if .Header}}<div class="scroll"><table>
<thead><tr>{{range .Header}}<th{{if .Right}} class="r"{{end}}>{{.Text}}</th>{{end}}</tr></thead>
<tbody>
{{range .Rows}}<tr>{{range .}}<td{{if .Right}} class="r"{{else if .Wide}} class="w"{{end}}>{{.Text}}</td>{{end}}</tr>
{{end}}</tbody>
</table></div>
{{end}}{{if .More}}<p class="note">{{.More}}</p>
{{end}}{{if .SVG}}<figure>{{.SVG}}<figcaption>{{.Caption}}</figcaption></figure>
{{end}}{{end}}</body>
</html>
`
