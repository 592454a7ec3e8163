package sink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"time"

	"pfsight/cmd/pfsight/internal/confine"
)

// goodbyeTimeout is how long closing a connection waits until its peer has read
// what was sent.
const goodbyeTimeout = time.Second

// A socketOutlet writes lines to a TCP or Unix socket, with or without TLS. The
// listener may start late, stop, and start again: a line that the system did not
// accept completely is sent again from its beginning.
type socketOutlet struct {
	network, address string
	tls              *tls.Config // nil: no TLS

	conn net.Conn
	gone chan struct{} // closed when the peer has closed conn
	last string        // the latest address of a connection
}

// clientTLS returns the configuration of connections to host. The certificate
// must be valid for that name and signed by one of the roots.
func clientTLS(host string, roots *x509.CertPool) *tls.Config {
	return &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// dial connects. It looks up a name each time. If that fails, it uses the latest
// address.
func (s *socketOutlet) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	// Go's resolver needs fewer files than the C library's.
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
		go drain(c, s.gone)
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := s.conn.Write(lines)
	if err != nil {
		s.drop()
	}
	return wholeLines(lines, n), true, err
}

// drain discards what the peer sends until it closes the connection. If unread
// data remained at closing, the system would reset the connection and discard
// what was sent; TLS peers send data unasked.
func drain(c net.Conn, gone chan struct{}) {
	_, _ = io.Copy(io.Discard, c)
	close(gone)
}

// drop closes a connection that failed.
func (s *socketOutlet) drop() {
	_ = s.conn.Close()
	s.conn, s.gone = nil, nil
}

func (s *socketOutlet) reopen() error { return s.close() }

// close closes the connection when its peer has read all, or after
// goodbyeTimeout.
func (s *socketOutlet) close() error {
	if s.conn == nil {
		return nil
	}
	c := s.conn
	_ = c.SetWriteDeadline(time.Now().Add(goodbyeTimeout))
	if t, ok := c.(*tls.Conn); ok {
		_ = t.CloseWrite()
		c = t.NetConn()
	}
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		select {
		case <-s.gone:
		case <-time.After(goodbyeTimeout):
		}
	}
	s.drop()
	return nil
}

func (s *socketOutlet) needs(n *confine.Needs) {
	if s.network == "tcp" {
		n.Dial(s.address)
	} else {
		n.Local = append(n.Local, s.address)
	}
}
