// Command pfsight reads packet captures and says which TLS connections in
// them used forward-secret key exchange, which did not, and why.
//
//	files -> capture -> parse -> report -> render -> stdout
//	         who, when   what     what it
//	         and bytes   was said means
package main

import (
	"io"
	"os"
)

// Exit codes.
const (
	exitDone       = 0 // done
	exitNo         = 1 // the answer is no, where that was asked for
	exitFailed     = 2 // could not do it: usage, or nothing readable
	exitIncomplete = 3 // done, but the input was incomplete
)

func main() {
	os.Exit(own(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// own is the program in a process of its own, which gives up the rights that it
// does not need.
func own(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	app := newApp(stdin, stdout, stderr)
	app.own = true
	return app.run(args)
}

// run is the program in a process that does other things too, such as a test:
// it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return newApp(stdin, stdout, stderr).run(args)
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{stdin: stdin, stdout: stdout, stderr: stderr, results: results{w: stdout}, leave: newLeave()}
}

func (app *app) run(args []string) int {
	root := newRoot(app)
	root.SetArgs(append([]string{}, args...)) // nil would mean those of the process
	code := make(chan int, 1)
	go func() {
		defer close(app.leave.over)
		code <- app.execute(root)
	}()
	select {
	case c := <-code:
		return c
	case <-app.leave.now: // by a signal, while it waits for something outside
		if out := app.unfinished.Load(); out != nil {
			_ = out.remove()
		}
		return exitIncomplete
	}
}
