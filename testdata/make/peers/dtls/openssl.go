package main

import (
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ianaNames maps OpenSSL's names of suites to IANA's, as listed by OpenSSL.
var ianaNames = map[string]string{}

// keys creates the keys and certificates that the scenes use.
func (st *stage) keys() {
	in := func(name string) string { return filepath.Join(st.dir, name) }
	for _, k := range [][]string{
		{"rsa", "-newkey", "rsa:2048"}, {"ecdsa", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"}, {"client", "-newkey", "rsa:2048"}, {"other", "-newkey", "rsa:2048"},
	} {
		run(append([]string{"openssl", "req", "-x509", "-nodes", "-days", "36500", "-subj", "/O=pfsight test/CN=" + k[0] + ".example",
			"-addext", "subjectAltName=DNS:" + k[0] + ".example,DNS:localhost,IP:127.0.0.1", "-keyout", in(k[0] + ".key"), "-out", in(k[0] + ".crt")}, k[1:]...)...)
	}
	for _, args := range [][]string{{"-s"}, nil} {
		b, err := exec.Command("openssl", append(append([]string{"ciphers", "-stdname", "-v"}, args...), "ALL:COMPLEMENTOFALL:@SECLEVEL=0")...).Output()
		check(err)
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 3 {
				ianaNames[f[2]] = f[0]
			}
		}
	}
}

// openssl runs s_server, and s_client once for each list of client arguments. The
// truths are from the output of s_client.
func openssl(server string, clients ...string) func(*stage) []truth {
	return func(st *stage) []truth {
		port := strconv.Itoa(st.port)
		args := []string{"openssl", "s_server", "-accept", port}
		if !strings.Contains(server, "-nocert") && !strings.Contains(server, "-cert ") {
			args = append(args, "-cert", "rsa.crt", "-key", "rsa.key")
		}
		w := st.server("ACCEPT", append(args, strings.Fields(server)...)...)
		var truths []truth
		for _, c := range clients {
			before := len(w.output())
			args := append([]string{"openssl", "s_client", "-connect", "127.0.0.1:" + port}, strings.Fields(c)...)
			t := readSClient(st.client("Q\n", args...))
			if strings.Contains(c, "-psk ") {
				t.Resumed = nil // s_client reports an external PSK as a reused session
			}
			time.Sleep(100 * time.Millisecond)
			// The receiver of an alert prints it.
			if a := sclientAlert.FindStringSubmatch(w.output()[before:]); a != nil && t.Alert == "" {
				t.Outcome, t.Alert = "rejected", a[1]
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
	sclientAlert = regexp.MustCompile(`alert [a-z0-9 ]+:.*SSL alert number (\d+)`)
)

func readSClient(s string) truth {
	t := truth{Stack: "openssl", Outcome: "established"}
	if strings.Contains(s, "certificate verify failed") {
		t.Outcome = "rejected" // by the client
	}
	if a := sclientAlert.FindStringSubmatch(s); a != nil {
		t.Outcome, t.Alert = "rejected", a[1]
	}
	m := sclientNew.FindStringSubmatch(s)
	if m == nil || m[3] == "(NONE)" {
		t.Outcome = "rejected"
		return t
	}
	t.Resumed = ptr(m[1] == "Reused")
	t.Suite = ianaNames[m[3]]
	if p := sclientProto.FindStringSubmatch(s); p != nil {
		t.Version = map[string]string{"DTLSv1": "DTLS 1.0", "DTLSv1.2": "DTLS 1.2"}[p[1]]
	}
	if key := sclientTemp.FindStringSubmatch(s); key != nil {
		if key[1] == "DH" {
			t.DHBits, _ = strconv.Atoi(key[2])
		} else {
			t.Group = map[string]string{"prime256v1": "secp256r1", "secp384r1": "secp384r1", "X25519": "x25519"}[key[3]+key[4]]
		}
	}
	return t
}

// silence runs a client with a server that never answers.
func silence(st *stage) []truth {
	l, err := net.ListenPacket("udp", "127.0.0.1:"+strconv.Itoa(st.port))
	check(err)
	defer l.Close()
	st.client("", "timeout", "5", "openssl", "s_client", "-dtls1_2", "-timeout", "-connect", "127.0.0.1:"+strconv.Itoa(st.port))
	return []truth{{Stack: "openssl", Outcome: "incomplete"}}
}

func opensslScenes() []scene {
	const level0 = ":@SECLEVEL=0"
	suite := func(name, version, suite string) scene {
		return scene{name, "", openssl(version+" -cipher "+suite+level0, version+" -cipher "+suite+level0)}
	}
	psk := func(name, suite string) scene {
		return scene{name, "", openssl("-dtls1_2 -nocert -psk 1a2b3c4d5e6f -cipher "+suite, "-dtls1_2 -psk 1a2b3c4d5e6f -psk_identity me -cipher "+suite)}
	}
	both := func(name, server, client string) scene { return scene{name, "", openssl(server, client)} }
	return []scene{
		suite("dtls10-rsa", "-dtls1", "AES128-SHA"),
		suite("dtls10-dhe", "-dtls1", "DHE-RSA-AES128-SHA"),
		suite("dtls10-ecdhe", "-dtls1", "ECDHE-RSA-AES128-SHA"),
		suite("dtls12-rsa", "-dtls1_2", "AES128-GCM-SHA256"),
		suite("dtls12-dhe", "-dtls1_2", "DHE-RSA-AES128-GCM-SHA256"),
		both("dtls12-ecdhe", "-dtls1_2 -groups P-256", "-dtls1_2 -servername rsa.example"),
		both("dtls12-ecdhe-ecdsa", "-dtls1_2 -groups X25519 -cert ecdsa.crt -key ecdsa.key", "-dtls1_2"),
		psk("dtls12-psk", "PSK-AES128-GCM-SHA256"),
		psk("dtls12-ecdhe-psk", "ECDHE-PSK-AES128-CBC-SHA256"),
		both("dtls12-cookie", "-dtls1_2 -listen", "-dtls1_2"),
		both("dtls12-mtu", "-dtls1_2 -mtu 256", "-dtls1_2 -mtu 256 -cert client.crt -key client.key"),
		{"dtls12-ticket", "", openssl("-dtls1_2", "-dtls1_2 -sess_out s", "-dtls1_2 -sess_in s")},
		{"dtls12-session-id", "", openssl("-dtls1_2 -no_ticket -cipher AES128-SHA256", "-dtls1_2 -no_ticket -sess_out s", "-dtls1_2 -no_ticket -sess_in s")},
		both("dtls12-client-certificate", "-dtls1_2 -Verify 1 -CAfile client.crt -mtu 512", "-dtls1_2 -cert client.crt -key client.key -mtu 512"),
		both("dtls12-failed-suite", "-dtls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384", "-dtls1_2 -cipher AES128-SHA"),
		both("dtls12-failed-version", "-dtls1_2", "-dtls1 -cipher ALL"+level0),
		both("dtls12-failed-unknown-ca", "-dtls1_2", "-dtls1_2 -verify_return_error -CAfile other.crt"),
		{"dtls-no-answer", "", silence},
	}
}
