//go:build !windows

package main

import (
	"bytes"
	"os"
	"os/signal"
	"syscall"
)

// onDemand prints the report of what was read so far whenever SIGUSR1 comes:
// to standard output where the summary goes there at the end, else beside
// the rows to standard error. It returns what ends that.
func (a *app) onDemand(j *joiner, o *options) (stop func()) {
	asked := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-asked:
			}
			j.mu.Lock()
			s := j.report.Summary()
			s.Input = inputOf(&j.sofar, lossesOf(&j.sofar, &gapCount{n: j.gaps.n}))
			s.Input.Files, s.Input.Filter, s.Input.Unwanted, s.Input.Ongoing = o.paths, o.filter, j.unwanted, true
			if o.where != nil {
				s.Input.Where = o.where.String()
			}
			j.mu.Unlock()
			if j.records != nil {
				j.records.input(&s.Input)
			}
			var b bytes.Buffer
			if summarize(&b, s, o) != nil {
				continue
			}
			w := a.result(a.stdout)
			if j.out != nil || o.output != "" {
				w = a.messageTo()
			}
			_, _ = w.Write(append(b.Bytes(), '\n')) // the read goes on whoever listens
		}
	}()
	return func() {
		signal.Stop(asked)
		close(done)
	}
}
