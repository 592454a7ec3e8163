package pcapfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"pfsight/capture/frametest"
	"pfsight/capture/packet"
)

// madePcap returns a pcap file of n packets of size bytes, one per second, the
// first at second first.
func madePcap(t testing.TB, first, n, size int) []byte {
	packets := make([]frametest.Packet, n)
	for i := range packets {
		data := make([]byte, size)
		binary.LittleEndian.PutUint32(data, uint32(first+i))
		packets[i] = frametest.Packet{Time: int64(first+i) * 1e9, Data: data}
	}
	return frametest.Pcap(t, time.Microsecond, packet.LinkEthernet, packets)
}

// packers compress with large windows.
var packers = map[string]func(t testing.TB, b []byte) []byte{
	"gz": func(t testing.TB, b []byte) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		return packed(t, &out, w, b)
	},
	"zst": func(t testing.TB, b []byte) []byte {
		var out bytes.Buffer
		w, err := zstd.NewWriter(&out, zstd.WithWindowSize(32<<20), zstd.WithSingleSegment(false), zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b[:10]); err != nil { // so that the header cannot hold the size
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		return packed(t, &out, w, b[10:])
	},
	"xz": func(t testing.TB, b []byte) []byte {
		var out bytes.Buffer
		w, err := xz.WriterConfig{DictCap: 32 << 20}.NewWriter(&out)
		if err != nil {
			t.Fatal(err)
		}
		return packed(t, &out, w, b)
	},
	"lz4": func(t testing.TB, b []byte) []byte {
		var out bytes.Buffer
		w := lz4.NewWriter(&out)
		if err := w.Apply(lz4.BlockSizeOption(lz4.Block4Mb)); err != nil {
			t.Fatal(err)
		}
		return packed(t, &out, w, b)
	},
}

func packed(t testing.TB, out *bytes.Buffer, w io.WriteCloser, b []byte) []byte {
	t.Helper()
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// all reads every packet. It returns the number of packets, how often time
// went back, and the maximum use of the budget.
func all(t *testing.T, s *Source) (packets, back, taken int) {
	t.Helper()
	last := int64(0)
	var b packet.Batch
	for {
		err := s.Next(&b)
		if err == io.EOF {
			return packets, back, taken
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			if r.Time < last {
				back++
			}
			last = r.Time
		}
		packets += len(b.Records)
		taken = max(taken, s.opt.mem.used)
	}
}

// TestOpenMemory reads many compressed files that overlap in time, with memory
// for few. Everything is read within the limit, and the wrong order is a
// Problem.
func TestOpenMemory(t *testing.T) {
	const files, each = 10, 300
	for name, pack := range packers {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for i := range files {
				b := pack(t, madePcap(t, 1_700_000_000+i, each, 400))
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.pcap.%s", i, name)), b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for _, memory := range []int64{12 << 20, 80 << 20, 4 << 30} {
				s, err := Open([]string{dir}, Options{Memory: memory})
				if err != nil {
					if memory == 12<<20 && (name == "xz" || name == "zst") {
						if room := new(roomError); !errors.As(err, &room) || !strings.Contains(err.Error(), "--memory") {
							t.Errorf("%v", err)
						}
						continue
					}
					t.Fatal(err)
				}
				packets, back, taken := all(t, s)
				s.Close()
				problems := s.Problems()
				if packets != files*each || int64(taken) > memory+4<<20 {
					t.Errorf("memory %d: got %d packets with %d bytes taken, problems %v", memory, packets, taken, problems)
				}
				if (back > 0) != (len(problems) == 1 && strings.Contains(problems[0].Error(), "out of order")) || back > 0 && memory == 4<<30 {
					t.Errorf("memory %d: time went back %d times, problems %v", memory, back, problems)
				}
				if s.opt.mem.used != 0 {
					t.Errorf("memory %d: %d bytes are still taken at the end", memory, s.opt.mem.used)
				}
			}
		})
	}
}

// xzBlock returns an xz block with the given window and content.
func xzBlock(t testing.TB, window int64, data []byte) []byte {
	t.Helper()
	head := []byte{2, 0, xzFilter, 1, lzma.EncodeDictCap(window), 0, 0, 0}
	head = binary.LittleEndian.AppendUint32(head, crc32.ChecksumIEEE(head))
	var body bytes.Buffer
	w, err := lzma.Writer2Config{DictCap: lzma.MinDictCap}.NewWriter2(&body)
	if err != nil {
		t.Fatal(err)
	}
	out := append(head, packed(t, &body, w, data)...)
	for len(out)%4 != 0 {
		out = append(out, 0)
	}
	return out
}

// xzStart returns the header of a stream without checks.
func xzStart() []byte {
	b := append(append([]byte{}, xzMagic...), 0, 0)
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[6:8]))
}

// TestHostileWindows reads files whose later parts ask for windows that they
// do not need. Reading ends soon, with an error, and without that memory.
func TestHostileWindows(t *testing.T) {
	first := madePcap(t, 1_700_000_000, 10, 60)
	grows := append(append(xzStart(), xzBlock(t, 1<<20, first)...), xzBlock(t, 4<<30-1, first)...)
	many := append(xzStart(), xzBlock(t, 8<<20, first)...)
	tiny := xzBlock(t, 8<<20, []byte{0})
	for range 20_000 {
		many = append(many, tiny...)
	}
	announced := append(append(xzStart(), xzBlock(t, 4<<30-1, first)...), 0)
	zst := func(window byte) []byte { // a frame with one raw block
		b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, window}
		n := uint32(len(first))<<3 | 1
		return append(append(b, byte(n), byte(n>>8), byte(n>>16)), first...)
	}
	single := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x40} // a frame with a single segment of 1 GiB
	for name, b := range map[string][]byte{
		"xz, a later block": grows, "xz, many blocks": many, "xz, the first block": announced,
		"zstd, a later frame": append(zst(0x20), zst(0xa8)...), "zstd, the first frame": zst(0xa8), "zstd, one segment": append(single, 1, 0, 0),
		"zstd, a later segment": append(zst(0x20), append(single, zst(0)[6:]...)...),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.pcap")
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
			// The program sets a memory limit too, with --memory, so that garbage is
			// collected in time.
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(128 << 20))
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			s, err := Open([]string{path}, Options{Memory: 64 << 20})
			n := 0
			if err == nil {
				n, _, _ = all(t, s)
				s.Close()
				if p := s.Problems(); len(p) == 0 {
					t.Errorf("got %d packets and no problem", n)
				} else {
					err = p[0]
				}
			}
			runtime.ReadMemStats(&after)
			t.Logf("%d packets, %v; %d MiB, %v", n, err, (after.TotalAlloc-before.TotalAlloc)>>20, time.Since(began))
			if d := time.Since(began); d > 10*time.Second {
				t.Errorf("reading took %v", d)
			}
			if got := after.HeapSys - before.HeapSys; got > 200<<20 && after.HeapSys > before.HeapSys {
				t.Errorf("the heap grew by %d MiB", got>>20)
			}
		})
	}
}

// TestXZ reads the output of another library, with every check, several blocks
// and streams, and padding between streams. All damage is detected.
func TestXZ(t *testing.T) {
	content := bytes.Repeat(madePcap(t, 1_700_000_000, 500, 123), 3)
	for _, check := range []byte{xz.CRC32, xz.CRC64, xz.SHA256} {
		var out bytes.Buffer
		for i := range 2 {
			w, err := xz.WriterConfig{CheckSum: check, BlockSize: 50_000}.NewWriter(&out)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(content); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			out.Write(make([]byte, 4*i))
		}
		b := out.Bytes()
		got, err := io.ReadAll(newXZ(bytes.NewReader(b), 8<<20))
		if err != nil || !bytes.Equal(got, append(bytes.Clone(content), content...)) {
			t.Fatalf("check %d: got %d bytes, error %v", check, len(got), err)
		}
		for n := 0; n < len(b)-4; n += 1 + n/7 { // every length would take too long
			if got, err := io.ReadAll(newXZ(bytes.NewReader(b[:n]), 8<<20)); err == nil && n > 0 && len(got) != len(content) && len(got) != 2*len(content) {
				t.Fatalf("check %d: cut at %d of %d: got %d bytes and no error", check, n, len(b), len(got))
			}
		}
		for n := 12; n < len(b)/2; n += 1 + n/5 {
			c := bytes.Clone(b)
			c[n] ^= 0x10
			if got, err := io.ReadAll(newXZ(bytes.NewReader(c), 8<<20)); err == nil && !bytes.Equal(got, append(bytes.Clone(content), content...)) {
				t.Fatalf("check %d: a flipped bit at %d is not detected", check, n)
			}
		}
	}
}
