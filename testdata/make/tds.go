package main

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"log"
	"net"
	"path/filepath"
	"sync"
)

// A tdsConn carries TLS in TDS packets, MS-TDS section 3.2.5.2, until its field
// plain is set.
type tdsConn struct {
	net.Conn
	mu    sync.Mutex
	plain bool
	rest  bytes.Buffer
}

// tdsPacket reads a message that consists of one packet.
func tdsPacket(r io.Reader) (kind byte, data []byte, err error) {
	var h [8]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, nil, err
	}
	data = make([]byte, max(0, int(binary.BigEndian.Uint16(h[2:]))-len(h)))
	_, err = io.ReadFull(r, data)
	return h[0], data, err
}

// tdsMessage returns a message of one packet: type, status "end of message",
// length, channel, number.
func tdsMessage(kind byte, data []byte) []byte {
	return append(append(binary.BigEndian.AppendUint16([]byte{kind, 1}, uint16(8+len(data))), 0, 0, 1, 0), data...)
}

func (c *tdsConn) Read(p []byte) (int, error) {
	for c.rest.Len() == 0 {
		c.mu.Lock()
		plain := c.plain
		c.mu.Unlock()
		if plain {
			return c.Conn.Read(p)
		}
		_, data, err := tdsPacket(c.Conn)
		if err != nil {
			return 0, err
		}
		c.rest.Write(data)
	}
	return c.rest.Read(p)
}

func (c *tdsConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.plain {
		return c.Conn.Write(p)
	}
	if _, err := c.Conn.Write(tdsMessage(0x12, p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// tdsPrelogin returns a server's PRELOGIN message, MS-TDS section 2.2.6.5: the
// version, and whether the login (0) or everything (1) is encrypted.
func tdsPrelogin(encrypt byte) []byte {
	return []byte{0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 15, 0, 0x10, 0x50, 0, 0, encrypt}
}

// tdsRefusal returns a failed login: an ERROR token and a DONE token.
func tdsRefusal() []byte {
	text := func(s string) []byte {
		var b []byte
		for _, c := range s {
			b = append(b, byte(c), 0)
		}
		return b
	}
	msg, name := "Login failed for user 'sa'.", "pfsight"
	e := binary.LittleEndian.AppendUint32(nil, 18456)
	e = append(e, 1, 14)
	e = append(binary.LittleEndian.AppendUint16(e, uint16(len(msg))), text(msg)...)
	e = append(append(e, byte(len(name))), text(name)...)
	e = append(e, 0, 1, 0, 0, 0)
	b := append(binary.LittleEndian.AppendUint16([]byte{0xaa}, uint16(len(e))), e...)
	return append(b, 0xfd, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

// tdsScene runs FreeTDS's tsql with a server that uses crypto/tls inside TDS
// packets and refuses every login. With loginOnly, TLS ends after the login. The
// version is TLS 1.2, because FreeTDS 1.3 never sends its TLS 1.3 Finished.
func tdsScene(st *stage, loginOnly bool) []truth {
	cert, err := tls.LoadX509KeyPair(filepath.Join(st.dir, "rsa.crt"), filepath.Join(st.dir, "rsa.key"))
	check(err)
	l, err := net.Listen("tcp", "127.0.0.1:1433")
	check(err)
	st.stop = append(st.stop, func() { l.Close() })
	encrypt, want := byte(1), "require"
	if loginOnly {
		encrypt, want = 0, "request"
	}
	conf := st.file("freetds.conf", "[global]\ntds version = 7.4\nencryption = "+want+"\n[here]\nhost = 127.0.0.1\nport = 1433\n")
	told := make(chan truth, 1)
	go func() {
		c, err := l.Accept()
		check(err)
		defer c.Close()
		_, _, err = tdsPacket(c)
		check(err)
		_, err = c.Write(tdsMessage(0x04, tdsPrelogin(encrypt)))
		check(err)
		w := &tdsConn{Conn: c}
		s := tls.Server(w, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: tls.VersionTLS12})
		if err := s.Handshake(); err != nil {
			log.Fatalf("tsql: %v", err)
		}
		w.mu.Lock()
		w.plain = true
		w.mu.Unlock()
		t := goTruth(s.ConnectionState())
		t.Upgrade, t.ClientPort = "tds", c.RemoteAddr().(*net.TCPAddr).Port
		if _, _, err := tdsPacket(s); err != nil { // LOGIN7
			log.Fatalf("tsql: %v", err)
		}
		if loginOnly {
			_, _ = c.Write(tdsMessage(0x04, tdsRefusal()))
		} else {
			_, _ = s.Write(tdsMessage(0x04, tdsRefusal()))
		}
		told <- t
		_, _ = io.Copy(io.Discard, c)
	}()
	out := st.client("", "env", "FREETDSCONF="+conf, "tsql", "-S", "here", "-U", "sa", "-P", "secret")
	select {
	case t := <-told:
		return []truth{t}
	default:
		log.Fatalf("tsql: %s", out)
	}
	return nil
}
