package main

import (
	"crypto/ecdh"
	"crypto/rand"
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
	tls.SecP256r1MLKEM768: "SecP256r1MLKEM768", tls.SecP384r1MLKEM1024: "SecP384r1MLKEM1024",
}

// golang runs a server and a client of crypto/tls for this number of connections.
func golang(times int, set func(server, client *tls.Config)) func(*stage) []truth {
	return func(st *stage) []truth {
		cert, err := tls.LoadX509KeyPair(filepath.Join(st.dir, "rsa.crt"), filepath.Join(st.dir, "rsa.key"))
		check(err)
		server := &tls.Config{Certificates: []tls.Certificate{cert}}
		client := &tls.Config{InsecureSkipVerify: true, ServerName: "rsa.example", ClientSessionCache: tls.NewLRUClientSessionCache(8)}
		set(server, client)
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(st.port))
		check(err)
		results := make(chan error, times) // of the server
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					s := tls.Server(c, server)
					results <- s.Handshake()
					_, _ = io.Copy(s, s)
					s.Close()
				}()
			}
		}()
		st.stop = append(st.stop, func() { l.Close() })
		var truths []truth
		for range times {
			t := goClient(l.Addr().String(), client)
			if err := <-results; err != nil && t.Alert == "" {
				t.Alert = goAlert(err)
			}
			truths = append(truths, t)
		}
		return truths
	}
}

func goClient(addr string, config *tls.Config) truth {
	t := truth{Stack: "go"}
	c, err := tls.Dial("tcp", addr, config)
	if err != nil {
		t.Outcome, t.Alert = "rejected", goAlert(err)
		return t
	}
	defer c.Close()
	_, _ = c.Write([]byte("hello"))
	_, _ = io.ReadFull(c, make([]byte, 5))
	t = goTruth(c.ConnectionState())
	t.ClientPort = c.LocalAddr().(*net.TCPAddr).Port
	return t
}

// goTruth returns the truth of a connection of crypto/tls.
func goTruth(s tls.ConnectionState) truth {
	t := truth{Stack: "go", Outcome: "established"}
	t.Version, t.Suite, t.Group = goVersions[s.Version], tls.CipherSuiteName(s.CipherSuite), goGroups[s.CurveID]
	t.Resumed = ptr(s.DidResume)
	t.HelloRetry = ptr(s.HelloRetryRequest)
	if s.ECHAccepted {
		t.ECH = ptr(true)
	}
	if s.DidResume && s.Version < tls.VersionTLS13 {
		t.Group = "" // crypto/tls reports the group of the original session
	}
	return t
}

// goAlert returns the number of the alert that this end received, or "".
func goAlert(err error) string {
	var alert tls.AlertError
	var op *net.OpError
	switch {
	case errors.As(err, &alert):
		return strconv.Itoa(int(alert))
	case errors.As(err, &op) && op.Op == "remote error":
		return fmt.Sprintf("%d", op.Err)
	}
	return ""
}

// echKeys returns a key for Encrypted Client Hello and an ECHConfigList with it,
// RFC 9849 section 4.
func echKeys(publicName string) (tls.EncryptedClientHelloKey, []byte) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	check(err)
	pub := key.PublicKey().Bytes()
	c := []byte{1, 0, 0x20, 0, byte(len(pub))} // config_id, DHKEM(X25519, HKDF-SHA256)
	c = append(c, pub...)
	c = append(c, 0, 4, 0, 1, 0, 1, 32, byte(len(publicName))) // HKDF-SHA256, AES-128-GCM, maximum_name_length
	c = append(append(c, publicName...), 0, 0)
	config := append([]byte{0xfe, 0x0d, 0, byte(len(c))}, c...)
	return tls.EncryptedClientHelloKey{Config: config, PrivateKey: key.Bytes()}, append([]byte{0, byte(len(config))}, config...)
}

// closer runs a server that reads a ClientHello and closes the connection.
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
	groups := func(g ...tls.CurveID) func(s, c *tls.Config) {
		return func(s, c *tls.Config) { s.CurvePreferences, c.CurvePreferences = g, g }
	}
	return []scene{
		{"go-rsa", "", golang(2, suite(tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.VersionTLS12))},
		{"go-rsa-3des", "", golang(1, suite(tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.VersionTLS10))},
		{"go-ecdhe", "", golang(2, suite(tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.VersionTLS12))},
		{"go-tls13-mlkem", "", golang(2, func(s, c *tls.Config) {})},
		{"go-tls13-hrr", "", golang(1, func(s, c *tls.Config) {
			s.CurvePreferences = []tls.CurveID{tls.CurveP521}
			c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP521}
		})},
		{"go-no-protocol", "", golang(1, func(s, c *tls.Config) { s.NextProtos, c.NextProtos = []string{"h2"}, []string{"imap"} })},
		{"go-bad-certificate", "", golang(1, func(s, c *tls.Config) {
			s.MaxVersion = tls.VersionTLS12
			c.InsecureSkipVerify = false
			c.RootCAs = x509.NewCertPool()
		})},
		{"closed-without-answer", "", closer},
		{"go-tls13-p256-mlkem", "", golang(1, groups(tls.SecP256r1MLKEM768))},
		{"go-tls13-p384-mlkem", "", golang(1, groups(tls.SecP384r1MLKEM1024))},
		{"go-tls13-mlkem-hrr", "", golang(1, func(s, c *tls.Config) {
			s.CurvePreferences = []tls.CurveID{tls.SecP384r1MLKEM1024}
			c.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768, tls.SecP384r1MLKEM1024}
		})},
		{"go-tls13-ech", "", golang(1, func(s, c *tls.Config) {
			key, list := echKeys("public.example")
			s.EncryptedClientHelloKeys, c.EncryptedClientHelloConfigList = []tls.EncryptedClientHelloKey{key}, list
			c.MinVersion = tls.VersionTLS13
		})},
	}
}
