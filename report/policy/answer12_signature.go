package policy

import (
	"slices"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// sign chooses the key, and in TLS 1.2 the scheme, for a suite with this
// authentication.
func (q *query) sign(o *option, auth string) Failure {
	have := false
	for _, k := range q.keys {
		if !keyFits(k, auth, q.v) {
			continue
		}
		if k.isECDSA() && q.h.HasGroups && !q.p.AnyCertificateCurve && !q.h.offersGroup(k.curve()) {
			continue // RFC 8422 section 5.1
		}
		have = true
		if q.v < iana.TLS12 {
			o.key = k // the signature is MD5 with SHA-1, or SHA-1
			return NoFailure
		}
	}
	if !have {
		return NoCertificate
	}
	p, h := q.p, q.h
	if !h.HasSignatures {
		// Without the extension, the default is SHA-1 with the suite's
		// algorithm, RFC 5246 section 7.4.1.4.1.
		for _, k := range q.keys {
			s := sha1Of(k)
			if keyFits(k, auth, q.v) && s != 0 && q.sha1(o, s) {
				o.key, o.signature = k, s
				return NoFailure
			}
		}
		return NoCommonSignature
	}
	weak := option{} // with SHA-1, as the last resort
	first, second := h.Signatures, p.Signatures
	if p.SignatureByServer && p.Signatures != nil {
		first, second = second, first
	}
	for _, s := range first {
		if second != nil && !slices.Contains(second, s) {
			continue
		}
		for _, k := range q.keys {
			if !keyFits(k, auth, q.v) || !signs12(k, s) {
				continue
			}
			if k.isECDSA() && h.HasGroups && !p.AnyCertificateCurve && !h.offersGroup(k.curve()) {
				continue
			}
			if isSHA1(s) && p.Signatures == nil && p.SHA1 != secrecy.True {
				if weak.key == 0 {
					weak.key, weak.signature = k, s
				}
				continue
			}
			o.key, o.signature = k, s
			return NoFailure
		}
	}
	if weak.key != 0 && q.sha1(o, weak.signature) {
		o.key, o.signature = weak.key, weak.signature
		return NoFailure
	}
	return NoCommonSignature
}

// sha1 reports whether the server signs with s, a SHA-1 scheme. It records a
// doubt if that is unknown.
func (q *query) sha1(o *option, s iana.SignatureScheme) bool {
	p := q.p
	if p.Signatures != nil && !slices.Contains(p.Signatures, s) {
		return false
	}
	if p.Signatures == nil && p.SHA1 == secrecy.Undetermined {
		o.doubt |= CauseSHA1
	}
	return p.Signatures != nil || p.SHA1 != secrecy.False
}

// signatureShared reports whether a server that requires a common scheme in TLS
// 1.2 finds one, for any suite. A hello without signature_algorithms rules out
// keys without a SHA-1 scheme; suites without a certificate remain possible.
func (p *Policy) signatureShared(h *Hello, keys []KeyType, psk bool, a *Answer) bool {
	sha1 := p.SHA1
	if p.Signatures != nil {
		sha1 = secrecy.TriOf(slices.ContainsFunc(p.Signatures, func(s iana.SignatureScheme) bool { return s>>8 == 2 }))
	}
	if !h.HasSignatures {
		switch {
		case sha1 == secrecy.True || psk || !slices.ContainsFunc(keys, func(k KeyType) bool { return sha1Of(k) != 0 }):
			return true
		case sha1 == secrecy.Undetermined:
			a.doubt(DoubtOutcome, CauseSHA1)
			return true
		}
		return slices.ContainsFunc(p.Suites, func(s iana.CipherSuite) bool { return s.Info().Authentication == "anon" })
	}
	for _, s := range h.Signatures {
		switch {
		case p.Signatures != nil:
			if slices.Contains(p.Signatures, s) {
				return true
			}
		case s.IsGREASE() || !opensslSigns(s):
		case s>>8 == 1: // MD5
		case s>>8 != 2:
			return true
		case sha1 == secrecy.True:
			return true
		case sha1 == secrecy.Undetermined:
			a.doubt(DoubtOutcome, CauseSHA1)
			return true
		}
	}
	return false
}

// opensslSigns reports whether OpenSSL enables a TLS 1.2 scheme by default.
func opensslSigns(s iana.SignatureScheme) bool {
	switch s >> 8 {
	case 2, 3, 4, 5, 6:
		return s&0xff >= 1 && s&0xff <= 3
	case 8:
		return s >= 0x0804 && s <= 0x080b
	}
	return false
}

// keyFits reports whether a key of type k authenticates a suite of TLS 1.2 and
// older, RFC 5246 section 7.4.2 and RFC 8422 section 5.10.
func keyFits(k KeyType, auth string, v iana.Version) bool {
	switch auth {
	case "RSA":
		return k == KeyRSA || k == KeyRSAPSS && v == iana.TLS12
	case "ECDSA":
		return k.isECDSA() || (k == KeyEd25519 || k == KeyEd448) && v == iana.TLS12
	case "DSS":
		return k == KeyDSA
	}
	return false
}

// signs12 reports whether a key of type k supports s in TLS 1.2, where ECDSA
// schemes do not fix the curve: RFC 5246 section 7.4.1.4.1, RFC 8446 section
// 4.2.3.
func signs12(k KeyType, s iana.SignatureScheme) bool {
	switch k {
	case KeyRSA:
		return s >= 0x0804 && s <= 0x0806 || s&0xff == 1 && s>>8 >= 1 && s>>8 <= 6
	case KeyDSA:
		return s&0xff == 2 && s>>8 >= 1 && s>>8 <= 6
	case KeyECDSAP256, KeyECDSAP384, KeyECDSAP521:
		return s&0xff == 3 && s>>8 >= 1 && s>>8 <= 6
	}
	return signs13(k, s)
}

func isSHA1(s iana.SignatureScheme) bool { return s>>8 == 2 || s>>8 == 1 } // or MD5

// sha1Of returns the default scheme of a key if signature_algorithms was not
// sent; 0 if it has none.
func sha1Of(k KeyType) iana.SignatureScheme {
	switch {
	case k == KeyRSA:
		return 0x0201
	case k == KeyDSA:
		return 0x0202
	case k.isECDSA():
		return 0x0203
	}
	return 0
}
