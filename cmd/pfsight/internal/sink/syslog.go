//go:build !windows && !plan9

package sink

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"pfsight/cmd/pfsight/internal/confine"
)

// syslogPaths are the sockets of the system log.
var syslogPaths = []string{"/dev/log", "/var/run/syslog", "/var/run/log"}

// syslogPriority is daemon.info (RFC 3164, section 4.1.1).
const syslogPriority = 3<<3 | 6

// A syslogOutlet sends each line to the system log as daemon.info. A message
// waits for at most writeTimeout.
type syslogOutlet struct {
	paths  []string // sockets; the first that works is used
	conn   net.Conn
	stream bool // newlines separate messages
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
			c, err := net.DialTimeout(network, path, writeTimeout)
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

// send sends one message in the format of the C library (RFC 3164).
func (s *syslogOutlet) send(line []byte) error {
	if s.conn == nil {
		if err := s.dial(); err != nil {
			return err
		}
	}
	s.b = fmt.Appendf(s.b[:0], "<%d>%s pfsight[%d]: %s\n", syslogPriority, time.Now().Format(time.Stamp), s.pid, line)
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := s.conn.Write(s.b)
	switch {
	case err == nil:
		return nil
	case !s.stream && errors.Is(err, syscall.EMSGSIZE):
		return lineError{err} // the connection still works
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

func (s *syslogOutlet) needs(n *confine.Needs) { n.Local = append(n.Local, syslogPaths...) }
