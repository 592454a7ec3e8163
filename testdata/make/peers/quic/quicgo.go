package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"net"
	"strconv"
	"time"

	"github.com/quic-go/quic-go"
)

const protocol = "echo"

var groups = map[tls.CurveID]string{
	tls.CurveP256: "secp256r1", tls.CurveP384: "secp384r1", tls.CurveP521: "secp521r1", tls.X25519: "x25519", tls.X25519MLKEM768: "X25519MLKEM768",
	tls.SecP256r1MLKEM768: "SecP256r1MLKEM768", tls.SecP384r1MLKEM1024: "SecP384r1MLKEM1024",
}

// certificate returns a certificate for quic.example and the hash of its key, which
// makes Chromium trust it.
func certificate() (cert tls.Certificate, spki string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "quic.example"}, DNSNames: []string{"quic.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour * 10),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	check(err)
	pub, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	check(err)
	h := sha256.Sum256(pub)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, base64.StdEncoding.EncodeToString(h[:])
}

// A pair configures a server and a client of quic-go. The zero value is a plain
// handshake.
type pair struct {
	times        int // connections; 0 means 1
	addr         string
	server       func(*tls.Config, *quic.Config)
	client       func(*tls.Config, *quic.Config)
	retry        bool
	early        bool          // the client sends early data if it can
	second       func(*pair)   // changes the configuration for the second connection
	first        string        // the version that the server rejects
	from         string        // the side that sends the alert, client or server
	idle         time.Duration // idle timeout of the handshake
	allowEarly   bool          // the server accepts early data
	silentServer bool          // the server never answers
}

func (p pair) run() []truth {
	if p.addr == "" {
		p.addr = "127.0.0.1"
	}
	cert, _ := certificate()
	serverTLS := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{protocol}}
	clientTLS := &tls.Config{InsecureSkipVerify: true, ServerName: "quic.example", NextProtos: []string{protocol}, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	serverTLS.SetSessionTicketKeys([][32]byte{{1, 2, 3}}) // shared by all servers
	serverQUIC := &quic.Config{DisablePathMTUDiscovery: true, MaxIdleTimeout: 5 * time.Second}
	clientQUIC := &quic.Config{DisablePathMTUDiscovery: true, MaxIdleTimeout: 5 * time.Second, HandshakeIdleTimeout: p.idle}
	if p.server != nil {
		p.server(serverTLS, serverQUIC)
	}
	if p.client != nil {
		p.client(clientTLS, clientQUIC)
	}
	var truths []truth
	for i := range max(p.times, 1) {
		if i == 1 && p.second != nil {
			p.second(&p)
		}
		serverQUIC.Allow0RTT = p.allowEarly
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(p.addr), Port: 4433})
		check(err)
		tr := &quic.Transport{Conn: udp}
		if p.retry {
			tr.VerifySourceAddress = func(net.Addr) bool { return true }
		}
		if !p.silentServer {
			l, err := tr.ListenEarly(serverTLS, serverQUIC)
			check(err)
			go serve(l)
		}
		clientConn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(p.addr)})
		check(err)
		truths = append(truths, p.dial(clientConn, udp.LocalAddr(), clientTLS, clientQUIC))
		time.Sleep(100 * time.Millisecond)
		tr.Close()
		udp.Close()
		clientConn.Close()
	}
	return truths
}

// serve echoes the data of each stream.
func serve(l *quic.EarlyListener) {
	for {
		c, err := l.Accept(context.Background())
		if err != nil {
			return
		}
		go func() {
			for {
				s, err := c.AcceptStream(context.Background())
				if err != nil {
					return
				}
				_, _ = io.Copy(s, s)
				s.Close()
			}
		}()
	}
}

func (p pair) dial(udp *net.UDPConn, to net.Addr, t *tls.Config, q *quic.Config) truth {
	result := truth{Stack: "quic-go", FirstQUIC: p.first, Retry: p.retry, ClientPort: udp.LocalAddr().(*net.UDPAddr).Port}
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	tr := &quic.Transport{Conn: udp}
	defer tr.Close()
	dial := tr.Dial
	if p.early {
		dial = tr.DialEarly
	}
	c, err := dial(ctx, to, t, q)
	if err == nil && p.early {
		err = echo(ctx, c)
		select {
		case <-c.HandshakeComplete():
		case <-ctx.Done():
			err = ctx.Err()
		}
		if errors.Is(err, quic.Err0RTTRejected) {
			c, err = c.NextConnection(ctx)
		}
	}
	if err != nil {
		result.Outcome, result.Alert = "rejected", alert(err)
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			result.Outcome = "incomplete"
		}
		result.AlertFrom = p.from
		return result
	}
	check(echo(ctx, c))
	s := c.ConnectionState()
	result.Outcome, result.Version, result.Suite, result.Group = "established", "TLS 1.3", tls.CipherSuiteName(s.TLS.CipherSuite), groups[s.TLS.CurveID]
	result.Resumed, result.HelloRetry, result.QUIC = ptr(s.TLS.DidResume), ptr(s.TLS.HelloRetryRequest), s.Version.String()
	if p.early {
		result.EarlyData = "none"
		switch {
		case s.Used0RTT:
			result.EarlyData = "accepted"
		case s.TLS.DidResume:
			result.EarlyData = "rejected"
		}
	}
	time.Sleep(50 * time.Millisecond) // wait for the session ticket
	check(c.CloseWithError(0, ""))
	return result
}

func echo(ctx context.Context, c *quic.Conn) error {
	s, err := c.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	if _, err := s.Write([]byte("hello")); err != nil {
		return err
	}
	s.Close()
	_, err = io.ReadAll(s)
	return err
}

// alert returns the number of the TLS alert in err, or "".
func alert(err error) string {
	var e *quic.TransportError
	if errors.As(err, &e) && e.ErrorCode.IsCryptoError() {
		return strconv.Itoa(int(e.ErrorCode) - 0x100)
	}
	return ""
}

func versions(v ...quic.Version) func(*tls.Config, *quic.Config) {
	return func(_ *tls.Config, q *quic.Config) { q.Versions = v }
}

func curves(c ...tls.CurveID) func(*tls.Config, *quic.Config) {
	return func(t *tls.Config, _ *quic.Config) { t.CurvePreferences = c }
}

func quicGoScenes() []scene {
	x25519 := curves(tls.X25519)
	return []scene{
		{"quic-v1", "", pair{client: x25519}.run},
		{"quic-v2", "", pair{client: func(t *tls.Config, q *quic.Config) {
			x25519(t, q)
			q.Versions = []quic.Version{quic.Version2}
		}}.run},
		{"quic-retry", "", pair{client: x25519, retry: true}.run},
		{"quic-retry-v2", "", pair{client: versions(quic.Version2), retry: true}.run},
		{"quic-version-negotiation", "", pair{
			client: versions(quic.Version2, quic.Version1), server: versions(quic.Version1), first: "v2",
		}.run},
		{"quic-hrr", "", pair{client: curves(tls.X25519, tls.CurveP384), server: curves(tls.CurveP384)}.run},
		{"quic-resumption", "", pair{times: 2, client: x25519}.run},
		{"quic-early-data", "", pair{times: 2, client: x25519, early: true, allowEarly: true}.run},
		{"quic-early-data-mlkem-retry", "", pair{times: 2, early: true, allowEarly: true, second: func(p *pair) { p.retry = true }}.run},
		{"quic-early-data-rejected", "", pair{times: 2, client: x25519, early: true, allowEarly: true, second: func(p *pair) { p.allowEarly = false }}.run},
		{"quic-mlkem", "", pair{}.run},
		{"quic-mlkem-hrr", "", pair{
			client: curves(tls.X25519MLKEM768, tls.SecP384r1MLKEM1024), server: curves(tls.SecP384r1MLKEM1024),
		}.run},
		{"quic-no-protocol", "", pair{from: "server", client: func(t *tls.Config, _ *quic.Config) { t.NextProtos = []string{"other"} }}.run},
		{"quic-no-group", "", pair{from: "server", client: curves(tls.X25519), server: curves(tls.CurveP521)}.run},
		{"quic-bad-certificate", "", pair{from: "client", client: func(t *tls.Config, _ *quic.Config) {
			t.InsecureSkipVerify, t.RootCAs = false, x509.NewCertPool()
		}}.run},
		{"quic-no-answer", "", pair{silentServer: true, idle: 400 * time.Millisecond}.run},
		{"quic-ipv6", "", pair{addr: "::1", client: x25519}.run},
	}
}
