package render

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"pfsight/report"
)

// A Writer takes rows in the order in which their connections end.
type Writer interface {
	Write(c *report.Connection) error
	// Close writes what is left; without it the output is not whole.
	Close() error
}

type jsonl struct {
	w io.Writer
	e Encoder
}

// NewJSONL returns a Writer of one record a line.
func NewJSONL(w io.Writer) Writer { return &jsonl{w: w} }

func (j *jsonl) Write(c *report.Connection) error {
	j.e.b = append(j.e.Record(c), '\n')
	_, err := j.w.Write(j.e.b)
	return err
}

func (j *jsonl) Close() error { return nil }

type array struct {
	jsonl
	n int
}

// NewJSON returns a Writer of one array of records.
func NewJSON(w io.Writer) Writer { return &array{jsonl: jsonl{w: w}} }

func (a *array) Write(c *report.Connection) error {
	lead := ",\n"
	if a.n == 0 {
		lead = "[\n"
	}
	a.n++
	if _, err := io.WriteString(a.w, lead); err != nil {
		return err
	}
	_, err := a.w.Write(a.e.Record(c))
	return err
}

func (a *array) Close() error {
	end := "\n]\n"
	if a.n == 0 {
		end = "[]\n"
	}
	_, err := io.WriteString(a.w, end)
	return err
}

type csvWriter struct {
	w    *csv.Writer
	cols []column
	row  []string
	head bool
}

// NewCSV returns a Writer of CSV (RFC 4180) with a header line. A list's
// values are parted by semicolons; an empty cell is an absent field.
func NewCSV(w io.Writer) Writer { return &csvWriter{w: csv.NewWriter(w), cols: columns} }

func (v *csvWriter) header() error {
	v.head = true
	for _, c := range v.cols {
		v.row = append(v.row, c.name)
	}
	err := v.w.Write(v.row)
	v.row = v.row[:0]
	return err
}

func (v *csvWriter) Write(c *report.Connection) error {
	if !v.head {
		if err := v.header(); err != nil {
			return err
		}
	}
	v.row = v.row[:0]
	for _, col := range v.cols {
		v.row = append(v.row, Cell(col.text(c)))
	}
	return v.w.Write(v.row)
}

func (v *csvWriter) Close() error {
	if !v.head {
		if err := v.header(); err != nil {
			return err
		}
	}
	v.w.Flush()
	return v.w.Error()
}

// A tableWriter collects rows and writes them as a table, by time.
type tableWriter struct {
	w        io.Writer
	opt      Options
	markdown bool
	rows     []*report.Connection
	scope    *report.Input // nil: not told
}

// NewTable returns a Writer of a table for a terminal or, with markdown, of a
// Markdown table. It holds all rows until Close.
func NewTable(w io.Writer, opt Options, markdown bool) Writer {
	return &tableWriter{w: w, opt: opt, markdown: markdown}
}

// Scope implements Scoped.
func (t *tableWriter) Scope(in *report.Input) { t.scope = in }

func (t *tableWriter) Write(c *report.Connection) error {
	t.rows = append(t.rows, c)
	return nil
}

func (t *tableWriter) Close() error {
	if len(t.rows) == 0 {
		text := "No TLS handshake was observed."
		if t.scope != nil {
			text = nothing(t.scope)
		}
		_, err := io.WriteString(t.w, text+"\n")
		return err
	}
	slices.SortStableFunc(t.rows, func(a, b *report.Connection) int {
		switch {
		case a.Time != b.Time:
			if a.Time < b.Time {
				return -1
			}
			return 1
		case a.ID < b.ID:
			return -1
		}
		return 1
	})
	quote := Quote
	if t.markdown {
		quote = Markdown
	}
	width := t.opt.width()
	g := grid{}
	type col struct {
		name string
		drop int // where there is no room, the highest is left out first; 0 never
		text func(c *report.Connection) string
	}
	clock := "15:04:05"
	timed := t.rows
	for len(timed) > 1 && timed[0].Time == 0 {
		timed = timed[1:]
	}
	if first, last := timed[0].Time, timed[len(timed)-1].Time; last-first > 24*int64(time.Hour) || t.markdown {
		clock = "2006-01-02 15:04:05"
	}
	cols := []col{
		{"time", 3, func(c *report.Connection) string {
			if c.Time == 0 {
				return "–"
			}
			return time.Unix(0, c.Time).UTC().Format(clock)
		}},
		{"client", 1, func(c *report.Connection) string { return c.Client.Host().String() }},
		{"server", 0, func(c *report.Connection) string { return c.Server.String() }},
		{"name", 4, func(c *report.Connection) string { return cut(quote(c.ServerName), 40) }},
		{"version", 6, func(c *report.Connection) string {
			if c.Version == 0 {
				return ""
			}
			return c.Version.String()
		}},
		{"key exchange", 2, func(c *report.Connection) string { return KeyExchange(c) }},
		{"fs", 0, func(c *report.Connection) string { return c.ForwardSecrecy.String() }},
		{"why", 0, func(c *report.Connection) string {
			r := c.Reasons.Strings()
			if width < 140 && len(r) > 1 && !t.markdown {
				return r[0] + " +" + strconv.Itoa(len(r)-1)
			}
			return quote(strings.Join(r, " "))
		}},
		{"outcome", 5, func(c *report.Connection) string {
			if c.Alert != "" && c.Outcome == report.Rejected {
				return c.Outcome.String() + ": " + quote(c.Alert)
			}
			return c.Outcome.String()
		}},
	}
	for _, r := range t.rows {
		var cells []string
		for _, c := range cols {
			cells = append(cells, c.text(r))
		}
		g.rows = append(g.rows, cells)
	}
	var drop []int
	for _, c := range cols {
		g.header, drop = append(g.header, c.name), append(drop, c.drop)
	}
	if t.markdown {
		return g.markdown(t.w)
	}
	g.fit(width, drop, slices.Index(g.header, "why"))
	return g.text(t.w, "")
}

// KeyExchange says the key exchange with its group or size.
func KeyExchange(c *report.Connection) string {
	switch {
	case c.HasGroup:
		return c.KeyExchange + " " + c.Group.String()
	case c.DHBits > 0:
		return c.KeyExchange + " " + strconv.Itoa(c.DHBits)
	}
	return c.KeyExchange
}
