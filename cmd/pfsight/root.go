package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"pfsight/report/render"
	"pfsight/report/where"
)

// An app is one run of the program: its streams and its exit code.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	results        results // what is not asked of stdout directly, as whether it is a terminal
	code           int
	own            bool // the process is this run alone, and may give up rights

	resultHold, messageHold holdup // of what writes results and messages
	leave                   *leave
	signalled               atomic.Bool            // SIGINT or SIGTERM came
	unfinished              atomic.Pointer[output] // what is written to; nil: no file
}

// results is standard output. It keeps the first error of writing, which many
// writers, such as those of help texts, pass over.
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

// warn tells the operator something in one line; it never goes to stdout.
// Names of files are as hostile as what is in them.
func (a *app) warn(format string, args ...any) {
	fmt.Fprintf(a.messageTo(), "pfsight: %s\n", render.Message(fmt.Sprintf(format, args...)))
}

// usageError is an error of how the program was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (a *app) execute(root *cobra.Command) int {
	cmd, err := root.ExecuteC()
	if err == nil && a.results.err != nil {
		err = fmt.Errorf("writing the result: %w", a.results.err)
	}
	switch {
	case err == nil:
		return a.code
	case errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		return exitDone // the reader, such as head, has what it wanted
	}
	for _, line := range messages(err) {
		a.warn("%s", line)
	}
	if errors.As(err, &usageError{}) || strings.HasPrefix(err.Error(), "unknown command") {
		fmt.Fprintf(a.messageTo(), "Try '%s --help'.\n", cmd.CommandPath())
	}
	return exitFailed
}

// messages returns the lines that tell of err. A joined error has one for each
// of its parts. Only errors that show a place in an argument, and those of the
// command tree, have several lines; a newline in any other error comes from a
// file's name or content, and stays inside of its line.
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

func newRoot(a *app) *cobra.Command {
	read := newRead(a)
	root := &cobra.Command{
		Use:   "pfsight [flags] FILE|DIR|- ...",
		Short: "Which TLS connections were forward secret, which were not, and why",
		Long: `pfsight reads packet captures, follows the TLS handshakes in them, and says
which connections used forward-secret key exchange, which did not, and why.

It reads pcap and pcapng, plain or compressed (gzip, zstd, xz, lz4), from
files, folders and standard input (-), in capture-time order. Records that it
saved with --format jsonl or json are an input like a capture.

"pfsight FILE" is the same as "pfsight read FILE".`,
		Example: `  pfsight capture.pcap
  pfsight --connections capture.pcap.gz
  pfsight --format jsonl -f 'tcp port 443' captures/ > connections.jsonl
  pfsight connections.jsonl
  pfsight explain rsa_key_transport`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := read.RunE(cmd, args)
			if len(args) > 0 && errors.Is(err, fs.ErrNotExist) { // a command, mistyped, is taken for a file
				if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
					err = errors.Join(err, fmt.Errorf("did you mean pfsight %s?", near[0]))
				}
			}
			return err
		},
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),

		SuggestionsMinimumDistance: 2,
	}
	root.SetIn(a.stdin)
	root.SetOut(&a.results)
	root.SetErr(messageLines{a.stderr})
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.Flags().AddFlagSet(read.Flags())
	root.Flags().SortFlags, read.Flags().SortFlags = false, false
	root.AddCommand(read, newLive(a), newImpact(a), newDiff(a), newPolicies(a), newExplain(a), newInterfaces(a), newLicenses(a), newMan())
	complete(root)
	root.SetVersionTemplate("pfsight {{.Version}}\n")
	setHelp(a, root)
	return root
}
