//go:build !windows && !plan9

package sink

import (
	"errors"
	"syscall"
)

// tooBig reports whether err means that a file has reached RLIMIT_FSIZE.
func tooBig(err error) bool { return errors.Is(err, syscall.EFBIG) }
