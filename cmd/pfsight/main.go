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
	"runtime/debug"
)

// Exit codes.
const (
	exitDone       = 0 // done
	exitNo         = 1 // the answer is no, where that was asked for
	exitFailed     = 2 // could not do it: usage, or nothing readable
	exitIncomplete = 3 // done, but the input was incomplete
)

// gcPercent makes the collector a little more eager than by default: of what
// hostile traffic makes most is garbage at once.
const gcPercent = 70

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program: it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	app := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := newRoot(app)
	root.SetArgs(append([]string{}, args...)) // nil would mean those of the process
	return app.execute(root)
}
