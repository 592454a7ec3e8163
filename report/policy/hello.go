package policy

import (
	"slices"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// A Hello is the part of a ClientHello that a server's answer depends on. Lists
// may contain GREASE values, which are ignored. The lists may be shared; they
// are read only.
type Hello struct {
	// Versions are those of supported_versions. Without it, HasVersions is
	// false, and Versions holds legacy_version.
	Versions    []iana.Version
	HasVersions bool
	Suites      []iana.CipherSuite // includes SCSVs
	// Groups are those of supported_groups. HasGroups reports whether it was
	// sent.
	Groups    []iana.Group
	HasGroups bool
	KeyShares []iana.Group
	// Signatures are those of signature_algorithms. HasSignatures reports
	// whether it was sent.
	Signatures    []iana.SignatureScheme
	HasSignatures bool
	ALPN          []string
	PSKModes      []uint8

	// NoPointFormat reports whether ec_point_formats was sent without the
	// uncompressed format, RFC 8422 section 5.1.2.
	NoPointFormat bool
	// ExtendedMaster and RenegotiationInfo state whether the client sent the
	// extension. They are Undetermined if the record does not state it. An SCSV
	// in Suites counts too.
	ExtendedMaster, RenegotiationInfo secrecy.Tri
}

// isDTLS reports whether the hello is DTLS.
func (h *Hello) isDTLS() bool {
	for _, v := range h.Versions {
		if v.IsDTLS() {
			return true
		}
	}
	return false
}

// offers reports whether the client offers v, a version of TLS.
func (h *Hello) offers(v iana.Version) bool {
	if h.HasVersions {
		for _, o := range h.Versions {
			if tlsOf(o) == v {
				return true
			}
		}
		return false
	}
	if len(h.Versions) == 0 || v < iana.SSL30 {
		return false
	}
	return min(tlsOf(h.Versions[0]), iana.TLS12) >= v // RFC 8446 section 4.2.1
}

// offersTLS reports whether the client offers a version above SSL 3.0.
func (h *Hello) offersTLS() bool {
	for _, v := range h.Versions {
		if !v.IsGREASE() && tlsOf(v) > iana.SSL30 {
			return true
		}
	}
	return false
}

func (h *Hello) offersGroup(g iana.Group) bool { return slices.Contains(h.Groups, g) }

// A KeyType is the type of a certificate's key.
type KeyType uint8

// The key types.
const (
	KeyUnknown KeyType = iota
	KeyRSA
	KeyRSAPSS // id-RSASSA-PSS, RFC 4055
	KeyECDSAP256
	KeyECDSAP384
	KeyECDSAP521
	KeyEd25519
	KeyEd448
	KeyDSA
	KeyMLDSA44
	KeyMLDSA65
	KeyMLDSA87
	numKeyTypes
)

var keyTypeNames = [numKeyTypes]string{"unknown", "rsa", "rsa-pss", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "ed448", "dsa", "mldsa44", "mldsa65", "mldsa87"}

func (k KeyType) String() string { return keyTypeNames[k%numKeyTypes] }

// LookupKeyType finds a key type by its name; "ecdsa" means P-256.
func LookupKeyType(name string) (KeyType, bool) {
	name = strings.ToLower(name)
	if name == "ecdsa" {
		return KeyECDSAP256, true
	}
	for k := KeyRSA; k < numKeyTypes; k++ {
		if keyTypeNames[k] == name {
			return k, true
		}
	}
	return 0, false
}

// KeyTypes returns the names that LookupKeyType accepts.
func KeyTypes() []string { return keyTypeNames[KeyRSA:] }

// isECDSA reports whether k is an ECDSA key.
func (k KeyType) isECDSA() bool { return k == KeyECDSAP256 || k == KeyECDSAP384 || k == KeyECDSAP521 }

// curve returns the group of an ECDSA key, 0 for other keys.
func (k KeyType) curve() iana.Group {
	switch k {
	case KeyECDSAP256:
		return secp256r1
	case KeyECDSAP384:
		return secp384r1
	case KeyECDSAP521:
		return secp521r1
	}
	return 0
}

// A Server is the keys of a server.
type Server struct {
	// Keys are the certificate key types, in the server's order. If it is
	// empty, they are unknown, and what depends on them is undetermined.
	Keys []KeyType
	// PSK reports whether the server shares a key with the client, so that PSK
	// suites can be chosen.
	PSK bool
}

// Groups and suites with special rules.
const (
	secp256r1 iana.Group = 0x0017
	secp384r1 iana.Group = 0x0018
	secp521r1 iana.Group = 0x0019
	ffdhe2048 iana.Group = 0x0100
	ffdheLast iana.Group = 0x01ff // last code point of the FFDHE range, RFC 7919 section 2

	fallbackSCSV      iana.CipherSuite = 0x5600 // RFC 7507
	renegotiationSCSV iana.CipherSuite = 0x00ff // RFC 5746 section 3.3
)

// isFF reports whether g is a finite-field group.
func isFF(g iana.Group) bool { return g >= ffdhe2048 && g <= ffdheLast }

// is13Only reports whether g exists only in TLS 1.3: hybrids, KEMs, and the
// curves of RFC 8734.
func is13Only(g iana.Group) bool {
	switch g.Info().Kind {
	case "pq", "hybrid":
		return true
	}
	return g >= 0x001f && g <= 0x0021
}
