package pcapfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// canMap reports whether files in temporary folders are mapped here.
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
	m := newMapping(f, 1<<16)
	defer m.release()
	return m != nil && inMemory(f, 1<<16-1) && !inMemory(f, 1<<16)
}

// blocksOf opens a capture and passes over what is read before its lane.
func blocksOf(t *testing.T, name string) (*Source, *Block) {
	t.Helper()
	s, err := Open([]string{name}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	b := new(Block)
	s.Claim(b)
	b.Load()
	if err := s.Walk(b); err != nil || !b.Shared {
		t.Fatalf("the beginning: %v", err)
	}
	return s, b
}

// TestFileIsCut cuts a mapped file at every stage of a block: nothing dies,
// what comes before the cut is read, and the end is told.
func TestFileIsCut(t *testing.T) {
	if !canMap(t) {
		t.Skip("files are not mapped here")
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	whole := synthetic(1, 12000, 1000)
	const at = 4<<20 + 12345 // in the third block
	sum := byte(0)
	for _, stage := range []string{"claim", "load", "walk", "use"} {
		name := filepath.Join(t.TempDir(), "cut.pcap")
		if err := os.WriteFile(name, whole, 0o644); err != nil {
			t.Fatal(err)
		}
		s, b := blocksOf(t, name)
		n, lost := b.First+uint64(len(b.Records))-1, false
		for blocks := 0; ; blocks++ {
			cut := func(now string) {
				if blocks == 2 && now == stage {
					if err := os.Truncate(name, at); err != nil {
						t.Fatal(err)
					}
				}
			}
			s.Claim(b)
			cut("claim")
			b.Load()
			cut("load")
			if err := s.Walk(b); err == io.EOF {
				break
			}
			cut("walk")
			use := func() {
				for _, r := range b.Records {
					for _, x := range r.Data {
						sum += x
					}
				}
			}
			for !b.Guard(use) {
				lost = true
			}
			n += uint64(len(b.Records))
			cut("use")
			s.Release(b)
		}
		// What the cut leaves is known by reading it in order.
		want, _, err := readAll(strings.NewReader(string(whole[:at])))
		if !errors.Is(err, ErrTruncated) {
			t.Fatal(err)
		}
		if stage == "use" {
			want = int(n) // the block was used before
		}
		// Of a page that is cut, what is behind it reads as zeros.
		if int(n) > want || int(n) < want-8 {
			t.Errorf("cut after %s: %d records, want %d", stage, n, want)
		}
		if lost != (stage == "walk") {
			t.Errorf("cut after %s: lost is %v", stage, lost)
		}
		if len(s.Problems()) == 0 {
			t.Errorf("cut after %s: no problem", stage)
		}
		for _, p := range s.Problems() {
			if p.File != name || !errors.Is(p.Err, ErrTruncated) {
				t.Errorf("cut after %s: %v", stage, p)
			}
		}
	}
	_ = sum
}

// TestOtherFaults holds that only what a cut file does is taken for it.
func TestOtherFaults(t *testing.T) {
	m := &mapping{data: make([]byte, 100)}
	defer func() {
		if recover() == nil {
			t.Error("a bug was hidden")
		}
	}()
	m.guarded(func() {
		var p *int
		*p = 1
	})
}

// BenchmarkWarm is what guessing costs, per byte of a capture whose content is
// in the cache.
func BenchmarkWarm(b *testing.B) {
	data := synthetic(1, 4000, 1000)
	l := layout{size: 8, more: 16, unit: 1e6}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		l.warm(data, 24, len(data), 1000)
	}
}
