package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rotatedTime is the form of the time in the name of a rotated file.
const rotatedTime = "20060102T150405Z"

// pruneEvery is the time between two looks for files that are too old, beside
// those at each rotation.
const pruneEvery = time.Minute

// A retention says which rotated files are kept: those within each limit. The
// zero value keeps all.
type retention struct {
	files int           // at most so many, 0: no limit
	size  int64         // so many bytes together, 0: no limit
	age   time.Duration // since the last write, 0: no limit
}

// A rotated is a whole file that a fileOutlet made.
type rotated struct {
	path string
	at   time.Time
	n    int // of those of one second
	st   fs.FileInfo
}

// rotatedAt reads the name of a file in the outlet's folder, and reports
// whether it is that of a rotated file.
func (o *fileOutlet) rotatedAt(name string) (at time.Time, n int, ok bool) {
	file := filepath.Base(o.path)
	ext := filepath.Ext(file)
	rest, ok := strings.CutPrefix(name, strings.TrimSuffix(file, ext)+"-")
	if !ok {
		return at, 0, false
	}
	if rest, ok = strings.CutSuffix(rest, ext); !ok {
		return at, 0, false
	}
	stamp, number, numbered := strings.Cut(rest, ".")
	n = 1
	if numbered {
		var err error
		if n, err = strconv.Atoi(number); err != nil || n < 2 || strconv.Itoa(n) != number {
			return at, 0, false
		}
	}
	at, err := time.Parse(rotatedTime, stamp)
	return at, n, err == nil && at.Format(rotatedTime) == stamp
}

// prune removes rotated files that are beyond the limits, the oldest first. A
// file is removed only if its name is one that rename gives and it holds
// events.
func (o *fileOutlet) prune() {
	if (o.keep == retention{}) {
		return
	}
	o.pruned = o.now()
	if err := o.removeOld(); err != nil && !o.told && o.warn != nil {
		o.told = true
		o.warn("%s: old files stay: %v", o.path, err)
	}
}

func (o *fileOutlet) removeOld() error {
	dir := filepath.Dir(o.path)
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var files []rotated
	for _, e := range list {
		at, n, ok := o.rotatedAt(e.Name())
		if !ok {
			continue
		}
		if st, err := e.Info(); err == nil && st.Mode().IsRegular() {
			files = append(files, rotated{filepath.Join(dir, e.Name()), at, n, st})
		}
	}
	slices.SortFunc(files, func(a, b rotated) int { return cmp.Or(b.at.Compare(a.at), cmp.Compare(b.n, a.n)) }) // newest first
	var errs []error
	kept, size := 0, int64(0)
	for _, f := range files {
		size += f.st.Size()
		old := o.keep.age > 0 && o.now().Sub(f.st.ModTime()) > o.keep.age
		if !old && (o.keep.files == 0 || kept < o.keep.files) && (o.keep.size == 0 || size <= o.keep.size) {
			kept++
			continue
		}
		if err := removeEvents(f.path); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// removeEvents removes a file that holds events.
func removeEvents(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil {
		_, err = wholeEvents(f, st.Size())
	}
	_ = f.Close()
	if err != nil {
		return &fs.PathError{Op: "remove", Path: path, Err: err}
	}
	return os.Remove(path)
}

// longestEvent is how long a line of an event file is at most, bytes: what a
// handshake says is bounded by the bytes that are kept of it (128 KiB in each
// direction), and one byte takes six at most.
const longestEvent = 2 << 20

// errNotEvents says that a file was not written by "live -o" or "read -o".
var errNotEvents = errors.New("it holds something else than events, and would be lost: remove it, or name another file")

// wholeEvents returns how many of the first size bytes of f are whole lines of
// events; the last line may lack its end. It fails if the file holds something
// else: it looks at the first line and the last.
func wholeEvents(f io.ReaderAt, size int64) (int64, error) {
	if size == 0 {
		return 0, nil
	}
	n := min(size, longestEvent)
	head, tail := make([]byte, n), make([]byte, n)
	if _, err := f.ReadAt(head, 0); err != nil && err != io.EOF {
		return 0, err
	}
	if _, err := f.ReadAt(tail, size-n); err != nil && err != io.EOF {
		return 0, err
	}
	first, _, ended := bytes.Cut(head, []byte("\n"))
	if ended && !isEvent(first) || !ended && (n < size || !beginsEvent(first)) {
		return 0, errNotEvents
	}
	keep := bytes.LastIndexByte(tail, '\n') + 1
	last := bytes.TrimRight(tail[keep:], "\x00") // what a crash left that the file system had not written
	switch {
	case keep == 0 && n < size, !beginsEvent(last):
		return 0, errNotEvents
	case isEvent(last) && len(last) == len(tail)-keep:
		return size, nil
	}
	return size - n + int64(keep), nil
}

// isEvent reports whether a whole line is a record.
func isEvent(line []byte) bool {
	return bytes.Contains(line, []byte(`"client_ip"`)) && bytes.Contains(line, []byte(`"forward_secrecy"`)) && json.Valid(line)
}

// beginsEvent reports whether a line that was cut, or the lack of one, can be
// the beginning of a record.
func beginsEvent(line []byte) bool {
	for _, begin := range []string{`{"event":"`, `{"time":"`, `{"client_ip":"`} {
		if n := min(len(line), len(begin)); string(line[:n]) == begin[:n] {
			return isEvent(line) || !json.Valid(line)
		}
	}
	return false
}
