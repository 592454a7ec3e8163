package pcapfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz/lzma"
)

// Limits of decompressors, in bytes.
const (
	// maxWindow bounds the window of a compressed file, whatever memory there is.
	// It is zstd's own limit for its levels up to 19, and enough for xz -9.
	maxWindow = 128 << 20
	// laterWindow bounds the window of a zstd frame or xz block after the first
	// one. It is what zstd -19 without --long and xz -6 use. It is lower if
	// memory is short.
	laterWindow = 8 << 20
	leastWindow = 1 << 20

	gzipCost = 64 << 10
	zstdCost = 512 << 10 // in addition to the window
	xzCost   = 256 << 10 // likewise
	lz4Block = 4 << 20   // the largest of the format; the legacy format has twice that
)

// unpack inserts a decompressor below the reader if the content is compressed,
// and takes its memory from the reader's budget.
func (r *Reader) unpack() error {
	r.headers()
	b := r.buf[r.r:r.w]
	rest := io.MultiReader(bytes.NewReader(bytes.Clone(b)), r.in)
	if r.eof {
		rest = bytes.NewReader(bytes.Clone(b))
	}
	var in io.Reader
	var err error
	done := func() {}
	switch {
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b}):
		r.Packed = "gzip"
		if err = r.window(0, gzipCost); err == nil {
			in, err = gzip.NewReader(rest)
		}
	case bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}), len(b) >= 4 && b[0]&0xf0 == 0x50 && bytes.Equal(b[1:4], []byte{0x2a, 0x4d, 0x18}):
		r.Packed = "zstd"
		window := zstdWindow(b, r.laterWindow())
		if err = r.window(window, window+zstdCost); err != nil {
			break
		}
		var d *zstd.Decoder
		d, err = zstd.NewReader(rest, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(uint64(window)), zstd.WithDecoderLowmem(true))
		if err == nil {
			in, done = zstdReader{d, window}, d.Close
		}
	case bytes.HasPrefix(b, xzMagic):
		r.Packed = "xz"
		window := int64(lzma.MinDictCap)
		if h := b[min(12, len(b)):]; len(h) > 0 && h[0] != 0 && len(h) >= (int(h[0])+1)*4 {
			if window, err = xzWindow(h[:(int(h[0])+1)*4]); err != nil {
				break
			}
		}
		most := max(int(window), r.laterWindow())
		if err = r.window(most, most+xzCost); err == nil {
			in = newXZ(rest, most)
		}
	case bytes.HasPrefix(b, []byte{0x04, 0x22, 0x4d, 0x18}), bytes.HasPrefix(b, []byte{0x02, 0x21, 0x4c, 0x18}):
		r.Packed = "lz4"
		if err = r.window(0, 2*lz4Size(b)); err == nil {
			in = lz4.NewReader(rest)
		}
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.Packed, err)
	}
	r.ahead = newAhead(in, done, r.aheadSize())
	r.in, r.eof, r.inErr = r.ahead, false, nil
	r.r, r.w = 0, 0
	return nil
}

// headers reads enough of compressed content to find its window.
func (r *Reader) headers() {
	const zstdHeader, lz4Header, xzHeader = 18, 7, 12
	switch b := r.buf[r.r:r.w]; {
	case bytes.HasPrefix(b, xzMagic):
		if r.need(xzHeader + 1) {
			r.need(xzHeader + (int(r.buf[r.r+xzHeader])+1)*4)
		}
	case bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		r.need(zstdHeader)
	case bytes.HasPrefix(b, []byte{0x04, 0x22, 0x4d, 0x18}):
		r.need(lz4Header)
	}
}

// window takes the memory of a decompressor with the given window from the
// budget.
func (r *Reader) window(window, cost int) error {
	if window > maxWindow {
		return fmt.Errorf("the window has %s; the limit is %s", mib(window), mib(maxWindow))
	}
	if !r.mem.take(cost) {
		return r.mem.no("unpacking it", cost)
	}
	r.taken += cost
	return nil
}

// laterWindow returns the largest window that a later part may have in any
// case.
func (r *Reader) laterWindow() int {
	if r.mem == nil {
		return laterWindow
	}
	return min(laterWindow, max(r.mem.limit/32, leastWindow))
}

// zstdWindow returns the largest window that the frames of a file may have:
// the first frame's, or later. b is the beginning of the file.
func zstdWindow(b []byte, later int) int {
	for len(b) > 0 {
		var h zstd.Header
		if err := h.Decode(b); err != nil {
			break
		}
		if h.Skippable {
			b = b[min(h.HeaderSize+int(h.SkippableSize), len(b)):]
			continue
		}
		window := h.WindowSize
		if h.SingleSegment {
			window = h.FrameContentSize
		}
		return int(max(min(window, math.MaxInt32), uint64(later)))
	}
	return later
}

// A zstdReader adds the window to the error of a frame whose window was too
// large.
type zstdReader struct {
	*zstd.Decoder
	window int
}

func (z zstdReader) Read(p []byte) (int, error) {
	n, err := z.Decoder.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		err = fmt.Errorf("zstd: a later frame has a larger window than %s: %w", mib(z.window), err)
	}
	return n, err
}

// lz4Size returns the block size of the first frame.
func lz4Size(b []byte) int {
	if b[0] == 0x02 {
		return 2 * lz4Block
	}
	if len(b) > 5 {
		if n := int(b[5] >> 4 & 7); n >= 4 { // 64 KiB, 256 KiB, 1 MiB, 4 MiB
			return 64 << 10 << (2 * (n - 4))
		}
	}
	return lz4Block
}

// aheadSize takes memory for the buffers of an ahead from the budget, and
// returns the size of one buffer.
func (r *Reader) aheadSize() int {
	size := bufSize
	for size > leastBuf/2 && !r.mem.has(8*aheadBuffers*size) {
		size /= 2
	}
	r.mem.spend(aheadBuffers * size)
	r.taken += aheadBuffers * size
	return size
}

// An ahead decompresses in its own goroutine, a few buffers ahead of the
// reader.
type ahead struct {
	full, free chan []byte
	stop       chan struct{}
	once       sync.Once
	err        error // set before full is closed
	cur, rest  []byte
}

const aheadBuffers = 4

func newAhead(in io.Reader, done func(), size int) *ahead {
	a := &ahead{full: make(chan []byte, aheadBuffers), free: make(chan []byte, aheadBuffers), stop: make(chan struct{})}
	for range aheadBuffers {
		a.free <- make([]byte, size)
	}
	go func() {
		defer done()
		defer close(a.full)
		for {
			var b []byte
			select {
			case b = <-a.free:
			case <-a.stop:
				return
			}
			b = b[:cap(b)]
			n, err := 0, error(nil)
			for n < len(b) && err == nil {
				var k int
				k, err = in.Read(b[n:])
				n += k
			}
			if n > 0 {
				a.full <- b[:n]
			}
			if err != nil {
				a.err = err
				return
			}
		}
	}()
	return a
}

func (a *ahead) Read(p []byte) (int, error) {
	if len(a.rest) == 0 {
		if a.cur != nil {
			a.free <- a.cur
			a.cur = nil
		}
		b, ok := <-a.full
		if !ok {
			if a.err == nil {
				return 0, io.EOF
			}
			return 0, a.err
		}
		a.cur, a.rest = b, b
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

func (a *ahead) close() { a.once.Do(func() { close(a.stop) }) }
