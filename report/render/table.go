package render

import (
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"pfsight/report/wrap"
)

// A grid is a table of quoted cells.
type grid struct {
	header []string
	right  []bool // right-aligned columns
	rows   [][]string
}

// hasHeader reports whether a column has a name. Otherwise the header is not
// written to a terminal.
func (g *grid) hasHeader() bool {
	return slices.ContainsFunc(g.header, func(h string) bool { return h != "" })
}

// leastElastic is the width below which the elastic column is not shortened.
const leastElastic = 12

// fit makes the grid at most width columns wide. It drops the columns with the
// highest value in drop first, and never those with 0. Then it shortens the
// elastic column, or the widest one if the elastic column was dropped.
func (g *grid) fit(width int, drop []int, elastic int) {
	for {
		total, most := 0, 0
		widths := make([]int, len(g.header))
		for i, h := range g.header {
			widths[i] = utf8.RuneCountInString(h)
			for _, r := range g.rows {
				widths[i] = max(widths[i], utf8.RuneCountInString(r[i]))
			}
			total += widths[i] + 2
			if drop[i] > drop[most] {
				most = i
			}
		}
		over := total - 2 - width
		if over <= 0 {
			return
		}
		if drop[most] == 0 || widths[elastic]-over >= 2*leastElastic {
			n := max(widths[elastic]-over, leastElastic)
			for _, r := range g.rows {
				r[elastic] = cut(r[elastic], n)
			}
			return
		}
		g.header, drop = slices.Delete(g.header, most, most+1), slices.Delete(drop, most, most+1)
		for i := range g.rows {
			g.rows[i] = slices.Delete(g.rows[i], most, most+1)
		}
		if most < len(g.right) {
			g.right = slices.Delete(slices.Clone(g.right), most, most+1)
		}
		switch {
		case most < elastic:
			elastic--
		case most == elastic:
			widths = slices.Delete(widths, most, most+1)
			elastic = slices.Index(widths, slices.Max(widths))
		}
	}
}

// Columns writes rows as columns separated by two blanks. It wraps the last
// column so that lines take at most width columns; 0 means no limit. Cells must
// be safe for a terminal, see Quote, and each row must have the same number of
// cells.
func Columns(w io.Writer, rows [][]string, width int) error {
	if len(rows) == 0 {
		return nil
	}
	return columnGrid(rows, width).text(w, "")
}

// columnGrid returns a grid without a header for Columns. There is at least one
// row.
func columnGrid(rows [][]string, width int) *grid {
	last := len(rows[0]) - 1
	widths := make([]int, last)
	for _, r := range rows {
		for i := range widths {
			widths[i] = max(widths[i], utf8.RuneCountInString(r[i]))
		}
	}
	for _, n := range widths {
		width -= n + 2
	}
	g := &grid{header: make([]string, last+1)}
	for _, r := range rows {
		lines := []string{r[last]}
		if width > 0 {
			lines = wrap.Words(r[last], width)
		}
		for i, line := range lines {
			row := make([]string, last+1)
			if i == 0 {
				copy(row, r[:last])
			}
			row[last] = line
			g.rows = append(g.rows, row)
		}
	}
	return g
}

// text writes the grid with blanks between its columns. Each line begins with
// indent.
func (g *grid) text(w io.Writer, indent string) error {
	var b strings.Builder
	align := tw.MakeAlign(len(g.header), tw.AlignLeft)
	for i, r := range g.right {
		if r {
			align[i] = tw.AlignRight
		}
	}
	t := tablewriter.NewTable(&b,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.BorderNone,
			Settings: tw.Settings{
				Separators: tw.SeparatorsNone,
				Lines:      tw.LinesNone,
			},
		})),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithPadding(tw.Padding{Right: "  ", Overwrite: true}),
		tablewriter.WithAlignment(align),
	)
	if g.hasHeader() {
		t.Header(g.header)
	}
	for _, r := range g.rows {
		if err := t.Append(r); err != nil {
			return err
		}
	}
	if err := t.Render(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		line = strings.TrimRight(line, " \n")
		if line != "" {
			line = indent + line
		}
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// markdown writes the grid as a Markdown table. The cells must be quoted by
// Markdown.
func (g *grid) markdown(w io.Writer) error {
	var b strings.Builder
	line := func(cells []string) {
		b.WriteString("|")
		for _, c := range cells {
			b.WriteString(" " + c + " |")
		}
		b.WriteString("\n")
	}
	line(g.header)
	b.WriteString("|")
	for i := range g.header {
		if i < len(g.right) && g.right[i] {
			b.WriteString(" ---: |")
		} else {
			b.WriteString(" --- |")
		}
	}
	b.WriteString("\n")
	for _, r := range g.rows {
		line(r)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
