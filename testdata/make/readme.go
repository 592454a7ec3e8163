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

Made by ` + "`go run ./testdata/make`" + `: servers and clients of the stacks below, connected in a separate network namespace and
captured by tcpdump. Nothing was recorded on a real network, and the keys were deleted.

| file | content |
| --- | --- |
| ` + "`NAME.pcap`" + ` | a scene: one connection, or a few |
| ` + "`NAME.truth.json`" + ` | what the stack reported about each connection, in order: parsed from its output, never from the capture. Fields that it did not report are omitted |
| ` + "`NAME.json`" + ` | the records of pfsight; ` + "`go test ./cmd/pfsight -run TestCaptures -update`" + ` writes them |
| ` + "`variants.json`" + ` | the other captures: which scene's bytes they carry in a different way, which fields may differ, and the expected values of these |
| ` + "`bad/`" + ` | invalid and incomplete captures |

Alerts are the numbers that the receiver reported. A stack may report an encrypted alert, which a capture does not show. Suites of
GnuTLS are numbers, because GnuTLS uses its own names. These builds of OpenSSL and GnuTLS lack SSLv3; JSSE supports it, and
export, static ECDH and DSS suites, with an empty list of disabled algorithms. None of the stacks supports static DH, Kerberos,
SSLv2 or FORTEZZA.

The captures ` + "`upgrade-`, `proxy-` and `web-`" + ` are from common servers and clients. A connection through a proxy has two or more
records; the truth distinguishes them by the client's port, from the logs of the proxies and servers. No server that switches to TLS was available
for AMQP, SIP and TDS: there the client, the server or both are crypto/tls after the bytes that the specification gives. No
server compresses its certificates (RFC 8879), which only TLS 1.3 can do, where they are encrypted. websockify carries TLS inside
a WebSocket; the client's bytes are masked.

The captures ` + "`eap-`" + ` are EAP between hostapd and eapol_test or wpa_supplicant, over RADIUS or, with ` + "`wired`" + ` in the name, over IEEE
802.1X. In ` + "`eap-several`" + ` one port of a NAS carries three sessions at once. In ` + "`dtls12-pion-turn`" + ` a client is connected to two peers through a TURN relay; the capture has both sides of the relay. The captures ` + "`openvpn-`" + ` are tunnels between two OpenVPN processes.

The captures ` + "`quic-`" + ` are made by ` + "`go -C testdata/make/peers/quic run .`" + `, a separate module whose ` + "`go.mod`" + ` has the versions of
quic-go and golang.org/x/net/quic. ngtcp2 is gtlsserver and gtlsclient of ngtcp2 0.12.1 with GnuTLS. Chromium 156 is a client only; the
truth is from its server, quic-go. In ` + "`quic-rebind-`" + ` a NAT changes the client's port: before it receives a response (lost), after
that (answered), after a Retry, between the parts of the ClientHello (mlkem, no-id), twice, or after the handshake (after). In no-id the client has no connection ID.

`

var hasVersion = regexp.MustCompile(`\d+\.\d+`)

// readme writes README.md: the versions of the stacks, and the truths of each scene.
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
			if hasVersion.MatchString(line) { // the first line with a version
				fmt.Fprintf(&b, "| %s | %s |\n", p[0], strings.Join(strings.Fields(line), " "))
				break
			}
		}
	}
	fmt.Fprintf(&b, "| go | %s crypto/tls |\n", runtime.Version())
	b.WriteString("\n| scene | stack | reported |\n| --- | --- | --- |\n")
	files, err := filepath.Glob(filepath.Join(dir, "*.truth.json"))
	check(err)
	for _, f := range files {
		raw, err := os.ReadFile(f)
		check(err)
		var truths []truth
		check(json.Unmarshal(raw, &truths))
		stack := ""
		if len(truths) > 0 {
			stack = truths[0].Stack
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.TrimSuffix(filepath.Base(f), ".truth.json"), stack, summary(truths))
	}
	check(os.WriteFile(filepath.Join(dir, "README.md"), []byte(b.String()), 0o644))
}
