//go:build amd64 || arm64

package pcapfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// Where addresses are short, a mapping might come to lie where the heap was to
// grow, and pointers into one that is gone confuse the garbage collector.

// mapFile maps the first size bytes of f to be read, or returns nil.
func mapFile(f *os.File, size int) []byte {
	data, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil
	}
	return data
}

func unmapFile(data []byte) { _ = unix.Munmap(data) }

// dropMemory takes a part of a mapping, whole pages, out of the process's
// memory; what is read of it again comes back.
func dropMemory(data []byte) { _ = unix.Madvise(data, unix.MADV_DONTNEED) }

// inMemory reports whether the file, as it is now, has a byte at off, and in
// memory. Where the file system cannot tell, the answer is no.
func inMemory(f *os.File, off int64) bool {
	var b [1]byte
	n, err := unix.Preadv2(int(f.Fd()), [][]byte{b[:]}, off, unix.RWF_NOWAIT)
	return n == 1 && err == nil
}
