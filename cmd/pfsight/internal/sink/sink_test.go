package sink

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pfsight/cmd/pfsight/internal/confine"
	"pfsight/cmd/pfsight/internal/process"
	"pfsight/cmd/pfsight/internal/testutil"
)

// tested is a sink and what it said.
type tested struct {
	*Sink
	gaveUp atomic.Uint64
	mu     sync.Mutex
	said   []string
}

func newTested(out outlet) *tested { return newTestedIn(out, MaxQueue) }

func newTestedIn(out outlet, room int) *tested {
	k := &tested{}
	k.Sink = newSink("test", out)
	k.Room = room
	k.Lost = func(n uint64) { k.gaveUp.Add(n) }
	k.Warn = func(format string, args ...any) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.said = append(k.said, fmt.Sprintf(format, args...))
	}
	k.Start()
	return k
}

// end ends it as a capture does.
func (k *tested) end() { Close([]*Sink{k.Sink}) }

// numbered returns lines that are records, of the numbers from from to to.
func numbered(from, to int) []byte {
	var b []byte
	for i := from; i < to; i++ {
		b = fmt.Appendf(b, "{\"client_ip\":\"192.0.2.1\",\"forward_secrecy\":\"yes\",\"n\":%d}\n", i)
	}
	return b
}

// folder returns the names in a folder, without the part that changes, and
// all their lines in order.
func folder(t *testing.T, dir string) (names []string, lines []byte) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // renamed since
			t.Fatal(err)
		}
		lines = append(lines, b...)
	}
	return names, lines
}

// names returns the names in a folder.
func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

func TestFileSink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(path, append(numbered(-1, 0), `{"client_ip":"192`...), 0o600); err != nil { // a line that a crash cut
		t.Fatal(err)
	}
	f := &fileOutlet{path: path, now: time.Now}
	if err := f.open(); err != nil {
		t.Fatal(err)
	}
	k := newTested(f)
	k.Put(numbered(0, 10), 10)
	testutil.Eventually(t, "ten lines", func() bool { b, _ := os.ReadFile(path); return bytes.HasSuffix(b, numbered(9, 10)) })
	// As logrotate does it.
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	k.Put(numbered(10, 11), 1)
	k.Reopen()
	testutil.Eventually(t, "the new file", func() bool { _, err := os.Stat(path); return err == nil })
	k.Put(numbered(11, 20), 9)
	k.end()
	_, lines := folder(t, filepath.Dir(path))
	a, _ := os.ReadFile(path + ".1")
	b, _ := os.ReadFile(path)
	if got, want := string(a)+string(b), string(numbered(-1, 20)); got != want || len(lines) != len(want) || len(b) == 0 || k.gaveUp.Load() != 0 || len(k.said) > 0 {
		t.Errorf("%q, said %q", got, k.said)
	}
}

func TestRotationBySize(t *testing.T) {
	dir := t.TempDir()
	f := &fileOutlet{path: filepath.Join(dir, "events.jsonl"), maxSize: 1000, now: func() time.Time { return time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC) }}
	// A part that an earlier run left is made whole.
	if err := os.WriteFile(f.path+partial, append(numbered(0, 5), `{"event":"e`...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.open(); err != nil {
		t.Fatal(err)
	}
	k := newTested(f)
	k.Put(numbered(5, 100), 95)
	k.Put([]byte(strings.Repeat("x", 1500)+"\n"), 1) // longer than a file may be: alone in one
	k.Put(numbered(100, 103), 3)
	testutil.Eventually(t, "all lines", func() bool { _, b := folder(t, dir); return bytes.Contains(b, numbered(102, 103)) })
	testutil.Eventually(t, "the last file", func() bool { _, err := os.Stat(f.path + partial); return err == nil })
	k.end()
	names, _ := folder(t, dir)
	total := 0
	for _, name := range names {
		b, _ := os.ReadFile(filepath.Join(dir, name))
		if len(b) == 0 || len(b) > 1000 && b[0] != 'x' || b[len(b)-1] != '\n' || strings.HasSuffix(name, partial) {
			t.Errorf("%s: %d bytes %q", name, len(b), b)
		}
		total += bytes.Count(b, []byte("\n"))
	}
	if total != 104 || !slices.ContainsFunc(names, func(s string) bool { return s == "events-20260102T150405Z.jsonl" }) || k.gaveUp.Load() != 0 {
		t.Errorf("%d lines in %q, said %q", total, names, k.said)
	}
}

func TestRotationByAge(t *testing.T) {
	dir := t.TempDir()
	var now atomic.Int64
	now.Store(time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC).UnixNano())
	f := &fileOutlet{path: filepath.Join(dir, "events"), maxAge: time.Hour, now: func() time.Time { return time.Unix(0, now.Load()) }}
	if err := f.open(); err != nil {
		t.Fatal(err)
	}
	k := newTested(f)
	k.Put(numbered(0, 3), 3)
	testutil.Eventually(t, "the lines", func() bool { _, b := folder(t, dir); return len(b) == len(numbered(0, 3)) })
	now.Add(int64(61 * time.Minute))
	testutil.Eventually(t, "a whole file, without another line", func() bool { n, _ := folder(t, dir); return len(n) == 2 })
	now.Add(int64(61 * time.Minute))
	time.Sleep(1200 * time.Millisecond)
	k.Put(numbered(3, 4), 1)
	k.Reopen() // with rotation HUP begins another file
	k.end()
	names, lines := folder(t, dir)
	if string(lines) != string(numbered(0, 4)) || len(names) != 2 || names[0] != "events-20260102T150405Z" {
		t.Errorf("%q %q said %q", names, lines, k.said)
	}
}

// TestFullDisk writes to a device that is always full.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	f := &fileOutlet{path: "/dev/full", now: time.Now}
	if err := f.open(); err != nil {
		t.Fatal(err)
	}
	k := newTested(f)
	line := bytes.Repeat([]byte("x"), 1<<20-1)
	line = append(line, '\n')
	const n = 40
	for range n {
		k.Put(line, 1) // more than the queue holds, and it returns at once
	}
	testutil.Eventually(t, "a complaint", func() bool { k.mu.Lock(); defer k.mu.Unlock(); return len(k.said) > 0 })
	if lost := k.gaveUp.Load(); lost < n-2*MaxQueue>>20-1 || lost == n {
		t.Errorf("%d lines are lost already", lost)
	}
	k.end()
	if k.gaveUp.Load() != n || len(k.said) != 1 || !strings.Contains(k.said[0], "no space left") {
		t.Errorf("%d of %d lines are lost, said %q", k.gaveUp.Load(), n, k.said)
	}
}

// shortOutlet takes a few bytes at a time and fails now and then.
type shortOutlet struct {
	got  []byte
	next int
}

func (s *shortOutlet) write(lines []byte) (int, bool, error) {
	s.next++
	n := wholeLines(lines, s.next*70%600)
	s.got = append(s.got, lines[:n]...)
	if n < len(lines) && s.next%2 == 0 {
		return n, true, io.ErrShortWrite
	}
	return n, true, nil
}
func (s *shortOutlet) reopen() error { return nil }
func (s *shortOutlet) close() error  { return nil }

func TestShortWrites(t *testing.T) {
	out := &shortOutlet{}
	k := newTested(out)
	for i := range 100 {
		k.Put(numbered(i*3, i*3+3), 3)
	}
	testutil.Eventually(t, "all lines", func() bool { k.Sink.mu.Lock(); defer k.Sink.mu.Unlock(); return len(k.Sink.queue) == 0 })
	k.end()
	if want := numbered(0, 300); !bytes.Equal(out.got, want) && k.gaveUp.Load() == 0 {
		t.Errorf("%d bytes came of %d", len(out.got), len(want))
	}
}

// TestSocketSink has a reader that comes late, goes and comes back.
func TestSocketSink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	k := newTested(&socketOutlet{network: "unix", address: path})
	k.Put(numbered(0, 5), 5)
	testutil.Eventually(t, "a complaint", func() bool { k.mu.Lock(); defer k.mu.Unlock(); return len(k.said) > 0 })
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	read := func(n int) (got []string) {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		in := bufio.NewScanner(c)
		for len(got) < n && in.Scan() {
			got = append(got, in.Text())
		}
		return got
	}
	if got := read(5); len(got) != 5 || got[4]+"\n" != string(numbered(4, 5)) {
		t.Errorf("at first: %q", got)
	}
	// The reader is gone. What the system took over is lost with it; later
	// lines come, each of them whole.
	for i := 5; i < 30; i++ {
		k.Put(numbered(i, i+1), 1)
		time.Sleep(20 * time.Millisecond)
	}
	got := read(1)
	if len(got) != 1 || !strings.HasPrefix(got[0], `{"client_ip":`) || !strings.HasSuffix(got[0], "}") {
		t.Errorf("the second reader: %q", got)
	}
	l.Close()
	k.end()
}

// TestHangingReader has one that takes the connection and never reads.
func TestHangingReader(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	k := newTested(&socketOutlet{network: "tcp", address: l.Addr().String()})
	block := numbered(0, 10000)
	start := time.Now()
	const blocks = 1000
	for range blocks {
		k.Put(block, 10000)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("the capture waited %v", d)
	}
	if k.gaveUp.Load() == 0 {
		t.Error("nothing is said to be lost")
	}
	start = time.Now()
	k.end()
	if d := time.Since(start); d > CloseTimeout+2*time.Second {
		t.Errorf("the end took %v", d)
	}
	k.Put(block, 10000)
	if k.gaveUp.Load() < 10000 {
		t.Error("a line after the end is lost and not counted")
	}
}

// TestStdoutGone ends a capture whose only reader has left.
func TestStdoutGone(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	gone := make(chan struct{})
	k := newSink("standard output", streamOutlet{w})
	k.Gone = sync.OnceFunc(func() { close(gone) })
	k.Start()
	k.Put(numbered(0, 1), 1)
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		t.Error("nobody was told")
	}
	Close([]*Sink{k})
}

func TestOutlets(t *testing.T) {
	for _, dest := range []string{"", "/no/such/folder/x"} {
		if _, err := newOutlet(dest, Options{Warn: t.Logf}); err == nil {
			t.Errorf("%q: no error", dest)
		}
	}
	if _, err := newOutlet("", Options{Warn: t.Logf}); !errors.As(err, &process.UsageError{}) {
		t.Errorf("%v", err)
	}
	for dest, want := range map[string]string{"unix:/run/x": "unix /run/x", "tcp:127.0.0.1:5140": "tcp 127.0.0.1:5140", "tcp:[::1]:5140": "tcp [::1]:5140"} {
		out, err := newOutlet(dest, Options{Warn: t.Logf})
		if s, ok := out.(*socketOutlet); err != nil || !ok || s.network+" "+s.address != want {
			t.Errorf("%q: %v, %v", dest, out, err)
		}
	}
}

func (*shortOutlet) needs(*confine.Needs) {}
