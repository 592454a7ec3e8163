//go:build !windows && !plan9

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// syslogPaths are where the system's log listens.
var syslogPaths = []string{"/dev/log", "/var/run/syslog", "/var/run/log"}

// syslogPriority is daemon.info (RFC 3164, section 4.1.1).
const syslogPriority = 3<<3 | 6

// A syslogOutlet sends each line to the system's log, as daemon.info. No
// message waits longer than sinkWait.
type syslogOutlet struct {
	paths  []string // where to connect to, the first that works
	conn   net.Conn
	stream bool // messages are told apart by line ends alone
	pid    int
	b      []byte
}

func newSyslog() (outlet, error) {
	s := &syslogOutlet{paths: syslogPaths, pid: os.Getpid()}
	if err := s.dial(); err != nil {
		return nil, fmt.Errorf("-o syslog: %w", err)
	}
	return s, nil
}

func (s *syslogOutlet) dial() error {
	var first error
	for _, path := range s.paths {
		for _, network := range []string{"unixgram", "unix"} {
			c, err := net.DialTimeout(network, path, sinkWait)
			if err == nil {
				s.conn, s.stream = c, network == "unix"
				return nil
			}
			if first == nil {
				first = err
			}
		}
	}
	return first
}

func (s *syslogOutlet) write(lines []byte) (int, bool, error) {
	n := 0
	for n < len(lines) {
		end := bytes.IndexByte(lines[n:], '\n')
		if end < 0 {
			break
		}
		if err := s.send(lines[n : n+end]); err != nil {
			return n, true, err
		}
		n += end + 1
	}
	return n, true, nil
}

// send sends one message, in the form of RFC 3164 that the C library has.
func (s *syslogOutlet) send(line []byte) error {
	if s.conn == nil {
		if err := s.dial(); err != nil {
			return err
		}
	}
	s.b = fmt.Appendf(s.b[:0], "<%d>%s pfsight[%d]: %s\n", syslogPriority, time.Now().Format(time.Stamp), s.pid, line)
	_ = s.conn.SetWriteDeadline(time.Now().Add(sinkWait))
	_, err := s.conn.Write(s.b)
	switch {
	case err == nil:
		return nil
	case !s.stream && errors.Is(err, syscall.EMSGSIZE):
		return lineError{err} // the connection is as good as before
	}
	_ = s.close()
	return err
}

func (s *syslogOutlet) reopen() error { return s.close() }

func (s *syslogOutlet) close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}
