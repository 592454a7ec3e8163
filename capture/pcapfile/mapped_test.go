package pcapfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"pfsight/capture/packet"
)

// canMap reports whether files in temporary folders can be mapped.
func canMap(t testing.TB) bool {
	name := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(name, make([]byte, 1<<16), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m := newMapping(f, info)
	defer m.release()
	return m != nil && inMemory(f, 1<<16-1) && !inMemory(f, 1<<16)
}

// blocksOf opens a capture and skips what is read before its lane.
func blocksOf(t *testing.T, name string) (*Source, *packet.Block) {
	t.Helper()
	s, err := Open([]string{name}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	b := new(packet.Block)
	s.Claim(b)
	s.Load(b)
	if err := s.Walk(b); err != nil || !b.Shared {
		t.Fatalf("walking the first block: got error %v, or a block that is not shared", err)
	}
	return s, b
}

// TestFileIsCut truncates a mapped file at each stage of a block, inside the
// block and inside its last page, whose rest then reads as zeros. Everything
// before the cut is read and nothing after it, and the cut is a Problem.
func TestFileIsCut(t *testing.T) {
	if !canMap(t) {
		t.Skip("files are not mapped here")
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	pcap := synthetic(t, 1, 12000, 1000)
	for format, whole := range map[string][]byte{"pcap": pcap, "pcapng": toNG(t, pcap)} {
		for _, at := range []int{4<<20 + 12345, 5 << 20, 6<<20 - 3500, 6<<20 - 2000, 6<<20 - 1} { // in the third block
			for _, stage := range []string{"claim", "load", "walk", "use"} {
				cutFile(t, fmt.Sprintf("%s cut at %d after %s", format, at, stage), whole, at, stage)
			}
		}
	}
}

func cutFile(t *testing.T, what string, whole []byte, at int, stage string) {
	name := filepath.Join(t.TempDir(), "cut")
	if err := os.WriteFile(name, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	s, b := blocksOf(t, name)
	n, lost := b.First+uint64(len(b.Records))-1, false
	sum := byte(0)
	for blocks := 0; ; blocks++ {
		cut := func(now string) {
			if blocks == 2 && now == stage {
				if err := os.Truncate(name, int64(at)); err != nil {
					t.Fatal(err)
				}
			}
		}
		s.Claim(b)
		cut("claim")
		s.Load(b)
		cut("load")
		if err := s.Walk(b); err == io.EOF {
			break
		}
		cut("walk")
		for !s.Guard(b, func() {
			for _, r := range b.Records {
				for _, x := range r.Data {
					sum += x
				}
			}
		}) {
			lost = true
		}
		for _, r := range b.Records {
			if r.Time < 1000e9 {
				t.Errorf("%s: got a record of time %d, which is not in the file; sum %d", what, r.Time, sum)
				break
			}
		}
		n += uint64(len(b.Records))
		cut("use")
		s.Release(b)
	}
	// Reading in order shows what the cut leaves.
	want, _, err := readAll(bytes.NewReader(whole[:at]))
	if !errors.Is(err, ErrTruncated) {
		t.Fatal(err)
	}
	if stage == "use" {
		want = int(n) // the block was used before the cut
	}
	if int(n) != want {
		t.Errorf("%s: got %d records, want %d", what, n, want)
	}
	if lost != (stage == "walk") && at < 6<<20-1 { // the last byte belongs to a record that ends in the next block
		t.Errorf("%s: Guard reported a loss: %v", what, lost)
	}
	if p := s.Problems(); len(p) != 1 || p[0].File != name || !errors.Is(p[0].Err, ErrTruncated) {
		t.Errorf("%s: got problems %v, want one truncation", what, p)
	}
}

// TestOtherFaults checks that other faults are not taken for a truncated file.
func TestOtherFaults(t *testing.T) {
	m := &mapping{data: make([]byte, 100)}
	defer func() {
		if recover() == nil {
			t.Error("a panic that is a bug was recovered")
		}
	}()
	m.guarded(func() {
		var p *int
		*p = 1
	})
}

// TestWrittenAnew checks that a panic while the file is overwritten counts as
// a cut, and that it is a bug otherwise.
func TestWrittenAnew(t *testing.T) {
	if !canMap(t) {
		t.Skip("files are not mapped here")
	}
	name := filepath.Join(t.TempDir(), "x.pcap")
	if err := os.WriteFile(name, synthetic(t, 1, 12000, 1000), 0o644); err != nil {
		t.Fatal(err)
	}
	s, b := blocksOf(t, name)
	s.Claim(b)
	s.Load(b)
	if err := s.Walk(b); err != nil || !b.Private.(*piece).mapped || len(b.Records) == 0 {
		t.Fatal(err, len(b.Records))
	}
	fails := func() {
		if n := len(b.Records); n > 0 {
			_ = b.Records[n:][n]
		}
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic that is a bug was recovered")
			}
		}()
		s.Guard(b, fails)
	}()
	if err := os.Chtimes(name, time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if s.Guard(b, fails) || len(b.Records) > 0 || len(s.Problems()) != 1 {
		t.Errorf("got %d records, problems %v; want no records and one problem", len(b.Records), s.Problems())
	}
	if !s.Guard(b, fails) {
		t.Error("Guard failed for a block without records")
	}
	s.Release(b)
}

// BenchmarkWarm measures warm on data in the cache, per byte of the capture.
func BenchmarkWarm(b *testing.B) {
	data := synthetic(b, 1, 4000, 1000)
	l, sum := layout{size: 8, more: 16, unit: 1e6}, byte(0)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		l.warm(data, 24, len(data), 1000, &sum)
	}
}
