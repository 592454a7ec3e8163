package main

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

// A nat is a NAT between a client and the server that gives the client a new port
// during the handshake. The client passes its datagrams to the nat within this
// program, so they are captured only between nat and server.
type nat struct {
	server  *net.UDPAddr
	local   string
	to      chan []byte // to the client
	wake    chan struct{}
	closed  chan struct{}
	mu      sync.Mutex
	out     *net.UDPConn
	ports   []int
	sent    int
	rebinds []bool // whether to change the port before the client's n-th datagram
	lose    bool   // drop the first datagram of the server
	stopped bool
}

func (n *nat) bind() {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(n.local)})
	check(err)
	n.out = c
	n.ports = append(n.ports, c.LocalAddr().(*net.UDPAddr).Port)
	go func() {
		b := make([]byte, 2048)
		for {
			k, err := c.Read(b)
			if err != nil {
				return
			}
			n.mu.Lock()
			lost := n.lose && n.out == c
			n.lose = n.lose && !lost
			n.mu.Unlock()
			if lost {
				continue
			}
			select {
			case n.to <- append([]byte(nil), b[:k]...):
			case <-n.closed:
			}
		}
	}()
}

// WriteTo sends a datagram of the client to the server.
func (n *nat) WriteTo(b []byte, _ net.Addr) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stopped {
		return 0, net.ErrClosed
	}
	if n.out == nil || n.sent < len(n.rebinds) && n.rebinds[n.sent] {
		n.bind()
	}
	n.sent++
	return n.out.WriteToUDP(b, n.server)
}

// ReadFrom returns the next datagram of the server.
func (n *nat) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-n.to:
		return copy(b, d), n.server, nil
	case <-n.wake:
		return 0, nil, os.ErrDeadlineExceeded
	case <-n.closed:
		return 0, nil, net.ErrClosed
	}
}

func (n *nat) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.stopped {
		n.stopped = true
		n.out.Close()
		close(n.closed)
	}
	return nil
}

// SetReadDeadline implements net.PacketConn. quic-go calls it to interrupt ReadFrom.
func (n *nat) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		select {
		case n.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

func (n *nat) LocalAddr() net.Addr {
	return &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5000}
}
func (n *nat) SetDeadline(time.Time) error      { return nil }
func (n *nat) SetWriteDeadline(time.Time) error { return nil }

// A rebinding is a scene in which the client's port changes.
type rebinding struct {
	pair
	rebinds []bool
	lose    bool
	noID    bool // the client uses no connection ID
	longID  bool // the server's connection IDs have 20 bytes instead of 4
	after   bool // the port changes after the handshake
}

func (r rebinding) run() []truth {
	cert, _ := certificate()
	serverTLS := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{protocol}}
	clientTLS := &tls.Config{InsecureSkipVerify: true, ServerName: "quic.example", NextProtos: []string{protocol}}
	config := &quic.Config{DisablePathMTUDiscovery: true, MaxIdleTimeout: 5 * time.Second}
	if r.client != nil {
		r.client(clientTLS, config)
	}
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4433})
	check(err)
	defer udp.Close()
	server := &quic.Transport{Conn: udp}
	if r.longID {
		server.ConnectionIDLength = 20
	}
	defer server.Close()
	if r.retry {
		server.VerifySourceAddress = func(net.Addr) bool { return true }
	}
	l, err := server.ListenEarly(serverTLS, config)
	check(err)
	go serve(l)

	n := &nat{server: udp.LocalAddr().(*net.UDPAddr), local: "127.0.0.1", rebinds: r.rebinds, lose: r.lose,
		to: make(chan []byte, 1024), wake: make(chan struct{}, 1), closed: make(chan struct{})}
	defer n.Close()
	result := truth{Stack: "quic-go", Retry: r.retry}
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	client := &quic.Transport{Conn: n}
	if !r.noID {
		client.ConnectionIDLength = 8
	}
	defer client.Close()
	dial := client.Dial
	if r.noID {
		dial = func(ctx context.Context, to net.Addr, t *tls.Config, q *quic.Config) (*quic.Conn, error) {
			return quic.Dial(ctx, n, to, t, q)
		}
	}
	c, err := dial(ctx, n.server, clientTLS, config)
	check(err)
	check(echo(ctx, c))
	s := c.ConnectionState()
	result.Outcome, result.Version, result.Suite, result.Group = "established", "TLS 1.3", tls.CipherSuiteName(s.TLS.CipherSuite), groups[s.TLS.CurveID]
	result.Resumed, result.HelloRetry, result.QUIC = ptr(s.TLS.DidResume), ptr(s.TLS.HelloRetryRequest), s.Version.String()
	time.Sleep(50 * time.Millisecond)
	check(c.CloseWithError(0, ""))
	time.Sleep(50 * time.Millisecond)
	n.mu.Lock()
	result.ClientPort = n.ports[0]
	if !r.after {
		result.MovedTo = n.ports[len(n.ports)-1]
	}
	n.mu.Unlock()
	return []truth{result}
}

func rebindScenes() []scene {
	x25519 := pair{client: curves(tls.X25519)}
	retry := x25519
	retry.retry = true
	second := []bool{1: true}
	split := pair{} // the ML-KEM key share splits the ClientHello into two datagrams
	return []scene{
		// The response to the first port is lost, so the client repeats its ClientHello.
		{"quic-rebind-lost", "", rebinding{pair: x25519, rebinds: second, lose: true}.run},
		{"quic-rebind-answered", "", rebinding{pair: x25519, rebinds: second}.run},
		{"quic-rebind-after", "", rebinding{pair: x25519, rebinds: []bool{2: true}, longID: true, after: true}.run},
		{"quic-rebind-retry", "", rebinding{pair: retry, rebinds: second}.run},
		{"quic-rebind-no-id", "", rebinding{pair: split, rebinds: second, noID: true}.run},
		{"quic-rebind-mlkem", "", rebinding{pair: split, rebinds: second}.run},
		{"quic-rebind-twice", "", rebinding{pair: split, rebinds: []bool{1: true, 2: true}, longID: true}.run},
	}
}
