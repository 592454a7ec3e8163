//go:build !windows && !plan9

package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// keepOwner gives f the owner and group of the file that it replaces, as far
// as the process may.
func keepOwner(f *os.File, old os.FileInfo) {
	if st, ok := old.Sys().(*syscall.Stat_t); ok {
		if f.Chown(int(st.Uid), int(st.Gid)) != nil {
			_ = f.Chown(-1, int(st.Gid))
		}
	}
}

// readOnly reports whether err says that a file system takes no file.
func readOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// notSupported reports whether err says that a file system cannot do it.
func notSupported(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS)
}

// limitedFiles makes a file that reaches the limit of RLIMIT_FSIZE an error of
// its write, not the end of the process.
func limitedFiles() { signal.Ignore(syscall.SIGXFSZ) }

// tooBig reports whether err says that a file may not grow.
func tooBig(err error) bool { return errors.Is(err, syscall.EFBIG) }

// inode tells a file from another that took its place.
func inode(st os.FileInfo) uint64 {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Ino)
	}
	return 0
}
