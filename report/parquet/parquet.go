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
	// minimum and the maximum of the page's values.
	maxPageHeader = 1 << 20
	// MaxRow is the longest row, bytes of JSON.
	MaxRow = 4 << 20

	// The pages and dictionaries in memory can take heldLeast bytes plus
	// heldPerByte for each byte of the file, but at most half of Options.Memory.
	heldLeast   = 32 << 20
	heldPerByte = 256
	// A file can expand to workLeast bytes plus workPerByte for each byte of the
	// file: runs and dictionaries make any number of values from a few bytes. This
	// counts the bytes of decompressed pages, valueWork for each value or null, and
	// the bytes of JSON. The row of a record counts about 3 KiB and takes at least
	// 20 bytes of a file, since its times and key names rarely repeat.
	workLeast   = 256 << 20
	workPerByte = 1024
	valueWork   = 8
)

// ErrFormat says that a file cannot be read: it is damaged, has other columns
// than records have, or exceeds a limit.
var ErrFormat = errors.New("no readable Parquet file of records")

// Options says what to read.
type Options struct {
	// Wanted reports whether to read a column, or a group of columns, at the top
	// level.
	Wanted func(name string) bool
	// Needed are the columns that a file must have.
	Needed []string
	// Memory limits how much of the file is in memory, bytes. Zero is 256 MiB.
	Memory int64
}

// Detect reports whether head is the beginning of a Parquet file.
func Detect(head []byte) bool { return len(head) >= 4 && string(head[:4]) == "PAR1" }

// A Reader reads the rows of a file as JSON Lines, one object a line. It leaves
// out nulls, empty strings and empty lists. Its errors wrap ErrFormat or are
// those of the file. It is used by one goroutine.
type Reader struct {
	in     io.ReaderAt
	size   int64
	root   *node
	leaves []*leaf
	groups []rowGroup

	group int   // index of the next group
	left  int64 // rows of the current group that are not read
	row   int64 // rows read

	held, maxHeld int64 // bytes of pages and dictionaries in memory
	work          int64 // bytes to which the file can still expand
	values        int64 // values that the footer announces
	unpacker      unpacker

	line []byte // rows as JSON
	at   int    // what Read has returned of line
	err  error
}

// NewReader reads the footer of a file of size bytes and returns a Reader of its
// rows.
func NewReader(in io.ReaderAt, size int64, opt Options) (*Reader, error) {
	if opt.Memory <= 0 {
		opt.Memory = 256 << 20
	}
	r := &Reader{
		in: in, size: size, work: workLeast + saturate(size, workPerByte),
		maxHeld: min(heldLeast+saturate(size, heldPerByte), opt.Memory/2),
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

// saturate multiplies without overflow.
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

// readAt fills b from offset off of the file.
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

// spend counts n bytes of expanded data.
func (r *Reader) spend(n int64) error {
	if r.work -= n; r.work < 0 {
		return failf("it expands to more than %d bytes, the limit of a file of %d bytes", workLeast+saturate(r.size, workPerByte), r.size)
	}
	return nil
}

// hold counts n more bytes in memory.
func (r *Reader) hold(n int64) error {
	if r.held += n; r.held > r.maxHeld {
		return failf("its pages need more than %d bytes of memory", r.maxHeld)
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
		// Return the rows before an error first.
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
			l.begin(&g.chunks[i])
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
