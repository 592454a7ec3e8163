//go:build amd64 || arm64

package confine

import (
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// commonCalls are the system calls that Go's runtime, the C library and file
// access need. archCalls adds those of one architecture. All others are refused,
// above all: execve and fork, ptrace and access to other processes' memory,
// mount, chroot, namespaces, modules, kexec, reboot, bpf, perf_event_open,
// userfaultfd, io_uring, keys, clocks, swap, new users and capabilities.
var commonCalls = []uint32{
	// Memory. mmap and mprotect have rules below.
	unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_BRK, unix.SYS_MEMBARRIER,
	// Threads, signals and waiting. clone has a rule below.
	unix.SYS_FUTEX, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_GETCPU, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ,
	unix.SYS_SET_TID_ADDRESS, unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETTID,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGPENDING, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,
	unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY,
	unix.SYS_SETITIMER, unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_DELETE,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_PPOLL, unix.SYS_PSELECT6,
	unix.SYS_EVENTFD2, unix.SYS_PIPE2,
	// Information about the process and the system.
	unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID, unix.SYS_GETGROUPS, unix.SYS_CAPGET,
	unix.SYS_GETRUSAGE, unix.SYS_TIMES, unix.SYS_PRLIMIT64, unix.SYS_GETRLIMIT, unix.SYS_SYSINFO, unix.SYS_UNAME, unix.SYS_GETRANDOM,
	// Files.
	unix.SYS_READ, unix.SYS_READV, unix.SYS_PREAD64, unix.SYS_PREADV, unix.SYS_WRITE, unix.SYS_WRITEV, unix.SYS_PWRITE64, unix.SYS_PWRITEV,
	unix.SYS_LSEEK, unix.SYS_CLOSE, unix.SYS_OPENAT, unix.SYS_GETDENTS64, unix.SYS_FSTAT, unix.SYS_STATX, unix.SYS_STATFS, unix.SYS_FSTATFS,
	unix.SYS_READLINKAT, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_GETCWD, unix.SYS_FCNTL, unix.SYS_FLOCK, unix.SYS_FADVISE64,
	unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_RENAMEAT2, unix.SYS_UNLINKAT, unix.SYS_FCHMOD, unix.SYS_FCHOWN,
	unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_SENDFILE, unix.SYS_SPLICE, unix.SYS_COPY_FILE_RANGE,
}

// socketCalls are needed for sockets. socket itself has a rule below.
var socketCalls = []uint32{
	unix.SYS_GETSOCKOPT, unix.SYS_SETSOCKOPT, unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_SHUTDOWN, unix.SYS_BIND,
	unix.SYS_SENDTO, unix.SYS_RECVFROM, unix.SYS_SENDMSG, unix.SYS_RECVMSG, unix.SYS_SENDMMSG, unix.SYS_RECVMMSG,
}

// lastCall is the newest system call that was known when the lists were made.
// Newer ones fail with ENOSYS, as on a kernel that lacks them.
const lastCall = unix.SYS_RSEQ_SLICE_YIELD

// calls are the system calls that a process still needs.
type calls struct {
	families []uint32 // of sockets that it may make; none: no socket calls at all
	connect  bool
	accept   bool
}

// Answers of a filter.
const (
	answerAllow   = unix.SECCOMP_RET_ALLOW
	answerKill    = unix.SECCOMP_RET_KILL_PROCESS
	answerRefuse  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	answerMissing = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// Offsets in struct seccomp_data; arguments are 8 bytes, the low half first.
const (
	dataCall = 0
	dataArch = 4
	dataArgs = 16
)

// A seccompProgram is a filter under construction. Each test is followed by its
// answer, so all jumps are short.
type seccompProgram []unix.SockFilter

func (p *seccompProgram) load(offset uint32) {
	*p = append(*p, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset})
}

func (p *seccompProgram) answer(a uint32) {
	*p = append(*p, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: a})
}

// jump skips yes instructions where the test of k holds, else no. The tests are
// BPF_JEQ, BPF_JGT, BPF_JGE and BPF_JSET.
func (p *seccompProgram) jump(test uint16, k uint32, yes, no uint8) {
	*p = append(*p, unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, Jt: yes, Jf: no, K: k})
}

// answerIf answers a where the test of k holds.
func (p *seccompProgram) answerIf(test uint16, k, a uint32) {
	p.jump(test, k, 0, 1)
	p.answer(a)
}

// judge adds a block for one call. Each path through the block must end in an
// answer.
func (p *seccompProgram) judge(call uint32, add func(*seccompProgram)) {
	var block seccompProgram
	add(&block)
	p.jump(unix.BPF_JEQ, call, 0, uint8(len(block)))
	*p = append(*p, block...)
}

// filterCalls makes the filter. pid is the only process that may be signalled.
func filterCalls(need calls, pid uint32) []unix.SockFilter {
	var p seccompProgram
	p.load(dataArch)
	p.jump(unix.BPF_JEQ, auditArch, 1, 0)
	p.answer(answerKill) // calls of another architecture have other numbers
	p.load(dataCall)
	archPrelude(&p)
	allowed := slices.Concat(commonCalls, archCalls)
	if len(need.families) > 0 {
		allowed = append(allowed, socketCalls...)
		p.judge(unix.SYS_SOCKET, func(p *seccompProgram) {
			// Multipath TCP evades Landlock's rules. Of netlink only
			// NETLINK_ROUTE is needed.
			p.load(dataArgs + 2*8)
			p.answerIf(unix.BPF_JEQ, unix.IPPROTO_MPTCP, answerRefuse)
			p.load(dataArgs)
			for _, f := range need.families {
				if f != unix.AF_NETLINK {
					p.answerIf(unix.BPF_JEQ, f, answerAllow)
					continue
				}
				p.jump(unix.BPF_JEQ, f, 0, 4)
				p.load(dataArgs + 2*8)
				p.answerIf(unix.BPF_JEQ, unix.NETLINK_ROUTE, answerAllow)
				p.answer(answerRefuse)
			}
			p.answer(answerRefuse)
		})
	}
	if need.connect {
		allowed = append(allowed, unix.SYS_CONNECT)
	}
	if need.accept {
		allowed = append(allowed, unix.SYS_ACCEPT4)
	}
	// No new executable memory.
	for _, call := range []uint32{unix.SYS_MMAP, unix.SYS_MPROTECT} {
		p.judge(call, func(p *seccompProgram) {
			p.load(dataArgs + 2*8)
			p.answerIf(unix.BPF_JSET, unix.PROT_EXEC, answerRefuse)
			p.answer(answerAllow)
		})
	}
	// New threads, but no process and no namespace.
	p.judge(unix.SYS_CLONE, func(p *seccompProgram) {
		const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
		p.load(dataArgs)
		p.answerIf(unix.BPF_JSET, namespaces, answerRefuse)
		p.answerIf(unix.BPF_JSET, unix.CLONE_THREAD, answerAllow)
		p.answer(answerRefuse)
	})
	// A filter cannot read the flags of clone3. After ENOSYS the C library uses clone.
	p.judge(unix.SYS_CLONE3, func(p *seccompProgram) { p.answer(answerMissing) })
	p.judge(unix.SYS_OPENAT2, func(p *seccompProgram) { p.answer(answerMissing) })
	// The runtime signals its own threads.
	p.judge(unix.SYS_TGKILL, func(p *seccompProgram) {
		p.load(dataArgs)
		p.answerIf(unix.BPF_JEQ, pid, answerAllow)
		p.answer(answerRefuse)
	})
	p.judge(unix.SYS_PRCTL, func(p *seccompProgram) {
		p.load(dataArgs)
		p.answerIf(unix.BPF_JEQ, unix.PR_SET_VMA, answerAllow) // names of memory
		p.answerIf(unix.BPF_JEQ, unix.PR_SET_NAME, answerAllow)
		p.answer(answerRefuse)
	})
	// No input is forged on a terminal.
	p.judge(unix.SYS_IOCTL, func(p *seccompProgram) {
		p.load(dataArgs + 8)
		p.answerIf(unix.BPF_JEQ, unix.TIOCSTI, answerRefuse)
		p.answerIf(unix.BPF_JEQ, tiocLinux, answerRefuse)
		p.answer(answerAllow)
	})
	for _, call := range allowed {
		p.answerIf(unix.BPF_JEQ, call, answerAllow)
	}
	p.answerIf(unix.BPF_JGT, lastCall, answerMissing)
	p.answer(answerRefuse)
	return p
}

// tiocLinux is TIOCLINUX (console selections), which x/sys lacks.
const tiocLinux = 0x541c

// filterSystemCalls restricts all threads to the system calls that need lists.
// no_new_privs must be set.
func filterSystemCalls(need calls) (done string, err error) {
	code := filterCalls(need, uint32(unix.Getpid()))
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	stopped, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(code)
	switch {
	case e != 0:
		return "", fmt.Errorf("seccomp: %w", e)
	case stopped != 0:
		return "", fmt.Errorf("seccomp: thread %d has another filter", stopped)
	}
	return "all system calls that it does not need (seccomp)", nil
}
