package pcapfile

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sort"
	"sync"
	"time"
)

// pollEvery is how often a growing file is checked for more bytes, and its
// folder for a new file.
const pollEvery = 100 * time.Millisecond

// A follower finds the files of a growing capture, in order, each once.
type follower struct {
	recursive bool
	stop      <-chan struct{}

	mu    sync.Mutex
	dirs  []string
	seen  map[string]bool
	queue []input
}

func newFollower(paths []string, opt Options) (*follower, []Problem) {
	f := &follower{recursive: opt.Recursive, stop: opt.Stop, seen: map[string]bool{}}
	var bad []Problem
	for _, p := range paths {
		if p == "-" {
			f.queue = append(f.queue, input{name: p})
			continue
		}
		st, err := os.Stat(p)
		switch {
		case err != nil:
			bad = append(bad, Problem{p, cause(err), true})
		case st.IsDir():
			f.dirs = append(f.dirs, p)
		case !f.seen[p]:
			f.seen[p] = true
			f.queue = append(f.queue, input{name: p})
		}
	}
	f.scan()
	return f, bad
}

// scan appends new files of the folders to the queue, sorted by name as
// rotation names them, and reports whether the queue has any.
func (f *follower) scan() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []string
	for _, dir := range f.dirs {
		in := folderNames(dir, f.recursive)
		for _, p := range in {
			if !f.seen[p] {
				f.seen[p] = true
				found = append(found, p)
			}
		}
	}
	sort.Strings(found)
	for _, p := range found {
		f.queue = append(f.queue, input{name: p, found: true})
	}
	return len(f.queue) > 0
}

// folderNames lists the regular files of a folder. It does not open them,
// because a new file may still be empty. A folder that cannot be read now may
// become readable.
func folderNames(dir string, recursive bool) []string {
	var out []string
	v := visit{
		recursive: recursive,
		file:      func(path string, _ os.FileInfo) { out = append(out, path) },
		fault:     func(string, error) {},
	}
	v.folder(dir)
	return out
}

// next waits for the next file. It returns false if following was stopped, or
// if nothing more can come.
func (f *follower) next() (input, bool) {
	for {
		f.mu.Lock()
		if len(f.queue) > 0 {
			i := f.queue[0]
			f.queue = f.queue[1:]
			f.mu.Unlock()
			return i, true
		}
		more := len(f.dirs) > 0
		f.mu.Unlock()
		if !more || !f.wait() {
			return input{}, false
		}
		f.scan()
	}
}

// wait returns false if following was stopped.
func (f *follower) wait() bool {
	select {
	case <-f.stop:
		return false
	case <-time.After(pollEvery):
		return true
	}
}

// errRewritten says that the writer of a followed file truncated it or
// replaced its content.
var errRewritten = errors.New("the file was truncated or overwritten while it was read; it is read again from its beginning, and what was not read before is lost")

// headKept is how many bytes of the beginning of a file are kept, to detect a
// replaced content.
const headKept = 256

// A tail reads a growing file. At the end of the file it waits for more bytes,
// until the next file exists or following is stopped.
type tail struct {
	in   io.Reader
	f    *follower
	file *os.File // in, if it is a regular file; else nil
	off  int64    // bytes read
	head []byte   // the first bytes read, up to headKept
}

func (t *tail) Read(p []byte) (int, error) {
	for {
		n, err := t.read(p)
		if n > 0 || err != io.EOF {
			return n, err
		}
		newer := t.replaced() || t.f.scan()
		last := newer || !t.f.wait()
		if t.rewritten() { // the bytes after those read belong to other content
			return 0, errRewritten
		}
		if last {
			// Read what was written before the next file began.
			if n, err = t.read(p); n == 0 && err == nil {
				err = io.EOF
			}
			return n, err
		}
	}
}

func (t *tail) read(p []byte) (int, error) {
	n, err := t.in.Read(p)
	t.off += int64(n)
	if room := headKept - len(t.head); room > 0 && t.file != nil {
		t.head = append(t.head, p[:min(n, room)]...)
	}
	return n, err
}

// rewritten reports whether the file no longer starts with the bytes read from
// it. It checks the length and the beginning only.
func (t *tail) rewritten() bool {
	if t.file == nil {
		return false
	}
	st, err := t.file.Stat()
	if err != nil {
		return false
	}
	if st.Size() < t.off {
		return true
	}
	now := make([]byte, len(t.head))
	n, err := t.file.ReadAt(now, 0)
	return err == nil && !bytes.Equal(now[:n], t.head)
}

// replaced reports whether the file's name refers to another file now, and
// queues that file.
func (t *tail) replaced() bool {
	if t.file == nil {
		return false
	}
	mine, err := t.file.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(t.file.Name())
	if err != nil || !now.Mode().IsRegular() || os.SameFile(mine, now) {
		return false
	}
	t.f.again(t.file.Name())
	return true
}

// again puts a file at the front of the queue.
func (f *follower) again(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append([]input{{name: name}}, f.queue...)
}
