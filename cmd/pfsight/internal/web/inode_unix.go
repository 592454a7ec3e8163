//go:build !windows && !plan9

package web

import (
	"os"
	"syscall"
)

// inode distinguishes a file from another that replaced it.
func inode(st os.FileInfo) uint64 {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Ino)
	}
	return 0
}
