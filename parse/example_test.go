package parse_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"math/big"
	"net"

	"pfsight/capture/stream"
	"pfsight/parse"
)

// A recorder is a connection that keeps what was written to it.
type recorder struct {
	net.Conn
	sent bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) {
	r.sent.Write(b)
	return r.Conn.Write(b)
}

// handshake makes a TLS 1.3 handshake and returns what the client and the server
// sent.
func handshake() (client, server []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, &key.PublicKey, key)
	if err != nil {
		log.Fatal(err)
	}
	a, b := net.Pipe()
	left, right := &recorder{Conn: a}, &recorder{Conn: b}
	done := make(chan error)
	go func() {
		done <- tls.Server(right, &tls.Config{
			Certificates:           []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}},
			SessionTicketsDisabled: true,
		}).Handshake()
	}()
	if err := tls.Client(left, &tls.Config{
		ServerName: "www.example", InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.CurveP256},
	}).Handshake(); err != nil {
		log.Fatal(err)
	}
	if err := <-done; err != nil {
		log.Fatal(err)
	}
	return left.sent.Bytes(), right.sent.Bytes()
}

// A Conversation holds the first bytes of both directions of a connection.
func ExampleParser_Parse() {
	client, server := handshake()
	var c stream.Conversation
	c.Half[stream.ToServer] = stream.Half{Data: client, SYN: true, Packets: 1}
	c.Half[stream.ToClient] = stream.Half{Data: server, SYN: true, Packets: 1}

	var p parse.Parser
	h := p.Parse(&c)
	fmt.Printf("%s %s %s\n", h.ClientHello.ServerName, h.ServerHello.Version(), h.ServerHello.Group)
	// Output: www.example TLS 1.3 secp256r1
}
