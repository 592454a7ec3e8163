package policy_test

import (
	"testing"

	"pfsight/parse/iana"
	. "pfsight/report/policy"
	"pfsight/report/secrecy"
)

// Suites, groups and schemes of the tables.
const (
	gcmRSA    iana.CipherSuite     = 0xc02f
	gcm256RSA iana.CipherSuite     = 0xc030
	gcmECDSA  iana.CipherSuite     = 0xc02b
	chachaRSA iana.CipherSuite     = 0xcca8
	cbcRSA    iana.CipherSuite     = 0xc013
	dheRSA    iana.CipherSuite     = 0x009e
	keyTrans  iana.CipherSuite     = 0x002f
	keyTransG iana.CipherSuite     = 0x009c
	exportRC4 iana.CipherSuite     = 0x0003
	pskGCM    iana.CipherSuite     = 0x00a8
	aes128    iana.CipherSuite     = 0x1301
	aes256    iana.CipherSuite     = 0x1302
	chacha    iana.CipherSuite     = 0x1303
	grease    iana.CipherSuite     = 0x3a3a
	x25519    iana.Group           = 0x001d
	p256      iana.Group           = 0x0017
	p384      iana.Group           = 0x0018
	ff2048    iana.Group           = 0x0100
	ff3072    iana.Group           = 0x0101
	hybrid    iana.Group           = 0x11ec
	rsaSHA1   iana.SignatureScheme = 0x0201
	rsaSHA256 iana.SignatureScheme = 0x0401
	pssSHA256 iana.SignatureScheme = 0x0804
	ecSHA256  iana.SignatureScheme = 0x0403
	ecSHA384  iana.SignatureScheme = 0x0503
)

func suites(s ...iana.CipherSuite) []iana.CipherSuite          { return s }
func groups(g ...iana.Group) []iana.Group                      { return g }
func schemes(s ...iana.SignatureScheme) []iana.SignatureScheme { return s }
func versions(v ...iana.Version) []iana.Version                { return v }

// modern is a policy that states everything.
func modern() *Policy {
	return &Policy{
		Versions: versions(iana.TLS12, iana.TLS13), Suites13: suites(aes256, chacha, aes128), Suites: suites(gcmRSA, gcm256RSA, chachaRSA, cbcRSA, dheRSA, keyTrans),
		Groups: groups(x25519, p256, p384), Order: ServerOrder, Behavior: Behavior{SHA1: secrecy.True, GroupWithout: secrecy.True},
	}
}

// client is a ClientHello like a browser's.
func client() *Hello {
	return &Hello{
		Versions: versions(0x4a4a, iana.TLS13, iana.TLS12), HasVersions: true,
		Suites: suites(grease, aes128, aes256, chacha, gcmECDSA, gcmRSA, gcm256RSA, chachaRSA, cbcRSA, keyTrans, 0x00ff),
		Groups: groups(0x3a3a, x25519, p256, p384), HasGroups: true, KeyShares: groups(0x3a3a, x25519),
		Signatures: schemes(ecSHA256, pssSHA256, rsaSHA256, rsaSHA1), HasSignatures: true,
		ExtendedMaster: secrecy.True, RenegotiationInfo: secrecy.True,
	}
}

func client12() *Hello {
	h := client()
	h.Versions, h.HasVersions = versions(iana.TLS12), false
	h.Suites, h.KeyShares = h.Suites[4:], nil
	h.Groups = h.Groups[1:]
	return h
}

func TestAnswer(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy func(*Policy)
		hello  func(*Hello)
		h      *Hello
		keys   []KeyType
		want   Answer
	}{
		{name: "TLS 1.3", h: client(), want: Answer{OK: true, Version: iana.TLS13, Suite: aes256, Group: x25519, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "TLS 1.3, the client's order", h: client(), policy: func(p *Policy) { p.Order = ClientOrder },
			want: Answer{OK: true, Version: iana.TLS13, Suite: aes128, Group: x25519, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "TLS 1.3, order not known", h: client(), policy: func(p *Policy) { p.Order = OrderUnknown },
			want: Answer{OK: true, Version: iana.TLS13, Suite: aes256, Group: x25519, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False, Doubt: DoubtSuite, Cause: CauseOrder}},
		{name: "HelloRetryRequest", h: client(), hello: func(h *Hello) { h.KeyShares = groups(hybrid) },
			want: Answer{OK: true, Version: iana.TLS13, Suite: aes256, Group: x25519, HasGroup: true, HelloRetryRequest: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "a shared group before the preferred", h: client(), hello: func(h *Hello) { h.KeyShares = groups(p384) },
			want: Answer{OK: true, Version: iana.TLS13, Suite: aes256, Group: p384, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "the preferred group before a shared", h: client(), hello: func(h *Hello) { h.KeyShares = groups(p384) }, policy: func(p *Policy) { p.Group13 = GroupByServer },
			want: Answer{OK: true, Version: iana.TLS13, Suite: aes256, Group: x25519, HasGroup: true, HelloRetryRequest: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "the client's order of shares", h: client(), hello: func(h *Hello) { h.KeyShares = groups(p384, x25519) }, policy: func(p *Policy) { p.Group13 = GroupByClient },
			want: Answer{OK: true, Version: iana.TLS13, Suite: aes256, Group: p384, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "post-quantum first", h: client(), hello: func(h *Hello) { h.Groups = groups(x25519, hybrid) }, policy: func(p *Policy) { p.Groups, p.PostQuantumFirst = groups(x25519, hybrid), true },
			want: Answer{OK: true, Version: iana.TLS13, Suite: aes256, Group: hybrid, HasGroup: true, HelloRetryRequest: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.True}},
		{name: "ChaCha20 first", h: client(), hello: func(h *Hello) { h.Suites = suites(grease, chacha, aes128) }, policy: func(p *Policy) { p.ChaChaFirst = true },
			want: Answer{OK: true, Version: iana.TLS13, Suite: chacha, Group: x25519, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "no group in TLS 1.3", h: client(), hello: func(h *Hello) { h.Groups = groups(0x001e) },
			want: Answer{Version: iana.TLS13, Suite: aes256, Failure: NoCommonGroup, Alert: 40}},
		{name: "no signature in TLS 1.3", h: client(), hello: func(h *Hello) { h.Signatures = schemes(rsaSHA256, ecSHA256) },
			want: Answer{Version: iana.TLS13, Suite: aes256, Group: x25519, HasGroup: true, PostQuantum: secrecy.False, Failure: NoCommonSignature, Alert: 40}},
		{name: "the curve is part of the scheme in TLS 1.3", h: client(), keys: []KeyType{KeyECDSAP384},
			want: Answer{Version: iana.TLS13, Suite: aes256, Group: x25519, HasGroup: true, PostQuantum: secrecy.False, Failure: NoCommonSignature, Alert: 40}},
		{name: "no signature_algorithms in TLS 1.3", h: client(), hello: func(h *Hello) { h.HasSignatures, h.Signatures = false, nil },
			want: Answer{Version: iana.TLS13, Suite: aes256, Failure: MissingExtension, Alert: 109}},
		{name: "no suite of TLS 1.3", h: client(), hello: func(h *Hello) { h.Suites = h.Suites[4:] },
			want: Answer{Version: iana.TLS13, Failure: NoCommonSuite, Alert: 40}},

		{name: "TLS 1.2", h: client12(), want: Answer{OK: true, Version: iana.TLS12, Suite: gcmRSA, Group: x25519, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "supported_versions without 1.2 does not fall back to legacy_version", h: client(), policy: func(p *Policy) { p.Versions = versions(iana.TLS11) },
			want: Answer{Failure: NoCommonVersion, Alert: 70}},
		{name: "fallback", h: client12(), hello: func(h *Hello) { h.Suites = append(h.Suites, 0x5600) },
			want: Answer{Version: iana.TLS12, Failure: InappropriateFallback, Alert: 86}},
		{name: "fallback to the highest", h: client12(), hello: func(h *Hello) { h.Suites = suites(0x5600, gcmRSA) }, policy: func(p *Policy) { p.Versions = versions(iana.TLS12) },
			want: Answer{OK: true, Version: iana.TLS12, Suite: gcmRSA, Group: x25519, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "TLS 1.0 cannot have GCM", h: client12(), hello: func(h *Hello) { h.Versions = versions(iana.TLS10) }, policy: func(p *Policy) { p.Versions = versions(iana.TLS10, iana.TLS11, iana.TLS12) },
			want: Answer{OK: true, Version: iana.TLS10, Suite: cbcRSA, Group: x25519, HasGroup: true, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "no curve, so RSA", h: client12(), hello: func(h *Hello) { h.Groups = groups(0x001e) },
			want: Answer{OK: true, Version: iana.TLS12, Suite: keyTrans, Key: KeyRSA, ForwardSecrecy: secrecy.No, PostQuantum: secrecy.False}},
		{name: "no uncompressed points, so RSA", h: client12(), hello: func(h *Hello) { h.NoPointFormat = true },
			want: Answer{OK: true, Version: iana.TLS12, Suite: keyTrans, Key: KeyRSA, ForwardSecrecy: secrecy.No, PostQuantum: secrecy.False}},
		{name: "no curve and no RSA", h: client12(), hello: func(h *Hello) { h.Groups = groups(0x001e) }, policy: func(p *Policy) { p.Suites = p.Suites[:4] },
			want: Answer{Version: iana.TLS12, Failure: NoCommonGroup, Alert: 40}},
		{name: "supported_groups not sent", h: client12(), hello: func(h *Hello) { h.Groups, h.HasGroups = nil, false },
			want: Answer{OK: true, Version: iana.TLS12, Suite: gcmRSA, Group: x25519, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "signature_algorithms not sent", h: client12(), hello: func(h *Hello) { h.Signatures, h.HasSignatures = nil, false },
			want: Answer{OK: true, Version: iana.TLS12, Suite: gcmRSA, Group: x25519, HasGroup: true, Signature: rsaSHA1, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "signature_algorithms not sent, and no SHA-1", h: client12(), hello: func(h *Hello) { h.Signatures, h.HasSignatures = nil, false }, policy: func(p *Policy) { p.SHA1 = secrecy.False },
			want: Answer{OK: true, Version: iana.TLS12, Suite: keyTrans, Key: KeyRSA, ForwardSecrecy: secrecy.No, PostQuantum: secrecy.False}},
		{name: "no signature", h: client12(), hello: func(h *Hello) { h.Signatures = schemes(ecSHA256); h.Suites = suites(gcmRSA) },
			want: Answer{Version: iana.TLS12, Failure: NoCommonSignature, Alert: 40}},
		{name: "no certificate", h: client12(), keys: []KeyType{KeyECDSAP256}, want: Answer{Version: iana.TLS12, Failure: NoCertificate, Alert: 40}},
		{name: "ECDSA", h: client12(), keys: []KeyType{KeyECDSAP384}, policy: func(p *Policy) { p.Suites = suites(gcmECDSA, gcmRSA) },
			want: Answer{OK: true, Version: iana.TLS12, Suite: gcmECDSA, Group: x25519, HasGroup: true, Signature: ecSHA256, Key: KeyECDSAP384, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "ECDSA with a curve that the client does not name", h: client12(), hello: func(h *Hello) { h.Groups = groups(x25519, p256) }, keys: []KeyType{KeyECDSAP384}, policy: func(p *Policy) { p.Suites = suites(gcmECDSA, gcmRSA) },
			want: Answer{Version: iana.TLS12, Failure: NoCertificate, Alert: 40}},
		{name: "a certificate that is not known", h: client12(), keys: []KeyType{}, policy: func(p *Policy) { p.Suites = suites(gcmECDSA, gcmRSA) },
			want: Answer{OK: true, Version: iana.TLS12, Suite: gcmRSA, Group: x25519, HasGroup: true, Signature: pssSHA256, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False, Doubt: DoubtSuite | DoubtSignature, Cause: CauseCertificate}},
		{name: "a certificate that is not known, and matters", h: client12(), keys: []KeyType{}, policy: func(p *Policy) { p.Suites = suites(gcmRSA) },
			want: Answer{OK: true, Version: iana.TLS12, Suite: gcmRSA, Group: x25519, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False, Doubt: DoubtOutcome, Cause: CauseCertificate}},
		{name: "finite-field groups", h: client12(), hello: func(h *Hello) { h.Suites, h.Groups = suites(dheRSA), groups(ff3072, ff2048) }, policy: func(p *Policy) { p.Groups = append(p.Groups, ff2048) },
			want: Answer{OK: true, Version: iana.TLS12, Suite: dheRSA, Group: ff2048, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "no common finite-field group", h: client12(), hello: func(h *Hello) { h.Suites, h.Groups = suites(dheRSA), groups(ff3072) }, policy: func(p *Policy) { p.Groups = append(p.Groups, ff2048) },
			want: Answer{Version: iana.TLS12, Failure: NoCommonGroup, Alert: 40}},
		{name: "finite-field groups that the server does not mind", h: client12(), hello: func(h *Hello) { h.Suites, h.Groups = suites(dheRSA), groups(ff3072) },
			want: Answer{OK: true, Version: iana.TLS12, Suite: dheRSA, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "a PSK suite without a key", h: client12(), hello: func(h *Hello) { h.Suites = suites(pskGCM) }, policy: func(p *Policy) { p.Suites = suites(pskGCM) },
			want: Answer{Version: iana.TLS12, Failure: NoCertificate, Alert: 40}},
		{name: "an export suite in TLS 1.2", h: client12(), hello: func(h *Hello) { h.Suites = suites(exportRC4) }, policy: func(p *Policy) { p.Suites = suites(exportRC4) },
			want: Answer{Version: iana.TLS12, Failure: NoCommonSuite, Alert: 40}},
		{name: "an order that is not known, and matters", h: client12(), policy: func(p *Policy) { p.Order = OrderUnknown },
			want: Answer{OK: true, Version: iana.TLS12, Suite: gcmRSA, Group: x25519, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, PostQuantum: secrecy.False, Doubt: DoubtSuite | DoubtGroup | DoubtSignature, Cause: CauseOrder}},
		{name: "bound to a curve", h: client12(), hello: func(h *Hello) { h.Groups = groups(x25519, p384) },
			policy: func(p *Policy) { p.Suites, p.SuiteGroups = suites(gcmRSA, gcm256RSA, keyTransG), groups(p256, p384, 0) },
			want:   Answer{OK: true, Version: iana.TLS12, Suite: gcm256RSA, Group: p384, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "extended_master_secret demanded", h: client12(), hello: func(h *Hello) { h.ExtendedMaster = secrecy.False }, policy: func(p *Policy) { p.RequireExtendedMaster = true },
			want: Answer{Version: iana.TLS12, Failure: NoExtendedMaster, Alert: 40}},
		{name: "groups not stated", h: client12(), policy: func(p *Policy) { p.Groups, p.GroupsOpen = nil, true },
			want: Answer{OK: true, Version: iana.TLS12, Suite: gcmRSA, Group: p256, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False, Doubt: DoubtGroup, Cause: CauseGroups}},
		{name: "groups not stated, and post-quantum offered", h: client(), hello: func(h *Hello) { h.Groups = groups(hybrid, p256) }, policy: func(p *Policy) { p.Groups, p.GroupsOpen = nil, true },
			want: Answer{OK: true, Version: iana.TLS13, Suite: aes256, Group: p256, HasGroup: true, HelloRetryRequest: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, Doubt: DoubtGroup, Cause: CauseGroups}},
		{name: "groups not stated, and P-256 not offered: ECDHE or not", h: client12(), hello: func(h *Hello) { h.Groups = groups(x25519) }, policy: func(p *Policy) { p.Groups, p.GroupsOpen = nil, true },
			want: Answer{OK: true, Version: iana.TLS12, Suite: keyTrans, Key: KeyRSA, PostQuantum: secrecy.False, Doubt: DoubtSuite | DoubtGroup | DoubtSignature, Cause: CauseGroups}},
		{name: "groups not stated, and P-256 not offered: ECDHE or nothing", h: client12(), hello: func(h *Hello) { h.Groups = groups(x25519) }, policy: func(p *Policy) { p.Groups, p.GroupsOpen, p.Suites = nil, true, p.Suites[:3] },
			want: Answer{Version: iana.TLS12, Failure: NoCommonGroup, Alert: 40, Doubt: DoubtOutcome, Cause: CauseGroups}},
		{name: "supported_groups not sent, not known what then, and RSA as well", h: client12(), hello: func(h *Hello) { h.Groups, h.HasGroups = nil, false }, policy: func(p *Policy) { p.GroupWithout = secrecy.Undetermined },
			want: Answer{OK: true, Version: iana.TLS12, Suite: gcmRSA, Group: x25519, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, PostQuantum: secrecy.False, Doubt: DoubtSuite | DoubtGroup | DoubtSignature, Cause: CauseGroupsNotSent}},
		{name: "SHA-1 alone, not known", h: client12(), hello: func(h *Hello) { h.Signatures, h.HasSignatures, h.Suites = nil, false, suites(gcmRSA) }, policy: func(p *Policy) { p.SHA1 = secrecy.Undetermined },
			want: Answer{OK: true, Version: iana.TLS12, Suite: gcmRSA, Group: x25519, HasGroup: true, Signature: rsaSHA1, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False, Doubt: DoubtOutcome | DoubtSuite | DoubtGroup | DoubtSignature, Cause: CauseSHA1}},
		{name: "ChaCha20 first in TLS 1.2", h: client12(), hello: func(h *Hello) { h.Suites = suites(chachaRSA, gcmRSA) }, policy: func(p *Policy) { p.ChaChaFirst = true },
			want: Answer{OK: true, Version: iana.TLS12, Suite: chachaRSA, Group: x25519, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "TLS 1.0 of a server that may not have it", h: client12(), hello: func(h *Hello) { h.Versions = versions(iana.TLS10) }, policy: func(p *Policy) { p.Versions, p.LegacyUnsure = versions(iana.TLS10, iana.TLS12), true },
			want: Answer{OK: true, Version: iana.TLS10, Suite: cbcRSA, Group: x25519, HasGroup: true, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False, Doubt: DoubtOutcome, Cause: CauseVersions}},
		{name: "suites not stated", h: client12(), policy: func(p *Policy) { p.Suites = nil },
			want: Answer{Version: iana.TLS12, Failure: NoCommonSuite, Alert: 40, Doubt: DoubtOutcome, Cause: CauseSuites}},
		{name: "versions not stated", h: client(), policy: func(p *Policy) { p.Versions, p.VersionsOpen = versions(iana.TLS12), true },
			want: Answer{OK: true, Version: iana.TLS12, Suite: gcmRSA, Group: x25519, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False, Doubt: DoubtVersion | DoubtSuite | DoubtGroup | DoubtSignature, Cause: CauseVersions}},
		{name: "versions not stated, and it matters", h: client(), hello: func(h *Hello) { h.Groups = append(h.Groups, hybrid) }, policy: func(p *Policy) { p.Versions, p.VersionsOpen, p.Suites = versions(iana.TLS12), true, suites(keyTrans) },
			want: Answer{OK: true, Version: iana.TLS12, Suite: keyTrans, Key: KeyRSA, Doubt: DoubtVersion | DoubtSuite | DoubtGroup | DoubtSignature, Cause: CauseVersions}},
		{name: "SSL 3.0 off", h: client12(), hello: func(h *Hello) { h.Versions = versions(iana.SSL30) },
			want: Answer{Failure: NoCommonVersion, Alert: 70}},
		{name: "SSL 3.0 off, OpenSSL's alert", h: client12(), hello: func(h *Hello) { h.Versions = versions(iana.SSL30) }, policy: func(p *Policy) { p.OldHelloFailure = true },
			want: Answer{Failure: NoCommonVersion, Alert: 40}},
		{name: "no scheme in common with key transport", h: client12(), hello: func(h *Hello) { h.Suites, h.Signatures = suites(keyTrans), []iana.SignatureScheme{0x0101} }, policy: func(p *Policy) { p.Suites, p.SignaturesShared, p.Signatures = suites(keyTrans), true, nil },
			want: Answer{Version: iana.TLS12, Failure: NoCommonSignature, Alert: 40}},
		{name: "no signature_algorithms, key transport", h: client12(), hello: func(h *Hello) { h.Suites, h.Signatures, h.HasSignatures = suites(keyTrans), nil, false }, policy: func(p *Policy) {
			p.Suites, p.SignaturesShared, p.SHA1, p.Signatures = suites(keyTrans), true, secrecy.False, nil
		},
			want: Answer{Version: iana.TLS12, Failure: NoCommonSignature, Alert: 40}},
		{name: "no signature_algorithms, key transport, SHA-1", h: client12(), hello: func(h *Hello) { h.Suites, h.Signatures, h.HasSignatures = suites(keyTrans), nil, false }, policy: func(p *Policy) {
			p.Suites, p.SignaturesShared, p.SHA1, p.Signatures = suites(keyTrans), true, secrecy.True, nil
		},
			want: Answer{OK: true, Version: iana.TLS12, Suite: keyTrans, Key: KeyRSA, ForwardSecrecy: secrecy.No, PostQuantum: secrecy.False}},
		{name: "OpenSSL: the server's order without a common share", h: client(), hello: func(h *Hello) { h.Groups, h.KeyShares = groups(hybrid, p384, p256), groups(hybrid) }, policy: func(p *Policy) { p.Group13 = GroupFirstShare },
			want: Answer{OK: true, Version: iana.TLS13, Suite: aes256, Group: p256, HasGroup: true, HelloRetryRequest: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "DTLS", h: client12(), hello: func(h *Hello) { h.Versions = versions(iana.DTLS12) },
			want: Answer{OK: true, Version: iana.DTLS12, Suite: gcmRSA, Group: x25519, HasGroup: true, Signature: pssSHA256, Key: KeyRSA, ForwardSecrecy: secrecy.Yes, PostQuantum: secrecy.False}},
		{name: "DTLS 1.0", h: client12(), hello: func(h *Hello) { h.Versions = versions(iana.DTLS10) }, want: Answer{Failure: NoCommonVersion, Alert: 70}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := modern()
			if c.policy != nil {
				c.policy(p)
			}
			if c.hello != nil {
				c.hello(c.h)
			}
			s := &Server{Keys: []KeyType{KeyRSA}}
			if c.keys != nil {
				s.Keys = c.keys
			}
			if got := p.Answer(c.h, s); got != c.want {
				t.Errorf("\n got %+v\nwant %+v", got, c.want)
			}
		})
	}
}
