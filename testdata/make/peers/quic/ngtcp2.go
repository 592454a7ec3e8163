package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// gnutlsSuites maps GnuTLS's names of suites to IANA's.
var gnutlsSuites = map[string]string{
	"AES-128-GCM": "TLS_AES_128_GCM_SHA256", "AES-256-GCM": "TLS_AES_256_GCM_SHA384", "CHACHA20-POLY1305": "TLS_CHACHA20_POLY1305_SHA256",
	"AES-128-CCM": "TLS_AES_128_CCM_SHA256",
}

// Patterns in the output of gtlsclient.
var (
	saidVersion = regexp.MustCompile(`the negotiated version is (0x[0-9a-f]{8})`)
	saidSuite   = regexp.MustCompile(`Negotiated cipher suite is (\S+)`)
	saidPort    = regexp.MustCompile(`Sent packet: local=\[127\.0\.0\.1\]:(\d+)`)
	saidRetry   = regexp.MustCompile(`type=Retry`)
)

var quicVersions = map[string]string{"0x00000001": "v1", "0xff00001d": "draft-29", "0x709a50c4": "v2 (draft)"}

// ngtcp2 runs gtlsserver and gtlsclient, the examples of ngtcp2 with GnuTLS. They
// support drafts and compatible version negotiation, RFC 9368.
func ngtcp2(server, client []string, set func(*truth)) func() []truth {
	return func() []truth {
		dir, err := os.MkdirTemp("", "ngtcp2")
		check(err)
		defer os.RemoveAll(dir)
		cert, _ := certificate()
		key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
		check(err)
		for name, b := range map[string][]byte{
			"key.pem":    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
			"cert.pem":   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}),
			"index.html": []byte("hello\n"),
		} {
			check(os.WriteFile(filepath.Join(dir, name), b, 0o600))
		}
		s := exec.Command("gtlsserver", append(server, "--no-pmtud", "127.0.0.1", "4433", "key.pem", "cert.pem")...)
		s.Dir = dir
		check(s.Start())
		time.Sleep(300 * time.Millisecond)
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		c := exec.CommandContext(ctx, "gtlsclient", append(client, "--no-pmtud", "--exit-on-all-streams-close", "127.0.0.1", "4433", "https://quic.example/index.html")...)
		c.Dir = dir
		out, _ := c.CombinedOutput() // some scenes fail on purpose
		time.Sleep(100 * time.Millisecond)
		_ = s.Process.Kill()
		_ = s.Wait()
		t := truth{Stack: "ngtcp2, gnutls", Outcome: "rejected", Retry: saidRetry.Match(out)}
		if m := saidSuite.FindSubmatch(out); m != nil {
			t.Outcome, t.Version, t.Suite = "established", "TLS 1.3", gnutlsSuites[string(m[1])]
		}
		if m := saidVersion.FindSubmatch(out); m != nil {
			t.QUIC = quicVersions[string(m[1])]
		}
		if m := saidPort.FindAllSubmatch(out, -1); m != nil {
			t.ClientPort, _ = strconv.Atoi(string(m[len(m)-1][1])) // the last one: Version Negotiation changes the port
		}
		if set != nil {
			set(&t)
		}
		return []truth{t}
	}
}

func ngtcp2Scenes() []scene {
	const ciphers = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:"
	return []scene{
		{"quic-draft29", "gtlsclient", ngtcp2(nil, []string{"-v", "0xff00001d"}, nil)},
		{"quic-compatible-version", "gtlsclient", ngtcp2(
			[]string{"--preferred-versions=v2draft"}, []string{"-v", "v1", "--preferred-versions=v2draft,v1", "--other-versions=v2draft,v1"},
			func(t *truth) { t.FirstQUIC = "v1" },
		)},
		{"quic-reserved-version", "gtlsclient", ngtcp2(
			[]string{"-V"}, []string{"-v", "0x1a2a3a4a", "--preferred-versions=v1", "--other-versions=0x1a2a3a4a,v1", "--scid="}, nil,
		)},
		{"quic-chacha20", "gtlsclient", ngtcp2(nil, []string{"--ciphers=" + ciphers + "+CHACHA20-POLY1305"}, nil)},
		{"quic-hrr-gnutls", "gtlsclient", ngtcp2(
			[]string{"--groups=-GROUP-ALL:+GROUP-SECP521R1"}, []string{"--groups=-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP521R1"}, nil,
		)},
	}
}
