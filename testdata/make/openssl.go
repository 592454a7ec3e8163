package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// keys makes the keys, certificates and parameters that the scenes use.
func (st *stage) keys() {
	in := func(name string) string { return filepath.Join(st.dir, name) }
	for _, k := range [][]string{
		{"rsa", "-newkey", "rsa:2048"},
		{"ecdsa", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"},
		{"ed25519", "-newkey", "ed25519"},
		{"client", "-newkey", "rsa:2048"},
		{"other", "-newkey", "rsa:2048"},
	} {
		run(append([]string{"openssl", "req", "-x509", "-nodes", "-days", "36500", "-subj", "/O=pfsight test/CN=" + k[0] + ".example",
			"-addext", "subjectAltName=DNS:" + k[0] + ".example,DNS:localhost,IP:127.0.0.1", "-keyout", in(k[0] + ".key"), "-out", in(k[0] + ".crt")}, k[1:]...)...)
	}
	run("openssl", "dhparam", "-out", in("dh1024.pem"), "1024")
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

// ianaNames are the IANA names of suites by OpenSSL's, as OpenSSL tells them.
var ianaNames = map[string]string{}

// openssl plays s_server with s_client, once for each list of client
// arguments, and reads what s_client says.
func openssl(server string, clients ...string) func(*stage) []truth {
	return func(st *stage) []truth {
		port := strconv.Itoa(st.port)
		cert := []string{"-cert", "rsa.crt", "-key", "rsa.key"}
		if strings.Contains(server, "-nocert") || strings.Contains(server, "-cert ") {
			cert = nil
		}
		args := append([]string{"openssl", "s_server", "-accept", port}, cert...)
		st.server("ACCEPT", append(args, strings.Fields(server)...)...)
		var said []truth
		for _, c := range clients {
			args := append([]string{"openssl", "s_client", "-connect", "127.0.0.1:" + port}, strings.Fields(c)...)
			said = append(said, readSClient(st.client("Q\n", args...)))
		}
		return said
	}
}

var (
	sclientNew   = regexp.MustCompile(`(?m)^(New|Reused), (\S+), Cipher is (\S+)`)
	sclientProto = regexp.MustCompile(`(?m)^\s+Protocol\s+: (\S+)`)
	sclientTemp  = regexp.MustCompile(`(?m)^Server Temp Key: (?:(DH), (\d+) bits|ECDH, (\S+), |(\S+), )`)
	sclientAlert = regexp.MustCompile(`alert ([a-z0-9 ]+):.*SSL alert number (\d+)`)
)

var opensslGroups = map[string]string{
	"prime256v1": "secp256r1", "P-256": "secp256r1", "secp384r1": "secp384r1", "P-384": "secp384r1", "secp521r1": "secp521r1", "P-521": "secp521r1",
	"X25519": "x25519", "X448": "x448",
}

var versions = map[string]string{
	"SSLv3": "SSLv3", "TLSv1": "TLS 1.0", "TLSv1.0": "TLS 1.0", "TLSv1.1": "TLS 1.1", "TLSv1.2": "TLS 1.2", "TLSv1.3": "TLS 1.3",
}

func readSClient(s string) truth {
	t := truth{Stack: "openssl"}
	m := sclientNew.FindStringSubmatch(s)
	if m == nil || m[3] == "(NONE)" || sclientAlert.MatchString(s) {
		t.Outcome = "rejected"
		if a := sclientAlert.FindStringSubmatch(s); a != nil {
			t.Alert = a[2]
		}
		return t
	}
	t.Outcome = "established"
	if strings.Contains(s, "certificate verify failed") {
		t.Outcome = "rejected" // by the client itself
	}
	t.Resumed = ptr(m[1] == "Reused")
	t.Suite = ianaNames[m[3]]
	t.Version = versions[m[2]]
	if p := sclientProto.FindStringSubmatch(s); p != nil {
		t.Version = versions[p[1]] // the line above tells the suite's version
	}
	if k := sclientTemp.FindStringSubmatch(s); k != nil {
		if k[1] == "DH" {
			t.DHBits, _ = strconv.Atoi(k[2])
		} else {
			t.Group = opensslGroups[k[3]+k[4]]
		}
	}
	switch {
	case strings.Contains(s, "Early data was accepted"):
		t.EarlyData = "accepted"
	case strings.Contains(s, "Early data was rejected"):
		t.EarlyData = "rejected"
	}
	return t
}

func opensslScenes() []scene {
	level0 := ":@SECLEVEL=0"
	tls12 := func(name, suite string) scene {
		return scene{name, openssl("-tls1_2 -cipher "+suite+level0, "-tls1_2 -cipher "+suite+level0)}
	}
	psk := func(name, suite, server string) scene {
		return scene{name, openssl("-tls1_2 -psk 1a2b3c4d5e6f -cipher "+suite+level0+" "+server, "-tls1_2 -psk 1a2b3c4d5e6f -psk_identity me -cipher "+suite+level0)}
	}
	both := func(name, server, client string) scene { return scene{name, openssl(server, client)} }
	return []scene{
		tls12("rsa", "AES128-GCM-SHA256"),
		tls12("dhe-2048", "DHE-RSA-AES128-GCM-SHA256"),
		both("dhe-1024", "-tls1_2 -dhparam dh1024.pem -cipher DHE-RSA-AES256-SHA"+level0, "-tls1_2 -cipher DHE-RSA-AES256-SHA"+level0),
		both("ecdhe-p256", "-tls1_2 -groups P-256", "-tls1_2 -servername rsa.example -alpn http/1.1"),
		both("ecdhe-p384", "-tls1_2 -groups P-384", "-tls1_2"),
		both("ecdhe-p521", "-tls1_2 -groups P-521", "-tls1_2"),
		both("ecdhe-x25519", "-tls1_2 -groups X25519", "-tls1_2"),
		both("ecdhe-x448", "-tls1_2 -groups X448", "-tls1_2"),
		both("ecdhe-ecdsa", "-tls1_2 -cert ecdsa.crt -key ecdsa.key", "-tls1_2"),
		both("ecdhe-ed25519", "-tls1_2 -cert ed25519.crt -key ed25519.key", "-tls1_2"),
		both("adh", "-tls1_2 -nocert -cipher ADH-AES128-SHA256"+level0, "-tls1_2 -cipher ADH-AES128-SHA256"+level0),
		both("aecdh", "-tls1_2 -nocert -cipher AECDH-AES128-SHA"+level0, "-tls1_2 -cipher AECDH-AES128-SHA"+level0),
		psk("psk", "PSK-AES128-GCM-SHA256", "-nocert"),
		psk("rsa-psk", "RSA-PSK-AES128-GCM-SHA256", ""),
		psk("dhe-psk", "DHE-PSK-AES128-GCM-SHA256", "-nocert"),
		psk("ecdhe-psk", "ECDHE-PSK-AES128-CBC-SHA256", "-nocert"),
		tls12("null", "NULL-SHA256"),
		tls12("ecdhe-null", "ECDHE-RSA-NULL-SHA"),
		both("tls10-rsa", "-tls1 -cipher AES128-SHA"+level0, "-tls1 -cipher AES128-SHA"+level0),
		both("tls10-ecdhe", "-tls1 -cipher ECDHE-RSA-AES128-SHA"+level0, "-tls1 -cipher ECDHE-RSA-AES128-SHA"+level0),
		both("tls11-dhe", "-tls1_1 -cipher DHE-RSA-AES128-SHA"+level0, "-tls1_1 -cipher DHE-RSA-AES128-SHA"+level0),
		both("tls13-x25519", "-tls1_3 -groups X25519", "-tls1_3 -servername rsa.example"),
		both("tls13-p256", "-tls1_3 -groups P-256", "-tls1_3 -groups P-256"),
		both("tls13-ffdhe2048", "-tls1_3 -groups ffdhe2048", "-tls1_3 -groups ffdhe2048"),
		both("tls13-hrr", "-tls1_3 -groups P-384", "-tls1_3 -groups X25519:P-384"),
		both("tls13-chacha", "-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256", "-tls1_3"),
		{"tls13-psk-dhe-ke", openssl("-tls1_3", "-tls1_3 -sess_out s", "-tls1_3 -sess_in s")},
		{"tls13-early-data", openssl("-tls1_3 -early_data -max_early_data 1000", "-tls1_3 -sess_out s", "-tls1_3 -sess_in s -early_data early.txt")},
		{"session-id-rsa", openssl("-tls1_2 -no_ticket -cipher AES128-SHA256", "-tls1_2 -no_ticket -sess_out s -cipher AES128-SHA256", "-tls1_2 -no_ticket -sess_in s -cipher AES128-SHA256")},
		{"session-id-ecdhe", openssl("-tls1_2 -no_ticket", "-tls1_2 -no_ticket -sess_out s", "-tls1_2 -no_ticket -sess_in s")},
		{"ticket-rsa", openssl("-tls1_2 -cipher AES128-SHA256", "-tls1_2 -sess_out s -cipher AES128-SHA256", "-tls1_2 -sess_in s -cipher AES128-SHA256")},
		{"ticket-ecdhe", openssl("-tls1_2", "-tls1_2 -sess_out s", "-tls1_2 -sess_in s")},
		both("client-certificate", "-tls1_2 -Verify 1 -CAfile client.crt", "-tls1_2 -cert client.crt -key client.key"),
		both("tls13-client-certificate", "-tls1_3 -Verify 1 -CAfile client.crt", "-tls1_3 -cert client.crt -key client.key"),
		both("failed-version", "-tls1_3", "-tls1_2"),
		both("failed-suite", "-tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384", "-tls1_2 -cipher AES128-SHA"),
		both("failed-unknown-ca", "-tls1_2", "-tls1_2 -verify_return_error -CAfile other.crt"),
		both("failed-no-client-cert", "-tls1_2 -Verify 1", "-tls1_2"),
		both("tls13-failed-group", "-tls1_3 -groups P-521", "-tls1_3 -groups X25519"),
		both("tls13-failed-unknown-ca", "-tls1_3", "-tls1_3 -verify_return_error -CAfile other.crt"),
	}
}
