//go:build !linux || !(amd64 || arm64)

package pcapfile

import "os"

// Files are mapped only on systems that can tell whether they are in memory.

func mapFile(*os.File, int) []byte  { return nil }
func unmapFile([]byte)              {}
func dropMemory([]byte)             {}
func inMemory(*os.File, int64) bool { return false }
