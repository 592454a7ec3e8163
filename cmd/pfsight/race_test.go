//go:build race

package main

// racing says that the race detector is in the program, which takes several
// times the memory.
const racing = true
