// Package iana holds the registries of TLS as tables: cipher suites with
// their attributes, groups, versions, signature schemes, alerts, extensions
// and known Diffie-Hellman primes. It names things and never judges. A code
// point that is not registered is data like any other: its name is its
// number.
//
// The tables are made from the CSV files in this folder, offline.
package iana

import (
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"maps"
	"strings"
)

//go:generate go run ./gen

// A CipherSuite is a code point of the TLS Cipher Suites registry, RFC 8447
// section 8.
type CipherSuite uint16

// A Suite is what is known of a cipher suite.
type Suite struct {
	ID             CipherSuite
	Name           string
	Kind           string // iana, draft, private, historic, tlcp, sslv2, scsv, grease; "" for an unknown one
	KeyExchange    KeyExchange
	Authentication string // such as RSA, ECDSA, DSS, anon, PSK, PSK+RSA, SRP+RSA; "" where the suite does not say
	Encryption     string // such as AES_128_GCM, RC4_40, NULL
	MAC            string // such as SHA, MD5, SHA256 (of an AEAD suite the hash of its PRF), AEAD where none is named
	Export         bool
	NoEncryption   bool
	Recommended    string // Y, N or D of the registry
	RFC10015       string // what RFC 10015 says of it in (D)TLS 1.2; "" for nothing
	Reference      string
}

// An SSLv2Kind is a CIPHER-KIND of SSL 2.0, three bytes.
type SSLv2Kind uint32

// Info returns what is known of k; of an unknown one only ok is false.
func (k SSLv2Kind) Info() (Suite, bool) { s, ok := sslv2Kinds[k]; return s, ok }

func (k SSLv2Kind) String() string {
	if s, ok := sslv2Kinds[k]; ok {
		return s.Name
	}
	return "0x" + hexDigits(uint32(k), 6)
}

// SSLv2Kinds returns every kind that has a name. Do not write.
func SSLv2Kinds() map[SSLv2Kind]Suite { return sslv2Kinds }

// ID returns k in hex.
func (k SSLv2Kind) ID() string { return "0x" + hexDigits(uint32(k), 6) }

// paged finds a table's entry by its code point in two loads.
type paged[T any] [256]*[256]*T

func (p *paged[T]) set(id uint16, v *T) {
	page := p[id>>8]
	if page == nil {
		page = new([256]*T)
		p[id>>8] = page
	}
	page[id&0xff] = v
}

func (p *paged[T]) get(id uint16) *T {
	if page := p[id>>8]; page != nil {
		return page[id&0xff]
	}
	return nil
}

var (
	suiteTable   = indexSuites()
	groupTable   = indexGroups()
	unknownSuite Suite
	unknownGroup NamedGroup
)

func indexSuites() *paged[Suite] {
	p := new(paged[Suite])
	for i := range suites {
		p.set(uint16(suites[i].ID), &suites[i])
	}
	return p
}

func indexGroups() *paged[NamedGroup] {
	p := new(paged[NamedGroup])
	for i := range groups {
		p.set(uint16(groups[i].ID), &groups[i])
	}
	return p
}

// Info returns what is known of s. It never is nil: of an unknown suite all
// attributes are unknown, and its ID and Name are empty.
func (s CipherSuite) Info() *Suite {
	if i := suiteTable.get(uint16(s)); i != nil {
		return i
	}
	return &unknownSuite
}

// Known reports whether s has a name.
func (s CipherSuite) Known() bool { return suiteTable.get(uint16(s)) != nil }

func (s CipherSuite) String() string {
	if i := suiteTable.get(uint16(s)); i != nil {
		return i.Name
	}
	return "0x" + hexDigits(uint32(s), 4)
}

// ID returns s in hex.
func (s CipherSuite) ID() string { return "0x" + hexDigits(uint32(s), 4) }

// IsGREASE reports whether s is one of the reserved values of RFC 8701.
func (s CipherSuite) IsGREASE() bool { return isGREASE(uint16(s)) }

// IsSCSV reports whether s signals something and cannot be selected.
func (s CipherSuite) IsSCSV() bool { return s == 0x00ff || s == 0x5600 }

// SSLv3Suite returns what is known of s in SSL 3.0, where 0x001e is
// FORTEZZA's (RFC 6101 appendix A.6) and not yet Kerberos's.
func SSLv3Suite(s CipherSuite) *Suite {
	if s == sslv3Fortezza.ID {
		return &sslv3Fortezza
	}
	return s.Info()
}

// Suites returns every suite of the table but SSL 2.0's. Do not write.
func Suites() []Suite { return suites[:] }

// LookupSuite finds a suite by its name, in any case, with or without TLS_.
func LookupSuite(name string) (CipherSuite, bool) {
	for i := range suites {
		if n := suites[i].Name; strings.EqualFold(n, name) || strings.EqualFold(strings.TrimPrefix(n, "TLS_"), name) {
			return suites[i].ID, true
		}
	}
	return 0, false
}

// A Group is a code point of the TLS Supported Groups registry, RFC 8422
// section 5.1.1 and RFC 8446 section 4.2.7.
type Group uint16

// Code points that say that a curve is spelled out, RFC 8422 section 5.1.1.
const (
	ExplicitPrimeCurve Group = 0xff01
	ExplicitChar2Curve Group = 0xff02
)

// A NamedGroup is what is known of a group.
type NamedGroup struct {
	ID           Group
	Name         string
	Kind         string // ec, ff, pq, hybrid, grease; "" for an unknown one
	PostQuantum  bool
	SecurityBits int // classical; 0 where none is stated
	Reference    string
}

// Info returns what is known of g; it never is nil.
func (g Group) Info() *NamedGroup {
	if i := groupTable.get(uint16(g)); i != nil {
		return i
	}
	return &unknownGroup
}

// Known reports whether g has a name.
func (g Group) Known() bool { return groupTable.get(uint16(g)) != nil }

func (g Group) String() string {
	if i := groupTable.get(uint16(g)); i != nil {
		return i.Name
	}
	return "0x" + hexDigits(uint32(g), 4)
}

// IsGREASE reports whether g is one of the reserved values of RFC 8701.
func (g Group) IsGREASE() bool { return isGREASE(uint16(g)) }

// Groups returns every group of the table. Do not write.
func Groups() []NamedGroup { return groups[:] }

// LookupGroup finds a group by its name, in any case; NIST's and OpenSSL's
// names of the prime curves are known too.
func LookupGroup(name string) (Group, bool) {
	switch strings.ToLower(name) {
	case "p-256", "p256", "prime256v1":
		return 0x0017, true
	case "p-384", "p384":
		return 0x0018, true
	case "p-521", "p521":
		return 0x0019, true
	}
	for i := range groups {
		if strings.EqualFold(groups[i].Name, name) {
			return groups[i].ID, true
		}
	}
	return 0, false
}

// A SignatureScheme is a code point of the TLS SignatureScheme registry, RFC
// 8446 section 4.2.3; in TLS 1.2 a hash and a signature algorithm.
type SignatureScheme uint16

func (s SignatureScheme) String() string {
	if n, ok := signatureSchemes[s]; ok {
		return n
	}
	return "0x" + hexDigits(uint32(s), 4)
}

// IsGREASE reports whether s is one of the reserved values of RFC 8701.
func (s SignatureScheme) IsGREASE() bool { return isGREASE(uint16(s)) }

// SignatureSchemes yields every scheme of the table, in no order.
func SignatureSchemes() iter.Seq[SignatureScheme] { return maps.Keys(signatureSchemes) }

// LookupSignatureScheme finds a scheme by its name, in any case.
func LookupSignatureScheme(name string) (SignatureScheme, bool) {
	for s, n := range signatureSchemes {
		if strings.EqualFold(n, name) && !isGREASE(uint16(s)) {
			return s, true
		}
	}
	return 0, false
}

// An Alert is an AlertDescription, RFC 8446 section 6.
type Alert uint8

// Alerts that the program asks for by name.
const (
	AlertCloseNotify           Alert = 0
	AlertHandshakeFailure      Alert = 40
	AlertNoCert                Alert = 41 // SSL 3.0: a warning that takes the place of a Certificate
	AlertProtocolVersion       Alert = 70
	AlertInternalError         Alert = 80
	AlertInappropriateFallback Alert = 86  // RFC 7507
	AlertUnrecognizedName      Alert = 112 // RFC 6066 section 3
	AlertMissingExtension      Alert = 109
)

func (a Alert) String() string {
	if n, ok := alerts[a]; ok {
		return n
	}
	return "0x" + hexDigits(uint32(a), 2)
}

// LookupAlert finds an alert by its name.
func LookupAlert(name string) (Alert, bool) {
	for a, n := range alerts {
		if n == strings.ToLower(name) {
			return a, true
		}
	}
	return 0, false
}

// A DHPrime is a well-known Diffie-Hellman prime.
type DHPrime struct {
	Name  string
	Bits  int
	Prime string // yes, no, or "" where it was not tested
	Safe  string // the same of (p-1)/2
}

// LookupDHPrime finds a prime by its value, big endian.
func LookupDHPrime(p []byte) (DHPrime, bool) {
	for len(p) > 0 && p[0] == 0 {
		p = p[1:]
	}
	sum := sha256.Sum256(p)
	var text [64]byte
	hex.Encode(text[:], sum[:])
	d, ok := dhPrimes[string(text[:])]
	return d, ok
}

func isGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

func hexDigits(v uint32, n int) string {
	var b [8]byte
	for i := n - 1; i >= 0; i-- {
		b[i] = "0123456789abcdef"[v&15]
		v >>= 4
	}
	return string(b[:n])
}

// RFC10015Text says in words what RFC 10015 says of the suite in TLS 1.2.
func (s *Suite) RFC10015Text() string {
	if s.RFC10015 == "" {
		return ""
	}
	return s.RFC10015 + " be used, RFC 10015"
}
