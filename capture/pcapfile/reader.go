package pcapfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"pfsight/capture/packet"
)

// Errors that a caller can check for.
var (
	// ErrNotCapture means that the content is neither pcap nor pcapng.
	ErrNotCapture = errors.New("not a pcap or pcapng capture")
	// ErrForeign means that the content is a capture in an unsupported format.
	ErrForeign = errors.New("unsupported capture format")
	// ErrEmpty means that there is no content.
	ErrEmpty = errors.New("the file is empty")
	// ErrTruncated means that the input ends inside a record.
	ErrTruncated = errors.New("the capture ends in the middle of a record")
	// ErrDamaged means that a record is invalid.
	ErrDamaged = errors.New("the capture is damaged")
)

const (
	// maxFrame is the longest frame that is accepted, in bytes. Real frames end
	// at libpcap's limit of 256 KiB, so a longer one means damage.
	maxFrame = 16 << 20
	// maxBlock is the longest pcapng block that is accepted. Blocks without a
	// packet are skipped without buffering.
	maxBlock = maxFrame + 1<<16
	// bufSize is the read size for a large input; it fits a level-2 cache.
	// Reading begins with leastBuf, which fits most small files. With more than
	// fewOpen open files each has sharedBuf.
	bufSize   = 512 << 10
	leastBuf  = 64 << 10
	sharedBuf = 256 << 10
	fewOpen   = 8
	// With little memory, the longest accepted frame is 1/frameShare of it, but
	// at least usualFrame.
	frameShare = 8
	usualFrame = 256 << 10
	// maxInterfaces bounds the number of interfaces of a pcapng file.
	maxInterfaces = 1 << 16
)

// An iface is a capture interface of a file.
type iface struct {
	link    packet.LinkType
	drops   uint64 // packets lost before the capture, as reported by the file
	unit    uint64 // time units per second
	offset  int64  // in seconds
	scale   uint64 // nanoseconds per unit, for time stamps below fits
	fits    uint64 // 0 if nanoseconds must convert
	snaplen uint32
}

// A Reader reads the records of one capture.
type Reader struct {
	in      io.Reader
	buf     []byte
	r, w    int
	most    int   // size up to which buf grows without need
	eof     bool  // in has ended
	inErr   error // the error that ended in; nil for io.EOF
	base    int64 // offset of buf[0] in the unpacked stream
	next    func(*Reader, []packet.Record) (int, error)
	order   binary.ByteOrder
	big     bool
	hdr     int   // size of a pcap record header
	nano    bool  // pcap: fractions are in nanoseconds
	swapped int   // pcap: order of the lengths: 0 as specified, 1 swapped, 2 swapped if that is plausible
	last    int64 // time of the last packet that has one; 0: none yet
	ifaces  []iface
	section int // pcapng: index of the section's first interface
	packets uint64
	err     error
	ahead   *ahead
	mem     *budget // nil: no limit
	taken   int     // bytes taken from mem
	frame   int     // the longest frame that is accepted
	blocks  bool    // buf is a block of a lane: its end is not the end of the input
	filled  bool    // the last read filled buf
	toSkip  int     // bytes to skip at the beginning of the next block
	Format  string  // pcap or pcapng
	Packed  string  // gzip, zstd, xz, lz4, or ""
}

// NewReader returns a Reader of a capture. It detects the format and the
// compression by the content. The errors are ErrEmpty, ErrNotCapture,
// ErrForeign, ErrTruncated and those of in, wrapped.
func NewReader(in io.Reader) (*Reader, error) {
	r, err := newReader(in, nil)
	if err != nil {
		if r != nil {
			r.Close()
		}
		return nil, err
	}
	return r, nil
}

// newReader is NewReader with a memory budget, nil for none. With an error
// that wraps ErrNotCapture it always returns a Reader too, which holds the
// content read so far.
func newReader(in io.Reader, mem *budget) (*Reader, error) {
	r := &Reader{in: in, buf: make([]byte, leastBuf), most: bufSize, mem: mem, taken: streamCost, frame: maxFrame}
	mem.spend(streamCost)
	if mem != nil {
		r.frame = min(maxFrame, max(mem.limit/frameShare, usualFrame))
	}
	err := r.begin()
	if err != nil && !errors.Is(err, ErrNotCapture) {
		r.Close()
		return nil, err
	}
	return r, err
}

// begin reads the header of the capture.
func (r *Reader) begin() error {
	if !r.need(1) {
		if r.inErr != nil {
			return r.inErr
		}
		return ErrEmpty
	}
	r.need(6)
	if err := r.unpack(); err != nil {
		return err
	}
	if !r.need(4) {
		if r.inErr != nil {
			return r.inErr
		}
		return ErrNotCapture
	}
	switch magic := binary.LittleEndian.Uint32(r.buf[r.r:]); magic {
	case 0x0a0d0d0a:
		r.Format, r.next = "pcapng", (*Reader).batchNG
		// Read the first block now, to tell a capture from content that only begins
		// like one.
		return r.sectionHeader()
	case 0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34:
		return r.pcapHeader(false, magic)
	case 0xd4c3b2a1, 0x4d3cb2a1, 0x34cdb2a1:
		return r.pcapHeader(true, binary.BigEndian.Uint32(r.buf[r.r:]))
	}
	if format := r.foreign(); format != "" {
		return fmt.Errorf("%s: %w; convert it with Wireshark: editcap -F pcapng IN OUT", format, ErrForeign)
	}
	return ErrNotCapture
}

// content returns the unpacked content: what the Reader has buffered and the
// rest of the input.
func (r *Reader) content() io.Reader {
	held := bytes.NewReader(r.buf[r.r:r.w])
	if r.eof {
		return held
	}
	return io.MultiReader(held, r.in)
}

// NextBatch fills recs with the records that are completely buffered. It
// returns at least one record, or an error. Record.Data is valid until the
// next call. At the clean end of the capture the error is io.EOF, otherwise it
// wraps ErrTruncated or ErrDamaged. Further calls return the same error.
func (r *Reader) NextBatch(recs []packet.Record) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if n := r.toSkip; n > 0 {
		r.toSkip = 0
		if !r.skip(n) {
			if r.blocks {
				return 0, errMore
			}
			r.err = r.cut()
			return 0, r.err
		}
	}
	n, err := r.next(r, recs)
	if n > 0 && recs[0].Time == 0 && r.last != 0 {
		backdate(recs[:n])
	}
	r.packets += uint64(n)
	if err == errMore {
		return n, err
	}
	if err != nil {
		r.err = err
		if n > 0 {
			return n, nil
		}
		return 0, err
	}
	return n, nil
}

// backdate gives leading records without a time the time of the first record
// that has one.
func backdate(recs []packet.Record) {
	n := 0
	for n < len(recs)-1 && recs[n].Time == 0 {
		n++
	}
	for i := range recs[:n] {
		recs[i].Time = recs[n].Time
	}
}

// Packets returns the number of records read.
func (r *Reader) Packets() uint64 { return r.packets }

// Drops returns the number of packets lost before the capture, as far as the
// file reports it.
func (r *Reader) Drops() uint64 {
	var n uint64
	for i := range r.ifaces {
		n += r.ifaces[i].drops
	}
	return n
}

// Close stops the decompression and releases memory. It does not close the
// input.
func (r *Reader) Close() {
	if r.ahead != nil {
		r.ahead.close()
	}
	r.mem.give(r.taken)
	r.taken = 0
}

// need makes n bytes available at buf[r:] and reports whether it could.
func (r *Reader) need(n int) bool {
	for r.w-r.r < n {
		if r.eof || r.blocks {
			return false
		}
		if r.r > 0 {
			copy(r.buf, r.buf[r.r:r.w])
			r.base += int64(r.r)
			r.w -= r.r
			r.r = 0
		}
		// Grow only as data arrives.
		switch {
		case r.w == len(r.buf):
			if !r.resize(2 * len(r.buf)) {
				r.eof, r.inErr = true, r.mem.no("a record", 2*len(r.buf))
				return false
			}
		case r.filled && len(r.buf) < r.most:
			r.resize(min(4*len(r.buf), r.most))
		}
		k, err := r.in.Read(r.buf[r.w:])
		r.w += k
		r.filled = r.w == len(r.buf)
		if err != nil {
			r.eof = true
			if err != io.EOF {
				r.inErr = err
			}
		}
	}
	return true
}

// resize enlarges buf if the budget allows it, and reports whether it did.
func (r *Reader) resize(n int) bool {
	if !r.mem.take(n - len(r.buf)) {
		return false
	}
	r.taken += n - len(r.buf)
	old := r.buf[:r.w]
	r.buf = make([]byte, n)
	copy(r.buf, old)
	return true
}

// skip skips n bytes without buffering them.
func (r *Reader) skip(n int) bool {
	for {
		have := min(n, r.w-r.r)
		r.r += have
		if n -= have; n == 0 {
			return true
		}
		if !r.need(1) {
			if r.blocks {
				r.toSkip = n
			}
			return false
		}
	}
}

// cut returns the error that the input ended inside skipped bytes.
func (r *Reader) cut() error {
	if r.blocks {
		return errMore
	}
	return fmt.Errorf("packet %d, offset %d: %w", r.packets+1, r.base+int64(r.r), ErrTruncated)
}

// ended returns the error for the end of the input at this place: io.EOF
// between two records, otherwise a truncation.
func (r *Reader) ended() error {
	if r.blocks {
		return errMore
	}
	if r.inErr != nil {
		return fmt.Errorf("packet %d, offset %d: %w: %w", r.packets+1, r.base+int64(r.r), ErrTruncated, r.inErr)
	}
	if r.w == r.r {
		return io.EOF
	}
	return fmt.Errorf("packet %d, offset %d: %w", r.packets+1, r.base+int64(r.r), ErrTruncated)
}

func (r *Reader) damaged(n int, format string, args ...any) error {
	return fmt.Errorf("packet %d, offset %d: %w: %s", r.packets+uint64(n)+1, r.base+int64(r.r), ErrDamaged, fmt.Sprintf(format, args...))
}
