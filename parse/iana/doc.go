// Package iana holds the IANA registries that TLS uses, as tables: cipher suites
// and their attributes, groups, versions, signature schemes, alerts, extension
// types, and well-known Diffie-Hellman primes.
//
// The package names code points and does not judge them. A code point that is
// not registered is valid data: its String method returns its number.
//
// The tables (z*.go) are generated from the CSV files in this directory. They
// contain the registries, drafts, and values in private use:
//
//	suite.go        CipherSuite, SSLv2Kind: RFC 8446 section B.4, RFC 8447 section 8
//	keyexchange.go  KeyExchange: the families of key exchanges
//	group.go        Group: RFC 8446 section 4.2.7, RFC 8422 section 5.1.1
//	scheme.go       SignatureScheme: RFC 8446 section 4.2.3
//	version.go      Version: RFC 8446 section 4.2.1, RFC 9147
//	alert.go        Alert: RFC 8446 section 6
//	extension.go    ExtensionType: RFC 8447 section 7
//	dhprime.go      DHPrime
//	code.go         what the types share: GREASE (RFC 8701), hex, lookup tables
//	gen             the program that generates the tables
package iana

//go:generate go run ./gen
