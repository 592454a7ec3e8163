//go:build !windows

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyLive asks for the signals of live: HUP opens outputs anew, USR1 wants
// a summary. A pipe without a reader is an error of its write and no signal.
// It returns what ends that.
func notifyLive(hup, usr1 chan os.Signal) (stop func()) {
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	signal.Notify(hup, syscall.SIGHUP)
	signal.Notify(usr1, syscall.SIGUSR1)
	return func() {
		signal.Stop(hup)
		signal.Stop(usr1)
		// SIGPIPE stays as it is: the last lines are yet to be written.
	}
}
