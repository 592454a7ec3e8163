//go:build !windows

package main

import (
	"os"
	"os/signal"
	"syscall"

	"pfsight/cmd/pfsight/internal/analyze"
)

// summaryOnSignal writes the summary of what was read so far at each SIGUSR1. stop
// ends that.
func (a *app) summaryOnSignal(run *analyze.Run, c *readReport, o *readOptions) (stop func()) {
	asked := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-asked:
				a.writeSofar(run, c, o)
			}
		}
	}()
	return func() {
		signal.Stop(asked)
		close(done)
	}
}
