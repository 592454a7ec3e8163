package pcapfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestFollow reads a folder that something writes to: a file that is in it, one
// that grows and one that comes later. What is no capture is passed over there,
// and told of where it was named.
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
		var b Batch
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
		t.Errorf("packets of each file: %v", n)
	}
	if p := s.Problems(); len(p) != 1 || p[0].File != named || !errors.Is(p[0].Err, ErrNotCapture) {
		t.Errorf("problems: %v", p)
	}
}

// TestFollowLarge follows a file of which much is written already, cut inside
// a record, in blocks: it is waited for what comes behind them.
func TestFollowLarge(t *testing.T) {
	whole := synthetic(1, 12000, 1000)
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
	for b := new(Block); ; s.Release(b) {
		s.Claim(b)
		b.Load()
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
		t.Errorf("%d packets in %d blocks, %v", n, blocks, s.Problems())
	}
}
