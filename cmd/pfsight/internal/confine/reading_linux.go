package confine

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// restrictReading leaves the process the right to read all files that it could
// read, and to write what need lists.
func restrictReading(need *Needs) {
	if before, err := permitted(); err == nil && before != 0 {
		if setCapabilities(before&readingNeeds(need)) != nil {
			return // the rest needs the same right
		}
		_ = prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0)
	}
	if prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0) != nil {
		return
	}
	need.Read = []string{"/"}
	_, _ = landlocked(need)
	_, _ = filterSystemCalls(calls{})
}

// readingNeeds returns the capabilities that are needed: the one to read any
// file, and those that writing the result needs.
func readingNeeds(need *Needs) uint64 {
	const readAny = 1 << unix.CAP_DAC_READ_SEARCH
	keep := uint64(readAny)
	for _, dir := range need.Write {
		st, err := os.Stat(dir)
		if err != nil {
			continue
		}
		if s, ok := st.Sys().(*syscall.Stat_t); ok && !mayWrite(s) {
			keep |= 1 << unix.CAP_DAC_OVERRIDE
		} else if ok && s.Mode&syscall.S_ISVTX != 0 {
			keep |= 1 << unix.CAP_FOWNER // to replace a file of another user
		}
	}
	for _, path := range append(need.Open, need.Result...) {
		st, err := os.Stat(path)
		if err != nil {
			continue
		}
		s, ok := st.Sys().(*syscall.Stat_t)
		if !ok {
			continue
		}
		if !mayWrite(s) {
			keep |= 1 << unix.CAP_DAC_OVERRIDE
		}
		if st.Mode().IsRegular() && (int(s.Uid) != os.Geteuid() || int(s.Gid) != os.Getegid()) {
			keep |= 1<<unix.CAP_CHOWN | 1<<unix.CAP_FOWNER // to set the new file's owner, and then its permissions
		}
	}
	return keep
}

// mayWrite reports whether the process may write to a file without a
// capability.
func mayWrite(s *syscall.Stat_t) bool {
	switch {
	case int(s.Uid) == os.Geteuid():
		return s.Mode&0o200 != 0
	case int(s.Gid) == os.Getegid():
		return s.Mode&0o020 != 0
	}
	groups, _ := os.Getgroups()
	for _, g := range groups {
		if int(s.Gid) == g {
			return s.Mode&0o020 != 0
		}
	}
	return s.Mode&0o002 != 0
}
