package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"time"
)

var goVersions = map[uint16]string{tls.VersionTLS10: "TLS 1.0", tls.VersionTLS11: "TLS 1.1", tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"}

var goGroups = map[tls.CurveID]string{
	tls.CurveP256: "secp256r1", tls.CurveP384: "secp384r1", tls.CurveP521: "secp521r1", tls.X25519: "x25519", tls.X25519MLKEM768: "X25519MLKEM768",
}

// golang plays a server and a client of crypto/tls, times connections.
func golang(times int, set func(server, client *tls.Config)) func(*stage) []truth {
	return func(st *stage) []truth {
		cert, err := tls.LoadX509KeyPair(filepath.Join(st.dir, "rsa.crt"), filepath.Join(st.dir, "rsa.key"))
		check(err)
		server := &tls.Config{Certificates: []tls.Certificate{cert}}
		client := &tls.Config{InsecureSkipVerify: true, ServerName: "rsa.example", ClientSessionCache: tls.NewLRUClientSessionCache(8)}
		set(server, client)
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(st.port))
		check(err)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					s := tls.Server(c, server)
					_, _ = io.Copy(s, s)
					s.Close()
				}()
			}
		}()
		st.stop = append(st.stop, func() { l.Close() })
		var said []truth
		for range times {
			said = append(said, goClient(l.Addr().String(), client))
		}
		return said
	}
}

func goClient(addr string, config *tls.Config) truth {
	t := truth{Stack: "go"}
	c, err := tls.Dial("tcp", addr, config)
	if err != nil {
		t.Outcome = "rejected"
		var alert tls.AlertError
		var op *net.OpError
		switch {
		case errors.As(err, &alert):
			t.Alert = strconv.Itoa(int(alert))
		case errors.As(err, &op) && op.Op == "remote error":
			var code int
			if _, err := fmt.Sscanf(fmt.Sprintf("%d", op.Err), "%d", &code); err == nil {
				t.Alert = strconv.Itoa(code)
			}
		}
		return t
	}
	defer c.Close()
	_, _ = c.Write([]byte("hello"))
	_, _ = io.ReadFull(c, make([]byte, 5))
	s := c.ConnectionState()
	t.Outcome = "established"
	t.Version, t.Suite, t.Group = goVersions[s.Version], tls.CipherSuiteName(s.CipherSuite), goGroups[s.CurveID]
	t.Resumed = ptr(s.DidResume)
	t.HelloRetry = ptr(s.HelloRetryRequest)
	if s.DidResume && s.Version < tls.VersionTLS13 {
		t.Group = "" // it is the first session's
	}
	return t
}

// closer is a server that takes a ClientHello and closes without a word.
func closer(st *stage) []truth {
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(st.port))
	check(err)
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = c.Read(make([]byte, 4096))
			c.Close()
		}
	}()
	t := goClient(l.Addr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: "closed.example"})
	time.Sleep(50 * time.Millisecond)
	return []truth{t}
}

func goScenes() []scene {
	suite := func(id uint16, version uint16) func(s, c *tls.Config) {
		return func(s, c *tls.Config) {
			s.MaxVersion, s.MinVersion, c.MinVersion = version, tls.VersionTLS10, tls.VersionTLS10
			s.CipherSuites, c.CipherSuites = []uint16{id}, []uint16{id}
		}
	}
	return []scene{
		{"go-rsa", golang(2, suite(tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.VersionTLS12))},
		{"go-rsa-3des", golang(1, suite(tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.VersionTLS10))},
		{"go-ecdhe", golang(2, suite(tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.VersionTLS12))},
		{"go-tls13-mlkem", golang(2, func(s, c *tls.Config) {})},
		{"go-tls13-hrr", golang(1, func(s, c *tls.Config) {
			s.CurvePreferences = []tls.CurveID{tls.CurveP521}
			c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP521}
		})},
		{"go-no-protocol", golang(1, func(s, c *tls.Config) { s.NextProtos, c.NextProtos = []string{"h2"}, []string{"imap"} })},
		{"go-bad-certificate", golang(1, func(s, c *tls.Config) {
			s.MaxVersion = tls.VersionTLS12
			c.InsecureSkipVerify = false
			c.RootCAs = x509.NewCertPool()
		})},
		{"closed-without-answer", closer},
	}
}
