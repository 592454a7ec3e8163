//go:build !windows

package sensor

import (
	"os"
	"os/signal"
	"syscall"
)

// notify sends SIGHUP, which reopens the outputs, to hup and SIGUSR1, which asks for
// a summary, to usr1. A pipe without a reader becomes an error of the write. stop
// ends that.
func notify(hup, usr1 chan os.Signal) (stop func()) {
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	signal.Notify(hup, syscall.SIGHUP)
	signal.Notify(usr1, syscall.SIGUSR1)
	return func() {
		signal.Stop(hup)
		signal.Stop(usr1)
		// SIGPIPE stays caught: the last lines are written later.
	}
}
