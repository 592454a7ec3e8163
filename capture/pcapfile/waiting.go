package pcapfile

import (
	"errors"
	"io"
	"os"
	"sync"
)

// errStopped says that Options.Stop was closed during a wait for an input. It
// is not a Problem of the input.
var errStopped = errors.New("the reading was stopped")

// A waiting reads an input that may block, such as a pipe, and gives up when
// stop is closed. An abandoned read may still write to its slice, which the
// caller must not use again.
type waiting struct {
	in   io.Reader
	stop <-chan struct{}
	ask  chan []byte
	got  chan result
	end  sync.Once
	dead bool // a read was abandoned
}

type result struct {
	n   int
	err error
}

// newWaiting starts a goroutine that reads in. It ends with close, or with the
// abandoned read.
func newWaiting(in io.Reader, stop <-chan struct{}) *waiting {
	w := &waiting{in: in, stop: stop, ask: make(chan []byte), got: make(chan result, 1)}
	go func() {
		for p := range w.ask {
			n, err := in.Read(p)
			w.got <- result{n, err}
		}
	}()
	return w
}

func (w *waiting) Read(p []byte) (int, error) {
	if w.dead {
		return 0, errStopped
	}
	select {
	case <-w.stop:
		w.dead = true
		return 0, errStopped
	case w.ask <- p:
	}
	select {
	case r := <-w.got:
		return r.n, r.err
	case <-w.stop:
		w.dead = true
		return 0, errStopped
	}
}

func (w *waiting) close() { w.end.Do(func() { close(w.ask) }) }

// openWaiting opens a file. Opening a named pipe blocks until it has a writer.
// If stop is closed before that, it returns errStopped.
func openWaiting(name string, stop <-chan struct{}) (*os.File, error) {
	if st, err := os.Stat(name); stop == nil || err != nil || st.Mode()&os.ModeNamedPipe == 0 {
		return os.Open(name)
	}
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := os.Open(name)
		done <- opened{f, err}
	}()
	select {
	case o := <-done:
		return o.f, o.err
	case <-stop:
		return nil, errStopped
	}
}

// regular reports whether in is a regular file, whose reads do not block.
func regular(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode().IsRegular()
}
