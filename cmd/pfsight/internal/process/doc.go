// Package process holds what one run of the program shares across commands:
// its streams, its exit code, its messages, its signals and its usage errors.
//
//	process.go   streams, exit codes, messages, usage errors
//	signals.go   SIGINT and SIGTERM; how a blocked reader is given up
package process
