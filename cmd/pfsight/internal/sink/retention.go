package sink

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

// pruneEvery is the time between two checks for files that are too old. Each
// rotation checks too.
const pruneEvery = time.Minute

// Retention says which rotated files are kept: the newest ones within each limit.
// The zero value keeps all.
type Retention struct {
	Files int           // at most; 0: no limit
	Size  int64         // bytes of all together; 0: no limit
	Age   time.Duration // since the last write; 0: no limit
}

// A rotated is a complete file that a fileOutlet made.
type rotated struct {
	path string
	at   time.Time
	n    int // among those of one second
	st   fs.FileInfo
}

// rotatedAt parses the name of a file in the outlet's directory. ok reports
// whether it is the name of a rotated file.
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

// prune removes rotated files beyond the limits, the oldest first. It removes a
// file only if rename could have named it and it holds events.
func (o *fileOutlet) prune() {
	if (o.keep == Retention{}) {
		return
	}
	o.pruned = o.now()
	if err := o.removeOld(); err != nil && !o.warned && o.warn != nil {
		o.warned = true
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
		old := o.keep.Age > 0 && o.now().Sub(f.st.ModTime()) > o.keep.Age
		if !old && (o.keep.Files == 0 || kept < o.keep.Files) && (o.keep.Size == 0 || size <= o.keep.Size) {
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

// longestEvent is the maximum length of a line of an event file, bytes: the
// tracker keeps at most 128 KiB of a handshake in each direction, and JSON
// escapes one byte in at most six.
const longestEvent = 2 << 20

// errNotEvents means that neither "live -o" nor "read -o" wrote a file.
var errNotEvents = errors.New("it holds something else than events, and would be lost: remove it, or name another file")

// wholeEvents returns how many of the first size bytes of f are whole events. The
// last line may lack its newline. It fails if the first or the last line is not
// an event.
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
	last := bytes.TrimRight(tail[keep:], "\x00") // a crash may leave zero bytes at the end
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

// beginsEvent reports whether line, which may be cut or empty, can be the
// beginning of a record.
func beginsEvent(line []byte) bool {
	for _, begin := range []string{`{"event":"`, `{"time":"`, `{"client_ip":"`} {
		if n := min(len(line), len(begin)); string(line[:n]) == begin[:n] {
			return isEvent(line) || !json.Valid(line)
		}
	}
	return false
}
