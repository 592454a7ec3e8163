package iana

import (
	"iter"
	"maps"
	"strings"
)

// A SignatureScheme is a code point of the TLS SignatureScheme registry, RFC
// 8446 section 4.2.3. In TLS 1.2 it is a hash and a signature algorithm.
type SignatureScheme uint16

func (s SignatureScheme) String() string {
	if n, ok := signatureSchemes[s]; ok {
		return n
	}
	return "0x" + hexDigits(uint32(s), 4)
}

// IsGREASE reports whether s is one of the reserved values of RFC 8701.
func (s SignatureScheme) IsGREASE() bool { return isGREASE(uint16(s)) }

// SignatureSchemes yields the known schemes in no particular order.
func SignatureSchemes() iter.Seq[SignatureScheme] { return maps.Keys(signatureSchemes) }

// LookupSignatureScheme returns the scheme with this name, in any case.
func LookupSignatureScheme(name string) (SignatureScheme, bool) {
	for s, n := range signatureSchemes {
		if strings.EqualFold(n, name) && !isGREASE(uint16(s)) {
			return s, true
		}
	}
	return 0, false
}
