package policy_test

import (
	"os/exec"
	"syscall"
)

// tie ends a program when its test process ends.
func tie(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
