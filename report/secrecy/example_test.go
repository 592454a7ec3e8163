package secrecy_test

import (
	"fmt"

	"pfsight/parse"
	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// A TLS 1.2 server selects ECDHE and issues a session ticket: the connection is
// forward secret, but also depends on the ticket key.
func ExampleJudge() {
	h := &parse.Handshake{
		ClientHello:      &parse.ClientHello{LegacyVersion: iana.TLS12},
		ServerHello:      &parse.ServerHello{LegacyVersion: iana.TLS12, CipherSuite: 0xc02f},
		CertificatesSeen: true,
		Ticket:           &parse.NewSessionTicket{Lifetime: 300, Ticket: make([]byte, 160)},
	}
	j := secrecy.Judge(h)
	fmt.Println(j.Verdict, j.KeyExchange, j.Reasons.Strings())
	// Output: yes ECDHE [ephemeral_key_exchange ticket_issued]
}

// Without a ServerHello nothing was negotiated, and the verdict is unknown. It
// is never a default.
func ExampleJudge_unknown() {
	j := secrecy.Judge(&parse.Handshake{ClientHello: &parse.ClientHello{LegacyVersion: iana.TLS12}})
	fmt.Println(j.Verdict, j.Resumed == secrecy.Undetermined, j.Reasons.Strings())
	// Output: unknown true [no_server_hello]
}

func ExampleReason_Doc() {
	r, _ := secrecy.LookupReason("rsa_key_transport")
	d := r.Doc()
	fmt.Println(d.Title)
	fmt.Println(d.Advice)
	// Output:
	// the secret was encrypted to the server's RSA key
	// Prefer ECDHE suites on the server; RFC 10015 forbids RSA key exchange in TLS 1.2.
}

func ExampleFamily() {
	suite, _ := iana.LookupSuite("TLS_RSA_WITH_AES_128_CBC_SHA")
	text, verdict, reason := secrecy.Family(suite.Info().KeyExchange)
	fmt.Printf("%s (%s): %s\n", verdict, reason, text)
	// Output: no (rsa_key_transport): the client encrypts the premaster secret to the server's RSA key
}
