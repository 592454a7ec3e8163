package pcapfile

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

// maxWindow bounds the memory that a compressed file may ask for, in bytes:
// zstd's own limit for its levels up to 19, and enough for xz -9.
const maxWindow = 128 << 20

// unpack puts a decompressor under the reader if the content is compressed.
func (r *Reader) unpack() error {
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
		in, err = gzip.NewReader(rest)
	case bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}), len(b) >= 4 && b[0]&0xf0 == 0x50 && bytes.Equal(b[1:4], []byte{0x2a, 0x4d, 0x18}):
		r.Packed = "zstd"
		var d *zstd.Decoder
		d, err = zstd.NewReader(rest, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err == nil {
			in, done = d, d.Close
		}
	case bytes.HasPrefix(b, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		r.Packed = "xz"
		in, err = xz.ReaderConfig{DictCap: maxWindow}.NewReader(rest)
	case bytes.HasPrefix(b, []byte{0x04, 0x22, 0x4d, 0x18}), bytes.HasPrefix(b, []byte{0x02, 0x21, 0x4c, 0x18}):
		r.Packed = "lz4"
		in = lz4.NewReader(rest)
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.Packed, err)
	}
	r.ahead = newAhead(in, done)
	r.in, r.eof, r.inErr = r.ahead, false, nil
	r.r, r.w = 0, 0
	return nil
}

// An ahead decompresses in its own goroutine, so that it and the analysis
// overlap, a few buffers ahead.
type ahead struct {
	full, free chan []byte
	stop       chan struct{}
	once       sync.Once
	err        error // set before full is closed
	cur, rest  []byte
}

const aheadBuffers = 4 // of bufSize each

func newAhead(in io.Reader, done func()) *ahead {
	a := &ahead{full: make(chan []byte, aheadBuffers), free: make(chan []byte, aheadBuffers), stop: make(chan struct{})}
	for range aheadBuffers {
		a.free <- make([]byte, bufSize)
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
