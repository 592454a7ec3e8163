package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"time"
)

// sinkGoodbye is how long closing a connection waits for its other end to have
// read what was sent.
const sinkGoodbye = time.Second

// A socketOutlet writes lines to whoever listens at a TCP or Unix socket, with
// TLS or without. The listener may come late, go, and come back: lines of which
// not every byte was taken over by the system are sent again, from their
// beginning.
type socketOutlet struct {
	network, address string
	tls              *tls.Config // nil: without

	conn net.Conn
	gone chan struct{} // closed when the other end has closed conn
	last string        // the address that was connected to
}

// sinkTLS returns how to connect to host: its certificate must be valid, for
// that name, and signed by one of the roots.
func sinkTLS(host string, roots *x509.CertPool) *tls.Config {
	return &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// dial connects. A name is looked up each time; where that fails, the address
// that was found before is used.
func (s *socketOutlet) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), sinkWait)
	defer cancel()
	// Go's own resolver needs fewer files than that of the C library.
	d := net.Dialer{Resolver: &net.Resolver{PreferGo: true}}
	c, err := d.DialContext(ctx, s.network, s.address)
	if e := (*net.DNSError)(nil); errors.As(err, &e) && s.last != "" {
		c, err = d.DialContext(ctx, s.network, s.last)
	}
	if err != nil {
		return nil, err
	}
	if s.network == "tcp" {
		s.last = c.RemoteAddr().String()
	}
	if s.tls == nil {
		return c, nil
	}
	t := tls.Client(c, s.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return t, nil
}

func (s *socketOutlet) write(lines []byte) (int, bool, error) {
	select {
	case <-s.gone: // nil: never
		s.drop()
	default:
	}
	if s.conn == nil {
		c, err := s.dial()
		if err != nil {
			return 0, true, err
		}
		s.conn, s.gone = c, make(chan struct{})
		go listen(c, s.gone)
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(sinkWait))
	n, err := s.conn.Write(lines)
	if err != nil {
		s.drop()
	}
	return wholeLines(lines, n), true, err
}

// listen reads what the other end sends, which is of no interest, until it
// closes the connection. Data that are not read when a connection is closed
// would make the system forget what was sent; TLS sends some on its own.
func listen(c net.Conn, gone chan struct{}) {
	_, _ = io.Copy(io.Discard, c)
	close(gone)
}

// drop closes a connection that is of no use any more.
func (s *socketOutlet) drop() {
	_ = s.conn.Close()
	s.conn, s.gone = nil, nil
}

func (s *socketOutlet) reopen() error { return s.close() }

// close closes the connection when its other end has read all, or after
// sinkGoodbye.
func (s *socketOutlet) close() error {
	if s.conn == nil {
		return nil
	}
	c := s.conn
	_ = c.SetWriteDeadline(time.Now().Add(sinkGoodbye))
	if t, ok := c.(*tls.Conn); ok {
		_ = t.CloseWrite()
		c = t.NetConn()
	}
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		select {
		case <-s.gone:
		case <-time.After(sinkGoodbye):
		}
	}
	s.drop()
	return nil
}
