package iana

import "strings"

// A CipherSuite is a code point of the TLS Cipher Suites registry, RFC 8447
// section 8.
type CipherSuite uint16

// A Suite holds the attributes of a cipher suite.
type Suite struct {
	ID             CipherSuite
	Name           string
	Kind           string // iana, draft, private, historic, tlcp, sslv2, scsv or grease; "" for an unknown suite
	KeyExchange    KeyExchange
	Authentication string // such as RSA, ECDSA, DSS, anon, PSK, PSK+RSA, SRP+RSA; "" if the suite does not determine it
	Encryption     string // such as AES_128_GCM, RC4_40, NULL
	MAC            string // such as SHA or MD5; for an AEAD the hash of the PRF, or AEAD if the name has none
	Export         bool
	NoEncryption   bool
	Recommended    string // Y, N or D, from the registry
	RFC10015       string // what RFC 10015 requires in (D)TLS 1.2, such as "MUST NOT (RSA)"; "" for nothing
	Reference      string
}

// An SSLv2Kind is a CIPHER-KIND of SSL 2.0, three bytes.
type SSLv2Kind uint32

// Info returns the attributes of k and whether k is known.
func (k SSLv2Kind) Info() (Suite, bool) { s, ok := sslv2Kinds[k]; return s, ok }

func (k SSLv2Kind) String() string {
	if s, ok := sslv2Kinds[k]; ok {
		return s.Name
	}
	return "0x" + hexDigits(uint32(k), 6)
}

// SSLv2Kinds returns the table of the known kinds. Do not modify it.
func SSLv2Kinds() map[SSLv2Kind]Suite { return sslv2Kinds }

// ID returns k as a hexadecimal number, such as "0x010080".
func (k SSLv2Kind) ID() string { return "0x" + hexDigits(uint32(k), 6) }

// Info returns the attributes of s. It is never nil: an unknown suite has the
// zero Suite.
func (s CipherSuite) Info() *Suite {
	if i := suiteTable.get(uint16(s)); i != nil {
		return i
	}
	return &unknownSuite
}

// Known reports whether s is in the table.
func (s CipherSuite) Known() bool { return suiteTable.get(uint16(s)) != nil }

func (s CipherSuite) String() string {
	if i := suiteTable.get(uint16(s)); i != nil {
		return i.Name
	}
	return "0x" + hexDigits(uint32(s), 4)
}

// ID returns s as a hexadecimal number, such as "0xc02f".
func (s CipherSuite) ID() string { return "0x" + hexDigits(uint32(s), 4) }

// IsGREASE reports whether s is one of the reserved values of RFC 8701.
func (s CipherSuite) IsGREASE() bool { return isGREASE(uint16(s)) }

// IsSCSV reports whether s is a signaling cipher suite value, which a server
// cannot select: RFC 5746 section 3.3, RFC 7507.
func (s CipherSuite) IsSCSV() bool { return s == 0x00ff || s == 0x5600 }

// SSLv3Suite returns the attributes of s in SSL 3.0. There 0x001e is a FORTEZZA
// suite (RFC 6101 appendix A.6); TLS assigned it to Kerberos.
func SSLv3Suite(s CipherSuite) *Suite {
	if s == sslv3Fortezza.ID {
		return &sslv3Fortezza
	}
	return s.Info()
}

// Suites returns the table of the known suites, without those of SSL 2.0. Do
// not modify it.
func Suites() []Suite { return suites[:] }

// LookupSuite returns the suite with this name. Case and the prefix TLS_ do not
// matter.
func LookupSuite(name string) (CipherSuite, bool) {
	for i := range suites {
		if n := suites[i].Name; strings.EqualFold(n, name) || strings.EqualFold(strings.TrimPrefix(n, "TLS_"), name) {
			return suites[i].ID, true
		}
	}
	return 0, false
}

// RFC10015Text returns what RFC 10015 requires for the suite in TLS 1.2, in
// words, or "".
func (s *Suite) RFC10015Text() string {
	if s.RFC10015 == "" {
		return ""
	}
	return s.RFC10015 + " be used, RFC 10015"
}

var (
	suiteTable   = indexSuites()
	unknownSuite Suite
)

func indexSuites() *codeTable[Suite] {
	t := new(codeTable[Suite])
	for i := range suites {
		t.set(uint16(suites[i].ID), &suites[i])
	}
	return t
}
