package policy

import (
	"slices"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

//go:generate go run ./gen

// A Policy is what a TLS server accepts. It is read only.
type Policy struct {
	Name       string // lower case, such as "mozilla-intermediate-6-0"
	Title      string // one line
	Source     string // URL of the document that states it, or the name of the file that was read
	ReadFrom   string // what was read, if it is not Source itself
	Date       string // of Source, as far as known: YYYY, YYYY-MM or YYYY-MM-DD
	Confidence Confidence
	Note       string // doubts about the content, or why it is not a target
	// Target reports whether the policy is complete and reliable enough to
	// recommend. Other policies can still be simulated.
	Target bool

	// Versions are the enabled versions of TLS, lowest first. A DTLS version is
	// enabled if the TLS version that it is based on is.
	Versions []iana.Version
	// VersionsOpen reports that the source does not state all versions.
	VersionsOpen bool
	// LegacyUnsure reports that versions before TLS 1.2 are enabled, but that
	// the server's build may disable them, as OpenSSL 3 does above security
	// level 0.
	LegacyUnsure bool
	// RefusedVersions are enabled too, but the security level makes every
	// handshake with them fail. Lowest first.
	RefusedVersions []iana.Version
	// Suites are the suites of TLS 1.2 and older, in the server's order.
	Suites []iana.CipherSuite
	// SuiteGroups binds the suite with the same index to one group; 0 does not
	// bind it. Schannel before Windows 10 does this with names that end in
	// _P256. If it is nil, no suite is bound.
	SuiteGroups []iana.Group
	// Suites13 are the suites of TLS 1.3, in the server's order. If TLS 1.3 is
	// enabled and there are none, the source does not state them.
	Suites13 []iana.CipherSuite
	// Groups are the groups, in the server's order.
	Groups []iana.Group
	// GroupsOpen reports that the server has, or may have, other groups.
	GroupsOpen bool
	// GroupTuples are the sizes of the tuples in Groups, for GroupByTuple.
	GroupTuples []int
	// GroupsUnordered reports that the order of Groups is not the server's.
	GroupsUnordered bool
	// Signatures are the schemes that the server signs with; nil if the source
	// does not state them.
	Signatures []iana.SignatureScheme

	// Order says whose suite order counts. Order13 is the same for TLS 1.3;
	// OrderUnknown means that Order applies.
	Order, Order13 Order
	Behavior

	// DHBits is the size of the finite-field group of DHE suites, if RFC 7919
	// does not negotiate it; 0 if it is not stated.
	DHBits int
	// RequireExtendedMaster refuses TLS 1.2 and older without
	// extended_master_secret, RFC 7627 section 5.2.
	RequireExtendedMaster bool
	// RequireRenegotiationInfo refuses TLS 1.2 and older without
	// renegotiation_info or its SCSV, RFC 5746 section 3.6.
	RequireRenegotiationInfo bool
	// RejectHandshake answers every hello with the alert unrecognized_name, as
	// nginx does with ssl_reject_handshake.
	RejectHandshake bool

	// Variants are other possible policies of the server, if its behaviour
	// depends on a software release that is not stated.
	Variants []*Policy
	// Unread says why the configuration of this server cannot be read; "" if it
	// was read. The answers of such a server are undetermined.
	Unread string
	// Host says which connections get the policy; nil for a policy that is not
	// from a server configuration.
	Host *Host
}

// A Behavior is how a server chooses where the standards leave it free. The
// zero value is the common behaviour, or undetermined where there is none.
type Behavior struct {
	// Group12 and Group13 say whose group order counts, in TLS 1.2 and older
	// and in TLS 1.3.
	Group12, Group13 GroupChoice
	// PostQuantumFirst prefers a common post-quantum group, even if it needs a
	// HelloRetryRequest.
	PostQuantumFirst bool
	// ChaChaFirst prefers ChaCha20 suites if the client's first suite is one
	// (OpenSSL's PrioritizeChaCha).
	ChaChaFirst bool
	// ChaChaFirst13 is the same in TLS 1.3; Undetermined means that ChaChaFirst
	// applies.
	ChaChaFirst13 secrecy.Tri
	// SignatureByServer means that the server's order of schemes counts.
	SignatureByServer bool
	// SignaturesShared refuses TLS 1.2 without a common signature scheme, even
	// if the suite needs no signature, as OpenSSL does. A hello without
	// signature_algorithms counts as one with SHA-1, RFC 5246 section
	// 7.4.1.4.1.
	SignaturesShared bool
	// SHA1 says whether the server signs with SHA-1 in TLS 1.2.
	SHA1 secrecy.Tri
	// GroupWithout says whether the server uses ECDHE with a client that did
	// not send supported_groups, which RFC 8422 section 4 allows.
	GroupWithout secrecy.Tri
	// AnyCertificateCurve means that the curve of an ECDSA key need not be
	// among the client's groups. RFC 8422 section 5.1 requires it in TLS 1.2.
	AnyCertificateCurve bool
	// OldHelloFailure answers an SSL 3.0 hello with handshake_failure if SSL
	// 3.0 is disabled, as OpenSSL does. Most stacks send protocol_version,
	// which SSL 3.0 does not have.
	OldHelloFailure bool
	// FFDHE says whether DHE in TLS 1.2 follows the client's finite-field
	// groups, RFC 7919. Undetermined means that it does if Groups has one.
	FFDHE secrecy.Tri
}

// A Confidence says how reliable the content of a policy is.
type Confidence uint8

// The confidence levels.
const (
	Unsure Confidence = iota // not stated, or doubtful
	Low
	Medium
	High
)

var confidenceNames = [...]string{"unsure", "low", "medium", "high"}

func (c Confidence) String() string { return confidenceNames[c&3] }

// An Order says whose suite order counts.
type Order uint8

// The orders.
const (
	OrderUnknown Order = iota // not stated, or the list is unordered
	ServerOrder
	ClientOrder
)

var orderNames = [...]string{"unknown", "server", "client"}

func (o Order) String() string { return orderNames[o%3] }

// A GroupChoice says how the group is chosen.
type GroupChoice uint8

// The choices. GroupShared and GroupByServer are the same in TLS 1.2.
const (
	GroupShared     GroupChoice = iota // server's order; in TLS 1.3 groups with a key share first
	GroupByServer                      // server's order, even if it needs a HelloRetryRequest
	GroupByClient                      // client's order; in TLS 1.3 its key shares first
	GroupFirstShare                    // client's order of key shares, else the server's order (OpenSSL 1.1.1 to 3.4); in TLS 1.2 as GroupByClient
	GroupByTuple                       // first tuple of the server with a common group, in it groups with a key share first (OpenSSL 3.5 and later); in TLS 1.2 as GroupByServer
)

var groupChoiceNames = [...]string{"shared", "server", "client", "first_share", "tuples"}

func (g GroupChoice) String() string { return groupChoiceNames[int(g)%len(groupChoiceNames)] }

// MinVersion returns the lowest enabled version, 0 for none.
func (p *Policy) MinVersion() iana.Version {
	if len(p.Versions) == 0 {
		return 0
	}
	return p.Versions[0]
}

// MaxVersion returns the highest enabled version, 0 for none.
func (p *Policy) MaxVersion() iana.Version {
	if len(p.Versions) == 0 {
		return 0
	}
	return p.Versions[len(p.Versions)-1]
}

// Has reports whether v is enabled. For a DTLS version, the TLS version that it
// is based on decides.
func (p *Policy) Has(v iana.Version) bool { return slices.Contains(p.Versions, tlsOf(v)) }

// ForwardSecret returns Yes if everything that the policy accepts is forward
// secret, No if nothing is, Conditional if some is, and Unknown if the policy
// states too little.
func (p *Policy) ForwardSecret() secrecy.Verdict {
	yes, no := false, false
	for _, v := range p.Versions {
		if v.IsTLS13() {
			yes = true
		}
	}
	if p.MinVersion() != 0 && !p.MinVersion().IsTLS13() {
		for _, s := range p.Suites {
			switch verdictOf(s) {
			case secrecy.Yes:
				yes = true
			case secrecy.No:
				no = true
			}
		}
	}
	switch {
	case yes && no:
		return secrecy.Conditional
	case yes:
		return secrecy.Yes
	case no:
		return secrecy.No
	}
	return secrecy.Unknown
}

// verdictOf returns the verdict of a full handshake with a suite of TLS 1.2 or
// older.
func verdictOf(s iana.CipherSuite) secrecy.Verdict {
	i := s.Info()
	if i.NoEncryption {
		return secrecy.No
	}
	_, v, _ := secrecy.Family(i.KeyExchange)
	return v
}

// tlsOf returns the TLS version that a DTLS version is based on, RFC 6347
// section 1; other versions are returned unchanged.
func tlsOf(v iana.Version) iana.Version {
	switch v {
	case iana.DTLS10, 0x0100:
		return iana.TLS11
	case iana.DTLS12:
		return iana.TLS12
	case iana.DTLS13:
		return iana.TLS13
	}
	return v
}

// dtlsOf is the inverse of tlsOf.
func dtlsOf(v iana.Version) iana.Version {
	switch v {
	case iana.TLS11:
		return iana.DTLS10
	case iana.TLS12:
		return iana.DTLS12
	case iana.TLS13:
		return iana.DTLS13
	}
	return v
}
