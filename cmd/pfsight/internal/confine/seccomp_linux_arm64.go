package confine

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// archCalls are common calls whose names differ from other architectures.
var archCalls = []uint32{unix.SYS_NEWFSTATAT, unix.SYS_RENAMEAT}

// archPrelude adds nothing.
func archPrelude(*seccompProgram) {}
