package policy_test

import (
	"fmt"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report/policy"
)

// An old client offers TLS 1.2 with RSA key transport only.
var oldClient = &policy.Hello{
	Versions: []iana.Version{iana.TLS12}, Suites: []iana.CipherSuite{0x009c, 0x002f},
	Signatures: []iana.SignatureScheme{0x0401}, HasSignatures: true,
}

func ExamplePolicy_Answer() {
	p, ok := policy.Lookup("mozilla-intermediate-6-0")
	if !ok {
		return
	}
	a := p.Answer(oldClient, &policy.Server{Keys: []policy.KeyType{policy.KeyRSA}})
	fmt.Println(a.OK, a.Failure, a.Alert)
	fmt.Println(a.Failure.Text())
	// Output:
	// false no_common_suite handshake_failure
	// no cipher suite is both offered and allowed in the version
}

func ExampleReadCiphers() {
	p, err := policy.ReadCiphers("ECDHE+AESGCM:RSA+AESGCM", policy.Options{MaxVersion: iana.TLS12})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.ForwardSecret())
	for _, s := range p.Suites {
		fmt.Println(s)
	}
	a := p.Answer(oldClient, &policy.Server{Keys: []policy.KeyType{policy.KeyRSA}})
	fmt.Println(a.OK, a.Suite, a.ForwardSecrecy)
	// Output:
	// conditional
	// TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
	// TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
	// TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
	// TLS_RSA_WITH_AES_256_GCM_SHA384
	// TLS_RSA_WITH_AES_128_GCM_SHA256
	// true TLS_RSA_WITH_AES_128_GCM_SHA256 no
}

func ExampleReadYAML() {
	p, err := policy.ReadYAML(strings.NewReader(`
name: example
versions: [TLS 1.3]
tls13_cipher_suites: [TLS_AES_128_GCM_SHA256]
groups: [X25519MLKEM768, x25519]
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.MinVersion(), p.Groups)
	a := p.Answer(oldClient, &policy.Server{})
	fmt.Println(a.OK, a.Undetermined(), a.Failure)
	// Output:
	// TLS 1.3 [X25519MLKEM768 x25519]
	// false false no_common_version
}

func ExamplePolicy_Config() {
	p, err := policy.ReadYAML(strings.NewReader("{name: tls13, versions: [TLS 1.3], groups: [x25519]}"))
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := p.Config("nginx")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(text)
	// Output:
	// # tls13:
	// ssl_protocols TLSv1.3;
	// ssl_ecdh_curve X25519;
	// ssl_prefer_server_ciphers on;
}
