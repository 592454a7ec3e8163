// Package output writes one result to a file so that a failure keeps the old
// file.
//
//	output.go         a temporary file that replaces the old file at the end
//	output_unix.go    owners, permissions and errors of file systems
package output
