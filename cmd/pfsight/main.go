package main

import (
	"context"
	"io"
	"os"

	"pfsight/cmd/pfsight/internal/output"
	"pfsight/cmd/pfsight/internal/process"
)

// Exit codes.
const (
	exitDone       = process.ExitDone
	exitNo         = process.ExitNo
	exitFailed     = process.ExitFailed
	exitIncomplete = process.ExitIncomplete
)

func main() {
	os.Exit(own(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// own runs the program in a process that does nothing else, and so may give up
// the rights that it does not need. It returns the exit code.
func own(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	app := newApp(stdin, stdout, stderr)
	app.own = true
	return app.run(args)
}

// run runs the program in a process that does other things too, such as a test. It
// returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return newApp(stdin, stdout, stderr).run(args)
}

func (a *app) run(args []string) int {
	output.IgnoreSizeSignal()
	root := newRoot(a)
	root.SetArgs(append([]string{}, args...)) // nil would mean os.Args
	return a.Run(func() int { return a.execute(context.Background(), root) })
}
