package process

import (
	"fmt"
	"io"
	"sync/atomic"

	"pfsight/report/render"
)

// Exit codes.
const (
	ExitDone       = 0 // done
	ExitNo         = 1 // the answer is no, where --fail-on asked
	ExitFailed     = 2 // wrong usage, or nothing readable
	ExitIncomplete = 3 // done, but the input was incomplete
)

// A Process is one run of the program. New makes one.
type Process struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Code           int // the exit code so far

	results, messages blockage // of writers of results and messages
	abort             chan struct{}
	aborting          atomic.Bool
	over              chan struct{} // closed when the command has ended
	signalled         atomic.Bool   // SIGINT or SIGTERM came
	cleanup           atomic.Pointer[func()]
}

// New returns a Process with these streams.
func New(stdin io.Reader, stdout, stderr io.Writer) *Process {
	return &Process{Stdin: stdin, Stdout: stdout, Stderr: stderr, abort: make(chan struct{}), over: make(chan struct{})}
}

// Run runs command and returns its exit code. After a signal it returns
// ExitIncomplete without command if a stream blocks: see OnSignal.
func (p *Process) Run(command func() int) int {
	code := make(chan int, 1)
	go func() {
		defer close(p.over)
		code <- command()
	}()
	select {
	case c := <-code:
		return c
	case <-p.abort:
		if f := p.cleanup.Load(); f != nil {
			(*f)()
		}
		return ExitIncomplete
	}
}

// OnAbort sets what Run calls when it returns without the command, such as the
// removal of a temporary file.
func (p *Process) OnAbort(f func()) { p.cleanup.Store(&f) }

// Warn writes a message of one line to standard error. Names of files are as
// hostile as their content: render.Message quotes them.
func (p *Process) Warn(format string, args ...any) {
	Message(p.Messages(), format, args...)
}

// Message writes a message of one line to w.
func Message(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, "pfsight: %s\n", render.Message(fmt.Sprintf(format, args...)))
}

// A UsageError is an error in how the program was called.
type UsageError struct{ error }

// Unwrap returns the error itself.
func (e UsageError) Unwrap() error { return e.error }

// Usage makes err a UsageError.
func Usage(err error) error { return UsageError{err} }

// Usagef formats a UsageError as fmt.Errorf does.
func Usagef(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }
