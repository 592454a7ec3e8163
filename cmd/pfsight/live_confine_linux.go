package main

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
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

// giveUp makes the process become who, nil for whom it is, and takes away all
// capabilities but CAP_NET_RAW. It returns what was given up.
func giveUp(who *identity) (done []string, err error) {
	before, err := permitted()
	if err != nil {
		return nil, err
	}
	if who != nil {
		if syscall.Geteuid() != 0 {
			return nil, fmt.Errorf("--user %s: only root can become another user", who.name)
		}
		// No program that this process may run gets the others again.
		for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
			if c != unix.CAP_NET_RAW {
				_ = prctl(unix.PR_CAPBSET_DROP, c, 0) // one that this kernel does not know
			}
		}
		err := prctl(unix.PR_SET_KEEPCAPS, 1, 0)
		if err == nil {
			err = syscall.Setgroups(who.groups)
		}
		if err == nil {
			err = syscall.Setgid(who.gid)
		}
		if err == nil {
			err = syscall.Setuid(who.uid)
		}
		if err != nil {
			return nil, fmt.Errorf("--user %s: %w", who.name, err)
		}
		done = append(done, "the user it was started as")
	}
	keep := before & (1 << unix.CAP_NET_RAW)
	if err := setCapabilities(keep); err != nil {
		return done, fmt.Errorf("giving up capabilities: %w", err)
	}
	_ = prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0) // of a kernel before 4.3: there are none
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

// setCapabilities leaves all threads these capabilities.
func setCapabilities(keep uint64) error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: uint32(keep), Permitted: uint32(keep)}, {Effective: uint32(keep >> 32), Permitted: uint32(keep >> 32)}}
	if _, _, e := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&data[0])), 0); e != 0 {
		return e
	}
	return nil
}

// sandbox confines the process by Landlock to what it needs.
func sandbox(need reach) ([]string, error) {
	version, err := landlockVersion()
	if err != nil {
		return nil, err
	}
	rules := []landlock.Rule{
		landlock.RODirs(need.read...).IgnoreIfMissing(),
		landlock.RWDirs(need.write...),
		landlock.RWFiles("/dev/null", "/dev/tty").IgnoreIfMissing(),
	}
	for _, p := range need.connect {
		rules = append(rules, landlock.ConnectTCP(p))
	}
	if err := landlock.V4.BestEffort().Restrict(rules...); err != nil {
		return nil, err
	}
	done := []string{"all files but its own"}
	if version >= 4 {
		done = append(done, "TCP but to its outputs")
	}
	return done, nil
}

// landlockVersion returns the kernel's version of Landlock.
func landlockVersion() (int, error) {
	const wantVersion = 1 // LANDLOCK_CREATE_RULESET_VERSION
	v, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, wantVersion)
	switch {
	case e == unix.ENOSYS || e == unix.EOPNOTSUPP:
		return 0, errors.New("this kernel has no Landlock")
	case e != 0:
		return 0, e
	}
	return int(v), nil
}
