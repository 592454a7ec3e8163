package report

import (
	"slices"

	"pfsight/parse"
	"pfsight/parse/iana"
	"pfsight/report/policy"
)

// Hello returns what o offers, in the form that policies answer to. Of what
// an Offer does not keep the Hello says that it is not known. The lists are
// shared with o.
func (o *Offer) Hello() *policy.Hello {
	h := &policy.Hello{
		Versions: o.Versions, Suites: o.CipherSuites, Groups: o.Groups, KeyShares: o.KeyShares,
		Signatures: o.SignatureAlgorithms, ALPN: o.ALPN, PSKModes: o.PSKModes,
		HasGroups: len(o.Groups) > 0, HasSignatures: len(o.SignatureAlgorithms) > 0,
	}
	// One version that legacy_version can name is taken for that.
	h.HasVersions = len(o.Versions) > 1 || len(o.Versions) == 1 && (o.Versions[0].IsTLS13() || o.Versions[0].IsGREASE())
	return h
}

// HelloOf returns what a ClientHello offers, in the form that policies answer
// to. It keeps nothing of ch.
func HelloOf(ch *parse.ClientHello) *policy.Hello {
	h := &policy.Hello{
		Versions: clone(ch.Versions), HasVersions: len(ch.Versions) > 0, Suites: clone(ch.CipherSuites),
		Groups: clone(ch.Groups), HasGroups: ch.HasGroups,
		Signatures: clone(ch.SignatureSchemes), HasSignatures: len(ch.SignatureSchemes) > 0,
		PSKModes:          slices.Clone(ch.PSKModes),
		NoPointFormat:     len(ch.PointFormats) > 0 && !slices.Contains(ch.PointFormats, 0),
		ExtendedMaster:    sent(ch, ch.ExtendedMaster),
		RenegotiationInfo: sent(ch, ch.RenegotiationInfo),
	}
	if !h.HasVersions && !ch.Incomplete {
		h.Versions = []iana.Version{ch.LegacyVersion}
	}
	for _, s := range ch.KeyShares {
		h.KeyShares = append(h.KeyShares, s.Group)
	}
	for _, a := range ch.ALPN {
		h.ALPN = append(h.ALPN, string(a))
	}
	return h
}

// KeyType returns the type of the certificate's key, KeyUnknown where it
// is of none that a policy tells apart.
func (c *Certificate) KeyType() policy.KeyType {
	switch c.Key {
	case "RSA":
		return policy.KeyRSA
	case "DSA":
		return policy.KeyDSA
	case "Ed25519":
		return policy.KeyEd25519
	case "Ed448":
		return policy.KeyEd448
	case "ECDSA":
		switch c.Bits {
		case 256:
			return policy.KeyECDSAP256
		case 384:
			return policy.KeyECDSAP384
		case 521:
			return policy.KeyECDSAP521
		}
	}
	return policy.KeyUnknown
}
