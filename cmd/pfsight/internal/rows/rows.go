package rows

import (
	"slices"

	"pfsight/capture"
	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/report"
)

// CaptureOptions returns the options of a capture.Run that finds every protocol
// that package parse reads. sessions is how many bytes may tell apart
// connections that share one pair of endpoints; 0 means the default.
func CaptureOptions(sessions int64) capture.Options {
	return capture.Options{Inspector: parse.NewInspector(sessions)}
}

// A Worker makes rows of the events of one worker of a capture.Run. Its Take is
// that of a capture.Sink; Deliver does the work of Emit.
type Worker struct {
	parser  parse.Parser
	builder *report.Builder
	changes []change
	touched byte // keeps the loads of touch alive
}

// A change is what became of a capture.Event.
type change struct {
	row    *report.Connection // nil: the connection has ended
	ref    uint32
	totals stream.Totals
}

// NewWorker returns a Worker that builds rows with b.
func NewWorker(b *report.Builder) *Worker { return &Worker{builder: b} }

// Take implements capture.Sink.
func (w *Worker) Take(events []capture.Event) {
	clear(w.changes)
	w.changes = w.changes[:0]
	w.touched += touch(events)
	for i := range events {
		e := &events[i]
		if e.Opening == nil {
			w.Ended(e.Ref, e.Totals)
		} else if h := w.parser.Parse(e.Opening); h != nil {
			w.Began(e.Ref, w.builder.Connection(h, e.Opening))
		}
	}
}

// Began adds a row for the next Deliver.
func (w *Worker) Began(ref uint32, row *report.Connection) {
	c := w.add()
	c.ref, c.row = ref, row
}

// Ended adds the end of a connection for the next Deliver.
func (w *Worker) Ended(ref uint32, t stream.Totals) {
	c := w.add()
	c.ref, c.totals = ref, t
}

// add appends a change for the caller to set in place: a copy of what was just
// written waits for its stores.
func (w *Worker) add() *change {
	w.changes = append(w.changes, change{})
	return &w.changes[len(w.changes)-1]
}

// atOnce is how many ended rows are loaded into the CPU's cache together: they
// were written long before, and one load after the other would wait for memory.
const atOnce = 16

// Deliver applies the changes since the last Take to t. It calls began for each
// new row, unless began is nil, and ended for each row whose connection has
// ended, with its totals. A row is not used again after ended returns.
func (w *Worker) Deliver(t *Table, began, ended func(*report.Connection)) {
	for changes := range slices.Chunk(w.changes, atOnce) {
		for i := range changes {
			if c := &changes[i]; c.row == nil {
				if row := t.get(c.ref); row != nil {
					w.touched += row.Touch()
				}
			}
		}
		for i := range changes {
			if c := &changes[i]; c.row != nil {
				t.put(c.ref, c.row)
				t.history.Join(c.row)
				if began != nil {
					began(c.row)
				}
			} else if row := t.take(c.ref); row != nil {
				row.Close(c.totals)
				ended(row)
				w.builder.Recycle(row)
			}
		}
	}
}

// touch reads a byte of each opening, which starts the loads of the later ones
// while the first are parsed.
func touch(events []capture.Event) (n byte) {
	for i := range events {
		if c := events[i].Opening; c != nil {
			for d := range c.Half {
				if b := c.Half[d].Data; len(b) > 0 {
					n += b[0]
				}
			}
		}
	}
	return n
}

// A Table holds the rows of connections that have not ended, by
// capture.Event.Ref. The tracker's own table bounds it. Workers that share one
// call Deliver one at a time.
type Table struct {
	rows    []*report.Connection
	history *report.History
}

// NewTable returns a Table that joins its rows with h.
func NewTable(h *report.History) *Table { return &Table{history: h} }

// Open returns the number of rows in t.
func (t *Table) Open() (n int) {
	for _, r := range t.rows {
		if r != nil {
			n++
		}
	}
	return n
}

func (t *Table) put(ref uint32, r *report.Connection) {
	for int(ref) >= len(t.rows) {
		t.rows = append(t.rows, nil)
	}
	t.rows[ref] = r
}

// get returns a row. It returns nil if the opening was not a handshake.
func (t *Table) get(ref uint32) *report.Connection {
	if int(ref) >= len(t.rows) {
		return nil
	}
	return t.rows[ref]
}

// take is get, and removes the row.
func (t *Table) take(ref uint32) *report.Connection {
	r := t.get(ref)
	if r != nil {
		t.rows[ref] = nil
	}
	return r
}
