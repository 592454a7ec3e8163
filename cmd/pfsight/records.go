package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"pfsight/capture/pcapfile"
	"pfsight/report"
	"pfsight/report/parquet"
	rec "pfsight/report/record"
	"pfsight/report/render"
)

// maxFaults is how many faults of one input are told one by one.
const maxFaults = 5

// A recordInput takes saved records in the place of captures.
type recordInput struct {
	ctx    context.Context
	sinks  []rec.Sink
	memory int64 // bytes that a Parquet file may be given

	mu          sync.Mutex
	rows        uint64
	unwanted    uint64 // of rows: those that --where did not want
	first, last int64
	open        int64 // connections that were announced, and whose end was not read
	files       []recordFile
}

// A recordFile is what was wrong with an input.
type recordFile struct {
	name   string
	faults []rec.Fault // at most maxFaults
	bad    uint64      // records that could not be read
	kept   uint64      // read, but not wholly
}

// other is what pcapfile is to do with saved records.
func (r *recordInput) other() *pcapfile.Other {
	detect := func(head []byte, end bool) (is, more bool) {
		if parquet.Detect(head) {
			return true, false
		}
		return rec.Detect(head, end)
	}
	return &pcapfile.Other{Detect: detect, Read: r.read}
}

func (r *recordInput) read(name string, in io.Reader) error {
	r.mu.Lock()
	r.files = append(r.files, recordFile{name: name})
	r.mu.Unlock()
	head := bufio.NewReader(in)
	if b, _ := head.Peek(4); parquet.Detect(b) {
		return r.parquet(name)
	}
	open, err := rec.Read(r.ctx, head, r.sinks...)
	r.mu.Lock()
	r.open += open
	r.mu.Unlock()
	return err
}

// parquet reads a Parquet file. What it holds is told at its end, so it is
// opened anew, and cannot be a pipe or compressed as a whole.
func (r *recordInput) parquet(name string) error {
	st, err := os.Stat(name)
	if err != nil || !st.Mode().IsRegular() {
		return errors.New("a Parquet file is read by its name, not from a pipe")
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := parquet.NewReader(f, st.Size(), parquet.Options{
		Wanted: rec.IsField, Needed: []string{"time", "transport", "forward_secrecy"}, Memory: r.memory,
	})
	if err != nil {
		return err
	}
	defer rows.Close()
	_, err = rec.ReadLines(r.ctx, rows, r.sinks...)
	return err
}

// seen counts rows that were read, in turn, and those of them that --where did
// not want.
func (r *recordInput) seen(rows []report.Connection, unwanted uint64, faults []rec.Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unwanted += unwanted
	for i := range rows {
		c := &rows[i]
		if c.Time != 0 && (r.first == 0 || c.Time < r.first) {
			r.first = c.Time
		}
		r.last = max(r.last, c.Time, c.Totals.Last)
		r.rows++
	}
	f := &r.files[len(r.files)-1]
	for _, x := range faults {
		if len(f.faults) < maxFaults {
			f.faults = append(f.faults, x)
		}
		if x.Kept {
			f.kept++
		} else {
			f.bad++
		}
	}
}

// problems tells what was wrong with the records, and sets the exit code.
func (r *recordInput) problems(a *app, o *options) {
	if len(r.files) > 0 && (o.filter != "" || o.count > 0) && !o.quiet {
		a.warn("-f and -c choose packets, and saved records have none: all of them were read; --where chooses connections")
	}
	if r.open > 0 && r.ctx.Err() == nil {
		a.code = exitIncomplete
		if !o.quiet {
			a.warn("connections that a live capture announced, and whose end is not in the input: %d; they are not counted", r.open)
		}
	}
	for i := range r.files {
		f := &r.files[i]
		if f.bad+f.kept == 0 {
			continue
		}
		a.code = exitIncomplete
		if o.quiet {
			continue
		}
		for _, x := range f.faults {
			if x.Kept {
				a.warn("reading %s: line %d: %s: passed over", f.name, x.Line, render.Quote(x.Err.Error()))
			} else {
				a.warn("reading %s: line %d: %s", f.name, x.Line, render.Quote(x.Err.Error()))
			}
		}
		if n := f.bad + f.kept; n > maxFaults {
			a.warn("reading %s: %d records could not be read, %d not wholly", f.name, f.bad, f.kept)
		}
	}
}

// input adds what was read to in.
func (r *recordInput) input(in *report.Input) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in.Unwanted += r.unwanted
	if len(r.files) == 0 {
		return
	}
	if r.first != 0 && (in.First == 0 || r.first < in.First) {
		in.First = r.first
	}
	in.Last = max(in.Last, r.last)
	in.Saved, in.Records = true, in.Records+r.rows
	var bad uint64
	for i := range r.files {
		bad += r.files[i].bad
	}
	if r.open > 0 {
		in.Loss = append(in.Loss, report.Loss{Reason: "unended_records", What: "connections that were announced, and whose end was not saved", Count: uint64(r.open)})
	}
	if bad > 0 {
		in.Loss = append(in.Loss, report.Loss{Reason: "bad_records", What: "saved records that could not be read", Count: bad, Incomplete: true})
	}
}

// A rowSink is the rec.Sink of one worker: it passes rows on to a joiner.
type rowSink struct {
	*joiner
	in     *recordInput
	rows   []report.Connection
	chosen []int // of rows
}

// Take implements rec.Sink.
func (s *rowSink) Take(rows []report.Connection, _ []rec.Fault) {
	s.rows, s.chosen = rows, s.chosen[:0]
	for i := range rows {
		if s.where == nil || s.where.Match(&rows[i]) {
			s.chosen = append(s.chosen, i)
		}
	}
}

// Emit implements rec.Sink.
func (s *rowSink) Emit(faults []rec.Fault) error {
	s.in.seen(s.rows, uint64(len(s.rows)-len(s.chosen)), faults)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.chosen {
		r := &s.rows[i]
		s.saved++
		r.ID = s.saved
		s.gaps.add(r, true)
		s.add(r)
	}
	return s.err
}
