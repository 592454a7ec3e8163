//go:build !windows && !plan9

package main

import (
	"bytes"
	"log/syslog"
)

// A syslogOutlet sends each line to the system's log, as daemon.info.
type syslogOutlet struct{ w *syslog.Writer }

func newSyslog() (outlet, error) {
	w, err := syslog.New(syslog.LOG_INFO|syslog.LOG_DAEMON, "pfsight")
	if err != nil {
		return nil, err
	}
	return &syslogOutlet{w}, nil
}

func (s *syslogOutlet) write(lines []byte) (int, bool, error) {
	n := 0
	for n < len(lines) {
		end := bytes.IndexByte(lines[n:], '\n')
		if end < 0 {
			break
		}
		if _, err := s.w.Write(lines[n : n+end]); err != nil {
			return n, true, err
		}
		n += end + 1
	}
	return n, true, nil
}

func (s *syslogOutlet) reopen() error { return nil } // the writer connects again by itself
func (s *syslogOutlet) close() error  { return s.w.Close() }
