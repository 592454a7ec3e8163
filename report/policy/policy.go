// Package policy holds TLS server policies and answers what a server that
// keeps one would say to a ClientHello: the version, the suite, the group,
// the signature and whether a HelloRetryRequest is needed, or why there is no
// answer. It is a pure function of the two; nothing is sent to anyone.
//
// Policies are built in, read from a YAML file (see ReadYAML), made of an
// OpenSSL cipher string (see ReadCiphers) or read from a configuration file
// of nginx, Apache or HAProxy.
package policy

import (
	"slices"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

//go:generate go run ./gen

// A Policy is what a TLS server is set to accept. Read only.
type Policy struct {
	Name       string // lower case, such as "mozilla-intermediate-6-0"
	Title      string // one line
	Source     string // address of what states it; a file's name for one that was read
	ReadFrom   string // what was read, where that is not Source itself
	Date       string // of Source, as far as known: YYYY, YYYY-MM or YYYY-MM-DD
	Confidence Confidence
	Note       string // what is doubtful, or why it is no target
	// Target reports whether it is offered as a policy to move to: complete,
	// and sure enough. The others can be simulated all the same.
	Target bool

	// Versions are the versions of TLS that are on, lowest first. DTLS's are
	// taken for the TLS versions that they are made of.
	Versions []iana.Version
	// VersionsOpen: the source does not state all versions.
	VersionsOpen bool
	// LegacyUnsure: versions before TLS 1.2 are turned on, but what the server
	// is built with may keep them off, as OpenSSL 3 does above security level
	// 0.
	LegacyUnsure bool
	// RefusedVersions are turned on too, but the security level refuses every
	// handshake of them, lowest first.
	RefusedVersions []iana.Version
	// Suites are the suites of TLS 1.2 and older, in the server's order.
	Suites []iana.CipherSuite
	// SuiteGroups binds the suite of the same index to one group, as
	// Schannel before Windows 10 does by names that end in _P256; 0 for none.
	// nil binds none.
	SuiteGroups []iana.Group
	// Suites13 are the suites of TLS 1.3, in the server's order. Where TLS
	// 1.3 is on and there are none, the source does not state them.
	Suites13 []iana.CipherSuite
	// Groups are the groups, in the server's order.
	Groups []iana.Group
	// GroupsOpen: there are, or may be, other groups than Groups.
	GroupsOpen bool
	// GroupTuples are the sizes of the tuples that Groups is made of, for
	// GroupByTuple.
	GroupTuples []int
	// GroupsUnordered: the order of Groups is not the server's.
	GroupsUnordered bool
	// Signatures are the schemes that the server signs with; nil where the
	// source does not state them.
	Signatures []iana.SignatureScheme

	// Order says who chooses the suite. Order13 is that of TLS 1.3, OrderUnknown
	// where it is Order.
	Order, Order13 Order
	Behavior

	// DHBits is the size of the finite-field group of DHE suites, where it is
	// not negotiated as of RFC 7919; 0 where not stated.
	DHBits int
	// RequireExtendedMaster: without extended_master_secret there is no TLS
	// 1.2 or older, RFC 7627 section 5.2.
	RequireExtendedMaster bool
	// RequireRenegotiationInfo: without renegotiation_info or its SCSV there
	// is no TLS 1.2 or older, RFC 5746 section 3.6.
	RequireRenegotiationInfo bool
	// RejectHandshake: the server answers every hello with the alert
	// unrecognized_name, as nginx does with ssl_reject_handshake.
	RejectHandshake bool

	// Variants are what the server may do instead, where it depends on the
	// version of its software and that was not stated.
	Variants []*Policy
	// Unread says why the configuration of this server cannot be read; "" where
	// it was. Nothing can be told of what such a server answers.
	Unread string
	// Host says which connections get the policy; nil for one that is not of a
	// server's configuration.
	Host *Host
}

// A Behavior is how a server chooses where the standards leave it free. The
// zero value is what most servers do, or says that it is not known.
type Behavior struct {
	// Group12 and Group13 say whose order of groups counts, in TLS 1.2 and
	// older and in 1.3.
	Group12, Group13 GroupChoice
	// PostQuantumFirst: a common post-quantum group is taken before any
	// other, even where it costs a HelloRetryRequest.
	PostQuantumFirst bool
	// ChaChaFirst: where the client's first suite is one of ChaCha20, the
	// server takes such suites first (OpenSSL's PrioritizeChaCha).
	ChaChaFirst bool
	// ChaChaFirst13 is the same in TLS 1.3; Untold: as ChaChaFirst says.
	ChaChaFirst13 secrecy.Tri
	// SignatureByServer: the server's order of schemes counts.
	SignatureByServer bool
	// SignaturesShared: without a signature scheme that both name there is no
	// TLS 1.2, also where the suite needs no signature, as with OpenSSL. A hello
	// without signature_algorithms is taken for one with SHA-1, RFC 5246 section
	// 7.4.1.4.1.
	SignaturesShared bool
	// SHA1 says whether the server signs with SHA-1 in TLS 1.2.
	SHA1 secrecy.Tri
	// GroupWithout says whether the server does ECDHE with a client that
	// did not send supported_groups; RFC 8422 section 4 allows it.
	GroupWithout secrecy.Tri
	// AnyCertificateCurve: an ECDSA key's curve need not be among the groups
	// that the client named; RFC 8422 section 5.1 demands it of TLS 1.2.
	AnyCertificateCurve bool
	// OldHelloFailure: a hello of SSL 3.0 where that is off gets the alert
	// handshake_failure, as with OpenSSL, and not protocol_version, which SSL 3.0
	// does not have but most stacks send.
	OldHelloFailure bool
	// FFDHE says whether DHE in TLS 1.2 minds the finite-field groups that
	// a client names, RFC 7919; Untold: where Groups holds one.
	FFDHE secrecy.Tri
}

// A Confidence says how sure a policy's content is.
type Confidence uint8

// The confidences.
const (
	Unsure Confidence = iota // not stated, or doubtful
	Low
	Medium
	High
)

var confidenceNames = [...]string{"unsure", "low", "medium", "high"}

func (c Confidence) String() string { return confidenceNames[c&3] }

// An Order says whose order of suites counts.
type Order uint8

// The orders.
const (
	OrderUnknown Order = iota // not stated, or the list is a set
	ServerOrder
	ClientOrder
)

var orderNames = [...]string{"unknown", "server", "client"}

func (o Order) String() string { return orderNames[o%3] }

// A GroupChoice says whose order of groups counts.
type GroupChoice uint8

// The choices. In TLS 1.2 the first two are the same.
const (
	GroupShared     GroupChoice = iota // the server's order; in TLS 1.3 a group with a key share before others
	GroupByServer                      // the server's order, even where it costs a HelloRetryRequest
	GroupByClient                      // the client's order; in TLS 1.3 of its key shares first
	GroupFirstShare                    // the client's order of key shares, and without a common one the server's order (OpenSSL 1.1.1 to 3.4); in TLS 1.2 as GroupByClient
	GroupByTuple                       // the first tuple of the server's with a group of the client's; of it one with a key share before others (OpenSSL 3.5 and later); in TLS 1.2 as GroupByServer
)

var groupChoiceNames = [...]string{"shared", "server", "client", "first_share", "tuples"}

func (g GroupChoice) String() string { return groupChoiceNames[int(g)%len(groupChoiceNames)] }

// MinVersion returns the lowest version that is on, 0 for none.
func (p *Policy) MinVersion() iana.Version {
	if len(p.Versions) == 0 {
		return 0
	}
	return p.Versions[0]
}

// MaxVersion returns the highest version that is on, 0 for none.
func (p *Policy) MaxVersion() iana.Version {
	if len(p.Versions) == 0 {
		return 0
	}
	return p.Versions[len(p.Versions)-1]
}

// Has reports whether v, or the version of TLS that v of DTLS is made of, is on.
func (p *Policy) Has(v iana.Version) bool { return slices.Contains(p.Versions, tlsOf(v)) }

// ForwardSecret says whether all (Yes), none (No) or some (Conditional) of
// what the policy accepts is forward secret; Unknown where nothing is known.
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

// verdictOf says whether a full handshake with a suite of TLS 1.2 or older is
// forward secret.
func verdictOf(s iana.CipherSuite) secrecy.Verdict {
	i := s.Info()
	if i.NoEncryption {
		return secrecy.No
	}
	_, v, _ := secrecy.Family(i.KeyExchange)
	return v
}

// tlsOf returns the version of TLS that v of DTLS is made of, RFC 6347
// section 1; of others v itself.
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

// dtlsOf is the reverse of tlsOf.
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
