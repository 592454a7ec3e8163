package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

What begins with ` + "`upgrade-`, `proxy-` and `web-`" + ` are servers and clients as people run them. Of a connection that a proxy makes for its client there
are two records, or more; the truth tells them apart by the client's port, from the logs of the proxies and servers. Of AMQP and SIP no server
that switches to TLS was at hand, nor one of TDS: there the client, the server or both are crypto/tls behind the bytes of the specification. No
server here compresses its certificates (RFC 8879), which exists in TLS 1.3 only, where they are encrypted. What websockify carries is TLS inside
of a WebSocket, masked in what the client sends.

What begins with ` + "`eap-`" + ` is EAP between hostapd and eapol_test or wpa_supplicant, as RADIUS or, with ` + "`wired`" + ` in its name, as IEEE
802.1X; in ` + "`eap-several`" + ` one port of a NAS carries three sessions at once. In ` + "`dtls12-pion-turn`" + ` a client speaks to two peers through a TURN relay; both sides of that are there. What begins with ` + "`openvpn-`" + ` are both ends of a tunnel.

What begins with ` + "`quic-`" + ` was made by ` + "`go -C testdata/make/peers/quic run .`" + `, a module of its own whose ` + "`go.mod`" + ` names the versions of
quic-go and golang.org/x/net/quic; ngtcp2 there is gtlsserver and gtlsclient of ngtcp2 0.12.1, with GnuTLS. Chromium 156 is a client only: what is
said of it was said by its server, quic-go. In what begins with ` + "`quic-rebind-`" + ` a NAT gives the client another port: before it has an answer (lost), after
it, after a Retry, between the halves of the ClientHello (mlkem, no-id), twice, or when the handshake is over (after). In no-id the client has no connection ID.

`

var hasVersion = regexp.MustCompile(`\d+\.\d+`)

// readme writes which stacks made the captures, and what each scene shows.
func readme(dir string) {
	var b strings.Builder
	b.WriteString(about + "| stack | version |\n| --- | --- |\n")
	for _, p := range [][]string{{"openssl", "openssl", "version"}, {"gnutls", "gnutls-cli", "--version"}, {"jsse", "java", "-version"}, {"tcpdump", "tcpdump", "--version"},
		{"curl", "curl", "--version"}, {"wget", "wget", "--version"}, {"chromium", "chromium", "--version"}, {"firefox", "firefox-esr", "--version"},
		{"nginx", "nginx", "-v"}, {"stunnel", "stunnel", "-version"}, {"haproxy", "haproxy", "-v"}, {"squid", "squid", "-v"}, {"dante", "danted", "-v"},
		{"postfix", "postconf", "-d", "mail_version"}, {"dovecot", "dovecot", "--version"}, {"prosody", "dpkg-query", "-W", "prosody"}, {"inspircd", "inspircd", "--version"},
		{"openldap", "ldapsearch", "-VV"}, {"postgresql", "psql", "--version"}, {"mariadb", "mariadbd", "--version"}, {"freetds", "tsql", "-C"},
		{"xrdp", "xrdp", "--version"}, {"freerdp", "dpkg-query", "-W", "freerdp2-x11"}, {"inn", "dpkg-query", "-W", "inn2"}, {"vsftpd", "dpkg-query", "-W", "vsftpd"},
		{"cups", "dpkg-query", "-W", "cups-daemon"}, {"microsocks", "dpkg-query", "-W", "microsocks"}, {"websockify", "dpkg-query", "-W", "websockify"}, {"openssh", "ssh", "-V"},
		{"hostapd", "hostapd", "-v"}, {"wpa_supplicant", "wpa_supplicant", "-v"}, {"openvpn", "openvpn", "--version"}} {
		out, _ := exec.Command(p[1], p[2:]...).CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if hasVersion.MatchString(line) { // what else they say comes before it
				fmt.Fprintf(&b, "| %s | %s |\n", p[0], strings.Join(strings.Fields(line), " "))
				break
			}
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
		stack := ""
		if len(said) > 0 {
			stack = said[0].Stack
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.TrimSuffix(filepath.Base(f), ".truth.json"), stack, summary(said))
	}
	check(os.WriteFile(filepath.Join(dir, "README.md"), []byte(b.String()), 0o644))
}
