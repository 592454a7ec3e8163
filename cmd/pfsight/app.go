package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pfsight/cmd/pfsight/internal/analyze"
	"pfsight/cmd/pfsight/internal/confine"
	"pfsight/cmd/pfsight/internal/output"
	"pfsight/cmd/pfsight/internal/process"
	"pfsight/report/render"
	"pfsight/report/suggest"
	"pfsight/report/where"
)

// An app is one run of the program.
type app struct {
	*process.Process
	results results // writes to Stdout
	own     bool    // the process may give up rights
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{Process: process.New(stdin, stdout, stderr), results: results{w: stdout}}
}

// results is standard output. It keeps the first error of a write: some writers,
// such as those of help texts, ignore it.
type results struct {
	w   io.Writer
	err error
}

func (r *results) Write(p []byte) (int, error) {
	n, err := r.w.Write(p)
	if r.err == nil {
		r.err = err
	}
	return n, err
}

// messageLines is standard error for a library that writes messages itself.
type messageLines struct{ w io.Writer }

func (m messageLines) Write(p []byte) (int, error) {
	lines := strings.Split(string(p), "\n")
	for i := range lines {
		lines[i] = render.Message(lines[i])
	}
	if _, err := io.WriteString(m.w, strings.Join(lines, "\n")); err != nil {
		return 0, err
	}
	return len(p), nil
}

// usagef formats an error in how the program was called.
func usagef(format string, args ...any) error { return process.Usagef(format, args...) }

// execute runs the command that the arguments name, writes its error, and returns
// the exit code.
func (a *app) execute(ctx context.Context, root *cobra.Command) int {
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil && a.results.err != nil {
		err = fmt.Errorf("writing the result: %w", a.results.err)
	}
	switch {
	case err == nil:
		return a.Code
	case errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		return exitDone // the reader, such as head, has what it wanted
	}
	for _, line := range messages(err) {
		a.Warn("%s", line)
	}
	if errors.As(err, &process.UsageError{}) || strings.HasPrefix(err.Error(), "unknown command") {
		fmt.Fprintf(a.Messages(), "Try '%s --help'.\n", cmd.CommandPath())
	}
	return exitFailed
}

// messages returns the lines of the message for err. A joined error has one for
// each of its parts. Only errors that point into an argument, and those of the
// command tree, have several lines. A newline in any other error comes from the
// name or the content of a file, and stays within its line.
func messages(err error) []string {
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		var lines, texts []string
		for _, part := range e.Unwrap() {
			lines, texts = append(lines, messages(part)...), append(texts, part.Error())
		}
		if strings.Join(texts, "\n") == err.Error() {
			return lines
		}
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil && inner.Error() == err.Error() {
			return messages(inner)
		}
	}
	if errors.As(err, new(*where.Error)) || strings.HasPrefix(err.Error(), "unknown command") {
		return strings.Split(err.Error(), "\n")
	}
	return []string{err.Error()}
}

// flagError adds to the error of an unknown flag the flag of cmd that was probably
// meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || len(unknown.GetSpecifiedName()) < 2 {
		return process.Usage(err)
	}
	name := unknown.GetSpecifiedName()
	best, least := "", len(name)/3+1 // a third of the name may differ
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := suggest.Distance(name, f.Name); !f.Hidden && d < least {
			best, least = f.Name, d
		}
	})
	if best == "" {
		return process.Usage(err)
	}
	return process.Usage(fmt.Errorf("%w; did you mean --%s?", err, best))
}

// confineReading gives up what reading files and writing result does not need,
// unless keep is set or the process is not the program's own.
func (a *app) confineReading(result string, keep bool) {
	if !a.own || keep {
		return
	}
	a.own = false // once is enough
	if result == "" || result == "-" {
		confine.Reading("", false)
		return
	}
	path, direct, err := output.Resolve(result)
	if err != nil {
		path = result
	}
	confine.Reading(path, direct)
}

// conclude writes the messages of an analysis and sets the exit code.
func (a *app) conclude(res *analyze.Result, quiet bool) {
	switch res.Status {
	case analyze.Incomplete:
		a.Code = exitIncomplete
	case analyze.Unreadable:
		a.Code = exitFailed
	}
	if quiet {
		return
	}
	for _, m := range res.Messages {
		a.Warn("%s", m)
	}
}

// fails sets the exit code of an answer that --fail-on asked for, and explains it.
func (a *app) fails(quiet bool, format string, args ...any) {
	if a.Code = exitNo; !quiet {
		a.Warn("%s", fmt.Sprintf(format, args...))
	}
}
