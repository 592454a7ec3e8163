package output

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

	"pfsight/cmd/pfsight/internal/process"
)

// A File is the destination of one result. A result for a regular file is
// written to a temporary file in the same directory. When it is whole and on
// the disk, it replaces the old file. Until then, and after any error, the old
// file stays as it is.
type File struct {
	path string      // of the file, symbolic links resolved
	old  os.FileInfo // the file that is replaced; nil: none
	w    io.Writer   // for standard output and other files that are not regular
	own  io.Closer   // w, if Open opened it

	temp    *os.File   // made by the first Write
	mu      sync.Mutex // guards made and ended: Remove may run beside Write
	made    string     // the name of the temporary file; "": none
	ended   bool       // no temporary file is made or renamed any more
	inPlace bool       // the file itself is written
	warn    func(format string, args ...any)
}

// Options are the options of Open.
type Options struct {
	// Stream writes the file in place while the result is produced, for a
	// reader that waits for rows.
	Stream bool
	// Warn takes a message for the operator.
	Warn func(format string, args ...any)
}

// Open prepares to write a result to path, and fails if that is not possible.
// It neither changes nor truncates an existing file. A file that is not
// regular, such as a device or a FIFO, is written directly.
func Open(p *process.Process, path string, opt Options) (*File, error) {
	o := &File{path: path, inPlace: opt.Stream, warn: opt.Warn}
	st, err := os.Stat(path)
	if err == nil {
		if w := standard(p, st); w != nil { // /dev/stdout
			o.w = w
			return o, nil
		}
		// The file must be writable, as if it were written in place. A device
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
	if o.path, open, err = Resolve(path); err != nil {
		return nil, err
	}
	o.inPlace = o.inPlace || open
	if o.inPlace && o.old != nil {
		return o, nil
	}
	// The directory must accept a new file.
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

// standard returns the stream of the program that st describes, or nil.
func standard(p *process.Process, st os.FileInfo) io.Writer {
	for _, w := range []io.Writer{p.Stdout, p.Stderr} {
		if f, ok := w.(*os.File); ok {
			if own, err := f.Stat(); err == nil && os.SameFile(st, own) && !nullDevice(st) {
				return f
			}
		}
	}
	return nil
}

// nullDevice reports whether st is /dev/null. Any stream may be that too.
func nullDevice(st os.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(st, null)
}

// maxLinks is how many symbolic links Resolve follows, as in Linux.
const maxLinks = 40

// Resolve follows symbolic links to the file that path names, which need not
// exist. open reports whether path leads through the open files of a process,
// as /dev/fd/3 does: then the open file must be written, not replaced.
func Resolve(path string) (file string, open bool, err error) {
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

// create makes the temporary file with the permissions of the file that it
// will replace.
func (o *File) create() (*os.File, error) {
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
func (o *File) Write(p []byte) (int, error) {
	if o.w != nil {
		return o.w.Write(p)
	}
	if err := o.begin(); err != nil {
		return 0, err
	}
	return o.temp.Write(p)
}

// begin opens the file that is written.
func (o *File) begin() (err error) {
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

// Remove removes the temporary file and discards the result.
func (o *File) Remove() error {
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

// replace renames the temporary file, which is whole, to its final name.
func (o *File) replace() error {
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

// Finish ends the result. If failed, the old file stays.
func (o *File) Finish(failed bool) error {
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
		return errors.Join(o.temp.Close(), o.Remove())
	}
	if err := o.begin(); err != nil { // an empty result is a result
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
		if o.old != nil && !errors.Is(err, fs.ErrClosed) { // a bind mount of one file, for example
			o.warn("-o %s is written in place: %v", o.path, err)
			err = copyOver(o.path, o.temp.Name())
		}
	}
	return errors.Join(err, o.Remove())
}

// synced flushes f to the disk. A file system that does not support that is not
// an error.
func synced(f *os.File) error {
	if err := f.Sync(); err != nil && !notSupported(err) {
		return err
	}
	return nil
}

// syncFolder flushes a new name to the disk, where the system supports that.
func syncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// copyOver overwrites the file to with the content of the file from.
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
