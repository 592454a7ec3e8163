package analyze

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"pfsight/capture/pcapfile"
	"pfsight/report"
	"pfsight/report/parquet"
	rec "pfsight/report/record"
	"pfsight/report/render"
)

// maxFaults is how many faults of one input have a message each.
const maxFaults = 5

// A savedInput reads saved records among the inputs.
type savedInput struct {
	ctx    context.Context
	sinks  []rec.Sink // one for each worker
	memory int64      // bytes that a Parquet file may use

	mu          sync.Mutex
	rows        uint64
	rejected    uint64 // of rows, by --where
	first, last int64  // times of rows
	open        int64  // connections with a handshake event and without an end event
	files       []savedFile
}

// A savedFile is an input of saved records, and its faults.
type savedFile struct {
	name   string
	faults []rec.Fault // the first maxFaults
	bad    uint64      // records that could not be read
	kept   uint64      // records that could be read in part
}

// other makes pcapfile.Open accept saved records.
func (s *savedInput) other() *pcapfile.Other {
	detect := func(head []byte, end bool) (is, more bool) {
		if parquet.Detect(head) {
			return true, false
		}
		return rec.Detect(head, end)
	}
	return &pcapfile.Other{Detect: detect, Read: s.read}
}

func (s *savedInput) read(name string, in io.Reader) error {
	s.mu.Lock()
	s.files = append(s.files, savedFile{name: name})
	s.mu.Unlock()
	head := bufio.NewReader(in)
	if b, _ := head.Peek(4); parquet.Detect(b) {
		return s.parquet(name)
	}
	open, err := rec.Read(s.ctx, head, s.sinks...)
	s.mu.Lock()
	s.open += open
	s.mu.Unlock()
	return err
}

// parquet reads a Parquet file. Its schema is at its end, so it is opened by
// name: it cannot be a pipe or compressed as a whole.
func (s *savedInput) parquet(name string) error {
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
		Wanted: rec.IsField, Needed: []string{"time", "transport", "forward_secrecy"}, Memory: s.memory,
	})
	if err != nil {
		return err
	}
	defer rows.Close()
	_, err = rec.ReadLines(s.ctx, rows, s.sinks...)
	return err
}

// count counts rows of the latest file. rejected is how many of them --where
// rejected.
func (s *savedInput) count(rows []report.Connection, rejected uint64, faults []rec.Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejected += rejected
	for i := range rows {
		c := &rows[i]
		if c.Time != 0 && (s.first == 0 || c.Time < s.first) {
			s.first = c.Time
		}
		s.last = max(s.last, c.Time, c.Totals.Last)
		s.rows++
	}
	f := &s.files[len(s.files)-1]
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

// describe adds what was read to in.
func (s *savedInput) describe(in *report.Input) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in.Unwanted += s.rejected
	if len(s.files) == 0 {
		return
	}
	if s.first != 0 && (in.First == 0 || s.first < in.First) {
		in.First = s.first
	}
	in.Last = max(in.Last, s.last)
	in.Saved, in.Records = true, in.Records+s.rows
	var bad uint64
	for i := range s.files {
		bad += s.files[i].bad
	}
	if s.open > 0 {
		in.Loss = append(in.Loss, report.Loss{Reason: "unended_records", What: "connections that were announced, and whose end was not saved", Count: uint64(s.open)})
	}
	if bad > 0 {
		in.Loss = append(in.Loss, report.Loss{Reason: badRecords, What: "saved records that could not be read", Count: bad, Incomplete: true})
	}
}

// messages returns what the operator must know of the records, and whether they
// are incomplete.
func (s *savedInput) messages(packetOptions, interrupted bool) (list []string, incomplete bool) {
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if len(s.files) > 0 && packetOptions {
		say("-f and -c choose packets, and saved records have none: all of them were read; --where chooses connections")
	}
	if s.open > 0 && !interrupted {
		incomplete = true
		say("connections that a live capture announced, and whose end is not in the input: %d; they are not counted", s.open)
	}
	for i := range s.files {
		f := &s.files[i]
		if f.bad+f.kept == 0 {
			continue
		}
		incomplete = true
		for _, x := range f.faults {
			if x.Kept {
				say("reading %s: line %d: %s: passed over", f.name, x.Line, render.Quote(x.Err.Error()))
			} else {
				say("reading %s: line %d: %s", f.name, x.Line, render.Quote(x.Err.Error()))
			}
		}
		if n := f.bad + f.kept; n > maxFaults {
			say("reading %s: %d records could not be read, %d not wholly", f.name, f.bad, f.kept)
		}
	}
	return list, incomplete
}
