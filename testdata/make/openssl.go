package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// keys creates the keys, certificates and parameters that the scenes use.
func (st *stage) keys() {
	in := func(name string) string { return filepath.Join(st.dir, name) }
	run("openssl", "dsaparam", "-out", in("dsa.pem"), "2048")
	for _, k := range [][]string{
		{"rsa", "-newkey", "rsa:2048"},
		{"ecdsa", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"},
		{"ed25519", "-newkey", "ed25519"},
		{"client", "-newkey", "rsa:2048"},
		{"other", "-newkey", "rsa:2048"},
		{"ecrsa", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-CA", in("rsa.crt"), "-CAkey", in("rsa.key")},
		{"dsa", "-newkey", "dsa:" + in("dsa.pem")},
	} {
		run(append([]string{"openssl", "req", "-x509", "-nodes", "-days", "36500", "-subj", "/O=pfsight test/CN=" + k[0] + ".example",
			"-addext", "subjectAltName=DNS:" + k[0] + ".example,DNS:localhost,IP:127.0.0.1", "-keyout", in(k[0] + ".key"), "-out", in(k[0] + ".crt")}, k[1:]...)...)
	}
	run("openssl", "dhparam", "-out", in("dh1024.pem"), "1024")
	run("openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", in("dh2048.pem"))
	run("srptool", "--create-conf", in("srp.conf"))
	run("sh", "-c", "echo secret | srptool --passwd "+in("srp.txt")+" --passwd-conf "+in("srp.conf")+" -u user")
	check(os.WriteFile(in("early.txt"), []byte("GET / HTTP/1.0\r\n\r\n"), 0o644))
	b, err := exec.Command("openssl", "ciphers", "-stdname", "-s", "-v", "ALL:COMPLEMENTOFALL:@SECLEVEL=0").Output()
	check(err)
	b2, err := exec.Command("openssl", "ciphers", "-stdname", "-v", "ALL:COMPLEMENTOFALL:@SECLEVEL=0").Output()
	check(err)
	for _, line := range strings.Split(string(b)+string(b2), "\n") {
		if f := strings.Fields(line); len(f) > 3 {
			ianaNames[f[2]] = f[0]
		}
	}
}

// ianaNames maps OpenSSL's names of suites to IANA's, as listed by OpenSSL.
var ianaNames = map[string]string{}

// openssl runs s_server, and s_client once for each list of client arguments. The
// truths are from the output of s_client.
func openssl(server string, clients ...string) func(*stage) []truth {
	return func(st *stage) []truth {
		port, host := strconv.Itoa(st.port), "127.0.0.1"
		if strings.Contains(server, "-6 ") {
			host = "[::1]"
		}
		cert := []string{"-cert", "rsa.crt", "-key", "rsa.key"}
		if strings.Contains(server, "-nocert") || strings.Contains(server, "-cert ") {
			cert = nil
		}
		args := append([]string{"openssl", "s_server", "-accept", port}, cert...)
		w := st.server("ACCEPT", append(args, strings.Fields(server)...)...)
		var truths []truth
		for _, c := range clients {
			before := len(w.output())
			args := append([]string{"openssl", "s_client", "-connect", host + ":" + port}, strings.Fields(c)...)
			t := readSClient(st.client("Q\n", args...))
			if strings.Contains(c, "-psk ") {
				t.Resumed = nil // s_client reports an external PSK as a reused session
			}
			time.Sleep(50 * time.Millisecond)
			// The receiver of an alert prints it.
			if a := sclientAlert.FindStringSubmatch(w.output()[before:]); a != nil && t.Alert == "" {
				t.Outcome, t.Alert = "rejected", a[2]
			}
			truths = append(truths, t)
		}
		return truths
	}
}

var (
	sclientNew   = regexp.MustCompile(`(?m)^(New|Reused), (\S+), Cipher is (\S+)`)
	sclientProto = regexp.MustCompile(`(?m)^\s+Protocol\s+: (\S+)`)
	sclientTemp  = regexp.MustCompile(`(?m)^Server Temp Key: (?:(DH), (\d+) bits|ECDH, (\S+), |(\S+), )`)
	sclientHello = regexp.MustCompile(`(?m)^<<< .*, Handshake .*, ServerHello`)
	sclientAlert = regexp.MustCompile(`alert ([a-z0-9 ]+):.*SSL alert number (\d+)`)
)

var opensslGroups = map[string]string{
	"prime256v1": "secp256r1", "P-256": "secp256r1", "secp384r1": "secp384r1", "P-384": "secp384r1", "secp521r1": "secp521r1", "P-521": "secp521r1",
	"X25519": "x25519", "X448": "x448", "brainpoolP256r1": "brainpoolP256r1", "secp256k1": "secp256k1",
}

var versions = map[string]string{
	"SSLv3": "SSLv3", "TLSv1": "TLS 1.0", "TLSv1.0": "TLS 1.0", "TLSv1.1": "TLS 1.1", "TLSv1.2": "TLS 1.2", "TLSv1.3": "TLS 1.3",
}

func readSClient(s string) truth {
	t := truth{Stack: "openssl", Outcome: "established"}
	if strings.Contains(s, "certificate verify failed") {
		t.Outcome = "rejected" // by the client
	}
	if a := sclientAlert.FindStringSubmatch(s); a != nil {
		t.Outcome, t.Alert = "rejected", a[2]
	}
	m := sclientNew.FindStringSubmatch(s)
	if m == nil || m[3] == "(NONE)" {
		t.Outcome = "rejected"
		return t
	}
	t.Resumed = ptr(m[1] == "Reused")
	t.Suite = ianaNames[m[3]]
	t.Version = versions[m[2]]
	if p := sclientProto.FindStringSubmatch(s); p != nil {
		t.Version = versions[p[1]] // the line above has the version that introduced the suite
	}
	key := sclientTemp.FindStringSubmatch(s)
	if key != nil {
		if key[1] == "DH" {
			t.DHBits, _ = strconv.Atoi(key[2])
		} else {
			t.Group = opensslGroups[key[3]+key[4]]
		}
	}
	if *t.Resumed && t.Version == "TLS 1.3" {
		t.PSKMode = "psk_ke"
		if key != nil {
			t.PSKMode = "psk_dhe_ke"
		}
	}
	switch {
	case strings.Contains(s, "Early data was accepted"):
		t.EarlyData = "accepted"
	case strings.Contains(s, "Early data was rejected"):
		t.EarlyData = "rejected"
	case strings.Contains(s, "Early data was not sent"):
		t.EarlyData = "none"
	}
	// -msg prints each message. A HelloRetryRequest is a second ServerHello.
	if n := len(sclientHello.FindAllString(s, -1)); n > 0 && t.Version == "TLS 1.3" {
		t.HelloRetry = ptr(n == 2)
	}
	return t
}
