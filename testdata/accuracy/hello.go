package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"regexp"
	"time"
)

var helloRecord = regexp.MustCompile(`(?s)\x16\x03[\x00-\x04]..\x01\x00`)

// serverNames returns the server names that the TCP clients of the scene sent, by
// conversation. It skips what precedes the ClientHello, as in SMTP. The parser
// is crypto/tls, which is independent of pfsight.
func (s *scene) serverNames() map[int]string {
	streams := map[int][]byte{}
	next := map[int]uint32{}
	for i := range s.packets { // captures of the loopback interface are in order
		p := &s.packets[i]
		if !p.tcp() || p.fromServer || len(p.data) == 0 || next[p.conv] != 0 && p.seq != next[p.conv] {
			continue
		}
		streams[p.conv] = append(streams[p.conv], p.data...)
		next[p.conv] = p.end()
	}
	names := map[int]string{}
	for c, b := range streams {
		if at := helloRecord.FindIndex(b); at != nil {
			names[c] = helloName(b[at[0]:])
		}
	}
	return names
}

// helloName returns the server name in the ClientHello at the start of b, or "".
func helloName(b []byte) string {
	var name string
	stop := errors.New("read")
	_ = tls.Server(&reader{Reader: bytes.NewReader(b)}, &tls.Config{
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			name = h.ServerName
			return nil, stop
		},
	}).Handshake()
	return name
}

// A reader is a connection that can only be read from.
type reader struct {
	io.Reader
	net.Conn
}

func (r *reader) Read(b []byte) (int, error)       { return r.Reader.Read(b) }
func (r *reader) Write(b []byte) (int, error)      { return len(b), nil }
func (r *reader) SetWriteDeadline(time.Time) error { return nil }
func (r *reader) Close() error                     { return nil }
