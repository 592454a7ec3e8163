package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/stun/v3"
)

// A port is a UDP socket that STUN, DTLS and SRTP share, RFC 7983. Its ReadFrom
// returns DTLS datagrams, answers STUN requests and drops the rest. During the
// handshake the port also sends STUN requests and media.
type port struct {
	*net.UDPConn
	middle sync.Once
}

// ReadFrom implements net.PacketConn.
func (p *port) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := p.UDPConn.ReadFrom(b)
		if err != nil {
			return n, from, err
		}
		if n > 0 && b[0] >= 20 && b[0] <= 63 {
			p.middle.Do(func() {
				p.ask(from)
				p.media(from, 999)
			})
			return n, from, nil
		}
		m := &stun.Message{Raw: append([]byte(nil), b[:n]...)}
		if m.Decode() == nil && m.Type == stun.BindingRequest {
			u := from.(*net.UDPAddr)
			answer, err := stun.Build(stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess, &stun.XORMappedAddress{IP: u.IP, Port: u.Port}, stun.Fingerprint)
			check(err)
			_, _ = p.WriteTo(answer.Raw, from)
		}
	}
}

func (p *port) ask(to net.Addr) {
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername("remote:local"), stun.Fingerprint)
	check(err)
	_, err = p.WriteTo(m.Raw, to)
	check(err)
}

// media sends a datagram that looks like SRTP: an RTP header and fixed bytes.
func (p *port) media(to net.Addr, seq uint16) {
	b := []byte{0x80, 111, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], uint32(seq)*960)
	for i := range 60 {
		b = append(b, byte(i*37)+byte(seq)*91)
	}
	_, err := p.WriteTo(b, to)
	check(err)
}

// dtlsSRTP runs a handshake with use_srtp between two peers. They exchange STUN
// messages before and after the handshake, and media during it. The side that
// sends the first packet is the DTLS server.
func dtlsSRTP(st *stage) []truth {
	cert, err := tls.LoadX509KeyPair(filepath.Join(st.dir, "ecdsa.crt"), filepath.Join(st.dir, "ecdsa.key"))
	check(err)
	var ports [2]*port
	for i := range ports {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: st.port + i*1000})
		check(err)
		ports[i] = &port{UDPConn: c}
		defer c.Close()
	}
	server, client := ports[0], ports[1]
	profile := dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	server.ask(client.LocalAddr())
	client.ask(server.LocalAddr())
	s, err := dtls.ServerWithOptions(server, client.LocalAddr(), dtls.WithCertificates(cert), profile, dtls.WithClientAuth(dtls.RequireAnyClientCert), dtls.WithInsecureSkipVerifyHello(true), dtls.WithMTU(500))
	check(err)
	c, err := dtls.ClientWithOptions(client, server.LocalAddr(), dtls.WithCertificates(cert), profile, dtls.WithInsecureSkipVerify(true), dtls.WithMTU(500))
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	done := make(chan error)
	go func() {
		err := s.HandshakeContext(ctx)
		for i := range 5 {
			server.media(client.LocalAddr(), uint16(i))
		}
		done <- err
	}()
	t := truth{Stack: "pion", Outcome: "rejected"}
	if err := c.HandshakeContext(ctx); err == nil {
		state, _ := c.ConnectionState()
		t = truth{Stack: "pion", Outcome: "established", Version: "DTLS 1.2", Suite: state.CipherSuiteID.String(), ClientPort: st.port + 1000}
	}
	for i := range 5 {
		client.media(server.LocalAddr(), uint16(i))
	}
	client.ask(server.LocalAddr())
	<-done
	time.Sleep(50 * time.Millisecond)
	c.Close()
	s.Close()
	return []truth{t}
}
