//go:build !linux

package live

// more has nothing to add here.
func more(*Interface) {}
