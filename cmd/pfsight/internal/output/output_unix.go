//go:build !windows && !plan9

package output

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// keepOwner gives f the owner and group of the file that it replaces, if the
// process may do so.
func keepOwner(f *os.File, old os.FileInfo) {
	if st, ok := old.Sys().(*syscall.Stat_t); ok {
		if f.Chown(int(st.Uid), int(st.Gid)) != nil {
			_ = f.Chown(-1, int(st.Gid))
		}
	}
}

// readOnly reports whether err means a read-only file system.
func readOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// notSupported reports whether err means that a file system lacks an operation.
func notSupported(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS)
}

// IgnoreSizeSignal makes a write beyond RLIMIT_FSIZE return an error. By default
// SIGXFSZ would end the process.
func IgnoreSizeSignal() { signal.Ignore(syscall.SIGXFSZ) }
