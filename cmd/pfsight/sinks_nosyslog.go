//go:build windows || plan9

package main

func newSyslog() (outlet, error) {
	return nil, usagef("-o syslog: this system has none; use unix:PATH, tcp:HOST:PORT or a file")
}

// A syslogOutlet is none.
type syslogOutlet struct{ outlet }

var syslogPaths []string
