package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
)

// A peers configures Pion's server and client.
type peers struct {
	suites             []dtls.CipherSuiteID
	psk                bool
	serverID, clientID func() []byte // connection IDs that they request
	connections        int           // all after the first resume its session
	mtu                int
}

// run connects the client to the server.
func (p peers) run(st *stage) []truth {
	cert, err := tls.LoadX509KeyPair(filepath.Join(st.dir, "ecdsa.crt"), filepath.Join(st.dir, "ecdsa.key"))
	check(err)
	var both []dtls.Option
	if p.suites != nil {
		both = append(both, dtls.WithCipherSuites(p.suites...))
	}
	if p.mtu != 0 {
		both = append(both, dtls.WithMTU(p.mtu))
	}
	if p.psk {
		both = append(both, dtls.WithPSK(func([]byte) ([]byte, error) { return []byte{0x1a, 0x2b, 0x3c, 0x4d}, nil }), dtls.WithPSKIdentityHint([]byte("me")))
	} else {
		both = append(both, dtls.WithCertificates(cert))
	}
	var server []dtls.ServerOption
	client := []dtls.ClientOption{dtls.WithInsecureSkipVerify(true)}
	for _, o := range both {
		server, client = append(server, o), append(client, o)
	}
	if p.serverID != nil {
		server = append(server, dtls.WithConnectionIDGenerator(p.serverID))
	}
	if p.clientID != nil {
		client = append(client, dtls.WithConnectionIDGenerator(p.clientID))
	}
	if p.connections > 1 {
		server, client = append(server, dtls.WithSessionStore(&sessions{})), append(client, dtls.WithSessionStore(&sessions{}), dtls.WithServerName("ecdsa.example"))
	}
	addr := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: st.port}
	l, err := dtls.ListenWithOptions("udp", addr, server...)
	check(err)
	defer l.Close()
	go serve(l)
	var truths []truth
	var first []byte // session ID of the first connection
	for i := range max(1, p.connections) {
		c, err := dtls.DialWithOptions("udp", addr, client...)
		check(err)
		t := truth{Stack: "pion", Outcome: "rejected"}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		if err := c.HandshakeContext(ctx); err == nil {
			s, _ := c.ConnectionState()
			t = truth{Stack: "pion", Outcome: "established", Version: "DTLS 1.2", Suite: s.CipherSuiteID.String()}
			if p.connections > 1 {
				t.Resumed = ptr(i > 0 && bytes.Equal(s.SessionID, first))
				first = s.SessionID
			}
			_, _ = c.Write([]byte("hello"))
			_, _ = c.Read(make([]byte, 100))
		}
		cancel()
		c.Close()
		time.Sleep(50 * time.Millisecond)
		truths = append(truths, t)
	}
	return truths
}

// serve echoes the first message of each connection.
func serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			b := make([]byte, 100)
			if n, err := c.Read(b); err == nil { // Read performs the handshake
				_, _ = c.Write(b[:n])
			}
			_, _ = c.Read(b)
		}()
	}
}

// sessions implements dtls.SessionStore.
type sessions struct {
	mu sync.Mutex
	m  map[string]dtls.Session
}

func (s *sessions) Set(key []byte, v dtls.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = map[string]dtls.Session{}
	}
	s.m[string(key)] = v
	return nil
}

func (s *sessions) Get(key []byte) (dtls.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m[string(key)], nil
}

func (s *sessions) Del(key []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, string(key))
	return nil
}

func pionScenes() []scene {
	return []scene{
		{"dtls12-pion-ecdhe", "", peers{mtu: 400}.run},
		{"dtls12-pion-psk", "", peers{psk: true, suites: []dtls.CipherSuiteID{dtls.TLS_PSK_WITH_AES_128_CCM_8}}.run},
		{"dtls12-pion-cid", "", peers{serverID: dtls.RandomCIDGenerator(8), clientID: dtls.RandomCIDGenerator(3)}.run},
		{"dtls12-pion-cid-server", "", peers{serverID: dtls.RandomCIDGenerator(4), clientID: dtls.OnlySendCIDGenerator()}.run},
		{"dtls12-pion-srtp", "", dtlsSRTP},
		{"dtls12-pion-session-id", "", peers{connections: 2}.run},
		{"dtls12-pion-turn", "", turnRelay},
	}
}
