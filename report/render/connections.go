package render

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"pfsight/report"
	"pfsight/report/secrecy"
)

// A Writer writes rows, in the order in which their connections end.
type Writer interface {
	Write(c *report.Connection) error
	// Close writes the remaining output. Without it the output is incomplete.
	Close() error
}

type jsonl struct {
	w io.Writer
	e Encoder
}

// NewJSONL returns a Writer of JSON Lines: one record on each line.
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

// NewJSON returns a Writer of one JSON array of records.
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

// A tableWriter collects rows, and writes them as a table sorted by time.
type tableWriter struct {
	w        io.Writer
	opt      Options
	markdown bool
	rows     []tableRow
	held     int64         // approximate size of rows, bytes
	left     uint64        // rows beyond the memory limit
	scope    *report.Input // nil: unknown
}

// A tableRow is the content of a table row.
type tableRow struct {
	time    int64
	id      uint64
	cells   [tableCells]string // all columns but the time and the reasons
	reasons secrecy.Reasons
}

const tableCells = 7

// rowSize is the size of a row without its strings, bytes, in rows and in the
// layout.
const rowSize = 512

// NewTable returns a Writer of a table: for a terminal, or in Markdown if
// markdown is true. It keeps the rows until Close, within Options.Memory.
// Further rows are counted, and the table states their number.
func NewTable(w io.Writer, opt Options, markdown bool) Writer {
	if opt.Memory <= 0 {
		opt.Memory = 256 << 20
	}
	return &tableWriter{w: w, opt: opt, markdown: markdown}
}

// Scope implements Scoped.
func (t *tableWriter) Scope(in *report.Input) { t.scope = in }

func (t *tableWriter) Write(c *report.Connection) error {
	if t.held > t.opt.Memory {
		t.left++
		return nil
	}
	quote := t.quote()
	version, outcome := "", c.Outcome.String()
	if c.Version != 0 {
		version = c.Version.String()
	}
	if c.Alert != "" && c.Outcome == report.Rejected {
		outcome += ": " + quote(c.Alert)
	}
	// Clone the name: it may be a substring of a longer string, which would
	// stay in memory.
	r := tableRow{c.Time, c.ID, [tableCells]string{
		c.Client.Host().String(), c.Server.String(), strings.Clone(cut(quote(c.ServerName), 40)), version, KeyExchange(c), c.ForwardSecrecy.String(), outcome,
	}, c.Reasons}
	t.held += rowSize
	for _, s := range r.cells {
		t.held += 2 * int64(len(s))
	}
	t.rows = append(t.rows, r)
	return nil
}

func (t *tableWriter) quote() func(string) string {
	if t.markdown {
		return quoteMarkdown
	}
	return Quote
}

func (t *tableWriter) Close() error {
	if len(t.rows) == 0 {
		text := "No TLS handshake was observed."
		if t.scope != nil {
			text = noConnections(t.scope)
		}
		_, err := io.WriteString(t.w, text+"\n")
		return err
	}
	slices.SortStableFunc(t.rows, func(a, b tableRow) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.id, b.id))
	})
	width := t.opt.width()
	clock := "15:04:05"
	timed := t.rows
	for len(timed) > 1 && timed[0].time == 0 {
		timed = timed[1:]
	}
	if first, last := timed[0].time, timed[len(timed)-1].time; last-first > 24*int64(time.Hour) || t.markdown {
		clock = "2006-01-02 15:04:05"
	}
	g := grid{header: []string{"time", "client", "server", "name", "version", "key exchange", "fs", "why", "outcome"}}
	// Narrow terminals lose the column with the highest number first; 0 is
	// never dropped.
	drop := []int{3, 1, 0, 4, 6, 2, 0, 0, 5}
	quote := t.quote()
	for i := range t.rows {
		r := &t.rows[i]
		codes := r.reasons.Strings()
		why := quote(strings.Join(codes, " "))
		if width < 140 && len(codes) > 1 && !t.markdown {
			why = codes[0] + " +" + strconv.Itoa(len(codes)-1)
		}
		c := &r.cells
		when := "–"
		if r.time != 0 {
			when = time.Unix(0, r.time).UTC().Format(clock)
		}
		g.rows = append(g.rows, []string{when, c[0], c[1], c[2], c[3], c[4], c[5], why, c[6]})
	}
	var err error
	if t.markdown {
		err = g.markdown(t.w)
	} else {
		g.fit(width, drop, slices.Index(g.header, "why"))
		err = g.text(t.w, "")
	}
	if err == nil && t.left > 0 {
		_, err = fmt.Fprintf(t.w, "\nThe table omits %s connections for lack of memory; --format csv and jsonl write all.\n", Number(t.left))
	}
	return err
}

// KeyExchange returns the key exchange with its group or size.
func KeyExchange(c *report.Connection) string {
	switch {
	case c.HasGroup:
		return c.KeyExchange + " " + c.Group.String()
	case c.DHBits > 0:
		return c.KeyExchange + " " + strconv.Itoa(c.DHBits)
	}
	return c.KeyExchange
}
