package confine

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// prctl is prctl(2) on all threads.
func prctl(option, a, b uintptr) error {
	if _, _, e := psx.Syscall6(unix.SYS_PRCTL, option, a, b, 0, 0, 0); e != 0 {
		return e
	}
	return nil
}

// giveUp makes the process become who, unless that is nil, and drops all
// capabilities but CAP_NET_RAW. It returns what was given up.
func giveUp(who *User) (done []string, err error) {
	before, err := permitted()
	if err != nil {
		return nil, err
	}
	if who != nil {
		if syscall.Geteuid() != 0 {
			return nil, fmt.Errorf("--user %s: only root can become another user", who.Name)
		}
		// A program that this process runs cannot regain the others.
		for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
			if c != unix.CAP_NET_RAW {
				_ = prctl(unix.PR_CAPBSET_DROP, c, 0) // fails if this kernel lacks it
			}
		}
		err := prctl(unix.PR_SET_KEEPCAPS, 1, 0)
		if err == nil {
			err = syscall.Setgroups(who.groups)
		}
		if err == nil {
			err = syscall.Setgid(who.GID)
		}
		if err == nil {
			err = syscall.Setuid(who.UID)
		}
		if err != nil {
			return nil, fmt.Errorf("--user %s: %w", who.Name, err)
		}
		done = append(done, "the user it was started as")
	}
	keep := before & (1 << unix.CAP_NET_RAW)
	if err := setCapabilities(keep); err != nil {
		return done, fmt.Errorf("giving up capabilities: %w", err)
	}
	_ = prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0) // fails before Linux 4.3, which has none
	if err := prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return done, fmt.Errorf("no_new_privs: %w", err)
	}
	if before != keep {
		done = append(done, "all capabilities but CAP_NET_RAW")
	}
	return done, nil
}

// permitted returns the permitted capabilities of the process.
func permitted() (uint64, error) {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return 0, fmt.Errorf("reading capabilities: %w", err)
	}
	return uint64(data[1].Permitted)<<32 | uint64(data[0].Permitted), nil
}

// setCapabilities restricts all threads to these capabilities.
func setCapabilities(keep uint64) error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: uint32(keep), Permitted: uint32(keep)}, {Effective: uint32(keep >> 32), Permitted: uint32(keep >> 32)}}
	if _, _, e := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&data[0])), 0); e != 0 {
		return e
	}
	return nil
}

// Landlock rights on files. Those that the kernel lacks are left out.
const (
	rightsRead  = landlock.AccessFSSet(ll.AccessFSReadFile | ll.AccessFSReadDir)
	rightsWrite = landlock.AccessFSSet(ll.AccessFSReadFile | ll.AccessFSWriteFile | ll.AccessFSTruncate)
	rightsMake  = rightsWrite | landlock.AccessFSSet(ll.AccessFSReadDir|ll.AccessFSMakeReg|ll.AccessFSRemoveFile)
	rightsDir   = landlock.AccessFSSet(ll.AccessFSReadDir | ll.AccessFSMakeReg | ll.AccessFSRemoveFile) // for directories only
)

// rule returns Landlock rules for the paths that exist.
func rule(rights landlock.AccessFSSet, paths []string) (out []landlock.Rule) {
	for _, p := range paths {
		if st, err := os.Stat(p); err == nil {
			r := rights
			if !st.IsDir() {
				r &^= rightsDir
			}
			out = append(out, landlock.PathAccess(r, p).IgnoreIfMissing())
		}
	}
	return out
}

// landlocked restricts the process to need by Landlock: files; with newer
// kernels TCP ports (ABI 4), ioctls on devices that are opened later (5),
// abstract Unix sockets and signals (6). It returns what was given up.
func landlocked(need *Needs) ([]string, error) {
	version, err := landlockVersion(landlockABI)
	if err != nil {
		return nil, err
	}
	rules := slices.Concat(rule(rightsRead, need.Read), rule(rightsMake, need.Write), rule(rightsWrite, need.Open))
	for _, p := range need.Connect {
		rules = append(rules, landlock.ConnectTCP(p))
	}
	config := landlock.V6
	fixes, err := landlockVersion(landlockErrata)
	signals := err == nil && fixes&landlockSignalsFixed != 0
	if !signals {
		// Before that fix the threads of a process could not signal each other,
		// which Go's runtime needs.
		config.Scoped &^= ll.ScopeSignal
	}
	if err := config.BestEffort().Restrict(rules...); err != nil {
		return nil, err
	}
	files := "all files but its own"
	if version >= 5 {
		files = "all files and devices but its own"
	}
	done := []string{files}
	if version >= 4 {
		done = append(done, map[bool]string{true: "TCP but to its outputs", false: "TCP connections"}[len(need.Connect) > 0])
	}
	if version >= 6 {
		done = append(done, "abstract sockets"+map[bool]string{true: " and signals"}[signals]+" of other processes")
	}
	done[len(done)-1] += fmt.Sprintf(" (Landlock %d)", version)
	return done, nil
}

// Landlock returns the version of Landlock's ABI that the kernel has, and why it has
// none.
func Landlock() (version int, err error) { return landlockVersion(landlockABI) }

// Queries of landlock_create_ruleset.
const (
	landlockABI          = 1
	landlockErrata       = 2
	landlockSignalsFixed = 1 << 1 // of the errata: the second
)

// landlockVersion queries the kernel.
func landlockVersion(what uintptr) (int, error) {
	v, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, what)
	switch {
	case e == unix.ENOSYS || e == unix.EOPNOTSUPP:
		return 0, errors.New("this kernel has no Landlock")
	case e != 0:
		return 0, e
	}
	return int(v), nil
}

// calls returns the system calls that n needs.
func (n *Needs) calls() calls {
	c := calls{accept: n.Listen, connect: len(n.Connect)+len(n.Local) > 0 || n.Resolve}
	if n.Packets {
		// Go asks for the state of an interface through a socket of any kind.
		c.families = append(c.families, unix.AF_PACKET, unix.AF_UNIX)
	}
	if len(n.Local) > 0 && !n.Packets {
		c.families = append(c.families, unix.AF_UNIX)
	}
	if len(n.Connect) > 0 || n.Resolve {
		c.families = append(c.families, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK)
	}
	return c
}
