package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"pfsight/report"
)

const (
	// chunkSize is how much of an input one worker takes at once, bytes.
	chunkSize = 512 << 10
	// MaxRecord is the longest record that is read, bytes. A ClientHello of
	// 64 KiB makes one of less than 4 MiB.
	MaxRecord = 8 << 20
	// sniffSize is how much of an input is looked at to tell what it is.
	sniffSize = 64 << 10
)

// ErrNotRecords says that the content is no saved records.
var ErrNotRecords = errors.New("no saved records of connections")

// A Fault is something wrong with an input. Everything else of it is read.
type Fault struct {
	Line uint64 // from 1
	Err  error
	// Kept says that the record was read all the same, without what Err tells.
	Kept bool
}

// A Sink takes the records that one worker reads.
type Sink interface {
	// Take looks at records while other workers read others. The rows and
	// faults are the sink's until its next Take.
	Take(rows []report.Connection, faults []Fault)
	// Emit is called after Take, in the order of the input, one at a time. An
	// error ends the reading.
	Emit(faults []Fault) error
}

// Detect reports whether the beginning of an input looks like saved records,
// as JSON Lines or as an array. end says that head is all of the input. With
// more, a longer beginning may look otherwise: a first record may be as long as
// MaxRecord.
func Detect(head []byte, end bool) (is, more bool) {
	b := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	if string(bytes.TrimRight(b, " \t\r\n")) == "[]" && end {
		return true, false // of a capture without a handshake
	}
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("[")), " \t\r\n")
	if !bytes.HasPrefix(b, []byte("{")) {
		return false, len(b) == 0 && !end && len(head) < MaxRecord
	}
	if (bytes.Contains(b, []byte(`"client_ip"`)) || bytes.Contains(b, []byte(`"transport"`))) && bytes.Contains(b, []byte(`"forward_secrecy"`)) {
		return true, false
	}
	if end || len(head) >= MaxRecord {
		return false, false
	}
	for !begun(b) {
		n := bytes.IndexByte(b, '\n')
		if n < 0 || !damaged(b) {
			return false, false
		}
		b = bytes.TrimLeft(b[n:], " \t\r\n") // the line is not whole
		if !bytes.HasPrefix(b, []byte("{")) {
			return false, false
		}
	}
	return false, true
}

// damaged reports whether the first line of b is no JSON, nor its beginning.
func damaged(b []byte) bool {
	s := scanner{b: b}
	return !s.skip() && !cut(b)
}

// begun reports whether b is the beginning of an object that goes on behind b
// and has, as far as it is there, fields of a record only.
func begun(b []byte) bool {
	s := scanner{b: b, i: 1}
	for s.blank(); s.i < len(b); {
		key, ok := s.key()
		if !ok {
			return s.i >= len(b) || cut(b)
		}
		if name := string(key); fieldOf(key) == fUnknown && name != "event" && name != "connection" {
			return false
		}
		if !s.skip() {
			return cut(b)
		}
		if s.i < len(b) && !s.next('}') {
			return false
		}
	}
	return true
}

// cut reports whether b, an object as far as it is there, ends inside of a value.
// In a string of JSON there is no newline.
func cut(b []byte) bool {
	quotes := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			quotes++
		case '\n':
			if quotes%2 == 1 {
				return false
			}
		}
	}
	return true
}

// Read reads in and gives what is in it to the sinks, one worker each. What
// they emit is the same for any number of them. A live capture announces
// connections in advance, and such records are passed over: open is how many
// were announced more than ended. The error is ErrNotRecords, in's, wrapped, or
// what a sink's Emit returned. Read ends early without an error when ctx does.
func Read(ctx context.Context, in io.Reader, sinks ...Sink) (open int64, err error) {
	s, err := newSplitter(in)
	if err != nil {
		return 0, err
	}
	return read(ctx, s, sinks)
}

// ReadLines is Read of what is known to be records, one a line, which other
// formats are turned into. No records are no error.
func ReadLines(ctx context.Context, in io.Reader, sinks ...Sink) (open int64, err error) {
	return read(ctx, &splitter{in: in, lines: true}, sinks)
}

func read(ctx context.Context, s *splitter, sinks []Sink) (open int64, err error) {
	r := &reading{ctx: ctx, splitter: s}
	r.emitting.cond.L = &r.emitting.mu
	r.remember = maxMemory / len(sinks)
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
	open     atomic.Int64 // announced and not ended
	remember int          // bytes that each Parser may

	emitting turn
	lines    uint64 // in turn: before the chunk whose turn it is
	err      error  // in turn
}

func (r *reading) work(sink Sink) {
	p := NewParser()
	p.most = r.remember
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

// A turn lets the holders of tickets through one after the other.
type turn struct {
	now    atomic.Uint64
	mu     sync.Mutex
	cond   sync.Cond // on mu
	asleep int       // under mu
}

// spins is how often a worker looks again before it sleeps: waking up costs
// more than most turns take.
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

// chunk reads the records of b, and counts its lines. Faults have the line
// relative to b, from 1.
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
		if bytes.HasPrefix(b[i:], []byte(announced)) {
			// The whole record comes when the connection has ended.
			if p.scanner = (scanner{b: b[i:]}); p.skip() {
				i += p.i
				p.unended++
				continue
			}
		} else if bytes.HasPrefix(b[i:], []byte(ended)) {
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
			n = p.i // a whole object, and no record
		}
		if n < 0 {
			n = len(b) - i
		}
		line += uint64(bytes.Count(b[i:i+n], []byte{'\n'}))
		i += n
	}
	return rows, faults, line
}

// announced is how a record begins that a live capture writes in advance, and
// ended how the whole one does.
const (
	announced = `{"event":"handshake",`
	ended     = `{"event":"end",`
)

// A chunk is a run of whole records.
type chunk struct{ data, buf []byte }

// A splitter cuts an input between its records.
type splitter struct {
	in    io.Reader
	rest  []byte // read and not yet given away
	lines bool   // every record has a line of its own
	err   error
}

func newSplitter(in io.Reader) (*splitter, error) {
	s := &splitter{in: in}
	var head []byte
	for size, end, more := sniffSize, false, true; more; size *= 2 {
		n := len(head)
		head = append(head, make([]byte, size-n)...)
		k, err := io.ReadFull(in, head[n:])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return nil, err
		}
		head, end = head[:n+k], err != nil
		var is bool
		if is, more = Detect(head, end); !is && !more {
			return nil, ErrNotRecords
		}
		if is {
			s.lines, more = linewise(head, end)
		}
	}
	s.rest = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	return s, nil
}

// linewise reports whether a record ends where its line does: the first one
// that is whole. With more, that cannot be told of b.
func linewise(b []byte, end bool) (lines, more bool) {
	for {
		i := bytes.IndexByte(b, '{')
		if i < 0 {
			return true, false
		}
		sc := scanner{b: b, i: i}
		if sc.skip() {
			record, rest := b[i:sc.i], bytes.TrimLeft(b[sc.i:], ", \t\r]")
			return !bytes.ContainsRune(record, '\n') && (len(rest) == 0 || rest[0] == '\n'), false
		}
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return true, !end && len(b) < MaxRecord
		}
		if sc.i >= len(b) || cut(b[i:]) {
			return false, false // of several lines
		}
		b = b[i+n+1:] // a line that is damaged tells nothing
	}
}

// next fills c with the records that come next: about chunkSize bytes of them,
// or one that is longer. With an error, c holds the last of them.
func (s *splitter) next(c *chunk) error {
	if cap(c.buf) > 2*chunkSize {
		c.buf = nil // one record was long; others are not
	}
	if cap(c.buf) < chunkSize {
		c.buf = make([]byte, chunkSize)
	}
	if len(s.rest) >= chunkSize { // behind a long record
		if cut := s.cut(s.rest, 0); cut > 0 {
			c.buf = append(c.buf[:0], s.rest[:cut]...)
			c.data, s.rest = c.buf, s.rest[cut:]
			return nil
		}
	}
	b := c.buf[:cap(c.buf)]
	if len(s.rest) >= len(b) {
		b = make([]byte, 2*len(s.rest))
	}
	n := copy(b, s.rest)
	from := 0 // up to here there is no cut
	for {
		for n < len(b) && s.err == nil {
			var k int
			k, s.err = s.in.Read(b[n:])
			n += k
		}
		if cut := s.cut(b[:n], from); cut > 0 && (s.err == nil || n-cut >= chunkSize) {
			if cap(s.rest) > 2*chunkSize {
				s.rest = nil
			}
			s.rest = append(s.rest[:0], b[cut:n]...)
			c.buf, c.data = b, b[:cut]
			return nil
		}
		if s.err != nil {
			c.buf, c.data = b, b[:n]
			s.rest = nil
			if s.err == io.EOF {
				return io.EOF
			}
			return fmt.Errorf("reading on: %w", s.err)
		}
		if n >= MaxRecord && !s.lines && bytes.IndexByte(b[:n], '\n') >= 0 {
			s.lines, from = true, 0 // what is damaged costs its lines alone
			continue
		}
		if n >= MaxRecord {
			c.buf, c.data, s.rest = b, nil, nil
			s.err = fmt.Errorf("no record ends within %d MiB: the rest is not read", MaxRecord>>20)
			return s.err
		}
		from = n
		if n == len(b) {
			b = append(b, make([]byte, len(b))...)
		}
	}
}

// cut returns where the last record ends that is whole in the first chunkSize
// bytes of b, else the first one that is whole in b; 0 where none is. In b up to
// from there is no such place.
func (s *splitter) cut(b []byte, from int) int {
	if s.lines {
		if from < chunkSize {
			if i := bytes.LastIndexByte(b[from:min(len(b), chunkSize)], '\n'); i >= 0 {
				return from + i + 1
			}
			from = min(len(b), chunkSize)
		}
		if i := bytes.IndexByte(b[from:], '\n'); i >= 0 {
			return from + i + 1
		}
		return 0
	}
	sc := scanner{b: b}
	end := 0
	for {
		for sc.i < len(b) && (b[sc.i] <= ' ' || b[sc.i] == ',' || b[sc.i] == '[' || b[sc.i] == ']') {
			sc.i++
		}
		if sc.i == len(b) {
			return sc.i
		}
		if end > 0 && sc.i >= chunkSize || !sc.skip() {
			return end
		}
		end = sc.i
	}
}
