package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"

	"pfsight/cmd/pfsight/internal/laws"
)

func init() {
	pack := func(open func(io.Writer) (io.WriteCloser, error)) func([]byte) []byte {
		return func(b []byte) []byte {
			var out bytes.Buffer
			w, err := open(&out)
			if err != nil {
				panic(err)
			}
			_, _ = w.Write(b)
			_ = w.Close()
			return out.Bytes()
		}
	}
	laws.Packers["zstd"] = pack(func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) })
	laws.Packers["xz"] = pack(func(w io.Writer) (io.WriteCloser, error) { return xz.WriterConfig{DictCap: 1 << 16}.NewWriter(w) })
	laws.Packers["lz4"] = pack(func(w io.Writer) (io.WriteCloser, error) { return lz4.NewWriter(w), nil })
}

// An answer is the output of the program for an input.
type answer struct {
	code    int
	records []record
	stderr  string
}

// A court checks the program against the laws. Several goroutines use it.
type court struct {
	all []*laws.Capture
	dir string
	mu  sync.Mutex
	// whole are the answers for unchanged captures, by name.
	whole map[string]answer
	// spoil changes the records before they are checked, to test that the
	// court notices; nil for no change.
	spoil func(x laws.Composition, got []record)
}

func newCourt(t testing.TB) *court {
	t.Helper()
	all, err := laws.Load(captures)
	if err != nil {
		t.Fatal(err)
	}
	dir := "/dev/shm" // there are many short-lived files
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		dir = ""
	}
	if dir, err = os.MkdirTemp(dir, "laws"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &court{all: all, dir: dir, whole: map[string]answer{}}
}

func (c *court) capture(name string) *laws.Capture {
	i := slices.IndexFunc(c.all, func(x *laws.Capture) bool { return x.Name == name })
	return c.all[i]
}

// read runs the program on files.
func (c *court) read(files []laws.File, named bool, args ...string) (answer, error) {
	args = append([]string{"--format", "jsonl"}, args...)
	var stdin io.Reader = strings.NewReader("")
	if len(files) == 1 && !named {
		stdin = bytes.NewReader(files[0].Data)
		args = append(args, "-")
	} else {
		dir, err := os.MkdirTemp(c.dir, "files")
		if err != nil {
			return answer{}, err
		}
		defer os.RemoveAll(dir)
		for _, f := range files {
			path := filepath.Join(dir, f.Name)
			if err := os.WriteFile(path, f.Data, 0o600); err != nil {
				return answer{}, err
			}
			args = append(args, path)
		}
	}
	var out, stderr bytes.Buffer
	a := answer{code: run(args, stdin, &out, &stderr), stderr: stderr.String()}
	for line := range bytes.Lines(out.Bytes()) {
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			return a, fmt.Errorf("%w: %s", err, line)
		}
		for _, f := range timeFields {
			if s, ok := r[f].(string); ok {
				t, err := time.Parse(time.RFC3339Nano, s)
				if err != nil {
					return a, err
				}
				r[f] = t.UnixNano()
			}
		}
		a.records = append(a.records, r)
	}
	return a, nil
}

var timeFields = []string{"time", "last_time", "session_time"}

// base returns the answer for an unchanged part of a capture.
func (c *court) base(x laws.Composition) (answer, error) {
	whole := x.Conn == 0 && x.To == 0
	if whole {
		c.mu.Lock()
		a, ok := c.whole[x.Capture]
		c.mu.Unlock()
		if ok {
			return a, nil
		}
	}
	x.Changes = nil
	w, _, err := x.Make(c.all)
	if err != nil || len(w.Files) == 0 {
		return answer{}, err
	}
	a, err := c.read(w.Files, false)
	if whole && err == nil {
		c.mu.Lock()
		c.whole[x.Capture] = a
		c.mu.Unlock()
	}
	return a, err
}

// expected returns the records of the captures of w after the effect of the
// changes.
func (c *court) expected(x laws.Composition, w *laws.Work) (answer, error) {
	a, err := c.base(x)
	if err != nil {
		return a, err
	}
	list := slices.Clone(a.records)
	for _, add := range w.Added {
		f := laws.FileOf(add.Packets)
		b, err := c.read([]laws.File{f}, false)
		if err != nil {
			return a, err
		}
		list = append(list, b.records...)
		a.code = max(a.code, b.code)
	}
	for i, r := range list {
		r = maps.Clone(r)
		for _, f := range timeFields {
			if t, ok := r[f].(int64); ok {
				r[f] = w.Time(t)
			}
		}
		var layers []string
		if l, ok := r["encapsulation"].([]any); ok {
			for _, s := range l {
				layers = append(layers, s.(string))
			}
		}
		delete(r, "encapsulation")
		if layers = w.Encapsulation(layers); len(layers) > 0 {
			var l []any
			for _, s := range layers {
				l = append(l, s)
			}
			r["encapsulation"] = l
		}
		list[i] = r
	}
	a.records = list
	return a, nil
}

// A violation is a breach of a law.
type violation struct {
	field string // of the record, or another subject
	what  string
}

// try applies a composition. It returns the violations, and the changes that
// could be applied.
func (c *court) try(x laws.Composition) ([]violation, laws.Composition, error) {
	w, applied, err := x.Make(c.all)
	if err != nil || len(applied.Changes) == 0 {
		return nil, applied, err
	}
	want, err := c.expected(applied, w)
	if err != nil {
		return nil, applied, err
	}
	got, err := c.read(w.Files, w.Named, w.Args...)
	if err != nil {
		return nil, applied, err
	}
	if c.spoil != nil {
		c.spoil(applied, got.records)
	}
	if applied.Loses() {
		return lossy(applied, want, got), applied, nil
	}
	return lossless(applied, w, want, got), applied, nil
}
