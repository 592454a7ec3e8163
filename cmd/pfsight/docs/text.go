package docs

import (
	"io"
	"slices"
	"strings"

	"pfsight/report/wrap"
)

// leastColumn is the width that a column of a table is not shrunk below.
const leastColumn = 8

// Code and strong text are between these two while lines are broken. They take
// no column.
const (
	beginBold = '\x01'
	endBold   = '\x02'
)

var (
	withBold    = strings.NewReplacer(string(beginBold), "\x1b[1m", string(endBold), "\x1b[22m")
	withoutBold = strings.NewReplacer(string(beginBold), "", string(endBold), "")
)

// Write writes Markdown for a terminal of width columns: without marks, with
// lines broken at spaces. Code is neither broken nor cut. With bold, headings,
// code in the text and strong text are bold.
func Write(w io.Writer, text string, width int, bold bool) error {
	style := withoutBold
	if bold {
		style = withBold
	}
	_, err := style.WriteString(w, layout(text, width))
	return err
}

// layout is Write with marks for bold text.
func layout(text string, width int) string {
	var b strings.Builder
	last := heading
	for i, k := range parse(text) {
		if i > 0 && (k.kind != item || last != item) {
			b.WriteByte('\n')
		}
		last = k.kind
		switch k.kind {
		case heading:
			indented(&b, "", "  ", string(beginBold)+plain(k.text)+string(endBold), width)
		case paragraph:
			indented(&b, "  ", "  ", marked(k.text), width)
		case item:
			indented(&b, "  - ", "    ", marked(k.text), width)
		case code:
			for _, line := range k.lines {
				b.WriteString(strings.TrimRight("    "+line, " ") + "\n")
			}
		case table:
			for _, line := range tableLines(k.rows, width-2) {
				b.WriteString(strings.TrimRight("  "+line, " ") + "\n")
			}
		}
	}
	return b.String()
}

// marked returns text with marks for bold text in the place of inline marks.
func marked(text string) string {
	var b strings.Builder
	for _, s := range spans(text) {
		if s.bold {
			s.text = string(beginBold) + s.text + string(endBold)
		}
		b.WriteString(s.text)
	}
	return b.String()
}

// columns returns the columns that text takes on a terminal. Topics have no
// wide characters.
func columns(text string) int {
	n := 0
	for _, r := range text {
		if r != beginBold && r != endBold {
			n++
		}
	}
	return n
}

// indented writes text in lines of at most width columns. The first begins with
// first, the others with rest.
func indented(b *strings.Builder, first, rest, text string, width int) {
	for _, line := range Wrap(text, width-len(rest)) {
		b.WriteString(first + line + "\n")
		first = rest
	}
}

// Wrap breaks text at spaces into lines of at most n columns. A longer word has
// a line of its own. It returns at least one line.
func Wrap(text string, n int) []string { return wrap.Func(text, n, columns) }

// tallestCell is the height, lines, above which a table is written as a list.
const tallestCell = 8

// tableLines lays rows out in columns of at most width together. The widest
// columns are shrunk first, and their cells take several lines. A table whose
// cells would be too tall becomes a list.
func tableLines(rows [][]string, width int) []string {
	count := 0
	for _, r := range rows {
		count = max(count, len(r))
	}
	widths := make([]int, count)
	texts := make([][]string, len(rows))
	for i, r := range rows {
		texts[i] = make([]string, count)
		for j, cell := range r {
			texts[i][j] = marked(cell)
			widths[j] = max(widths[j], columns(texts[i][j]))
		}
	}
	const gap = 2
	wrapped := false
	for sum(widths)+gap*(count-1) > width {
		widest := slices.Max(widths)
		if widest <= leastColumn {
			break
		}
		widths[slices.Index(widths, widest)]--
		wrapped = true
	}
	if sum(widths)+gap*(count-1) > width {
		return listLines(texts, width)
	}
	var lines []string
	for i, row := range texts {
		if i == 0 && strings.Join(row, "") == "" {
			continue // a header without words
		}
		cells := make([][]string, count)
		height := 0
		for j, text := range row {
			cells[j] = wrapCell(text, widths[j])
			height = max(height, len(cells[j]))
		}
		if height > tallestCell {
			return listLines(texts, width)
		}
		if wrapped && len(lines) > 0 {
			lines = append(lines, "")
		}
		for h := range height {
			var b strings.Builder
			for j := range count {
				part := ""
				if h < len(cells[j]) {
					part = cells[j][h]
				}
				b.WriteString(part + strings.Repeat(" ", max(0, widths[j]+gap-columns(part))))
			}
			lines = append(lines, strings.TrimRight(b.String(), " "))
		}
	}
	return lines
}

// listLines writes the rows of a table below each other: the first cell as a
// title, each other cell after the header of its column.
func listLines(rows [][]string, width int) []string {
	var b strings.Builder
	for i, row := range rows {
		if i == 0 && len(rows) > 1 {
			continue // the header
		}
		indented(&b, "", "  ", row[0], width)
		for j, cell := range row[1:] {
			if cell == "" {
				continue
			}
			if name := rows[0][j+1]; name != "" {
				cell = name + ": " + cell
			}
			indented(&b, "  ", "    ", cell, width)
		}
		b.WriteByte('\n')
	}
	return strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
}

// wrapCell is Wrap, but a word that is wider than the cell is broken.
func wrapCell(text string, n int) []string {
	var lines []string
	for _, line := range Wrap(text, n) {
		for columns(line) > n {
			cut := 0
			for i, r := range line {
				if columns(line[:i]) == n && r != endBold {
					cut = i
					break
				}
			}
			lines, line = append(lines, line[:cut]), line[cut:]
		}
		lines = append(lines, line)
	}
	return lines
}

func sum(list []int) int {
	n := 0
	for _, x := range list {
		n += x
	}
	return n
}
