package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// chromium loads a page from a quic-go server, which reports the truth. Chromium
// splits its ClientHello into many CRYPTO frames in random order, with PING and
// PADDING frames between them.
func chromium(set func(*tls.Config, *quic.Transport)) func() []truth {
	return func() []truth {
		cert, spki := certificate()
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4433})
		check(err)
		tr := &quic.Transport{Conn: udp}
		config := &tls.Config{Certificates: []tls.Certificate{cert}}
		set(config, tr)
		states := make(chan truth, 8)
		server := &http3.Server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("hello")) }),
			ConnContext: func(ctx context.Context, c *quic.Conn) context.Context {
				go func() {
					select {
					case <-c.HandshakeComplete():
					case <-c.Context().Done():
						return
					}
					s := c.ConnectionState()
					states <- truth{
						Stack: "chromium, quic-go", Version: "TLS 1.3", Suite: tls.CipherSuiteName(s.TLS.CipherSuite), Group: groups[s.TLS.CurveID],
						Resumed: ptr(s.TLS.DidResume), HelloRetry: ptr(s.TLS.HelloRetryRequest), Outcome: "established", QUIC: s.Version.String(),
						ClientPort: c.RemoteAddr().(*net.UDPAddr).Port, Retry: tr.VerifySourceAddress != nil,
					}
				}()
				return ctx
			},
		}
		l, err := tr.ListenEarly(http3.ConfigureTLSConfig(config), &quic.Config{DisablePathMTUDiscovery: true})
		check(err)
		go func() { _ = server.ServeListener(l) }()
		dir, err := os.MkdirTemp("", "chromium")
		check(err)
		defer os.RemoveAll(dir)
		ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
		defer stop()
		out, err := exec.CommandContext(ctx, "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
			"--user-data-dir="+dir, "--origin-to-force-quic-on=quic.example:4433", "--host-resolver-rules=MAP quic.example 127.0.0.1",
			"--ignore-certificate-errors-spki-list="+spki, "--dump-dom", "https://quic.example:4433/").Output()
		check(err)
		if !bytes.Contains(out, []byte("hello")) {
			panic("chromium has another page: " + string(out))
		}
		server.Close()
		tr.Close()
		udp.Close()
		var truths []truth
		for {
			select {
			case t := <-states:
				truths = append(truths, t)
			default:
				return truths
			}
		}
	}
}

func chromiumScenes() []scene {
	return []scene{
		{"quic-chromium", "chromium", chromium(func(*tls.Config, *quic.Transport) {})},
		{"quic-chromium-retry", "chromium", chromium(func(_ *tls.Config, tr *quic.Transport) {
			tr.VerifySourceAddress = func(net.Addr) bool { return true }
		})},
		{"quic-chromium-hrr", "chromium", chromium(func(t *tls.Config, _ *quic.Transport) { t.CurvePreferences = []tls.CurveID{tls.CurveP384} })},
	}
}
