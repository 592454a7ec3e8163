package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Compression codecs.
const (
	codecNone   = 0
	codecSnappy = 1
	codecGzip   = 2
	codecBrotli = 4
	codecZstd   = 6
	codecLZ4    = 7 // LZ4_RAW
)

// mostUnpacked returns the largest size, bytes, to which n bytes can decompress.
// A page that announces more is refused before memory is allocated for it.
func mostUnpacked(codec, n int64) int64 {
	switch codec {
	case codecNone:
		return n
	case codecSnappy: // a copy of 3 bytes gives at most 64
		return 64 + 22*n
	case codecGzip: // RFC 1951: at most 258 bytes for 2 bits
		return 1032 * n
	case codecLZ4: // each byte of a length gives at most 255
		return 255 * n
	case codecZstd: // RFC 8878: a block of 128 KiB takes 4 bytes or more
		return 32 << 10 * n
	}
	return 1 << 20 * n
}

// An unpacker decompresses pages. It keeps its buffer between calls.
type unpacker struct {
	packed []byte
	zstd   *zstd.Decoder
}

// read returns n bytes at an offset of the file. They are valid until the next
// call.
func (u *unpacker) read(r *Reader, at, n int64) ([]byte, error) {
	if more := n - int64(cap(u.packed)); more > 0 {
		if err := r.hold(more); err != nil {
			return nil, err
		}
		u.packed = make([]byte, n)
	}
	u.packed = u.packed[:n]
	return u.packed, r.readAt(u.packed, at)
}

var errSize = errors.New("its size is not the announced one")

// unpack decompresses src into dst. It must have the size of dst.
func (u *unpacker) unpack(codec int64, dst, src []byte) error {
	switch codec {
	case codecNone:
		if len(src) != len(dst) {
			return errSize
		}
		copy(dst, src)
		return nil
	case codecSnappy:
		if n, err := snappy.DecodedLen(src); err != nil || n != len(dst) {
			return errors.Join(err, errSize)
		}
		_, err := snappy.Decode(dst, src)
		return err
	case codecGzip:
		z, err := gzip.NewReader(bytes.NewReader(src))
		if err != nil {
			return err
		}
		return fill(dst, z)
	case codecBrotli:
		return fill(dst, brotli.NewReader(bytes.NewReader(src)))
	case codecZstd:
		if u.zstd == nil {
			var err error
			if u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true)); err != nil {
				return err
			}
		}
		out, err := u.zstd.DecodeAll(src, dst[:0:len(dst)])
		if err == nil && len(out) != len(dst) {
			err = errSize
		}
		return err
	case codecLZ4:
		n, err := lz4.UncompressBlock(src, dst)
		if err == nil && n != len(dst) {
			err = errSize
		}
		return err
	}
	return fmt.Errorf("unknown codec %d", codec)
}

// fill fills dst from in, which must end there.
func fill(dst []byte, in io.Reader) error {
	if _, err := io.ReadFull(in, dst); err != nil {
		return err
	}
	if n, err := io.ReadFull(in, make([]byte, 1)); n > 0 || err != io.EOF {
		return errors.Join(errSize, err)
	}
	return nil
}

func (u *unpacker) close() {
	if u.zstd != nil {
		u.zstd.Close()
		u.zstd = nil
	}
}
