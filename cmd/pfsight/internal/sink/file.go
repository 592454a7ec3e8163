package sink

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pfsight/cmd/pfsight/internal/confine"
)

// partial is the suffix of a file that is still being written.
const partial = ".part"

// A fileOutlet writes lines to a file. Without limits it appends to the file of
// that name. With a limit of size or age it writes NAME.part. A complete file is
// renamed to NAME with the time of its first line before the extension, as in
// events-20260102T150405Z.jsonl. A file that holds anything but events is
// refused.
type fileOutlet struct {
	path    string
	maxSize int64         // bytes; 0: no limit
	maxAge  time.Duration // 0: no limit
	keep    Retention     // of complete files
	now     func() time.Time
	warn    func(format string, args ...any) // about files that cannot be removed

	f      *os.File
	size   int64 // of whole lines
	since  time.Time
	pruned time.Time // when complete files were last checked
	warned bool      // that one cannot be removed
}

func (o *fileOutlet) rotates() bool { return o.maxSize > 0 || o.maxAge > 0 }

// open opens the file. It first completes a part that an earlier run left.
func (o *fileOutlet) open() error {
	path := o.path
	if o.rotates() {
		path += partial
		o.prune()
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
		if err := o.trim(); err != nil {
			o.f = nil
			return errors.Join(err, f.Close())
		}
	}
	return nil
}

// adopt completes a part that an earlier run left: it removes a line that was cut.
func (o *fileOutlet) adopt(path string, at time.Time) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
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

// trim removes an incomplete last line, if the file holds events.
func (o *fileOutlet) trim() error {
	whole, err := wholeEvents(o.f, o.size)
	if err != nil {
		return fmt.Errorf("%s: %w", o.f.Name(), err)
	}
	if whole < o.size {
		o.size = whole
		return o.f.Truncate(whole)
	}
	var last [1]byte
	if _, err := o.f.ReadAt(last[:], whole-1); err != nil || last[0] == '\n' {
		return err
	}
	n, err := o.f.Write([]byte("\n")) // at the end
	o.size += int64(n)
	return err
}

func (o *fileOutlet) write(lines []byte) (int, bool, error) {
	if o.f == nil {
		if err := o.open(); err != nil {
			return 0, true, err
		}
	}
	take := len(lines)
	if o.maxSize > 0 {
		// As many whole lines as the limit allows, at least one.
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
		// The disk became full within a line: the line is written again later.
		err = errors.Join(err, o.f.Truncate(o.size))
	}
	if whole == 0 && tooBig(err) && o.rotates() { // the limit of RLIMIT_FSIZE
		if o.size == 0 {
			return 0, true, lineError{err}
		}
		return 0, true, o.rotate()
	}
	return whole, true, err
}

// tick ends a file that is old enough.
func (o *fileOutlet) tick() error {
	if o.keep.Age > 0 && o.now().Sub(o.pruned) >= pruneEvery {
		o.prune()
	}
	if o.maxAge <= 0 || o.f == nil || o.now().Sub(o.since) < o.maxAge {
		return nil
	}
	if o.size == 0 {
		o.since = o.now()
		return nil
	}
	return o.rotate()
}

// rotate completes the file and begins another.
func (o *fileOutlet) rotate() error {
	if err := o.finish(); err != nil {
		return err
	}
	return o.open()
}

// finish closes the file and, with rotation, renames it.
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
	err := o.rename(f.Name(), o.since)
	o.prune()
	return err
}

// rename gives a complete file a name that is free.
func (o *fileOutlet) rename(from string, at time.Time) error {
	ext := filepath.Ext(o.path)
	base := strings.TrimSuffix(o.path, ext) + "-" + at.UTC().Format(rotatedTime)
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

// reopen begins another file. Without rotation it opens the same name again,
// which logrotate may have renamed.
func (o *fileOutlet) reopen() error {
	if o.rotates() && o.f != nil && o.size == 0 {
		return nil
	}
	return o.rotate()
}

func (o *fileOutlet) close() error { return o.finish() }

// needs implements outlet: a regular file is replaced in its directory.
func (o *fileOutlet) needs(n *confine.Needs) {
	if o.regular() {
		n.Write = append(n.Write, filepath.Dir(o.path))
	} else {
		n.Open = append(n.Open, o.path)
	}
}

// regular reports whether the file is a regular one.
func (o *fileOutlet) regular() bool {
	if o.f == nil {
		return false
	}
	st, err := o.f.Stat()
	return err == nil && st.Mode().IsRegular()
}

// checkDir makes a file in the directory of the file and removes it.
func (o *fileOutlet) checkDir() error {
	f, err := os.CreateTemp(filepath.Dir(o.path), ".pfsight-*")
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if err != nil {
		return fmt.Errorf("without these rights no file can be made beside %s, as is needed for the next one: %w", o.path, err)
	}
	return nil
}
