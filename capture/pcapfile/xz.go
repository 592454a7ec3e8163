package pcapfile

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"runtime"

	"github.com/ulikunitz/xz/lzma"
)

// The xz format, version 1.2.1, https://tukaani.org/xz/xz-file-format.txt.
// This package reads the container itself to limit the window of each block:
// the header of a block may ask for 4 GiB.

var (
	xzMagic  = []byte{0xfd, '7', 'z', 'X', 'Z', 0}
	errXZ    = errors.New("xz: damaged")
	xzECMA   = crc64.MakeTable(crc64.ECMA)
	xzChecks = map[byte]func() hash.Hash{
		0:  nil,
		1:  func() hash.Hash { return crc32.NewIEEE() },
		4:  func() hash.Hash { return crc64.New(xzECMA) },
		10: sha256.New,
	}
)

// Limits of the windows of one file, in bytes. Small blocks with large windows
// would cost more time than their content is worth.
const (
	xzWindows = 1 << 30  // allowed in any case
	xzShare   = 256      // and this much for each byte of output
	xzGarbage = 64 << 20 // allowed to wait for collection
)

// xzFilter is the number of LZMA2, section 5.3.1.
const xzFilter = 0x21

// An xzReader unpacks concatenated xz streams. It supports the LZMA2 filter
// alone.
type xzReader struct {
	in     xzInput
	window int // the largest window of a block
	check  func() hash.Hash
	size   int // of the check

	block    io.Reader // nil between blocks
	sum      hash.Hash // of block; nil: none
	out      int64     // bytes of output
	windows  int64     // total bytes of windows
	garbage  int64     // part of windows since the last collection
	streamed bool      // a stream header was read
}

// An xzInput counts the bytes of a block or an index.
type xzInput struct {
	r *bufio.Reader
	n int64
}

func (x *xzInput) Read(p []byte) (int, error) {
	n, err := x.r.Read(p)
	x.n += int64(n)
	return n, err
}

func (x *xzInput) ReadByte() (byte, error) {
	c, err := x.r.ReadByte()
	if err == nil {
		x.n++
	}
	return c, err
}

func newXZ(in io.Reader, window int) *xzReader {
	return &xzReader{in: xzInput{r: bufio.NewReaderSize(in, 64<<10)}, window: window}
}

// cutXZ turns the end of the input inside a stream into an error that is not
// io.EOF.
func cutXZ(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (x *xzReader) Read(p []byte) (int, error) {
	for {
		if x.block == nil {
			if err := x.next(); err != nil {
				return 0, err
			}
		}
		n, err := x.block.Read(p)
		x.out += int64(n)
		if x.sum != nil {
			_, _ = x.sum.Write(p[:n])
		}
		if err == io.EOF {
			err = x.endBlock()
		}
		if n > 0 || err != nil || len(p) == 0 {
			return n, cutXZ(err)
		}
	}
}

// next begins the next block. It returns io.EOF after the last stream.
func (x *xzReader) next() error {
	for {
		if !x.streamed {
			if err := x.streamHeader(); err != nil {
				return err
			}
		}
		x.in.n = 0
		size, err := x.in.ReadByte()
		if err != nil {
			return cutXZ(err)
		}
		if size != 0 {
			return cutXZ(x.blockHeader(size))
		}
		if err := x.index(); err != nil {
			return cutXZ(err)
		}
		x.streamed = false
	}
}

// streamHeader reads the header of a stream, section 2.1.1, and the padding
// before it, section 2.2.
func (x *xzReader) streamHeader() error {
	var b [12]byte
	for {
		if _, err := io.ReadFull(&x.in, b[:4]); err != nil {
			return err // io.EOF: that was the last stream
		}
		if binary.LittleEndian.Uint32(b[:]) != 0 {
			break
		}
	}
	if _, err := io.ReadFull(&x.in, b[4:]); err != nil {
		return cutXZ(err)
	}
	if !bytes.Equal(b[:6], xzMagic) || b[6] != 0 || b[7] > 15 || crc32.ChecksumIEEE(b[6:8]) != binary.LittleEndian.Uint32(b[8:]) {
		return errXZ
	}
	// Section 2.1.1.2: sizes of all checks, including those not defined.
	sizes := [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}
	x.check, x.size = xzChecks[b[7]], sizes[b[7]]
	x.streamed = true
	return nil
}

// blockHeader reads the header of a block, section 3.1, whose first byte was
// read.
func (x *xzReader) blockHeader(size byte) error {
	b := make([]byte, (int(size)+1)*4)
	b[0] = size
	if _, err := io.ReadFull(&x.in, b[1:]); err != nil {
		return err
	}
	window, err := xzWindow(b)
	if err != nil {
		return err
	}
	if window > int64(x.window) {
		return fmt.Errorf("xz: a later block has a window of %s, larger than %s", mib(int(window)), mib(x.window))
	}
	if x.windows += window; x.windows > xzWindows+xzShare*x.out {
		return fmt.Errorf("%w: small blocks ask for windows of %d bytes", errXZ, window)
	}
	x.in.n = 0
	// The library allocates a window for each block. The windows of previous
	// blocks are garbage, which would grow faster than it is collected.
	if x.garbage += window; x.garbage > xzGarbage {
		runtime.GC()
		x.garbage = 0
	}
	if x.block, err = (lzma.Reader2Config{DictCap: int(window)}).NewReader2(&x.in); err != nil {
		return fmt.Errorf("xz: %w", err)
	}
	x.sum = nil
	if x.check != nil {
		x.sum = x.check()
	}
	return nil
}

// xzWindow returns the window in bytes that the header of a block asks for.
func xzWindow(b []byte) (int64, error) {
	body := b[:len(b)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(b[len(body):]) {
		return 0, errXZ
	}
	flags, rest := body[1], bytes.NewReader(body[2:])
	for _, has := range []byte{0x40, 0x80} { // compressed and uncompressed size
		if flags&has != 0 {
			if _, err := xzNumber(rest); err != nil {
				return 0, errXZ
			}
		}
	}
	id, err := xzNumber(rest)
	if err != nil || flags&0x3c != 0 {
		return 0, errXZ
	}
	size, err := xzNumber(rest)
	if err != nil {
		return 0, errXZ
	}
	if flags&3 != 0 || id != xzFilter || size != 1 {
		return 0, errors.New("xz: a filter other than LZMA2")
	}
	c, err := rest.ReadByte()
	if err != nil {
		return 0, errXZ
	}
	window, err := lzma.DecodeDictCap(c)
	if err != nil {
		return 0, errXZ
	}
	return max(window, lzma.MinDictCap), nil
}

// xzNumber reads a number of section 1.2.
func xzNumber(r io.ByteReader) (n uint64, err error) {
	for i := range 9 {
		c, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		n |= uint64(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			return n, nil
		}
	}
	return 0, errXZ
}

// endBlock reads the padding and the check of a block, sections 3.3 and 3.4.
func (x *xzReader) endBlock() error {
	x.block = nil
	if err := x.pad(); err != nil {
		return err
	}
	var b [64]byte
	if _, err := io.ReadFull(&x.in, b[:x.size]); err != nil {
		return cutXZ(err)
	}
	if x.sum == nil {
		return nil
	}
	want := b[:x.size]
	got := x.sum.Sum(nil)
	if x.size < 32 { // numbers are little-endian
		for i, j := 0, len(got)-1; i < j; i, j = i+1, j-1 {
			got[i], got[j] = got[j], got[i]
		}
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%w: a checksum does not match", errXZ)
	}
	return nil
}

// pad skips the padding to a multiple of four bytes.
func (x *xzReader) pad() error {
	for x.in.n%4 != 0 {
		c, err := x.in.ReadByte()
		if err != nil {
			return cutXZ(err)
		}
		if c != 0 {
			return errXZ
		}
	}
	return nil
}

// index skips the index and the footer of a stream, sections 4 and 2.1.2.
// Their content repeats that of the blocks.
func (x *xzReader) index() error {
	records, err := xzNumber(&x.in)
	if err != nil {
		return err
	}
	for range records {
		for range 2 {
			if _, err := xzNumber(&x.in); err != nil {
				return err
			}
		}
	}
	if err := x.pad(); err != nil {
		return err
	}
	var b [4 + 12]byte
	if _, err := io.ReadFull(&x.in, b[:]); err != nil {
		return err
	}
	if b[14] != 'Y' || b[15] != 'Z' {
		return errXZ
	}
	return nil
}
