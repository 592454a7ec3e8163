package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

const about = `# Captures of real handshakes

Made by ` + "`go run ./testdata/make`" + `: servers and clients of the stacks below spoke to each other in a network namespace of
their own while tcpdump listened. Nothing here was taken from anybody's network, and the keys were thrown away.

| file | is |
| --- | --- |
| ` + "`NAME.pcap`" + ` | a scene: one connection, or a few |
| ` + "`NAME.truth.json`" + ` | what the stack itself said of each, in order: parsed from its messages, never from the capture. What it did not say is left out |
| ` + "`NAME.json`" + ` | the records of pfsight; ` + "`go test ./cmd/pfsight -run TestCaptures -update`" + ` writes them |
| ` + "`variants.json`" + ` | the other captures: of which scene they are the same bytes in another carriage, which fields may differ, and which values are expected of those |
| ` + "`bad/`" + ` | what is no capture, or only a part of one |

Alerts are those that the receiver named, by number; an encrypted one can be known to the stack and not to a capture. A suite
of GnuTLS is a number, since GnuTLS has its own names. OpenSSL and GnuTLS here were built without SSLv3; JSSE speaks it, and
export, static ECDH and DSS suites, when its list of disabled algorithms is emptied. No stack here speaks static DH, Kerberos,
SSLv2 or FORTEZZA.

What begins with ` + "`quic-`" + ` was made by ` + "`go -C testdata/make/peers/quic run .`" + `, a module of its own whose ` + "`go.mod`" + ` names the versions of
quic-go and golang.org/x/net/quic; ngtcp2 there is gtlsserver and gtlsclient of ngtcp2 0.12.1, with GnuTLS. Chromium 156 is a client only: what is
said of it was said by its server, quic-go.

`

// readme writes which stacks made the captures, and what each scene shows.
func readme(dir string) {
	var b strings.Builder
	b.WriteString(about + "| stack | version |\n| --- | --- |\n")
	for _, p := range [][]string{{"openssl", "openssl", "version"}, {"gnutls", "gnutls-cli", "--version"}, {"jsse", "java", "-version"}, {"tcpdump", "tcpdump", "--version"}} {
		if out, err := exec.Command(p[1], p[2:]...).CombinedOutput(); err == nil {
			first, _, _ := strings.Cut(string(out), "\n")
			fmt.Fprintf(&b, "| %s | %s |\n", p[0], first)
		}
	}
	fmt.Fprintf(&b, "| go | %s crypto/tls |\n", runtime.Version())
	b.WriteString("\n| scene | stack | what it said |\n| --- | --- | --- |\n")
	files, err := filepath.Glob(filepath.Join(dir, "*.truth.json"))
	check(err)
	for _, f := range files {
		raw, err := os.ReadFile(f)
		check(err)
		var said []truth
		check(json.Unmarshal(raw, &said))
		fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.TrimSuffix(filepath.Base(f), ".truth.json"), said[0].Stack, summary(said))
	}
	check(os.WriteFile(filepath.Join(dir, "README.md"), []byte(b.String()), 0o644))
}
