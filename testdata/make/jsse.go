package main

import (
	_ "embed"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

//go:embed Handshake.java
var handshakeJava []byte

// jsse runs a server and a client of the Java platform for this number of
// connections. store names the server's key, "-" for none.
func jsse(times int, store, protocols, suite string) func(*stage) []truth {
	return func(st *stage) []truth {
		check(os.WriteFile(filepath.Join(st.dir, "Handshake.java"), handshakeJava, 0o644))
		if store != "-" {
			p12 := filepath.Join(st.dir, store+".p12")
			run("openssl", "pkcs12", "-export", "-inkey", filepath.Join(st.dir, store+".key"), "-in", filepath.Join(st.dir, store+".crt"),
				"-name", store, "-passout", "pass:secret", "-out", p12)
			store = p12
		}
		return readJSSE(st.client("", "java", "Handshake.java", strconv.Itoa(st.port), store, protocols, suite, strconv.Itoa(times)))
	}
}

var jsseSaid = regexp.MustCompile(`(?m)^session (\S+) (\S+) (\d+) (true|false)$`)

func readJSSE(s string) []truth {
	var truths []truth
	for _, m := range jsseSaid.FindAllStringSubmatch(s, -1) {
		t := truth{Stack: "jsse", Version: versions[m[1]], Resumed: ptr(m[4] == "true"), Outcome: "established"}
		// JSSE names the suites that SSL 3.0 defined with the prefix SSL_.
		t.Suite = "TLS_" + strings.TrimPrefix(strings.TrimPrefix(m[2], "SSL_"), "TLS_")
		t.ClientPort, _ = strconv.Atoi(m[3])
		truths = append(truths, t)
	}
	return truths
}

func jsseScenes() []scene {
	one := func(name, store, protocols, suite string) scene {
		return scene{"jsse-" + name, "java", jsse(1, store, protocols, suite)}
	}
	return []scene{
		one("sslv3-rsa", "rsa", "SSLv3", "SSL_RSA_WITH_3DES_EDE_CBC_SHA"),
		one("sslv3-dhe", "rsa", "SSLv3", "SSL_DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
		one("sslv2-hello", "rsa", "SSLv2Hello,TLSv1", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
		one("rsa-export", "rsa", "TLSv1", "SSL_RSA_EXPORT_WITH_RC4_40_MD5"),
		one("dhe-export", "rsa", "TLSv1", "SSL_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA"),
		one("dh-anon-export", "-", "TLSv1", "SSL_DH_anon_EXPORT_WITH_RC4_40_MD5"),
		{"jsse-ecdh-ecdsa", "java", jsse(2, "ecdsa", "TLSv1.2", "TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256")},
		one("ecdh-rsa", "ecrsa", "TLSv1.2", "TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256"),
		one("dhe-dss", "dsa", "TLSv1.2", "TLS_DHE_DSS_WITH_AES_128_GCM_SHA256"),
		one("ecdh-anon-null", "-", "TLSv1.2", "TLS_ECDH_anon_WITH_NULL_SHA"),
		{"jsse-tls13", "java", jsse(2, "rsa", "TLSv1.3", "TLS_AES_128_GCM_SHA256")},
	}
}
