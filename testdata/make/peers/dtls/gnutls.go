package main

import (
	"regexp"
	"strconv"
	"strings"
)

// gnutls runs gnutls-serv and gnutls-cli. The server requires a cookie.
func gnutls(priority, suite string) func(*stage) []truth {
	return func(st *stage) []truth {
		port := strconv.Itoa(st.port)
		st.server("listening on IPv4", "gnutls-serv", "--udp", "--port", port, "--echo", "--priority", priority, "--x509certfile", "rsa.crt", "--x509keyfile", "rsa.key")
		s := st.client("", "gnutls-cli", "--udp", "--insecure", "--port", port, "--priority", priority, "127.0.0.1")
		t := truth{Stack: "gnutls", Outcome: "rejected"}
		if m := gnutlsSaid.FindStringSubmatch(s); m != nil {
			t.Outcome = "established"
			t.Version = map[string]string{"DTLS1.0": "DTLS 1.0", "DTLS1.2": "DTLS 1.2"}[m[1]]
			for name, group := range map[string]string{"SECP256R1": "secp256r1", "X25519": "x25519", "FFDHE2048": "ffdhe2048"} {
				if strings.Contains(m[2], name) {
					t.Group = group
				}
			}
			// The output lacks the suite, but the priority allows only one.
			t.SuiteID = suite
		}
		return []truth{t}
	}
}

var gnutlsSaid = regexp.MustCompile(`(?m)^- Description: \((DTLS[0-9.]+)[^)]*\)-(\S+)`)

func gnutlsScenes() []scene {
	only := func(version, kx, cipher, mac string) string {
		return "NONE:+VERS-" + version + ":+KX-ALL:-KX-ALL:+" + kx + ":+" + cipher + ":+" + mac + ":+COMP-NULL:+SIGN-ALL:+GROUP-X25519:+GROUP-FFDHE2048:+CTYPE-X509:%COMPAT"
	}
	return []scene{
		{"dtls12-gnutls-ecdhe", "gnutls-cli", gnutls(only("DTLS1.2", "ECDHE-RSA", "AES-128-GCM", "AEAD"), "0xc02f")},
		{"dtls12-gnutls-dhe", "gnutls-cli", gnutls(only("DTLS1.2", "DHE-RSA", "AES-128-GCM", "AEAD"), "0x009e")},
		{"dtls10-gnutls-rsa", "gnutls-cli", gnutls(only("DTLS1.0", "RSA", "AES-128-CBC", "SHA1"), "0x002f")},
	}
}
