package record

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"pfsight/report"
)

// ErrNotRecords says that an input does not hold saved records.
var ErrNotRecords = errors.New("no saved records of connections")

// A Fault is an error in a record of an input. The other records are read.
type Fault struct {
	Line uint64 // from 1
	Err  error
	Kept bool // the record is read, without the value that Err names
}

// A Sink takes the records that one worker reads.
type Sink interface {
	// Take gets records while other workers read. The sink owns rows and faults
	// until its next Take.
	Take(rows []report.Connection, faults []Fault)
	// Emit is called after each Take, in the order of the input, one call at a
	// time. An error ends the reading.
	Emit(faults []Fault) error
}

// Read reads the records of in with one worker for each sink. The sinks emit the
// same records in the same order, however many they are. Read skips the records
// of handshake events, which a live capture writes before a connection ends;
// open is how many of them have no record of the end. The error is
// ErrNotRecords, wraps an error of in, or is that of a sink's Emit. When ctx is
// done, Read returns early without an error.
func Read(ctx context.Context, in io.Reader, sinks ...Sink) (open int64, err error) {
	s, err := newSplitter(in)
	if err != nil {
		return 0, err
	}
	return read(ctx, s, sinks)
}

// ReadLines is like Read for an input that is known to be JSON Lines, such as
// the rows of another format. An empty input is no error.
func ReadLines(ctx context.Context, in io.Reader, sinks ...Sink) (open int64, err error) {
	return read(ctx, &splitter{in: in, lines: true}, sinks)
}

func read(ctx context.Context, s *splitter, sinks []Sink) (open int64, err error) {
	r := &reading{ctx: ctx, splitter: s, maxHeld: maxMemory / len(sinks)}
	r.emitting.cond.L = &r.emitting.mu
	var wg sync.WaitGroup
	for _, sink := range sinks[1:] {
		wg.Go(func() { r.work(sink) })
	}
	r.work(sinks[0])
	wg.Wait()
	return r.open.Load(), r.err
}

// reading is what the workers of a Read share.
type reading struct {
	ctx      context.Context
	mu       sync.Mutex // of splitter, tickets and ended
	splitter *splitter
	tickets  uint64
	ended    bool
	open     atomic.Int64 // handshake events without the end
	maxHeld  int          // of each Parser

	emitting turn
	lines    uint64 // of the chunks before; used by the worker whose turn it is
	err      error  // of a sink; likewise
}

func (r *reading) work(sink Sink) {
	p := NewParser()
	p.maxHeld = r.maxHeld
	defer func() { r.open.Add(p.unended) }()
	var c chunk
	var rows []report.Connection
	var faults []Fault
	for {
		r.mu.Lock()
		if r.ended || r.ctx.Err() != nil {
			r.ended = true
			r.mu.Unlock()
			return
		}
		err := r.splitter.next(&c)
		r.ended = err != nil
		ticket := r.tickets
		r.tickets++
		r.mu.Unlock()

		var lines uint64
		rows, faults, lines = p.chunk(c.data, rows[:0], faults[:0])
		if err != nil && err != io.EOF {
			faults = append(faults, Fault{Line: lines + 1, Err: err})
		}
		sink.Take(rows, faults)

		r.emitting.wait(ticket)
		for i := range faults {
			faults[i].Line += r.lines
		}
		r.lines += lines
		if r.err == nil {
			r.err = sink.Emit(faults)
		}
		stop := r.err
		r.emitting.pass()
		if stop != nil {
			r.mu.Lock()
			r.ended = true
			r.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// A turn lets the holders of tickets proceed one after the other.
type turn struct {
	now    atomic.Uint64
	mu     sync.Mutex
	cond   sync.Cond // on mu
	asleep int       // under mu
}

// spins is how often a worker checks for its turn before it sleeps. Waking up
// takes longer than most turns.
const spins = 300

func (t *turn) wait(ticket uint64) {
	for range spins {
		if t.now.Load() == ticket {
			return
		}
		runtime.Gosched()
	}
	t.mu.Lock()
	t.asleep++
	for t.now.Load() != ticket {
		t.cond.Wait()
	}
	t.asleep--
	t.mu.Unlock()
}

func (t *turn) pass() {
	t.now.Add(1)
	t.mu.Lock()
	if t.asleep > 0 {
		t.cond.Broadcast()
	}
	t.mu.Unlock()
}

// chunk reads the records of b and counts its lines. The lines of faults count
// from 1 in b.
func (p *Parser) chunk(b []byte, rows []report.Connection, faults []Fault) ([]report.Connection, []Fault, uint64) {
	var line uint64
	for i := 0; i < len(b); {
		switch c := b[i]; c {
		case '\n':
			line++
			i++
			continue
		case ' ', '\t', '\r', ',', '[', ']':
			i++
			continue
		}
		if bytes.HasPrefix(b[i:], []byte(handshakeEvent)) {
			// The complete record follows when the connection ends.
			if p.scanner = (scanner{b: b[i:]}); p.skip() {
				i += p.i
				p.unended++
				continue
			}
		} else if bytes.HasPrefix(b[i:], []byte(endEvent)) {
			p.unended--
		}
		if len(rows) == cap(rows) {
			rows = append(rows, report.Connection{})[:len(rows)]
		}
		rows = rows[:len(rows)+1]
		n, note, err := p.Parse(b[i:], &rows[len(rows)-1])
		if err == nil {
			if note != "" {
				faults = append(faults, Fault{Line: line + 1, Err: errors.New(note), Kept: true})
			}
			if end := i + n; end < len(b) && b[end] == '\n' {
				i = end + 1
				line++
				continue
			}
			line += uint64(bytes.Count(b[i:i+n], []byte{'\n'}))
			i += n
			continue
		}
		rows = rows[:len(rows)-1]
		faults = append(faults, Fault{Line: line + 1, Err: err})
		n = bytes.IndexByte(b[i:], '\n')
		if p.scanner = (scanner{b: b[i:]}); b[i] == '{' && p.skip() {
			n = p.i // a whole object that is not a record
		}
		if n < 0 {
			n = len(b) - i
		}
		line += uint64(bytes.Count(b[i:i+n], []byte{'\n'}))
		i += n
	}
	return rows, faults, line
}

// The beginnings of the two records that a live capture writes of a connection:
// when its handshake is read, and when it ends.
const (
	handshakeEvent = `{"event":"handshake",`
	endEvent       = `{"event":"end",`
)
