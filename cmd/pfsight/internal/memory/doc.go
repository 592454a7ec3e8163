// Package memory keeps the process within the limit of --memory: it reads sizes,
// asks the system for its limits, and sets Go's garbage collector.
//
//	memory.go      sizes, --memory, limits of control groups and of the machine
//	collector.go   when garbage is collected
package memory
