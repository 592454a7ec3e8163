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
		if !q.certain {
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
	certain  bool    // one of the options is certain
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
	q.certain = true
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
