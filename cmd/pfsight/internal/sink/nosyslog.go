//go:build windows || plan9

package sink

import "pfsight/cmd/pfsight/internal/process"

func newSyslog() (outlet, error) {
	return nil, process.Usagef("-o syslog: this system has none; use unix:PATH, tcp:HOST:PORT or a file")
}
