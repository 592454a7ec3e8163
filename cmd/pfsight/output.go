package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// An output is where one result goes. A result for a regular file is written
// to a temporary file beside it, which takes its place when it is whole and on
// the disk: until then, and on any error, the old file stays as it is.
type output struct {
	path string      // of the file, symbolic links resolved
	old  os.FileInfo // the file that is replaced; nil: none
	w    io.Writer   // set for standard output, and for what is no regular file
	own  io.Closer   // w, if it was opened here

	temp    *os.File   // made by the first Write
	mu      sync.Mutex // of made and ended, where the program leaves while it is written
	made    string     // the name of the temporary file; "": none
	ended   bool       // no temporary file is made, or renamed, any more
	inPlace bool       // the file itself is written: no file can be made beside it, or whoever reads it waits for rows
	warn    func(format string, args ...any)
}

// openOutput prepares to write a result to path, and fails if that is not
// possible. The file that is there is neither changed nor cut. What is no
// regular file, such as a device or a FIFO, is written to directly.
// With stream the file is written in place as the result comes.
func openOutput(a *app, path string, stream bool, warn func(string, ...any)) (*output, error) {
	o := &output{path: path, inPlace: stream, warn: warn}
	st, err := os.Stat(path)
	if err == nil {
		if w := a.standard(st); w != nil { // /dev/stdout
			o.w = w
			return o, nil
		}
		// It has to be writable, as if it were written in place. A device
		// keeps what it was given, so it is opened once.
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		if !st.Mode().IsRegular() {
			o.w, o.own = f, f
			return o, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
		o.old = st
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var open bool
	if o.path, open, err = resolve(path); err != nil {
		return nil, err
	}
	o.inPlace = o.inPlace || open
	if o.inPlace && o.old != nil {
		return o, nil
	}
	// The folder has to take a file.
	f, err := o.create()
	switch {
	case err == nil:
		_ = f.Close() // nothing was written
		return o, os.Remove(f.Name())
	case o.old != nil && (errors.Is(err, fs.ErrPermission) || readOnly(err)):
		o.warn("-o %s is written in place, and not kept if this fails: %v", path, err)
		o.inPlace = true
		return o, nil
	}
	return nil, err
}

// standard returns the stream of the program that st describes, nil for none.
func (a *app) standard(st os.FileInfo) io.Writer {
	for _, w := range []io.Writer{a.stdout, a.stderr} {
		if f, ok := w.(*os.File); ok {
			if own, err := f.Stat(); err == nil && os.SameFile(st, own) && !nullDevice(st) {
				return f
			}
		}
	}
	return nil
}

// nullDevice reports whether st may be /dev/null, which any stream may be.
func nullDevice(st os.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(st, null)
}

// maxLinks is how many symbolic links lead to an output at most, as in Linux.
const maxLinks = 40

// resolve follows symbolic links to the file that path names, which need not
// exist. open reports that the way leads through the open files of a process,
// such as /dev/fd/3: whoever opened it wants that file, not another in its
// place.
func resolve(path string) (file string, open bool, err error) {
	for range maxLinks {
		st, err := os.Lstat(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", false, err
		}
		if err != nil || st.Mode()&fs.ModeSymlink == 0 {
			return path, open, nil
		}
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return "", false, err
		}
		if strings.HasPrefix(dir, "/proc/") && filepath.Base(dir) == "fd" {
			return path, true, nil
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", false, err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(dir, to)
		}
		path = to
	}
	return "", false, fmt.Errorf("%s: too many symbolic links", path)
}

// create makes the temporary file, with the rights of the file that it will
// replace.
func (o *output) create() (*os.File, error) {
	dir, name := filepath.Split(o.path)
	perm := fs.FileMode(0o666)
	if o.old != nil {
		perm = o.old.Mode().Perm()
	}
	for range 1000 {
		f, err := os.OpenFile(fmt.Sprintf("%s.%.200s.pfsight-%08x", dir, name, rand.Uint32()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		switch {
		case errors.Is(err, fs.ErrExist):
			continue
		case err != nil:
			return nil, err
		}
		if o.old != nil {
			keepOwner(f, o.old)
			if err := f.Chmod(perm); err != nil {
				return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
			}
		}
		return f, nil
	}
	return nil, fmt.Errorf("%s: no name is free for a temporary file", o.path)
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	if o.w != nil {
		return o.w.Write(p)
	}
	if err := o.begin(); err != nil {
		return 0, err
	}
	return o.temp.Write(p)
}

// begin opens the file that is written.
func (o *output) begin() (err error) {
	switch {
	case o.temp != nil:
	case o.inPlace:
		o.temp, err = os.OpenFile(o.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	default:
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.ended {
			return fs.ErrClosed
		}
		if o.temp, err = o.create(); err == nil {
			o.made = o.temp.Name()
		}
	}
	return err
}

// remove removes the temporary file. The result is given up.
func (o *output) remove() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	if o.made == "" {
		return nil
	}
	err := os.Remove(o.made)
	o.made = ""
	return err
}

// replace gives the temporary file, which is whole, its name.
func (o *output) replace() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return fs.ErrClosed
	}
	if err := os.Rename(o.made, o.path); err != nil {
		return err
	}
	o.made = ""
	syncFolder(filepath.Dir(o.path))
	return nil
}

// finish ends the result. With an error, or where nothing could be read, the
// old file stays.
func (o *output) finish(failed bool) error {
	if o.w != nil {
		if o.own != nil {
			return o.own.Close()
		}
		return nil
	}
	if failed {
		if o.temp == nil {
			return nil
		}
		return errors.Join(o.temp.Close(), o.remove())
	}
	if err := o.begin(); err != nil { // an empty result is one too
		return err
	}
	err := errors.Join(synced(o.temp), o.temp.Close())
	if o.inPlace {
		return err
	}
	if err == nil {
		if err = o.replace(); err == nil {
			return nil
		}
		if o.old != nil && !errors.Is(err, fs.ErrClosed) { // such as a file that is mounted by itself
			o.warn("-o %s is written in place: %v", o.path, err)
			err = copyOver(o.path, o.temp.Name())
		}
	}
	return errors.Join(err, o.remove())
}

// synced brings f to the disk; a file system that cannot do that is no error.
func synced(f *os.File) error {
	if err := f.Sync(); err != nil && !notSupported(err) {
		return err
	}
	return nil
}

// syncFolder brings a new name to the disk, where the system can do that.
func syncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// copyOver writes what is in the file from over the file to.
func copyOver(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, synced(out), out.Close())
}
