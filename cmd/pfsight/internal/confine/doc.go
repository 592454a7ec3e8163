// Package confine gives up the rights that the process does not need: its user,
// capabilities, files, connections and system calls. It uses Landlock and seccomp
// on Linux, and does nothing elsewhere.
//
//	needs.go          what a command still needs; Live and Reading
//	confine_linux.go  user, capabilities, Landlock
//	reading_linux.go  the rights of commands that read files
//	seccomp_linux.go  the filter of system calls
//
// Nothing here can be undone: the restrictions hold for the rest of the process.
package confine
