package policy

import (
	"slices"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// A Hello is what a ClientHello offers, as far as a server's choice depends
// on it. GREASE values may stand in every list and are passed over. The lists
// may be shared; they are not written.
type Hello struct {
	// Versions are those of supported_versions; without it, the
	// legacy_version alone, and HasVersions is false.
	Versions    []iana.Version
	HasVersions bool
	Suites      []iana.CipherSuite // SCSVs included
	// Groups are those of supported_groups; HasGroups is false where it was
	// not sent.
	Groups    []iana.Group
	HasGroups bool
	KeyShares []iana.Group
	// Signatures are those of signature_algorithms; HasSignatures is false
	// where it was not sent.
	Signatures    []iana.SignatureScheme
	HasSignatures bool
	ALPN          []string
	PSKModes      []uint8

	// NoPointFormat: ec_point_formats was sent and does not hold
	// uncompressed, RFC 8422 section 5.1.2.
	NoPointFormat bool
	// ExtendedMaster and RenegotiationInfo say whether the client sent these;
	// of a record that does not keep them they are Untold. The SCSV in Suites
	// counts too.
	ExtendedMaster, RenegotiationInfo secrecy.Tri
}

// isDTLS reports whether the hello is one of DTLS.
func (h *Hello) isDTLS() bool {
	for _, v := range h.Versions {
		if v.IsDTLS() {
			return true
		}
	}
	return false
}

// offers reports whether the client offers v, one of TLS.
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

// offersTLS reports whether the client offers anything above SSL 3.0.
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
	KeyRSAPSS // RSA that may be used with PSS only, RFC 4055
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

// LookupKeyType finds a key type by its name; "ecdsa" is P-256.
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

// KeyTypes returns the names that LookupKeyType knows.
func KeyTypes() []string { return keyTypeNames[KeyRSA:] }

// isECDSA reports whether k is an ECDSA key.
func (k KeyType) isECDSA() bool { return k == KeyECDSAP256 || k == KeyECDSAP384 || k == KeyECDSAP521 }

// curve returns the group of an ECDSA key, 0 for others.
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

// A Server is what a server has beside its policy.
type Server struct {
	// Keys are the types of the keys it has certificates for, in its order.
	// Empty: not known, and what depends on it cannot be told.
	Keys []KeyType
	// PSK: it shares a key with the client, so that PSK suites can be chosen.
	PSK bool
}

// Groups and schemes that the standards treat apart.
const (
	secp256r1 iana.Group = 0x0017
	secp384r1 iana.Group = 0x0018
	secp521r1 iana.Group = 0x0019
	ffdhe2048 iana.Group = 0x0100
	ffdheLast iana.Group = 0x01ff // RFC 7919 section 2: ffdhe's range

	fallbackSCSV      iana.CipherSuite = 0x5600 // RFC 7507
	renegotiationSCSV iana.CipherSuite = 0x00ff // RFC 5746 section 3.3
)

// isFF reports whether g is a finite-field group.
func isFF(g iana.Group) bool { return g >= ffdhe2048 && g <= ffdheLast }

// is13Only reports whether g is for TLS 1.3 alone: hybrids, KEMs, and the
// curves of RFC 8734.
func is13Only(g iana.Group) bool {
	switch g.Info().Kind {
	case "pq", "hybrid":
		return true
	}
	return g >= 0x001f && g <= 0x0021
}
