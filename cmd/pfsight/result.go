package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"pfsight/capture/pcapfile"
	"pfsight/cmd/pfsight/internal/analyze"
	"pfsight/cmd/pfsight/internal/output"
	"pfsight/report"
)

// sum reads the inputs of o and returns the sum of their rows, beginning with an
// empty one.
func sum[S analyze.Summable[S]](ctx context.Context, a *app, o *inputOptions, empty func() S) (s S, in report.Input, err error) {
	ctx, stop := a.Interruptible(ctx)
	defer stop()
	o.Fingerprints = true
	run, err := analyze.Open(ctx, o.Options)
	if err != nil {
		return s, in, err
	}
	defer run.Close()
	p := startProgress(a, o, run)
	s, res, err := analyze.Sum(run, empty)
	p.stop()
	if err != nil {
		return s, in, err
	}
	a.conclude(res, o.quiet)
	return s, res.Input, nil
}

// show opens the output, writes the result with write, and closes it.
func (a *app) show(o *inputOptions, write func(w io.Writer) error) error {
	w, finish, err := o.open(a)
	if err != nil {
		return err
	}
	return finish(write(a.Result(w)))
}

// open opens the output. finish ends it and is given the error of the result: then,
// or if nothing could be read, an old file stays as it is.
func (o *inputOptions) open(a *app) (w io.Writer, finish func(error) error, err error) {
	if o.output == "" {
		return &a.results, func(err error) error { return err }, nil
	}
	warn := func(format string, args ...any) {
		if !o.quiet {
			a.Warn(format, args...)
		}
	}
	var out *output.File
	a.Blocking(func() { out, err = output.Open(a.Process, o.output, output.Options{Stream: o.stream, Warn: warn}) })
	if err != nil {
		return nil, nil, fmt.Errorf("writing the result: %w", err)
	}
	a.OnAbort(func() { _ = out.Remove() })
	return out, func(err error) error {
		if e := out.Finish(err != nil || a.Code == exitFailed); e != nil {
			err = errors.Join(err, fmt.Errorf("writing the result: %w", e))
		}
		return err
	}, nil
}

// checkOutput rejects an output that would destroy an input, or that cannot be
// written, before the inputs are read.
func (o *inputOptions) checkOutput() error {
	if o.output == "" {
		return nil
	}
	out, err := os.Stat(o.output)
	if err != nil {
		return nil // it does not exist yet
	}
	if out.IsDir() {
		return usagef("-o %s: is a directory", o.output)
	}
	if !out.Mode().IsRegular() {
		return nil
	}
	for _, p := range o.Paths {
		if in, err := os.Stat(p); err == nil && os.SameFile(in, out) {
			return usagef("-o %s: this is an input, and would be lost", o.output)
		}
	}
	if f, err := os.Open(o.output); err == nil { // it may be in a directory that is read
		defer f.Close()
		if r, err := pcapfile.NewReader(f); err == nil {
			r.Close()
			return usagef("-o %s: this is a capture, and would be lost", o.output)
		}
	}
	return nil
}
