package record

import (
	"bytes"
	"fmt"
	"io"
)

const (
	// chunkSize is how much of an input a worker takes at once, bytes.
	chunkSize = 512 << 10
	// MaxRecord is the longest record that is read, bytes. A ClientHello of
	// 64 KiB gives a record of less than 4 MiB.
	MaxRecord = 8 << 20
	// sniffSize is how much of an input is read first to detect its kind, bytes.
	sniffSize = 64 << 10
)

// A chunk is a run of whole records.
type chunk struct{ data, buf []byte }

// A splitter cuts an input between its records.
type splitter struct {
	in    io.Reader
	rest  []byte // read, and not in a chunk yet
	lines bool   // each line holds one record
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

// linewise reports whether the first whole record of b ends where its line
// does. more says that b is too short to decide.
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
		if sc.i >= len(b) || endsInValue(b[i:]) {
			return false, false // the record has several lines
		}
		b = b[i+n+1:] // a damaged line decides nothing
	}
}

// next fills c with the next records: about chunkSize bytes, or one longer
// record. With an error, c holds the last records.
func (s *splitter) next(c *chunk) error {
	if cap(c.buf) > 2*chunkSize {
		c.buf = nil // one record was long; the next ones are not
	}
	if cap(c.buf) < chunkSize {
		c.buf = make([]byte, chunkSize)
	}
	if len(s.rest) >= chunkSize { // after a long record
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
	from := 0 // there is no cut before
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
			return fmt.Errorf("reading: %w", s.err)
		}
		if n >= MaxRecord && !s.lines && bytes.IndexByte(b[:n], '\n') >= 0 {
			s.lines, from = true, 0 // lose only the damaged lines
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

// cut returns the end of the last record that is whole in the first chunkSize
// bytes of b, else the end of the first one that is whole in b, else 0. There is
// no such end before from.
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
