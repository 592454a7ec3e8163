package policy

import (
	"slices"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// An Answer is a server's response to a ClientHello, assuming a full handshake.
// It is comparable.
type Answer struct {
	// OK reports whether the server continues the handshake. If Doubt has
	// DoubtOutcome, OK is only the likely outcome.
	OK      bool
	Version iana.Version // the DTLS version for a DTLS hello; 0 if no version is common
	Suite   iana.CipherSuite
	// Group is the group of the ephemeral exchange. If HasGroup is false, there
	// is no exchange, or a finite-field group without a code point.
	Group             iana.Group
	HasGroup          bool
	Signature         iana.SignatureScheme // 0 if the server signs nothing, and before TLS 1.2
	Key               KeyType              // of the certificate
	HelloRetryRequest bool

	Failure Failure    // why OK is false
	Alert   iana.Alert // the alert of a standard server

	ForwardSecrecy secrecy.Verdict // of the full handshake; Unknown without one, or if it is undetermined
	PostQuantum    secrecy.Tri     // whether the key exchange is post-quantum

	Doubt Doubt // undetermined parts of the answer
	Cause Cause // why they are undetermined
}

// Undetermined reports whether it is undetermined if the handshake succeeds.
func (a *Answer) Undetermined() bool { return a.Doubt&DoubtOutcome != 0 }

// A Failure says why a server refuses a ClientHello.
type Failure uint8

// The failures.
const (
	NoFailure Failure = iota
	NoCommonVersion
	InappropriateFallback
	NoCommonSuite
	NoCommonGroup
	NoCommonSignature
	NoCertificate // every common suite needs a certificate or a secret that the server lacks
	NoExtendedMaster
	NoRenegotiationInfo
	MissingExtension // TLS 1.3 without signature_algorithms, or without supported_groups and key_share
	NameRejected     // the server accepts no handshake for this name
	numFailures
)

var failures = [numFailures]struct {
	name, text string
	alert      iana.Alert
}{
	{"none", "", 0},
	{"no_common_version", "no version is both offered and allowed", iana.AlertProtocolVersion},
	{"inappropriate_fallback", "the client signals a version fallback (TLS_FALLBACK_SCSV), and the server supports a newer version", iana.AlertInappropriateFallback},
	{"no_common_suite", "no cipher suite is both offered and allowed in the version", iana.AlertHandshakeFailure},
	{"no_common_group", "the common cipher suites need a group, and no group is both offered and allowed", iana.AlertHandshakeFailure},
	{"no_common_signature_algorithm", "no signature algorithm is both offered and possible with the server's certificates", iana.AlertHandshakeFailure},
	{"no_certificate_for_suite", "the common cipher suites need another type of certificate than the server has", iana.AlertHandshakeFailure},
	{"no_extended_master_secret", "the policy requires extended_master_secret, and the client does not offer it", iana.AlertHandshakeFailure},
	{"no_renegotiation_info", "the policy requires secure renegotiation, and the client does not offer it", iana.AlertHandshakeFailure},
	{"missing_extension", "TLS 1.3 is offered without an extension that it requires", iana.AlertMissingExtension},
	{"name_rejected", "the server refuses every handshake for this server name", iana.AlertUnrecognizedName},
}

func (f Failure) String() string { return failures[f%numFailures].name }

// Text describes f in words.
func (f Failure) Text() string { return failures[f%numFailures].text }

// Alert returns the alert that the standards require for f.
func (f Failure) Alert() iana.Alert { return failures[f%numFailures].alert }

// Failures returns every failure except NoFailure.
func Failures() []Failure {
	out := make([]Failure, 0, numFailures-1)
	for f := NoFailure + 1; f < numFailures; f++ {
		out = append(out, f)
	}
	return out
}

// A Doubt is the set of undetermined parts of an Answer.
type Doubt uint8

// The parts of an Answer that may be undetermined.
const (
	DoubtOutcome Doubt = 1 << iota // whether the server continues
	DoubtVersion
	DoubtSuite
	DoubtGroup // and whether it needs a HelloRetryRequest
	DoubtSignature
)

var doubtNames = [...]string{"outcome", "version", "suite", "group", "signature"}

func (d Doubt) String() string { return setNames(uint16(d), doubtNames[:]) }

// A Cause is a set of reasons for a Doubt.
type Cause uint16

// The causes.
const (
	CauseVersions      Cause = 1 << iota // the policy's source does not state all versions
	CauseSuites                          // nor the suites
	CauseGroups                          // nor all groups, or their order
	CauseOrder                           // nor whether the server's or the client's suite order counts
	CauseCertificate                     // the types of the server's certificates are unknown
	CauseSHA1                            // whether the server signs with SHA-1 is unknown
	CauseGroupsNotSent                   // the client did not send supported_groups, and servers differ
	CauseHello                           // the record does not state whether the client sent an extension that the policy requires
	CauseServer                          // releases of the server's software differ, and the release is not stated
	CauseUnread                          // the server's configuration cannot be read
)

var causeNames = [...]string{"versions_not_stated", "suites_not_stated", "groups_not_stated", "order_not_stated", "certificate_unknown",
	"sha1_not_stated", "no_supported_groups", "extension_not_recorded", "server_version_not_stated", "configuration_not_read"}

func (c Cause) String() string { return setNames(uint16(c), causeNames[:]) }

func setNames(v uint16, names []string) string {
	var b strings.Builder
	for i, n := range names {
		if v>>i&1 != 0 {
			if b.Len() > 0 {
				b.WriteByte('+')
			}
			b.WriteString(n)
		}
	}
	return b.String()
}

// Answer returns the answer of a server with policy p to h. Without known
// certificates it combines the answers for the two common key types. It also
// combines the answers of p and its variants. Where they differ, the answer is
// undetermined.
func (p *Policy) Answer(h *Hello, s *Server) Answer {
	if p.Unread != "" {
		return Answer{Doubt: DoubtOutcome, Cause: CauseUnread}
	}
	a := p.answerKeys(h, s)
	for _, v := range p.Variants {
		a = combine(a, v.answerKeys(h, s), CauseServer)
	}
	if a.Version != 0 && h.isDTLS() {
		a.Version = dtlsOf(a.Version)
	}
	return a
}

// answerKeys is Answer without the variants.
func (p *Policy) answerKeys(h *Hello, s *Server) Answer {
	if len(s.Keys) > 0 {
		return p.answer(h, s.Keys, s.PSK)
	}
	return combine(p.answer(h, rsaOnly[:], s.PSK), p.answer(h, ecdsaOnly[:], s.PSK), CauseCertificate)
}

var (
	rsaOnly   = [...]KeyType{KeyRSA}
	ecdsaOnly = [...]KeyType{KeyECDSAP256}
)

// combine merges two possible answers. Where they differ, the result is
// undetermined for the given cause.
func combine(a, b Answer, cause Cause) Answer {
	if cause == CauseCertificate && a.Failure == NoCertificate && b.Failure == NoCertificate {
		return a
	}
	if !a.OK && b.OK {
		a, b = b, a
	}
	out := a
	out.Doubt |= b.Doubt
	out.Cause |= b.Cause
	if a.OK != b.OK {
		out.doubt(DoubtOutcome, cause)
		return out
	}
	if !a.OK {
		return out
	}
	if a.Version != b.Version {
		out.doubt(DoubtVersion, cause)
	}
	if a.Suite != b.Suite {
		out.doubt(DoubtSuite, cause)
	}
	if a.Group != b.Group || a.HasGroup != b.HasGroup || a.HelloRetryRequest != b.HelloRetryRequest {
		out.doubt(DoubtGroup, cause)
	}
	if a.Signature != b.Signature || a.Key != b.Key {
		out.doubt(DoubtSignature, cause)
	}
	if a.Key != b.Key {
		out.Key = KeyUnknown
	}
	if a.ForwardSecrecy != b.ForwardSecrecy {
		out.ForwardSecrecy = secrecy.Unknown
	}
	if a.PostQuantum != b.PostQuantum {
		out.PostQuantum = secrecy.Undetermined
	}
	return out
}

func (a *Answer) fail(f Failure) Answer {
	a.OK, a.Failure, a.Alert = false, f, f.Alert()
	return *a
}

func (a *Answer) doubt(d Doubt, c Cause) {
	a.Doubt |= d
	a.Cause |= c
}

// answer returns the answer of a server with the given keys.
func (p *Policy) answer(h *Hello, keys []KeyType, psk bool) Answer {
	var a Answer
	v := p.version(h, &a)
	if v == 0 {
		a.fail(NoCommonVersion)
		for _, v := range slices.Backward(p.RefusedVersions) {
			if !h.offers(v) {
				continue
			}
			if hasSuite(h, fallbackSCSV) && p.MaxVersion() != 0 {
				return a.fail(InappropriateFallback)
			}
			// OpenSSL checks whether it can sign only after it has chosen a
			// suite.
			var b Answer
			p.answer12(h, v, keys, psk, &b)
			if a.Alert = b.Alert; b.OK {
				a.Alert = iana.AlertInternalError
			}
			break
		}
		if p.OldHelloFailure && !h.offersTLS() {
			a.Alert = iana.AlertHandshakeFailure
		}
		return a
	}
	a.Version = v
	if p.RejectHandshake {
		return a.fail(NameRejected)
	}
	if v != p.MaxVersion() && hasSuite(h, fallbackSCSV) && p.MaxVersion() > v {
		return a.fail(InappropriateFallback)
	}
	if v.IsTLS13() {
		return p.answer13(h, keys, psk, &a)
	}
	p.answer12(h, v, keys, psk, &a)
	if a.Doubt&DoubtVersion != 0 {
		// The server may also have TLS 1.3.
		if !a.OK {
			a.doubt(DoubtOutcome, CauseVersions)
		} else if a.ForwardSecrecy != secrecy.Yes {
			a.ForwardSecrecy = secrecy.Unknown
		}
		for _, g := range h.Groups {
			if g.Info().PostQuantum {
				a.PostQuantum = secrecy.Undetermined
			}
		}
	}
	return a
}

// version returns the highest common version.
func (p *Policy) version(h *Hello, a *Answer) iana.Version {
	for i := len(p.Versions) - 1; i >= 0; i-- {
		if v := p.Versions[i]; h.offers(v) {
			if p.VersionsOpen && v < iana.TLS13 && h.offers(iana.TLS13) {
				a.doubt(DoubtVersion|DoubtSuite|DoubtGroup|DoubtSignature, CauseVersions)
			}
			return v
		}
	}
	if p.VersionsOpen {
		a.doubt(DoubtOutcome, CauseVersions)
	}
	return 0
}

func hasSuite(h *Hello, s iana.CipherSuite) bool {
	for _, o := range h.Suites {
		if o == s {
			return true
		}
	}
	return false
}

// isChaCha reports whether s uses ChaCha20.
func isChaCha(s iana.CipherSuite) bool {
	return s == 0x1303 || s >= 0xcca8 && s <= 0xccae || s >= 0xcc13 && s <= 0xcc15
}

// chachaFirst reports whether ChaCha20 suites take precedence for this client:
// they do if its first suite, ignoring GREASE, is one.
func (p *Policy) chachaFirst(h *Hello, on bool) bool {
	if !on {
		return false
	}
	for _, s := range h.Suites {
		if !s.IsGREASE() {
			return isChaCha(s)
		}
	}
	return false
}
