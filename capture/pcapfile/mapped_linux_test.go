//go:build amd64 || arm64

package pcapfile

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzWarm places the data before an unreadable page, so that a read beyond
// the data fails.
func FuzzWarm(f *testing.F) {
	page := os.Getpagesize()
	for _, b := range forms(f) {
		f.Add(b, uint32(1700000000))
	}
	f.Add(synthetic(f, 1, 300, 1000), uint32(1000))
	f.Add(toNG(f, synthetic(f, 1, 300, 1000)), uint32(1000))
	f.Add(make([]byte, 100000), uint32(0))
	f.Fuzz(func(t *testing.T, b []byte, sec uint32) {
		n := (len(b) + page - 1) &^ (page - 1)
		mem, err := unix.Mmap(-1, 0, n+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			t.Skip(err)
		}
		defer unix.Munmap(mem)
		if err := unix.Mprotect(mem[n:], unix.PROT_NONE); err != nil {
			t.Skip(err)
		}
		data := mem[n-len(b) : n : n]
		copy(data, b)
		sum := byte(0)
		for _, l := range []layout{{size: 8, more: 16, unit: 1e6}, {size: 8, more: 24, unit: 1e9}, {ng: true, size: 4, least: 12}} {
			l.warm(data, 0, len(data), sec, &sum)
			l.warm(data, min(24, len(data)), len(data), sec, &sum)
		}
	})
}
