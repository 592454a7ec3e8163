package sensor

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"pfsight/capture"
	"pfsight/cmd/pfsight/internal/livestate"
	"pfsight/cmd/pfsight/internal/rows"
	"pfsight/cmd/pfsight/internal/sink"
	"pfsight/report"
	"pfsight/report/render"
	"pfsight/report/secrecy"
	"pfsight/report/where"
)

// An emitter writes events of connections to the sinks and to the state.
type emitter struct {
	events []render.Event
	where  *where.Filter // nil: all
	state  *livestate.State
	sinks  []*sink.Sink // of records
	plain  *sink.Sink   // of lines for people; nil: none

	mu      sync.Mutex
	open    *rows.Table
	encoder render.Encoder
	records batch
	lines   batch
	sofar   capture.Stats
}

// A batch is lines that have not been handed to the sinks.
type batch struct {
	b []byte
	n uint64
}

// batchSize is about how many bytes of events are handed over at once. A sink
// accepts a batch or drops it, so it is a small part of any sink's room.
const batchSize = 16 << 10

// A worker is the capture.Sink of one worker.
type worker struct {
	*rows.Worker
	e *emitter
}

// Emit implements capture.Sink.
func (w *worker) Emit(sofar *capture.Stats) {
	e := w.e
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sofar = *sofar
	w.Deliver(e.open, e.began, e.ended)
	e.deliver()
}

func (e *emitter) began(r *report.Connection) {
	e.state.Add(r)
	e.event(render.Handshake, r)
}

func (e *emitter) ended(r *report.Connection) {
	e.state.End(r)
	e.event(render.End, r)
}

// event adds an event to the batches of the sinks that want it.
func (e *emitter) event(ev render.Event, r *report.Connection) {
	if e.where != nil && !e.where.Match(r) {
		return
	}
	for _, wanted := range e.events {
		if wanted == ev && len(e.sinks) > 0 {
			e.records.b = append(append(e.records.b, e.encoder.Event(ev, len(e.events) > 1, r)...), '\n')
			e.records.n++
		}
	}
	if e.plain != nil && ev == render.Handshake {
		e.lines.b = append(plainLine(e.lines.b, r), '\n')
		e.lines.n++
	}
	if max(len(e.records.b), len(e.lines.b)) >= batchSize {
		e.deliver()
	}
}

// deliver hands the batches to the sinks.
func (e *emitter) deliver() {
	if e.records.n > 0 {
		for _, k := range e.sinks {
			k.Put(e.records.b, e.records.n)
		}
	}
	if e.lines.n > 0 {
		e.plain.Put(e.lines.b, e.lines.n)
	}
	e.records = batch{e.records.b[:0], 0}
	e.lines = batch{e.lines.b[:0], 0}
}

// plainLine appends one line for people.
func plainLine(b []byte, r *report.Connection) []byte {
	b = time.Unix(0, r.Time).UTC().AppendFormat(b, "15:04:05.000")
	b = fmt.Appendf(b, "  %-11s  %s > %s", r.ForwardSecrecy, r.Client, r.Server)
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, render.Quote(s))
		}
	}
	add(r.ServerName)
	if r.HasServerHello {
		add(r.Version.String())
		add(r.KeyExchange)
		if r.HasGroup {
			add(r.Group.String())
		}
		add(r.CipherSuite.String())
	} else {
		add(r.Outcome.String())
	}
	if r.ForwardSecrecy != secrecy.Yes {
		if why, ok := r.Reasons.First(); ok {
			add(why.String())
		}
	}
	if len(parts) > 0 {
		b = append(append(b, "  "...), strings.Join(parts, " ")...)
	}
	return b
}
