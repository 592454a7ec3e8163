package pcapfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pfsight/capture/packet"
)

// TestFollow reads a folder with a finished file, a growing file and one that
// appears later. A file that is not a capture is skipped in the folder, and a
// Problem if it is named.
func TestFollow(t *testing.T) {
	whole, err := os.ReadFile("../../testdata/captures/rsa.pcap")
	if err != nil {
		t.Fatal(err)
	}
	dir, named := t.TempDir(), filepath.Join(t.TempDir(), "named.txt")
	write := func(path string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(named, []byte("no capture either"))
	write(filepath.Join(dir, "1.txt"), []byte("no capture at all"))
	write(filepath.Join(dir, "2.pcap"), whole)
	growing := filepath.Join(dir, "3.pcap")
	write(growing, whole[:1000])
	stop := make(chan struct{})
	s, err := Open([]string{named, dir}, Options{Follow: true, Stop: stop})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	written := make(chan error, 1)
	go func() {
		time.Sleep(2 * pollEvery)
		f, err := os.OpenFile(growing, os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = f.Write(whole[1000:])
			err = errors.Join(err, f.Close())
		}
		time.Sleep(2 * pollEvery)
		err = errors.Join(err, os.WriteFile(named+".new", whole, 0o600), os.Rename(named+".new", filepath.Join(dir, "4.pcap")))
		time.Sleep(3 * pollEvery)
		close(stop)
		written <- err
	}()
	n := map[string]int{}
	for {
		var b packet.Batch
		if err := s.Next(&b); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n[filepath.Base(b.Name)[:1]] += len(b.Records)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if n["2"] == 0 || n["3"] != n["2"] || n["4"] != n["2"] {
		t.Errorf("got packets of each file: %v", n)
	}
	if p := s.Problems(); len(p) != 1 || p[0].File != named || !errors.Is(p[0].Err, ErrNotCapture) {
		t.Errorf("problems: %v", p)
	}
}

// TestFollowLarge follows a large file, cut inside a record, that is read in
// blocks. The Source waits for the rest of the record.
func TestFollowLarge(t *testing.T) {
	whole := synthetic(t, 1, 12000, 1000)
	name := filepath.Join(t.TempDir(), "large.pcap")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at := len(whole) - 1<<20 - 1
	if _, err := f.Write(whole[:at]); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	s, err := Open([]string{name}, Options{Follow: true, Stop: stop})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	written := make(chan error, 1)
	go func() {
		time.Sleep(3 * pollEvery)
		_, err := f.Write(whole[at:])
		time.Sleep(3 * pollEvery)
		close(stop)
		written <- err
	}()
	n, blocks := 0, 0
	for b := new(packet.Block); ; s.Release(b) {
		s.Claim(b)
		s.Load(b)
		if err := s.Walk(b); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if n += len(b.Records); !b.Shared {
			blocks++
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if n != 12000 || blocks == 0 || len(s.Problems()) > 0 {
		t.Errorf("got %d packets in %d blocks, problems %v", n, blocks, s.Problems())
	}
}

// TestFollowRewritten truncates a followed file and overwrites it with a
// shorter or a longer capture, or replaces it with another file of the same
// name. The new content is read, and a possible loss is a Problem.
func TestFollowRewritten(t *testing.T) {
	before, after := madePcap(t, 1_700_000_000, 20, 100), madePcap(t, 1_700_001_000, 7, 100)
	long := madePcap(t, 1_700_002_000, 31, 200)
	for _, c := range []struct {
		name    string
		old     []byte
		rewrite func(path string) error
		want    int
		problem bool
	}{
		{"shorter", before, func(p string) error { return os.WriteFile(p, after, 0o600) }, 20 + 7, true},
		{"longer", before, func(p string) error { return os.WriteFile(p, long, 0o600) }, 20 + 31, true},
		{"in the middle of a record", before[:len(before)-50], func(p string) error { return os.WriteFile(p, after, 0o600) }, 19 + 7, true},
		{"inside the header", before[:10], func(p string) error {
			// In place, so that the Source never sees a shorter file.
			f, err := os.OpenFile(p, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(after, 0)
			return errors.Join(err, f.Close())
		}, 7, false},
		{"slowly", before, func(p string) error {
			if err := os.Truncate(p, 0); err != nil {
				return err
			}
			time.Sleep(3 * pollEvery)
			f, err := os.OpenFile(p, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			_, err = f.Write(after[:333])
			time.Sleep(3 * pollEvery)
			_, more := f.Write(after[333:])
			return errors.Join(err, more, f.Close())
		}, 20 + 7, true},
		{"replaced", before, func(p string) error {
			return errors.Join(os.WriteFile(p+".new", after, 0o600), os.Rename(p+".new", p))
		}, 20 + 7, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "a.pcap")
			if err := os.WriteFile(path, c.old, 0o600); err != nil {
				t.Fatal(err)
			}
			stop := make(chan struct{})
			s, err := Open([]string{path}, Options{Follow: true, Stop: stop})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			written := make(chan error, 1)
			go func() {
				time.Sleep(4 * pollEvery)
				written <- c.rewrite(path)
				time.Sleep(5 * pollEvery)
				close(stop)
			}()
			n, _, _ := all(t, s)
			if err := <-written; err != nil {
				t.Fatal(err)
			}
			problems := 0
			for _, p := range s.Problems() {
				if errors.Is(p.Err, errRewritten) {
					problems++
				} else {
					t.Errorf("%v", p)
				}
			}
			if n != c.want || (problems == 1) != c.problem {
				t.Errorf("got %d packets, want %d; problems %v", n, c.want, s.Problems())
			}
		})
	}
}
