package main

import (
	"context"
	"crypto/tls"
	"io"
	"time"

	"golang.org/x/net/quic"
)

// netScenes returns the scenes of golang.org/x/net/quic. It pads and coalesces
// packets differently from quic-go.
func netScenes() []scene {
	return []scene{{"quic-net", "", func() []truth {
		cert, _ := certificate()
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		server, err := quic.Listen("udp", "127.0.0.1:4433", &quic.Config{TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, NextProtos: []string{protocol},
		}})
		check(err)
		go func() {
			c, err := server.Accept(ctx)
			if err != nil {
				return
			}
			if s, err := c.AcceptStream(ctx); err == nil {
				_, _ = io.Copy(s, s)
				s.Close()
			}
			_ = c.Wait(ctx)
		}()
		client, err := quic.Listen("udp", "127.0.0.1:0", nil)
		check(err)
		var state tls.ConnectionState
		c, err := client.Dial(ctx, "udp", server.LocalAddr().String(), &quic.Config{TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, ServerName: "quic.example", NextProtos: []string{protocol},
			VerifyConnection: func(s tls.ConnectionState) error { state = s; return nil },
		}})
		check(err)
		s, err := c.NewStream(ctx)
		check(err)
		_, err = s.Write([]byte("hello"))
		check(err)
		s.CloseWrite()
		_, err = io.ReadAll(s)
		check(err)
		result := truth{
			Stack: "x/net/quic", Version: "TLS 1.3", Suite: tls.CipherSuiteName(state.CipherSuite), Group: groups[state.CurveID],
			Resumed: ptr(state.DidResume), HelloRetry: ptr(state.HelloRetryRequest), Outcome: "established",
			ClientPort: int(client.LocalAddr().Port()), QUIC: "v1",
		}
		_ = c.Close()
		_ = client.Close(ctx)
		_ = server.Close(ctx)
		return []truth{result}
	}}}
}
