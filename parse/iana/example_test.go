package iana_test

import (
	"fmt"

	"pfsight/parse/iana"
)

func ExampleCipherSuite_Info() {
	s := iana.CipherSuite(0xc02f)
	info := s.Info()
	fmt.Println(s, info.KeyExchange, info.Authentication, info.Encryption)

	unknown := iana.CipherSuite(0xabcd)
	fmt.Println(unknown, unknown.Known(), unknown.Info().KeyExchange)
	// Output:
	// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 ECDHE RSA AES_128_GCM
	// 0xabcd false unknown
}

func ExampleLookupSuite() {
	s, ok := iana.LookupSuite("ecdhe_rsa_with_aes_128_gcm_sha256")
	fmt.Println(s.ID(), ok)
	// Output: 0xc02f true
}

func ExampleGroup_Info() {
	g := iana.Group(0x11ec)
	fmt.Println(g, g.Info().Kind, g.Info().PostQuantum)
	// Output: X25519MLKEM768 hybrid true
}

func ExampleVersion_String() {
	for _, v := range []iana.Version{iana.TLS12, 0x7f17, iana.DTLS13, 0x0909} {
		fmt.Println(v)
	}
	// Output:
	// TLS 1.2
	// TLS 1.3 (draft 23)
	// DTLS 1.3
	// 0x0909
}
