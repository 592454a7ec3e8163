//go:build windows || plan9

package main

import "os"

// keepOwner does nothing where the folder says who owns a file.
func keepOwner(*os.File, os.FileInfo) {}

func readOnly(error) bool { return false }

func notSupported(error) bool { return false }

func limitedFiles() {}

func tooBig(error) bool { return false }

func inode(os.FileInfo) uint64 { return 0 }
