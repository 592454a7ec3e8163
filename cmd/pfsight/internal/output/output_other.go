//go:build windows || plan9

package output

import "os"

// keepOwner does nothing: the directory determines the owner of a file.
func keepOwner(*os.File, os.FileInfo) {}

func readOnly(error) bool { return false }

func notSupported(error) bool { return false }

// IgnoreSizeSignal does nothing: there is no such signal.
func IgnoreSizeSignal() {}
