package policy

import (
	"slices"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// answer12 is answer for TLS 1.2 and older, RFC 5246 section 7.4.1.3.
func (p *Policy) answer12(h *Hello, v iana.Version, keys []KeyType, psk bool, a *Answer) {
	if p.RequireExtendedMaster && h.ExtendedMaster != secrecy.True {
		if h.ExtendedMaster == secrecy.False {
			a.fail(NoExtendedMaster)
			return
		}
		a.doubt(DoubtOutcome, CauseHello)
	}
	if p.RequireRenegotiationInfo && h.RenegotiationInfo != secrecy.True && !hasSuite(h, renegotiationSCSV) {
		if h.RenegotiationInfo == secrecy.False {
			a.fail(NoRenegotiationInfo)
			return
		}
		a.doubt(DoubtOutcome, CauseHello)
	}
	if v == iana.TLS12 && p.SignaturesShared && !p.signatureShared(h, keys, psk, a) {
		a.fail(NoCommonSignature)
		return
	}
	q := query{p: p, h: h, v: v, keys: keys, psk: psk}
	q.search()
	if len(p.Suites) == 0 { // the source does not state the suites
		a.doubt(DoubtOutcome, CauseSuites)
	}
	if v < iana.TLS12 && p.LegacyUnsure {
		a.doubt(DoubtOutcome, CauseVersions)
	}
	if q.n == 0 {
		if q.skipped != 0 {
			a.doubt(DoubtOutcome, q.skipped)
		}
		a.fail(q.failure())
		return
	}
	best := &q.best
	a.OK = true
	a.Suite, a.Group, a.HasGroup, a.Signature, a.Key = best.suite, best.group, best.hasGroup, best.signature, best.key
	if best.doubt&CauseGroups != 0 {
		a.doubt(DoubtGroup, CauseGroups)
	}
	if q.unsure != 0 {
		d := DoubtSuite | DoubtGroup | DoubtSignature
		if !q.firm {
			d |= DoubtOutcome
		}
		a.doubt(d, q.unsure)
	}
	if q.skipped != 0 {
		a.doubt(DoubtSuite|DoubtGroup|DoubtSignature, q.skipped)
	}
	if q.n > 1 && p.Order == OrderUnknown {
		a.doubt(DoubtSuite|DoubtGroup|DoubtSignature, CauseOrder)
	}
	a.ForwardSecrecy = verdictOf(a.Suite)
	for v, may := range q.verdicts {
		if may && secrecy.Verdict(v) != a.ForwardSecrecy {
			a.ForwardSecrecy = secrecy.Unknown
			break
		}
	}
	a.PostQuantum = secrecy.TriOf(a.Suite.Info().KeyExchange == iana.KexCECPQ1)
}

// A query evaluates one ClientHello at one version against the suites of a
// policy.
type query struct {
	p    *Policy
	h    *Hello
	v    iana.Version
	keys []KeyType
	psk  bool

	best     option
	n        int     // number of suites that are, or may be, chosen
	firm     bool    // one of the options is certain
	unsure   Cause   // why the options before it are uncertain
	verdicts [4]bool // possible verdicts of the options and the skipped suites

	failed  [numFailures]bool // why common suites were not chosen
	skipped Cause             // why a skipped suite may have been chosen after all
}

// An option is a suite that can be chosen, with its group, key and scheme.
type option struct {
	suite     iana.CipherSuite
	group     iana.Group
	hasGroup  bool
	signature iana.SignatureScheme
	key       KeyType
	doubt     Cause // CauseGroups concerns only the group, other causes the suite
}

// search evaluates the suites in order of preference up to the first that is
// certainly chosen. If the order is unknown, it evaluates all.
func (q *query) search() {
	p, h := q.p, q.h
	if p.Order == ClientOrder {
		for _, s := range h.Suites {
			for i, have := range p.Suites {
				if have == s && q.try(i) {
					return
				}
			}
		}
		return
	}
	if p.chachaFirst(h, p.ChaChaFirst) {
		for i, s := range p.Suites {
			if isChaCha(s) && hasSuite(h, s) && q.try(i) {
				return
			}
		}
		for i, s := range p.Suites {
			if !isChaCha(s) && hasSuite(h, s) && q.try(i) {
				return
			}
		}
		return
	}
	for i, s := range p.Suites {
		if hasSuite(h, s) && q.try(i) {
			return
		}
	}
}

// try evaluates the policy's suite with this index, and reports whether the
// search is complete.
func (q *query) try(i int) bool {
	if q.n > 0 && q.p.Suites[i] == q.best.suite {
		return false // the same suite with another group
	}
	o, ok := q.usable(i)
	if !ok {
		return false
	}
	if q.n == 0 {
		q.best = o
	}
	q.n++
	q.verdicts[verdictOf(o.suite)] = true
	if unsure := o.doubt &^ CauseGroups; unsure != 0 {
		q.unsure |= unsure
		return false
	}
	q.firm = true
	return q.p.Order != OrderUnknown
}

// failure returns why no suite was chosen: the failure of the suite that passed
// the most checks.
func (q *query) failure() Failure {
	for _, f := range [...]Failure{NoCommonGroup, NoCommonSignature, NoCertificate} {
		if q.failed[f] {
			return f
		}
	}
	return NoCommonSuite
}

func (q *query) no(f Failure) (option, bool) {
	q.failed[f] = true
	return option{}, false
}

// usable reports whether a suite that both sides have can be chosen. i is its
// index in the policy.
func (q *query) usable(i int) (option, bool) {
	o := option{suite: q.p.Suites[i]}
	info := o.suite.Info()
	if !suiteFits(info, q.v, q.h.isDTLS()) {
		return q.no(NoCommonSuite)
	}
	kex := info.KeyExchange
	if kex.UsesPSK() && !q.psk {
		return q.no(NoCertificate)
	}
	// The certificate and the signature.
	signs := kex.UsesECParams() || kex.UsesDHParams()
	switch {
	case kex == iana.KexRSAPSK || kex == iana.KexRSA || kex == iana.KexRSAExport:
		// RSA key transport decrypts with the key, which an RSASSA-PSS key must
		// not do, RFC 5246 section 7.4.2.
		if !slices.Contains(q.keys, KeyRSA) {
			return q.no(NoCertificate)
		}
		o.key = KeyRSA
	case kex.UsesPSK(), info.Authentication == "anon":
	case kex == iana.KexECDH:
		// The key is used for the agreement and its curve is the group, RFC
		// 8422 section 5.3.
		for _, k := range q.keys {
			if k.isECDSA() && (!q.h.HasGroups || q.h.offersGroup(k.curve())) {
				o.key, o.group, o.hasGroup = k, k.curve(), true
				return o, true
			}
		}
		return q.no(NoCertificate)
	case signs || kex == iana.KexCECPQ1:
		if f := q.sign(&o, info.Authentication); f != NoFailure {
			return q.no(f)
		}
	default:
		return q.no(NoCertificate) // SRP, Kerberos, GOST, SM2 and fixed DH need keys that Server does not describe
	}
	switch {
	case kex.UsesECParams():
		if f := q.curve(&o, i); f != NoFailure {
			return q.no(f)
		}
	case kex.UsesDHParams():
		if f := q.finiteField(&o); f != NoFailure {
			return q.no(f)
		}
	}
	return o, true
}

// curve chooses the group of an ECDHE suite.
func (q *query) curve(o *option, i int) Failure {
	p, h := q.p, q.h
	if h.NoPointFormat {
		return NoCommonGroup
	}
	var bound iana.Group
	if i < len(p.SuiteGroups) {
		bound = p.SuiteGroups[i]
	}
	if !h.HasGroups {
		// The server may choose any curve, RFC 8422 section 4.
		switch p.GroupWithout {
		case secrecy.False:
			return NoCommonGroup
		case secrecy.Undetermined:
			o.doubt |= CauseGroupsNotSent
		}
		o.group, o.hasGroup = bound, bound != 0
		for _, g := range p.Groups {
			if !o.hasGroup && fits12(g) {
				o.group, o.hasGroup = g, true
			}
		}
		if !o.hasGroup {
			o.doubt |= CauseGroups
		}
		return NoFailure
	}
	if bound != 0 {
		if !h.offersGroup(bound) {
			return NoCommonGroup
		}
		o.group, o.hasGroup = bound, true
		return NoFailure
	}
	c := p.choose(h, p.Group12, false, fits12)
	if !c.ok {
		if c.doubt {
			q.skipped |= CauseGroups
			q.verdicts[verdictOf(o.suite)] = true
		}
		return NoCommonGroup
	}
	o.group, o.hasGroup = c.group, true
	if c.doubt {
		o.doubt |= CauseGroups
	}
	return NoFailure
}

// fits12 reports whether g is an ECDHE group for TLS 1.2 and older.
func fits12(g iana.Group) bool { return !isFF(g) && !is13Only(g) && !g.IsGREASE() }

// finiteField chooses the group of a DHE suite. A server that follows RFC 7919
// section 4 uses only groups that the client names, if it names finite-field
// groups.
func (q *query) finiteField(o *option) Failure {
	p, h := q.p, q.h
	if p.FFDHE == secrecy.False || !slices.ContainsFunc(h.Groups, isFF) {
		return NoFailure
	}
	if p.FFDHE == secrecy.Undetermined && !slices.ContainsFunc(p.Groups, isFF) {
		return NoFailure
	}
	by := p.Group12
	c := p.choose(h, by, false, isFF)
	if !c.ok {
		return NoCommonGroup
	}
	o.group, o.hasGroup = c.group, true
	return NoFailure
}

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

// suiteFits reports whether v, TLS 1.2 or older, allows a suite.
func suiteFits(s *iana.Suite, v iana.Version, dtls bool) bool {
	if s.KeyExchange == iana.KexTLS13 || s.Kind == "scsv" || s.Kind == "grease" {
		return false
	}
	switch {
	case v < iana.TLS12 && needs12(s):
		return false
	case v >= iana.TLS11 && s.Export: // RFC 4346 appendix A.5
		return false
	case v >= iana.TLS12 && (strings.HasPrefix(s.Encryption, "DES_CBC") || strings.HasPrefix(s.Encryption, "DES40") || strings.HasPrefix(s.Encryption, "IDEA")): // RFC 5469
		return false
	case v == iana.SSL30 && (s.KeyExchange.UsesECParams() || s.KeyExchange == iana.KexECDH): // RFC 8422 section 1
		return false
	case dtls && strings.HasPrefix(s.Encryption, "RC4"): // RFC 6347 section 4.1.2.2
		return false
	}
	return true
}

// needs12 reports whether a suite requires TLS 1.2: it is an AEAD or names the
// hash of its PRF, RFC 5246 section 1.2 and RFC 5288 section 4. CBC suites with
// PSK are allowed in any version, RFC 5487 section 3 and RFC 5489 section 3.
func needs12(s *iana.Suite) bool {
	for _, aead := range [...]string{"GCM", "CCM", "POLY1305", "OCB"} {
		if strings.Contains(s.Encryption, aead) {
			return true
		}
	}
	switch s.MAC {
	case "SHA256", "SHA384":
		return !s.KeyExchange.UsesPSK()
	case "AEAD":
		return true
	}
	return false
}
