//go:build amd64 || arm64

package pcapfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// On 32-bit systems the heap could grow into the place of an unmapped file, and
// stale pointers into the mapping would confuse the garbage collector. There
// files are not mapped.

// mapFile maps the first size bytes of f read-only, or returns nil.
func mapFile(f *os.File, size int) []byte {
	data, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil
	}
	return data
}

func unmapFile(data []byte) { _ = unix.Munmap(data) }

// dropMemory drops pages of a mapping from the process's memory. Reading them
// loads them again.
func dropMemory(data []byte) { _ = unix.Madvise(data, unix.MADV_DONTNEED) }

// inMemory reports whether the byte at off exists in the file and is in the
// page cache. If the file system cannot tell, it returns false.
func inMemory(f *os.File, off int64) bool {
	var b [1]byte
	n, err := unix.Preadv2(int(f.Fd()), [][]byte{b[:]}, off, unix.RWF_NOWAIT)
	return n == 1 && err == nil
}
