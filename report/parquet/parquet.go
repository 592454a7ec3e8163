// Package parquet reads the rows of a Parquet file as JSON Lines. It takes the
// files of every program that writes records as Parquet, and it is made for
// hostile ones: nothing is allocated because a file announces it, and what a
// file unfolds to has limits.
//
// The format: https://github.com/apache/parquet-format, version 2.
package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Limits of what is read.
const (
	// maxFooter is the longest footer that is read, bytes. A footer has about
	// 10 KiB for each row group of records.
	maxFooter = 64 << 20
	// maxElements and maxDepth bound the schema; a record has about 100 columns,
	// nested in 3 levels.
	maxElements = 1 << 12
	maxDepth    = 16
	// maxPageHeader is the longest header of a page, bytes. It may hold the
	// least and the greatest value.
	maxPageHeader = 1 << 20
	// MaxRow is the longest row, bytes of JSON.
	MaxRow = 4 << 20

	// Pages and dictionaries that are held at once may take heldLeast bytes, and
	// heldPerByte for each byte of the file, but no more than half of
	// Options.Memory.
	heldLeast   = 32 << 20
	heldPerByte = 256
	// A file may unfold to workLeast bytes, and workPerByte for each byte that it
	// has: runs and dictionaries make any number of values of a few bytes. Counted
	// are pages as they are unpacked, valueWork for each value or null, and the
	// JSON. A row of a record costs about 3 KiB and takes 20 bytes or more, since
	// its times and names of keys hardly repeat.
	workLeast   = 256 << 20
	workPerByte = 1024
	valueWork   = 8
)

// ErrFormat says that a file cannot be read as rows: it is damaged, not of the
// wanted kind or beyond a limit.
var ErrFormat = errors.New("no readable Parquet file of records")

// Options say what is read.
type Options struct {
	// Wanted reports whether a column, or a group of columns, at the top is
	// read. Others are passed over.
	Wanted func(name string) bool
	// Needed are columns without which a file is refused.
	Needed []string
	// Memory bounds what is held of the file, bytes. Zero is 256 MiB.
	Memory int64
}

// Detect reports whether the beginning of an input is that of Parquet.
func Detect(head []byte) bool { return len(head) >= 4 && string(head[:4]) == "PAR1" }

// A Reader is the rows of a file as JSON Lines, one object a line. A null and
// an empty text are left out, an empty list too. Its errors wrap ErrFormat or
// are those of the file. It is used by one goroutine.
type Reader struct {
	in     io.ReaderAt
	size   int64
	root   *node
	leaves []*leaf
	groups []rowGroup

	group int   // the next of groups
	left  int64 // rows of the group that is read
	row   int64 // rows read

	held, mayHold int64 // bytes
	work          int64 // bytes that may still be unfolded
	values        int64 // that the footer announces
	unpacker      unpacker

	line []byte // the rows that Read has not given away
	at   int
	err  error
}

// NewReader reads the footer of a file of size bytes.
func NewReader(in io.ReaderAt, size int64, opt Options) (*Reader, error) {
	if opt.Memory <= 0 {
		opt.Memory = 256 << 20
	}
	r := &Reader{
		in: in, size: size, work: workLeast + saturate(size, workPerByte),
		mayHold: min(heldLeast+saturate(size, heldPerByte), opt.Memory/2),
	}
	footer, err := r.footer(opt.Memory)
	if err != nil {
		return nil, err
	}
	if err := r.metadata(footer, opt); err != nil {
		return nil, err
	}
	return r, nil
}

// saturate multiplies without a wrap.
func saturate(size, by int64) int64 {
	if size > 1<<40 {
		return 1 << 52
	}
	return size * by
}

func failf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrFormat, fmt.Errorf(format, args...))
}

// footer returns the metadata at the end of the file.
func (r *Reader) footer(memory int64) ([]byte, error) {
	var head [4]byte
	var tail [8]byte
	if r.size < int64(len(head)+len(tail)) {
		return nil, failf("%d bytes are too few", r.size)
	}
	if err := r.readAt(head[:], 0); err != nil {
		return nil, err
	}
	if err := r.readAt(tail[:], r.size-int64(len(tail))); err != nil {
		return nil, err
	}
	if !Detect(head[:]) || !Detect(tail[4:]) {
		return nil, failf("it does not begin and end with PAR1; the end may be cut")
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	if n > r.size-int64(len(head)+len(tail)) {
		return nil, failf("a footer of %d bytes in a file of %d", n, r.size)
	}
	if most := min(maxFooter, memory/8); n > most {
		return nil, failf("a footer of %d bytes; at most %d are read", n, most)
	}
	b := make([]byte, n)
	return b, r.readAt(b, r.size-int64(len(tail))-n)
}

// readAt fills b with what is at off.
func (r *Reader) readAt(b []byte, off int64) error {
	n, err := r.in.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		return failf("it ends at %d", off+int64(n))
	}
	return err
}

// spend counts n bytes that were unfolded.
func (r *Reader) spend(n int64) error {
	if r.work -= n; r.work < 0 {
		return failf("it unfolds to more than %d bytes, which is the limit of a file of %d", workLeast+saturate(r.size, workPerByte), r.size)
	}
	return nil
}

// hold counts n bytes more that are held, or fewer.
func (r *Reader) hold(n int64) error {
	if r.held += n; n > 0 && r.held > r.mayHold {
		return failf("its pages need more than %d bytes at once", r.mayHold)
	}
	return nil
}

// Rows returns how many rows the file has.
func (r *Reader) Rows() int64 {
	var n int64
	for i := range r.groups {
		n += r.groups[i].rows
	}
	return n
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	for r.at == len(r.line) {
		if r.err != nil {
			return 0, r.err
		}
		r.line, r.at = r.line[:0], 0
		// What was read before an error is given away before it is told.
		for len(r.line) < 64<<10 && r.err == nil {
			whole := len(r.line)
			if r.err = r.next(); r.err != nil {
				r.line = r.line[:whole]
			}
		}
	}
	n := copy(p, r.line[r.at:])
	r.at += n
	return n, nil
}

// Close releases what Read uses.
func (r *Reader) Close() error {
	r.unpacker.close()
	if r.err == nil {
		r.err = io.ErrClosedPipe
	}
	return nil
}

// next appends a row to r.line.
func (r *Reader) next() error {
	for r.left == 0 {
		for _, l := range r.leaves {
			if l.left != 0 {
				return l.fail("it has more values than the group has rows")
			}
		}
		if r.group == len(r.groups) {
			return io.EOF
		}
		g := &r.groups[r.group]
		r.group++
		r.left = g.rows
		for i, l := range r.leaves {
			if err := l.begin(&g.chunks[i]); err != nil {
				return err
			}
		}
	}
	r.left--
	r.row++
	before := len(r.line)
	if err := r.object(r.root); err != nil {
		return fmt.Errorf("row %d: %w", r.row, err)
	}
	r.line = append(r.line, '\n')
	return r.spend(int64(len(r.line) - before))
}
