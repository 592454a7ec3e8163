package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// gnutls runs gnutls-serv, and gnutls-cli once for each list of client arguments.
func gnutls(priority, server string, clients ...string) func(*stage) []truth {
	return func(st *stage) []truth {
		port := strconv.Itoa(st.port)
		check(os.WriteFile(filepath.Join(st.dir, "psk.txt"), []byte("me:1a2b3c4d5e6f\n"), 0o600))
		args := []string{"gnutls-serv", "--port", port, "--echo", "--priority", priority}
		if !strings.Contains(server, "--psk") {
			args = append(args, "--x509certfile", "rsa.crt", "--x509keyfile", "rsa.key")
		}
		st.server("listening on IPv4", append(args, strings.Fields(server)...)...)
		var truths []truth
		for _, c := range clients {
			args := append([]string{"gnutls-cli", "--insecure", "--port", port, "--priority", priority, "localhost"}, strings.Fields(c)...)
			truths = append(truths, readGnuTLS(st.client("", args...))...)
		}
		return truths
	}
}

var (
	gnutlsSaid    = regexp.MustCompile(`(?m)^- Description: \(([^)]+)\)-(\S+)`)
	gnutlsVersion = map[string]string{"TLS1.0": "TLS 1.0", "TLS1.1": "TLS 1.1", "TLS1.2": "TLS 1.2", "TLS1.3": "TLS 1.3"}
	gnutlsGroups  = map[string]string{
		"SECP256R1": "secp256r1", "SECP384R1": "secp384r1", "X25519": "x25519", "X448": "x448",
		"FFDHE2048": "ffdhe2048", "FFDHE3072": "ffdhe3072",
	}
)

// gnutlsSuite returns the number of the suite with this key exchange, cipher and
// MAC from GnuTLS's list, or "" if they do not determine it.
func gnutlsSuite(version, words string) string {
	parts := strings.Split(strings.Trim(words, "()"), ")-(")
	prefix := "TLS_"
	if cipher := 1; !strings.HasPrefix(version, "TLS1.3") {
		kx := parts[0]
		family, _, _ := strings.Cut(kx, "-")
		switch {
		case family == "ECDHE" && len(parts) > 2 && strings.HasPrefix(parts[1], "RSA"), family == "DHE" && len(parts) > 2 && strings.HasPrefix(parts[1], "RSA"):
			kx, cipher = family+"-RSA", 2
		case strings.Contains(kx, "SECP") || strings.Contains(kx, "X25519") || strings.Contains(kx, "FFDHE"):
			return "" // the authentication is not known
		}
		kx = strings.NewReplacer("ANON-DH", "DH-ANON", "SRP", "SRP-SHA").Replace(kx)
		prefix += kx + "_" + strings.Join(parts[cipher:], "_")
	} else {
		prefix += strings.Trim(parts[len(parts)-1], "-(")
	}
	prefix = strings.ReplaceAll(prefix, "-", "_")
	var id string
	for _, m := range gnutlsList.FindAllStringSubmatch(gnutlsSuites(), -1) {
		if m[1] == prefix || strings.HasPrefix(m[1], prefix+"_SHA") {
			if id != "" {
				return ""
			}
			id = "0x" + m[2] + m[3]
		}
	}
	return id
}

var (
	gnutlsList   = regexp.MustCompile(`(?m)^(TLS_\S+)\s+0x(..), 0x(..)`)
	gnutlsSuites = sync.OnceValue(func() string {
		b, err := exec.Command("gnutls-cli", "-l").Output()
		check(err)
		return string(b)
	})
)

// readGnuTLS reads the output of gnutls-cli. With --resume it has two handshakes.
func readGnuTLS(s string) []truth {
	var truths []truth
	parts := strings.Split(s, "Handshake was completed")
	for _, part := range parts[:len(parts)-1] {
		t := truth{Stack: "gnutls", Outcome: "established", Resumed: ptr(strings.HasSuffix(part, "- Resume "))}
		m := gnutlsSaid.FindStringSubmatch(part)
		if m == nil {
			continue
		}
		t.Version = gnutlsVersion[strings.SplitN(m[1], "-", 2)[0]]
		// For a resumed TLS 1.2 session it prints the group of the original one.
		if !*t.Resumed || t.Version == "TLS 1.3" {
			for _, word := range strings.FieldsFunc(m[2], func(r rune) bool { return strings.ContainsRune("()-", r) }) {
				if g := gnutlsGroups[word]; g != "" {
					t.Group = g
				}
			}
		}
		t.SuiteID = gnutlsSuite(m[1], m[2])
		truths = append(truths, t)
	}
	return truths
}

func gnutlsScenes() []scene {
	only := func(version, rest string) string {
		return "NORMAL:-VERS-ALL:+VERS-" + version + rest
	}
	return []scene{
		{"gnutls-rsa", "gnutls-cli", gnutls(only("TLS1.2", ":-KX-ALL:+RSA"), "", "")},
		{"gnutls-srp", "gnutls-cli", gnutls(only("TLS1.2", ":-KX-ALL:+SRP"), "--srppasswd srp.txt --srppasswdconf srp.conf", "--srpusername user --srppasswd secret")},
		{"gnutls-srp-rsa", "gnutls-cli", gnutls(only("TLS1.2", ":-KX-ALL:+SRP-RSA"), "--srppasswd srp.txt --srppasswdconf srp.conf", "--srpusername user --srppasswd secret")},
		{"gnutls-dhe-ffdhe2048", "gnutls-cli", gnutls(only("TLS1.2", ":-KX-ALL:+DHE-RSA:-GROUP-ALL:+GROUP-FFDHE2048"), "", "")},
		{"gnutls-tls13-ffdhe3072", "gnutls-cli", gnutls(only("TLS1.3", ":-GROUP-ALL:+GROUP-FFDHE3072"), "", "")},
		{"gnutls-tls13-x448", "gnutls-cli", gnutls(only("TLS1.3", ":-GROUP-ALL:+GROUP-X448"), "", "")},
		{"gnutls-tls13-psk-ke", "gnutls-cli", gnutls(only("TLS1.3", ":-KX-ALL:+PSK"), "--pskpasswd psk.txt", "--pskusername me --pskkey 1a2b3c4d5e6f")},
		{"gnutls-tls13-psk-dhe-ke", "gnutls-cli", gnutls(only("TLS1.3", ":-KX-ALL:+ECDHE-PSK:+DHE-PSK"), "--pskpasswd psk.txt", "--pskusername me --pskkey 1a2b3c4d5e6f")},
		{"gnutls-ticket", "gnutls-cli", gnutls(only("TLS1.2", ""), "", "--resume")},
		{"gnutls-adh", "gnutls-cli", gnutls(only("TLS1.2", ":-KX-ALL:+ANON-DH"), "", "")},
		{"gnutls-rsa-psk", "gnutls-cli", gnutls(only("TLS1.2", ":-KX-ALL:+RSA-PSK"), "--pskpasswd psk.txt --x509certfile rsa.crt --x509keyfile rsa.key", "--pskusername me --pskkey 1a2b3c4d5e6f")},
		{"gnutls-tls13-resume", "gnutls-cli", gnutls(only("TLS1.3", ""), "", "--resume")},
	}
}
