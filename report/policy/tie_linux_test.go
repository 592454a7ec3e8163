package policy_test

import (
	"os/exec"
	"syscall"
)

// tie ends a program when the test that runs it does, however that ends.
func tie(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
