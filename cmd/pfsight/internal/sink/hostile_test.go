package sink

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pfsight/cmd/pfsight/internal/confine"
	"pfsight/cmd/pfsight/internal/testutil"
	"pfsight/report"
	"pfsight/report/record"
	"pfsight/report/render"
)

// TestForeignFiles appends to files of every kind: those that hold no events
// are refused and stay as they are.
func TestForeignFiles(t *testing.T) {
	const rsa = "../../../../testdata/captures/rsa"
	capture, err := os.ReadFile(rsa + ".pcap")
	if err != nil {
		t.Fatal(err)
	}
	array, err := os.ReadFile(rsa + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var records []report.Connection
	if _, err := record.Read(t.Context(), bytes.NewReader(array), &collected{&records}); err != nil || len(records) == 0 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	var b bytes.Buffer
	w := render.NewJSONL(&b)
	if err := errors.Join(w.Write(&records[0]), w.Close()); err != nil {
		t.Fatal(err)
	}
	saved := b.String()
	b.Reset()
	w = render.NewCSV(&b)
	if err := errors.Join(w.Write(&records[0]), w.Close()); err != nil {
		t.Fatal(err)
	}
	csv := b.String()
	event := string(numbered(0, 1))
	long := `{"event":"handshake","client_ip":"192.0.2.1","server_name":"` + strings.Repeat(`\u0001`, 60000) + `","forward_secrecy":"yes"}` + "\n"
	for name, c := range map[string]struct {
		content, kept string // kept "": refused
	}{
		"pcap":               {string(capture), ""},
		"gzip":               {"\x1f\x8b\x08\x00rest\n", ""},
		"text":               {"a log\nof something\n", ""},
		"text without end":   {"a log", ""},
		"JSON array":         {string(array), ""},
		"CSV":                {csv, ""},
		"JSON of others":     {`{"name":"x"}` + "\n" + `{"name":"y"}` + "\n", ""},
		"JSON without end":   {`{"name":"x"}`, ""},
		"JSON with a time":   {`{"time":"2026-01-02T15:04:05Z","level":"info"}`, ""},
		"a brace":            {`{`, "\x00"},
		"zeros":              {strings.Repeat("\x00", 4096), ""},
		"text after events":  {event + "and a text", ""},
		"a long line":        {strings.Repeat("x", longestEvent+100), ""},
		"a long line at end": {event + `{"event":"` + strings.Repeat("x", longestEvent+100), ""},
		"empty":              {"", "\x00"},
		"records":            {saved, saved},
		"a long record":      {long, long},
		"a cut record":       {event + `{"event":"hand`, event},
		"cut at once":        {`{"event":"hand`, "\x00"},
		"not written":        {event + "\x00\x00\x00", event},
		"cut and zeros":      {event + `{"event":"hand` + "\x00\x00", event},
		"without line end":   {event + strings.TrimSuffix(event, "\n"), event + event},
	} {
		for _, o := range []fileOutlet{{}, {maxSize: 1 << 20}} {
			dir := t.TempDir()
			o.path, o.now = filepath.Join(dir, "events.jsonl"), time.Now
			file := o.path
			if o.rotates() {
				file += partial
			}
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			err := o.open()
			if c.kept == "" {
				if b, _ := os.ReadFile(file); !errors.Is(err, errNotEvents) || string(b) != c.content || len(names(t, dir)) != 1 {
					t.Errorf("%s, rotated %v: %v, %d of %d bytes, %q", name, o.rotates(), err, len(b), len(c.content), names(t, dir))
				}
				continue
			}
			if err != nil {
				t.Errorf("%s, rotated %v: %v", name, o.rotates(), err)
				continue
			}
			if _, _, err := o.write(numbered(7, 8)); err != nil {
				t.Error(err)
			}
			if err := o.close(); err != nil {
				t.Error(err)
			}
			kept, added := strings.Trim(c.kept, "\x00"), string(numbered(7, 8))
			if _, b := folder(t, dir); string(b) != kept+added && string(b) != added+kept { // in files whose order is that of their names
				t.Errorf("%s, rotated %v: %.200q", name, o.rotates(), b)
			}
		}
	}
	// The command says so, before it captures.
	file := filepath.Join(t.TempDir(), "x.pcap")
	if err := os.WriteFile(file, capture, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(file, Options{Warn: t.Logf})
	if b, _ := os.ReadFile(file); err == nil || !strings.Contains(err.Error(), "x.pcap: it holds something else than events") || !bytes.Equal(b, capture) {
		t.Errorf("got error %v", err)
	}
}

// TestRetention keeps the newest files, and removes none that it did not write.
func TestRetention(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	line := int64(len(numbered(0, 1)))
	foreign := []string{
		"events.jsonl", "events-old.jsonl", "events-20260101T000000Z.jsonl.gz", "events-20260101T000000Z.txt", "events-20260101T000000Z.1.jsonl",
		"events-20260101T000000Z.02.jsonl", "events-20260101T000000.jsonl", "events-20261301T000000Z.jsonl", "other-20260101T000000Z.jsonl", "xevents-20260101T000000Z.jsonl",
	}
	for name, c := range map[string]struct {
		keep Retention
		left []int // hours before now
	}{
		"all":     {Retention{}, []int{1, 2, 3, 4, 5}},
		"by name": {Retention{Files: 2}, []int{1, 2}},
		"by size": {Retention{Size: 3*line + 1}, []int{1, 2, 3}},
		"by age":  {Retention{Age: 150 * time.Minute}, []int{1, 2}},
		"by two":  {Retention{Files: 4, Age: 210 * time.Minute}, []int{1, 2, 3}},
	} {
		dir := t.TempDir()
		write := func(name string, content []byte, at time.Time) {
			t.Helper()
			p := filepath.Join(dir, name)
			if err := os.WriteFile(p, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(p, at, at); err != nil {
				t.Fatal(err)
			}
		}
		old := now.Add(-1000 * time.Hour)
		for _, f := range foreign {
			write(f, numbered(0, 1), old)
		}
		// A file that bears such a name and holds something else, and what is none.
		write("events-20260102T000000Z.jsonl", []byte("my notes\n"), old)
		if err := os.Mkdir(filepath.Join(dir, "events-20260103T000000Z.jsonl"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("events-old.jsonl", filepath.Join(dir, "events-20260104T000000Z.jsonl")); err != nil {
			t.Fatal(err)
		}
		all := append(slices.Clone(foreign), "events-20260102T000000Z.jsonl", "events-20260103T000000Z.jsonl", "events-20260104T000000Z.jsonl")
		rotatedName := func(h int) string {
			return "events-" + now.Add(-time.Duration(h)*time.Hour).Format(rotatedTime) + ".jsonl"
		}
		for h := 1; h <= 5; h++ {
			write(rotatedName(h), numbered(0, 1), now.Add(-time.Duration(h)*time.Hour))
		}
		var said []string
		o := &fileOutlet{path: filepath.Join(dir, "events.jsonl"), maxAge: time.Hour, keep: c.keep, now: func() time.Time { return now }, warn: func(format string, args ...any) {
			said = append(said, fmt.Sprintf(format, args...))
		}}
		if err := o.open(); err != nil {
			t.Fatal(err)
		}
		want := append(slices.Clone(all), "events.jsonl.part")
		for _, h := range c.left {
			want = append(want, rotatedName(h))
		}
		slices.Sort(want)
		if got := names(t, dir); !slices.Equal(got, want) {
			t.Errorf("%s: at the start %q, want %q", name, got, want)
		}
		if (len(said) > 0) != (c.keep != Retention{}) || len(said) > 1 {
			t.Errorf("%s: said %q of the file that it did not write", name, said)
		}
		// A rotation makes one more, and the oldest goes.
		if _, _, err := o.write(numbered(0, 1)); err != nil {
			t.Fatal(err)
		}
		if err := o.rotate(); err != nil {
			t.Fatal(err)
		}
		if c.keep.Files == 2 {
			if got := names(t, dir); slices.Contains(got, rotatedName(2)) || !slices.Contains(got, rotatedName(1)) || !slices.Contains(got, rotatedName(0)) {
				t.Errorf("%s: after a rotation %q", name, got)
			}
		}
		if c.keep.Age > 0 { // without a rotation
			now2 := now.Add(10 * time.Hour)
			o.now = func() time.Time { return now2 }
			if err := o.tick(); err != nil {
				t.Fatal(err)
			}
			if got := names(t, dir); slices.Contains(got, rotatedName(1)) {
				t.Errorf("%s: hours later %q", name, got)
			}
		}
		if err := o.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLongLine gives a sink a line that it has no room for among others.
func TestLongLine(t *testing.T) {
	k := &tested{}
	k.Sink = &Sink{Room: 1000, Lost: func(n uint64) { k.gaveUp.Add(n) }} // not started: what is queued stays
	lines := append(append(numbered(0, 2), bytes.Repeat([]byte("x"), 5000)...), '\n')
	lines = append(lines, numbered(2, 4)...)
	k.more = sync.NewCond(&k.Sink.mu)
	k.Put(lines, 5)
	if got := string(k.queue); got != string(numbered(0, 4)) || k.gaveUp.Load() != 1 {
		t.Errorf("%d lost, queued %q", k.gaveUp.Load(), got)
	}
}

// TestRefusedLine has a line that the outlet can never take between others.
func TestRefusedLine(t *testing.T) {
	out := &refusing{}
	k := newTested(out)
	for i := range 20 {
		k.Put(numbered(i, i+1), 1)
		if i%5 == 0 {
			k.Put([]byte("too large\n"), 1)
		}
	}
	k.end()
	if string(out.got) != string(numbered(0, 20)) || k.gaveUp.Load() != 4 || len(k.said) != 1 || !strings.Contains(k.said[0], "10 bytes is dropped") {
		t.Errorf("%d lost, said %q, got %q", k.gaveUp.Load(), k.said, out.got)
	}
}

// refusing takes one line at a time and refuses those that are too large.
type refusing struct{ got []byte }

func (r *refusing) write(lines []byte) (int, bool, error) {
	line, _, _ := bytes.Cut(lines, []byte("\n"))
	if string(line) == "too large" {
		return 0, true, lineError{io.ErrShortBuffer}
	}
	r.got = append(append(r.got, line...), '\n')
	return len(line) + 1, true, nil
}
func (r *refusing) reopen() error { return nil }
func (r *refusing) close() error  { return nil }

// TestTLSSink delivers to a TLS server that goes and comes back.
func TestTLSSink(t *testing.T) {
	roots, cert, _ := testutil.Authority(t, "127.0.0.1")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	out, err := newOutlet("tls:"+addr, Options{Roots: roots, Warn: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	k := newTested(out)
	got := make(chan string)
	serve := func(l net.Listener, n int) { // takes one connection and n lines
		c, err := l.Accept()
		if err != nil {
			return
		}
		c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		defer c.Close()
		in := bufio.NewScanner(c)
		for n != 0 && in.Scan() {
			got <- in.Text()
			n--
		}
	}
	go serve(l, 5)
	k.Put(numbered(0, 5), 5)
	for i := range 5 {
		if line := <-got; line+"\n" != string(numbered(i, i+1)) {
			t.Errorf("line %d: %s", i, line)
		}
	}
	// It is gone, and that was seen: what comes later waits for it.
	testutil.Eventually(t, "the end", func() bool {
		o := k.out.(*socketOutlet)
		select {
		case <-o.gone:
			return true
		default:
			return false
		}
	})
	l.Close()
	k.Put(numbered(5, 10), 5)
	time.Sleep(100 * time.Millisecond)
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go serve(l, -1)
	for i := 5; i < 10; i++ {
		if line := <-got; line+"\n" != string(numbered(i, i+1)) {
			t.Errorf("line %d: %s", i, line)
		}
	}
	// The end loses nothing, though the server's tickets were never read.
	k.Put(numbered(10, 2000), 1990)
	done := make(chan int)
	go func() {
		n := 0
		for ; n < 1990; n++ {
			if line := <-got; line+"\n" != string(numbered(10+n, 11+n)) {
				t.Errorf("line %d: %s", 10+n, line)
				break
			}
		}
		done <- n
	}()
	k.end()
	select {
	case n := <-done:
		if n != 1990 {
			t.Errorf("%d of 1990 lines came", n)
		}
	case <-time.After(10 * time.Second):
		t.Error("not all lines came")
	}
	if k.gaveUp.Load() != 0 {
		t.Errorf("%d are lost, said %q", k.gaveUp.Load(), k.said)
	}
}

// TestTLSSinkVerifies connects to servers that are not who they should be:
// nothing is sent to them.
func TestTLSSinkVerifies(t *testing.T) {
	roots, cert, _ := testutil.Authority(t, "127.0.0.1")
	_, other, _ := testutil.Authority(t, "127.0.0.1")
	_, name, _ := testutil.Authority(t, "collector.example")
	nameRoots, _, _ := testutil.Authority(t, "collector.example")
	for what, c := range map[string]struct {
		cert  tls.Certificate
		roots *x509.CertPool
	}{"another authority": {other, roots}, "another name": {name, nameRoots}, "the system's authorities": {cert, nil}} {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{c.cert}})
		if err != nil {
			t.Fatal(err)
		}
		var got testutil.Buffer
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.Copy(&got, conn)
				conn.Close()
			}
		}()
		out, err := newOutlet("tls:"+l.Addr().String(), Options{Roots: c.roots, Warn: t.Logf})
		if err != nil {
			t.Fatal(err)
		}
		k := newTested(out)
		k.Put(numbered(0, 3), 3)
		testutil.Eventually(t, "a complaint", func() bool { k.mu.Lock(); defer k.mu.Unlock(); return len(k.said) > 0 })
		k.end()
		l.Close()
		if !strings.Contains(k.said[0], "certificate") || k.gaveUp.Load() != 3 || got.String() != "" {
			t.Errorf("%s: said %q, %d lost, sent %q", what, k.said, k.gaveUp.Load(), &got)
		}
	}
}

// collected is a record.Sink that keeps all rows.
type collected struct{ rows *[]report.Connection }

func (c *collected) Take(rows []report.Connection, _ []record.Fault) {
	*c.rows = append(*c.rows, rows...)
}
func (c *collected) Emit([]record.Fault) error { return nil }

func (*refusing) needs(*confine.Needs) {}
