package main

import (
	"context"
	"crypto/tls"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/turn/v4"
)

// A relayedTo is the connection from the relay's address to one peer.
type relayedTo struct {
	net.PacketConn
	received chan []byte
	peer     net.Addr
	done     chan struct{}
	once     sync.Once
}

func (r *relayedTo) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case h := <-r.received:
		return copy(b, h), r.peer, nil
	case <-r.done:
		return 0, nil, net.ErrClosed
	}
}

func (r *relayedTo) Close() error {
	r.once.Do(func() { close(r.done) })
	return nil
}

func (r *relayedTo) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && !t.After(time.Now()) {
		r.Close()
	}
	return nil
}

// toPeers passes the datagrams that c receives to the relayedTo of their sender.
func toPeers(c net.PacketConn, peers map[string]*relayedTo) {
	b := make([]byte, 2048)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		if r := peers[from.String()]; r != nil {
			r.received <- append([]byte(nil), b[:n]...)
		}
	}
}

// turnRelay runs DTLS through a TURN relay. A client allocates one address at the
// relay and uses it to connect to two DTLS servers at the same time. The capture
// has both sides of the relay, so each connection appears twice: in TURN
// messages between client and relay, first in indications and then in a
// channel, and unwrapped between relay and server.
func turnRelay(st *stage) []truth {
	cert, err := tls.LoadX509KeyPair(filepath.Join(st.dir, "ecdsa.crt"), filepath.Join(st.dir, "ecdsa.key"))
	check(err)
	local := net.IPv4(127, 0, 0, 1)
	udp, err := net.ListenPacket("udp4", "127.0.0.1:3478")
	check(err)
	server, err := turn.NewServer(turn.ServerConfig{
		Realm: "relay.example",
		AuthHandler: func(user, realm string, _ net.Addr) ([]byte, bool) {
			return turn.GenerateAuthKey(user, realm, "password"), true
		},
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn:            udp,
			RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{RelayAddress: local, Address: "127.0.0.1"},
		}},
	})
	check(err)
	defer server.Close()
	own, err := net.ListenPacket("udp4", "127.0.0.1:0")
	check(err)
	defer own.Close()
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: "127.0.0.1:3478", TURNServerAddr: "127.0.0.1:3478", Conn: own, Username: "user", Password: "password", Realm: "relay.example",
	})
	check(err)
	defer client.Close()
	check(client.Listen())
	relayed, err := client.Allocate()
	check(err)
	defer relayed.Close()

	peers := map[string]*relayedTo{}
	for i := range 2 {
		addr := &net.UDPAddr{IP: local, Port: st.port + i*1000}
		peers[addr.String()] = &relayedTo{PacketConn: relayed, peer: addr, received: make(chan []byte, 100), done: make(chan struct{})}
	}
	go toPeers(relayed, peers)
	var truths []truth
	for i := range 2 {
		addr := &net.UDPAddr{IP: local, Port: st.port + i*1000}
		suite := []dtls.CipherSuiteID{dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}[i]
		l, err := dtls.ListenWithOptions("udp", addr, dtls.WithCertificates(cert), dtls.WithMTU(500))
		check(err)
		defer l.Close()
		go serve(l)
		c, err := dtls.ClientWithOptions(peers[addr.String()], addr, dtls.WithInsecureSkipVerify(true), dtls.WithCipherSuites(suite))
		check(err)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		check(c.HandshakeContext(ctx))
		cancel()
		s, _ := c.ConnectionState()
		t := truth{Stack: "pion", Outcome: "established", Version: "DTLS 1.2", Suite: s.CipherSuiteID.String(), ClientPort: own.LocalAddr().(*net.UDPAddr).Port}
		outside := t
		t.Encapsulation, outside.ClientPort = []string{"turn"}, relayed.LocalAddr().(*net.UDPAddr).Port
		truths = append(truths, t, outside)
		_, err = c.Write([]byte("hello"))
		check(err)
		_, err = c.Read(make([]byte, 100))
		check(err)
		time.Sleep(50 * time.Millisecond)
	}
	return truths
}
