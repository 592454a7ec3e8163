package main

import (
	"net"
	"time"
)

// A socketOutlet writes lines to whoever listens at a TCP or Unix socket. The
// listener may come late, go, and come back: lines of which not every byte
// was taken over by the system are sent again, from their beginning.
type socketOutlet struct {
	network, address string
	conn             net.Conn
}

func (s *socketOutlet) write(lines []byte) (int, bool, error) {
	if s.conn == nil {
		c, err := net.DialTimeout(s.network, s.address, sinkWait)
		if err != nil {
			return 0, true, err
		}
		s.conn = c
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(sinkWait))
	n, err := s.conn.Write(lines)
	if err != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
	return wholeLines(lines, n), true, err
}

func (s *socketOutlet) reopen() error { return s.close() }

func (s *socketOutlet) close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}
