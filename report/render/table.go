package render

import (
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// A grid is a table of quoted cells.
type grid struct {
	header []string
	right  []bool // right-aligned columns
	rows   [][]string
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
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithPadding(tw.Padding{Right: "  ", Overwrite: true}),
		tablewriter.WithAlignment(align),
	)
	t.Header(g.header)
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
