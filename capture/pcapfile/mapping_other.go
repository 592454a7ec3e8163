//go:build !linux || !(amd64 || arm64)

package pcapfile

import "os"

// Only where a file can be asked whether it is in memory is it mapped.

func mapFile(*os.File, int) []byte  { return nil }
func unmapFile([]byte)              {}
func dropMemory([]byte)             {}
func inMemory(*os.File, int64) bool { return false }
