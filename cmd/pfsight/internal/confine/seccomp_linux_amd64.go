package confine

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// x32Calls is where the numbers of the x32 ABI begin.
const x32Calls = 0x40000000

// archCalls are older forms of common calls, which the C library and Go's
// runtime still use on this architecture.
var archCalls = []uint32{
	unix.SYS_ARCH_PRCTL, unix.SYS_EPOLL_WAIT, unix.SYS_POLL, unix.SYS_SELECT, unix.SYS_NEWFSTATAT, unix.SYS_STAT, unix.SYS_LSTAT,
	unix.SYS_OPEN, unix.SYS_ACCESS, unix.SYS_READLINK, unix.SYS_UNLINK, unix.SYS_RENAME, unix.SYS_RENAMEAT, unix.SYS_TIME, unix.SYS_DUP2, unix.SYS_PIPE,
}

// archPrelude adds tests of the call number that come first.
func archPrelude(p *seccompProgram) { p.answerIf(unix.BPF_JGE, x32Calls, answerMissing) }
