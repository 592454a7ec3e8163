// Package pcapfile reads captures: pcap and pcapng of every byte order and
// time resolution, compressed or not, one file or many in capture-time order.
// It walks records at the speed of memory: a batch of them points into one
// reused buffer.
package pcapfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"pfsight/capture/packet"
)

// Errors that a caller may want to tell apart.
var (
	// ErrNotCapture says that the content is neither pcap nor pcapng.
	ErrNotCapture = errors.New("not a pcap or pcapng capture")
	// ErrForeign says that the content is a capture in a format that is not
	// read.
	ErrForeign = errors.New("not read")
	// ErrEmpty says that there is no content at all.
	ErrEmpty = errors.New("the file is empty")
	// ErrTruncated says that the input ends inside a record.
	ErrTruncated = errors.New("the capture ends in the middle of a record")
	// ErrDamaged says that a record cannot be one.
	ErrDamaged = errors.New("the capture is damaged")
)

const (
	// MaxFrame is the longest frame that is believed, in bytes. Real ones end
	// at 256 KiB, libpcap's limit; a longer one is damage.
	MaxFrame = 16 << 20
	// maxBlock is the longest pcapng block that is believed; one that holds
	// no packet is skipped without being held.
	maxBlock = MaxFrame + 1<<16
	// bufSize is how much is read at once of a large input; it fits a level-2
	// cache. Reading begins with leastBuf, which most of many small files
	// fit; of more than fewOpen files at once each has sharedBuf.
	bufSize   = 512 << 10
	leastBuf  = 64 << 10
	sharedBuf = 256 << 10
	fewOpen   = 8
	// Where memory is little, one part in frameShare of it is believed to be a
	// frame, but usualFrame in any case.
	frameShare = 8
	usualFrame = 256 << 10
	// maxInterfaces bounds the table of a pcapng file's interfaces.
	maxInterfaces = 1 << 16
)

// An Interface is a capture interface of a file.
type Interface struct {
	Name    string
	Link    packet.LinkType
	Drops   uint64 // packets lost before the capture, as the file says
	unit    uint64 // time units a second
	offset  int64  // seconds
	snaplen uint32
}

// A Reader reads the records of one capture.
type Reader struct {
	in      io.Reader
	buf     []byte
	r, w    int
	most    int   // bytes that buf is worth having
	eof     bool  // in has ended
	inErr   error // what ended it, if not io.EOF
	base    int64 // offset in the unpacked stream of buf[0]
	next    func(*Reader, []packet.Record) (int, error)
	order   binary.ByteOrder
	big     bool
	hdr     int   // bytes of a pcap record header
	nano    bool  // pcap: the fraction is in nanoseconds
	swapped int   // pcap: the lengths' order: 0 as specified, 1 swapped, 2 where that makes sense
	last    int64 // time of the last packet that has one; 0: none yet
	ifaces  []Interface
	section int // pcapng: index of the section's first interface
	packets uint64
	err     error
	ahead   *ahead
	mem     *budget // nil: no limit
	taken   int     // bytes of it
	frame   int     // the longest frame that is believed
	blocks  bool    // buf is a block of a lane: its end is not the input's
	filled  bool    // by the last read, buf was
	toSkip  int     // bytes at the beginning of the next block to pass over
	Format  string  // pcap, pcapng
	Packed  string  // gzip, zstd, xz, lz4, or ""
}

// NewReader begins to read a capture. What it is, and how it is compressed,
// is told by its content. The errors are ErrEmpty, ErrNotCapture and those of
// in, wrapped.
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

// newReader is NewReader for a Reader that takes its memory from a budget, nil
// for none. With an error that wraps ErrNotCapture it always returns a Reader,
// which holds what was read.
func newReader(in io.Reader, mem *budget) (*Reader, error) {
	r := &Reader{in: in, buf: make([]byte, leastBuf), most: bufSize, mem: mem, taken: streamCost, frame: MaxFrame}
	mem.spend(streamCost)
	if mem != nil {
		r.frame = min(MaxFrame, max(mem.limit/frameShare, usualFrame))
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
		// The first block is read now, so that what only looks like one is told apart.
		return r.sectionHeader()
	case 0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34:
		return r.pcapHeader(false, magic)
	case 0xd4c3b2a1, 0x4d3cb2a1, 0x34cdb2a1:
		return r.pcapHeader(true, binary.BigEndian.Uint32(r.buf[r.r:]))
	}
	if format := r.foreign(); format != "" {
		return fmt.Errorf("it is %s: %w; editcap of Wireshark converts it: editcap -F pcapng IN OUT", format, ErrForeign)
	}
	return ErrNotCapture
}

// content returns what a Reader holds, unpacked, and all that comes after it.
func (r *Reader) content() io.Reader {
	held := bytes.NewReader(r.buf[r.r:r.w])
	if r.eof {
		return held
	}
	return io.MultiReader(held, r.in)
}

// NextBatch fills recs with the records that are wholly in the buffer: at
// least one, unless there is an error. It returns io.EOF at the clean end of
// the capture, an error wrapping ErrTruncated or ErrDamaged where it ends
// otherwise, and the same again when called again.
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

// backdate gives the first records, which have no time, that of the first one
// that has.
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

// Drops returns the packets that were lost before the capture, as far as the
// file tells.
func (r *Reader) Drops() uint64 {
	var n uint64
	for i := range r.ifaces {
		n += r.ifaces[i].Drops
	}
	return n
}

// Close ends what reads ahead. It does not close the input.
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
		// Grow only as data really arrives.
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

// resize makes buf larger if there is room, and reports whether there was.
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

// skip passes over n bytes without holding them.
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

// cut says that the input ended inside what was passed over.
func (r *Reader) cut() error {
	if r.blocks {
		return errMore
	}
	return fmt.Errorf("packet %d, offset %d: %w", r.packets+1, r.base+int64(r.r), ErrTruncated)
}

// ended says what the end of the input means at this place: io.EOF between
// two records, else a truncation.
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
