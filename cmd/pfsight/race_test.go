//go:build race

package main

// racing reports that the race detector is enabled, which multiplies memory.
const racing = true
