package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// partial is what the name of a file that is not whole ends in.
const partial = ".part"

// A fileOutlet writes lines to a file. Without limits lines are appended to
// the file of that name. With a limit of size or age they go to NAME.part,
// and a file that is whole is renamed to NAME with the time of its first line
// before the extension, as in events-20260102T150405Z.jsonl.
type fileOutlet struct {
	path    string
	maxSize int64         // bytes; 0: no limit
	maxAge  time.Duration // 0: no limit
	now     func() time.Time

	f     *os.File
	size  int64 // of whole lines
	since time.Time
}

func (o *fileOutlet) rotates() bool { return o.maxSize > 0 || o.maxAge > 0 }

// open opens the file. A part that an earlier run left is made whole first.
func (o *fileOutlet) open() error {
	path := o.path
	if o.rotates() {
		path += partial
		if st, err := os.Stat(path); err == nil && st.Size() > 0 {
			if err := o.adopt(path, st.ModTime()); err != nil {
				return err
			}
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	o.f, o.size, o.since = f, st.Size(), o.now()
	if st.Mode().IsRegular() && o.size > 0 {
		return o.trim()
	}
	return nil
}

// adopt makes a left part whole: a line that was cut in writing is taken off.
func (o *fileOutlet) adopt(path string, at time.Time) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	o.f, o.size = f, st.Size()
	err = errors.Join(o.trim(), f.Close())
	o.f = nil
	if err != nil || o.size == 0 {
		return err
	}
	return o.rename(path, at)
}

// trim takes a last line without its end off the file.
func (o *fileOutlet) trim() error {
	const most = 1 << 20 // no record is so long
	n := min(o.size, most)
	b := make([]byte, n)
	if _, err := o.f.ReadAt(b, o.size-n); err != nil && err != io.EOF {
		return err
	}
	keep := o.size - n + int64(bytes.LastIndexByte(b, '\n')+1)
	if keep == o.size {
		return nil
	}
	if keep == o.size-n && n == most {
		return fmt.Errorf("%s: the last line has no end: is it a file of events?", o.f.Name())
	}
	o.size = keep
	return o.f.Truncate(keep)
}

func (o *fileOutlet) write(lines []byte) (int, bool, error) {
	if o.f == nil {
		if err := o.open(); err != nil {
			return 0, true, err
		}
	}
	take := len(lines)
	if o.maxSize > 0 {
		// As many whole lines as the file may still take, one at least.
		take = wholeLines(lines, int(min(max(o.maxSize-o.size, 0), int64(len(lines)))))
		if take == 0 {
			if o.size > 0 {
				return 0, true, o.rotate()
			}
			take = bytes.IndexByte(lines, '\n') + 1
		}
	}
	n, err := o.f.Write(lines[:take])
	whole := wholeLines(lines, n)
	o.size += int64(whole)
	if whole < n {
		// A full disk in the middle of a line: it is written again later.
		err = errors.Join(err, o.f.Truncate(o.size))
	}
	return whole, true, err
}

// tick ends a file that is old enough.
func (o *fileOutlet) tick() error {
	if o.maxAge <= 0 || o.f == nil || o.now().Sub(o.since) < o.maxAge {
		return nil
	}
	if o.size == 0 {
		o.since = o.now()
		return nil
	}
	return o.rotate()
}

// rotate makes the file whole and begins another.
func (o *fileOutlet) rotate() error {
	if err := o.finish(); err != nil {
		return err
	}
	return o.open()
}

// finish closes the file, and gives it its name if it is one of several.
func (o *fileOutlet) finish() error {
	if o.f == nil {
		return nil
	}
	f := o.f
	o.f = nil
	if !o.rotates() {
		return f.Close()
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if o.size == 0 {
		return os.Remove(f.Name())
	}
	return o.rename(f.Name(), o.since)
}

// rename gives a whole file a name that no other has.
func (o *fileOutlet) rename(from string, at time.Time) error {
	ext := filepath.Ext(o.path)
	base := strings.TrimSuffix(o.path, ext) + "-" + at.UTC().Format("20060102T150405Z")
	for i := 1; i < 1000; i++ {
		to := base + ext
		if i > 1 {
			to = fmt.Sprintf("%s.%d%s", base, i, ext)
		}
		switch _, err := os.Lstat(to); {
		case errors.Is(err, fs.ErrNotExist):
			return os.Rename(from, to)
		case err != nil:
			return err
		}
	}
	return fmt.Errorf("%s: too many files of one second", base+ext)
}

// reopen begins another file; without rotation, that of the same name, which
// may have been moved away.
func (o *fileOutlet) reopen() error {
	if o.rotates() && o.f != nil && o.size == 0 {
		return nil
	}
	return o.rotate()
}

func (o *fileOutlet) close() error { return o.finish() }
