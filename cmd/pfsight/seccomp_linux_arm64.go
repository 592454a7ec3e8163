package main

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// archCalls are common calls whose names differ.
var archCalls = []uint32{unix.SYS_NEWFSTATAT, unix.SYS_RENAMEAT}

// archPrelude has nothing to judge.
func archPrelude(*seccompProgram) {}
