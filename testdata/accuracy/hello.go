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

// serverNames reads the server names that the TCP clients of the scene sent,
// by conversation, with crypto/tls: a parser that pfsight does not use. What is
// before the ClientHello, as in SMTP, is skipped.
func (s *scene) serverNames() map[int]string {
	streams := map[int][]byte{}
	next := map[int]uint32{}
	for i := range s.packets { // the loopback delivers in order
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

// helloName returns the server name in the ClientHello that b begins with, ""
// if there is none.
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

// A reader is a connection that only gives what is in it.
type reader struct {
	io.Reader
	net.Conn
}

func (r *reader) Read(b []byte) (int, error)       { return r.Reader.Read(b) }
func (r *reader) Write(b []byte) (int, error)      { return len(b), nil }
func (r *reader) SetWriteDeadline(time.Time) error { return nil }
func (r *reader) Close() error                     { return nil }
