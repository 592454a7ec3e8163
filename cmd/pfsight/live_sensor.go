package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"pfsight/capture"
	"pfsight/capture/stream"
	"pfsight/report"
	"pfsight/report/render"
	"pfsight/report/secrecy"
)

// A sensor makes events of what the workers find.
type sensor struct {
	opt     *liveOptions
	state   *liveState
	history *report.History
	sinks   []*sink // of records
	plain   *sink   // of lines for people; nil: none

	mu      sync.Mutex
	rows    openRows // told of, not ended; bounded by the tracker's table
	encoder render.Encoder
	records batch
	lines   batch
	sofar   capture.Stats
}

// A batch is lines on their way to sinks.
type batch struct {
	b []byte
	n uint64
}

// deliverAt is how many bytes of events are handed over at once, about: a sink
// takes all of that or nothing, so it is a small part of the room of any.
const deliverAt = 16 << 10

// A sensorWorker is the capture.Sink of one worker.
type sensorWorker struct {
	*sensor
	finder
}

// Emit implements capture.Sink.
func (w *sensorWorker) Emit(sofar *capture.Stats) {
	s := w.sensor
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sofar = *sofar
	for i := range w.found {
		if f := &w.found[i]; f.row != nil {
			s.rows.put(f.ref, f.row)
			s.history.Join(f.row)
			s.state.Add(f.row)
			s.event(render.Handshake, f.row)
		} else if row := s.rows.take(f.ref); row != nil {
			s.end(row, f.totals)
			w.builder.Recycle(row)
		}
	}
	s.deliver()
}

func (s *sensor) end(r *report.Connection, t stream.Totals) {
	r.Close(t)
	s.state.End(r)
	s.event(render.End, r)
}

// event writes an event for those who want it.
func (s *sensor) event(ev render.Event, r *report.Connection) {
	if s.opt.where != nil && !s.opt.where.Match(r) {
		return
	}
	for _, wanted := range s.opt.events {
		if wanted == ev && len(s.sinks) > 0 {
			s.records.b = append(append(s.records.b, s.encoder.Event(ev, len(s.opt.events) > 1, r)...), '\n')
			s.records.n++
		}
	}
	if s.plain != nil && ev == render.Handshake {
		s.lines.b = append(plainLine(s.lines.b, r), '\n')
		s.lines.n++
	}
	if max(len(s.records.b), len(s.lines.b)) >= deliverAt {
		s.deliver()
	}
}

// deliver hands over what was written.
func (s *sensor) deliver() {
	if s.records.n > 0 {
		for _, k := range s.sinks {
			k.put(s.records.b, s.records.n)
		}
	}
	if s.lines.n > 0 {
		s.plain.put(s.lines.b, s.lines.n)
	}
	s.records = batch{s.records.b[:0], 0}
	s.lines = batch{s.lines.b[:0], 0}
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
