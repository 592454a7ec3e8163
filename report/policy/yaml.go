package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of the input.
const (
	maxFile  = 1 << 20 // bytes of a configuration file
	maxYAML  = 1 << 17 // bytes of a policy; the decoder takes about 500 times as much memory
	maxNames = 1 << 10 // entries of one list
)

// file is the YAML form of a Policy. Only name and versions are required;
// Format documents all keys.
type file struct {
	Name       string `yaml:"name"`
	Title      string `yaml:"title,omitempty"`
	Source     string `yaml:"source,omitempty"`
	ReadFrom   string `yaml:"read_from,omitempty"`
	Date       string `yaml:"date,omitempty"`
	Confidence string `yaml:"confidence,omitempty"`
	Target     *bool  `yaml:"target,omitempty"`
	Note       string `yaml:"note,omitempty"`

	Versions         []string `yaml:"versions,flow"`
	VersionsComplete *bool    `yaml:"versions_complete,omitempty"`
	Suites13         []string `yaml:"tls13_cipher_suites,omitempty"`
	Suites           []string `yaml:"cipher_suites,omitempty"`
	Order            string   `yaml:"order,omitempty"`
	Groups           []string `yaml:"groups,omitempty,flow"`
	GroupsComplete   *bool    `yaml:"groups_complete,omitempty"`
	GroupsOrdered    *bool    `yaml:"groups_ordered,omitempty"`
	Signatures       []string `yaml:"signature_algorithms,omitempty"`

	DHBits       int    `yaml:"dh_bits,omitempty"`
	EMS          bool   `yaml:"require_extended_master_secret,omitempty"`
	Renego       bool   `yaml:"require_renegotiation_info,omitempty"`
	GroupChoice  string `yaml:"group_choice,omitempty"`
	PQFirst      bool   `yaml:"post_quantum_first,omitempty"`
	ChaChaFirst  bool   `yaml:"chacha20_first,omitempty"`
	SHA1         *bool  `yaml:"sha1_signatures,omitempty"`
	GroupWithout *bool  `yaml:"ecdhe_without_supported_groups,omitempty"`

	GroupChoice12   string `yaml:"group_choice_tls12,omitempty"`
	GroupTuples     []int  `yaml:"group_tuples,omitempty,flow"`
	Order13         string `yaml:"order_tls13,omitempty"`
	ChaChaFirst13   *bool  `yaml:"chacha20_first_tls13,omitempty"`
	ServerSignature bool   `yaml:"signature_by_server,omitempty"`
	Shared          bool   `yaml:"shared_signature_required,omitempty"`
	AnyCurve        bool   `yaml:"any_certificate_curve,omitempty"`
	FFDHE           *bool  `yaml:"ffdhe_groups,omitempty"`
	OldHello        bool   `yaml:"handshake_failure_for_sslv3,omitempty"`
	LegacyUnsure    bool   `yaml:"legacy_versions_unsure,omitempty"`

	RefusedVersions []string `yaml:"refused_versions,omitempty,flow"`

	Reject   bool    `yaml:"reject_handshake,omitempty"`
	Unread   string  `yaml:"not_read,omitempty"`
	Variants []*file `yaml:"variants,omitempty"`
}

// Format documents the YAML form of a policy.
const Format = `A policy file is YAML. Only name and versions are required.

  name: example                 # lower case, digits, - and .
  title: what it is             # with source, date, confidence (high, medium,
                                # low) and note: for people
  versions: [TLS 1.2, TLS 1.3]  # SSLv3, TLS 1.0, TLS 1.1, TLS 1.2, TLS 1.3
  versions_complete: true       # false: others may be enabled
  tls13_cipher_suites:          # in the server's order; none: not stated
    - TLS_AES_128_GCM_SHA256
  cipher_suites:                # TLS 1.2 and older, in the server's order
    - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
  order: server                 # whose suite order counts: server, client,
                                # unknown (the default)
  groups: [x25519, secp256r1]   # in the server's order; none: not stated
  groups_complete: true         # false: there may be others
  groups_ordered: true          # false: the order is not the server's
  signature_algorithms: [...]   # none: not stated
  dh_bits: 2048                 # size of the group of DHE suites
  require_extended_master_secret: false
  require_renegotiation_info: false
  group_choice: shared          # whose group order counts: shared (the
                                # server's, but in TLS 1.3 groups with a key
                                # share first), server, client,
                                # first_share (OpenSSL 1.1.1 to 3.4)
  post_quantum_first: false     # prefer a common post-quantum group
  chacha20_first: false         # prefer ChaCha20 if the client does
  sha1_signatures: false        # sign with SHA-1 in TLS 1.2; absent: unknown
  ecdhe_without_supported_groups: false  # absent: unknown

Keys for a server program, as "policies show --yaml" writes them:

  group_choice_tls12: client    # if it differs from group_choice
  group_tuples: [1, 2]          # sizes of the tuples in groups,
                                # with group_choice: tuples (OpenSSL 3.5)
  order_tls13: client           # if it differs from order
  chacha20_first_tls13: true    # if it differs from chacha20_first
  signature_by_server: false    # the server's order of schemes counts
  shared_signature_required: false  # no TLS 1.2 without a common scheme, RSA
                                # key transport included (OpenSSL)
  any_certificate_curve: false  # an ECDSA key's curve need not be offered
  ffdhe_groups: false           # DHE follows the client's RFC 7919 groups
  handshake_failure_for_sslv3: false  # the alert for a hello of SSL 3.0
  legacy_versions_unsure: false # versions before TLS 1.2 may be disabled
  refused_versions: []          # enabled, but refused by the security level
  reject_handshake: false       # every handshake gets unrecognized_name
  not_read: ""                  # why the server's configuration cannot be read
  variants: [...]               # policies that may apply instead; where their
                                # answers differ, the answer is undetermined

Suites are given by IANA name, OpenSSL name, or number such as 0xc02f. An IANA
name may end in _P256, _P384 or _P521 to bind the suite to that group, as in
Schannel before Windows 10.`

// ReadYAML reads a policy in the form that Format documents. An unknown key or
// name is an error that names the line or the entry.
func ReadYAML(r io.Reader) (*Policy, error) {
	text, err := readAll(r)
	if err != nil {
		return nil, err
	}
	if len(text) > maxYAML {
		return nil, fmt.Errorf("policy: the file is longer than %d bytes", maxYAML)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	var f file
	if err := dec.Decode(&f); err != nil {
		if err == io.EOF {
			err = errors.New("the file is empty")
		}
		return nil, fmt.Errorf("policy: %w", plainYAML(err))
	}
	if err := dec.Decode(new(yaml.Node)); err != io.EOF {
		return nil, errors.New("policy: more than one document")
	}
	p, err := f.policy()
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return p, nil
}

// plainYAML removes Go type names from an error of the decoder.
func plainYAML(err error) error {
	var t *yaml.TypeError
	if !errors.As(err, &t) {
		return err
	}
	const most = 5
	var lines []string
	for i, s := range t.Errors {
		if i == most {
			lines = append(lines, fmt.Sprintf("and %d more", len(t.Errors)-most))
			break
		}
		s, _, _ = strings.Cut(s, " into ")
		s = strings.Replace(s, "cannot unmarshal", "not what belongs here:", 1)
		s, _, _ = strings.Cut(s, " in type ")
		lines = append(lines, s)
	}
	return errors.New(strings.Join(lines, "; "))
}

// readAll reads a file of at most maxFile bytes.
func readAll(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("policy: the file is longer than %d bytes", maxFile)
	}
	return text, err
}

func (f *file) policy() (*Policy, error) {
	p := &Policy{
		Name: f.Name, Title: f.Title, Source: f.Source, ReadFrom: f.ReadFrom, Date: f.Date, Note: f.Note,
		Target: f.Target == nil || *f.Target, VersionsOpen: !boolOr(f.VersionsComplete, true),
		DHBits: f.DHBits, RequireExtendedMaster: f.EMS, RequireRenegotiationInfo: f.Renego,
	}
	if !validName(f.Name) {
		return nil, fmt.Errorf("name: %q: want lower-case letters, digits, dots and hyphens", f.Name)
	}
	if f.DHBits < 0 || f.DHBits > 1<<16 {
		return nil, fmt.Errorf("dh_bits: %d", f.DHBits)
	}
	var err error
	if p.Confidence, err = oneOf(confidenceNames[:], f.Confidence, Unsure); err != nil {
		return nil, fmt.Errorf("confidence: %w", err)
	}
	if p.Order, err = oneOf(orderNames[:], f.Order, OrderUnknown); err != nil {
		return nil, fmt.Errorf("order: %w", err)
	}
	if p.Group13, err = oneOf(groupChoiceNames[:], f.GroupChoice, GroupShared); err != nil {
		return nil, fmt.Errorf("group_choice: %w", err)
	}
	if p.Group12, err = oneOf(groupChoiceNames[:], f.GroupChoice12, p.Group13); err != nil {
		return nil, fmt.Errorf("group_choice_tls12: %w", err)
	}
	if p.Order13, err = oneOf(orderNames[:], f.Order13, OrderUnknown); err != nil {
		return nil, fmt.Errorf("order_tls13: %w", err)
	}
	p.PostQuantumFirst, p.ChaChaFirst, p.ChaChaFirst13 = f.PQFirst, f.ChaChaFirst, triOf(f.ChaChaFirst13)
	p.SignatureByServer, p.SignaturesShared, p.AnyCertificateCurve, p.FFDHE = f.ServerSignature, f.Shared, f.AnyCurve, triOf(f.FFDHE)
	p.OldHelloFailure, p.LegacyUnsure, p.RejectHandshake, p.Unread = f.OldHello, f.LegacyUnsure, f.Reject, f.Unread
	p.SHA1, p.GroupWithout = triOf(f.SHA1), triOf(f.GroupWithout)
	if p.Versions, err = list(f.Versions, "versions", parseVersion); err != nil {
		return nil, err
	}
	slices.Sort(p.Versions)
	if p.RefusedVersions, err = list(f.RefusedVersions, "refused_versions", parseVersion); err != nil {
		return nil, err
	}
	if p.Suites13, err = list(f.Suites13, "tls13_cipher_suites", parseSuite13); err != nil {
		return nil, err
	}
	if err := p.bind(f.Suites); err != nil {
		return nil, err
	}
	if p.Groups, err = list(f.Groups, "groups", parseGroup); err != nil {
		return nil, err
	}
	p.GroupsOpen = !boolOr(f.GroupsComplete, len(p.Groups) > 0)
	p.GroupsUnordered = !boolOr(f.GroupsOrdered, true)
	if p.Group13 == GroupByTuple || f.GroupTuples != nil {
		n := 0
		for _, size := range f.GroupTuples {
			if size < 0 || size > len(p.Groups) {
				return nil, fmt.Errorf("group_tuples: %d", size)
			}
			n += size
		}
		if n != len(p.Groups) || p.Group13 != GroupByTuple {
			return nil, fmt.Errorf("group_tuples: %d groups in tuples, of %d, with group_choice %s", n, len(p.Groups), p.Group13)
		}
		p.GroupTuples = f.GroupTuples
	}
	if len(f.Variants) > maxVariants {
		return nil, fmt.Errorf("variants: more than %d", maxVariants)
	}
	for _, v := range f.Variants {
		if v == nil || len(v.Variants) > 0 {
			return nil, errors.New("variants: empty or nested")
		}
		v.Name = f.Name
		q, err := v.policy()
		if err != nil {
			return nil, fmt.Errorf("variants: %w", err)
		}
		p.Variants = append(p.Variants, q)
	}
	if p.Signatures, err = list(f.Signatures, "signature_algorithms", parseSignature); err != nil {
		return nil, err
	}
	if len(p.Versions) == 0 && p.Target && p.Unread == "" {
		return nil, errors.New("versions: none")
	}
	return p, nil
}

// file returns the YAML form of p.
func (p *Policy) file() *file {
	f := &file{
		Name: p.Name, Title: p.Title, Source: p.Source, ReadFrom: p.ReadFrom, Date: p.Date, Note: p.Note,
		DHBits: p.DHBits, EMS: p.RequireExtendedMaster, Renego: p.RequireRenegotiationInfo,
		PQFirst: p.PostQuantumFirst, ChaChaFirst: p.ChaChaFirst, SHA1: boolOf(p.SHA1), GroupWithout: boolOf(p.GroupWithout),
		Versions: names(p.Versions), Suites13: names(p.Suites13), Groups: names(p.Groups), Signatures: names(p.Signatures),
	}
	no := false
	if p.Confidence != Unsure {
		f.Confidence = p.Confidence.String()
	}
	if !p.Target {
		f.Target = &no
	}
	if p.VersionsOpen {
		f.VersionsComplete = &no
	}
	if p.Order != OrderUnknown {
		f.Order = p.Order.String()
	}
	if p.GroupsOpen && len(p.Groups) > 0 {
		f.GroupsComplete = &no
	} else if !p.GroupsOpen && len(p.Groups) == 0 {
		yes := true
		f.GroupsComplete = &yes
	}
	if p.GroupsUnordered {
		f.GroupsOrdered = &no
	}
	if p.Group13 != GroupShared {
		f.GroupChoice = p.Group13.String()
	}
	if p.Group12 != p.Group13 {
		f.GroupChoice12 = p.Group12.String()
	}
	if p.Group13 == GroupByTuple {
		f.GroupTuples = p.GroupTuples
	}
	if p.Order13 != OrderUnknown {
		f.Order13 = p.Order13.String()
	}
	f.ChaChaFirst13, f.ServerSignature, f.Shared, f.AnyCurve, f.FFDHE = boolOf(p.ChaChaFirst13), p.SignatureByServer, p.SignaturesShared, p.AnyCertificateCurve, boolOf(p.FFDHE)
	f.RefusedVersions = names(p.RefusedVersions)
	f.OldHello, f.LegacyUnsure, f.Reject, f.Unread = p.OldHelloFailure, p.LegacyUnsure, p.RejectHandshake, p.Unread
	for _, v := range p.Variants {
		g := v.file()
		g.Name, g.Title, g.Source, g.ReadFrom, g.Date, g.Confidence, g.Note = "", "", "", "", "", "", ""
		f.Variants = append(f.Variants, g)
	}
	for i, s := range p.Suites {
		f.Suites = append(f.Suites, s.String()+p.suffix(i))
	}
	return f
}

// YAML returns p in the form that ReadYAML reads. The policy that is read from
// it gives the same answers as p. It does not include Host.
func (p *Policy) YAML() ([]byte, error) {
	var n yaml.Node
	if err := n.Encode(p.file()); err != nil {
		return nil, err
	}
	quoteInvisible(&n)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&n); err != nil {
		return nil, err
	}
	if err := e.Close(); err != nil {
		return nil, err
	}
	return escapeInvisible(b.Bytes()), nil
}
