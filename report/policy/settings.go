package policy

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// Options complete a cipher string. The zero value is OpenSSL's default.
type Options struct {
	Name       string       // of the policy; "" is "ciphers"
	MinVersion iana.Version // 0: TLS 1.2
	MaxVersion iana.Version // 0: TLS 1.3
	// Suites13 are the TLS 1.3 suites, separated by colons; "" for OpenSSL's
	// default.
	Suites13 string
	// Groups are separated by colons, such as X25519:P-256; "" if not stated.
	Groups      string
	ClientOrder bool // the client's suite order counts, not the server's
	// Software states the OpenSSL release.
	Software Software
}

// ReadCiphers returns the policy of an OpenSSL cipher string,
// openssl-ciphers(1), as OpenSSL 3 evaluates it.
func ReadCiphers(text string, o Options) (*Policy, error) {
	s := settings{ciphers: text, suites13: o.Suites13, curves: o.Groups, dh: secrecy.True}
	s.prefer = secrecy.TriOf(!o.ClientOrder)
	lo, hi := o.MinVersion, o.MaxVersion
	if lo == 0 {
		lo = iana.TLS12
	}
	if hi == 0 {
		hi = iana.TLS13
	}
	if lo > hi || lo < iana.SSL30 || hi > iana.TLS13 {
		return nil, fmt.Errorf("policy: minimum version %s above maximum %s", lo, hi)
	}
	for v := lo; v <= hi; v++ {
		s.versions = append(s.versions, v)
	}
	name := o.Name
	if name == "" {
		name = "ciphers"
	}
	p, err := s.policy(name, "OpenSSL cipher string "+text, o.Software)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return p, nil
}

// settings are the TLS settings of a configuration in OpenSSL's terms. The zero
// value of a field means that it is not set.
type settings struct {
	versions []iana.Version // unordered; nil: not set
	ciphers  string
	suites13 string
	curves   string
	sigalgs  string
	prefer   secrecy.Tri
	chacha   bool
	dh       secrecy.Tri // whether DHE has parameters
	dhBits   int
	min, max iana.Version // bounds in addition to versions
	reject   bool         // every handshake is refused
	notes    []string
}

// Default groups of an OpenSSL server, in its order. Since 3.5 they form tuples
// of these sizes.
var (
	defaultGroups30  = []iana.Group{0x001d, secp256r1, 0x001e, secp521r1, secp384r1, 0x0100, 0x0101, 0x0102, 0x0103, 0x0104}
	defaultGroups111 = defaultGroups30[:5]
	defaultGroups35  = []iana.Group{0x11ec, 0x001d, secp256r1, 0x001e, secp384r1, secp521r1, 0x0100, 0x0101}
	defaultTuples35  = []int{1, 2, 3, 2}
)

// OpenSSL releases that represent those with different choices.
var (
	openssl30 = Release{3, 0, 0}
	openssl35 = Release{3, 5, 0}
)

// policy returns the policy of a server with these settings. If the OpenSSL
// release is not stated, the policy is that of 3.0 to 3.4, and 3.5 and later is
// a variant.
func (s *settings) policy(name, title string, soft Software) (*Policy, error) {
	if soft.OpenSSL.Known() {
		return s.build(name, title, soft, true)
	}
	soft.OpenSSL = openssl30
	if groupsOf35(s.curves) {
		soft.OpenSSL = openssl35
	}
	p, err := s.build(name, title, soft, false)
	if err != nil || soft.OpenSSL == openssl35 {
		return p, err
	}
	soft.OpenSSL = openssl35
	if q, err := s.build(name, title, soft, false); err == nil {
		p.addVariant(q)
	}
	return p, nil
}

// addVariant adds q and its variants to p, without duplicates.
func (p *Policy) addVariant(q *Policy) {
	list := append([]*Policy{q}, q.Variants...)
	for _, v := range list {
		c := *v
		c.Variants, c.Host = nil, nil
		if !equivalent(p, &c) && !slices.ContainsFunc(p.Variants, func(o *Policy) bool { return equivalent(o, &c) }) && len(p.Variants) < maxVariants {
			p.Variants = append(p.Variants, &c)
		}
	}
}

// maxVariants is the limit of the variants of a policy.
const maxVariants = 16

// equivalent reports whether two policies give the same answers, by their
// settings.
func equivalent(a, b *Policy) bool {
	x, y := *a, *b
	for _, p := range []*Policy{&x, &y} {
		p.Name, p.Title, p.Source, p.ReadFrom, p.Date, p.Note, p.Variants, p.Host, p.Confidence, p.Target = "", "", "", "", "", "", nil, nil, 0, false
	}
	return reflect.DeepEqual(x, y)
}

// groupsOf35 reports whether a list of groups requires OpenSSL 3.5: it has
// tuples, key share marks, or a post-quantum group without the mark that
// ignores unknown names.
func groupsOf35(curves string) bool {
	if strings.ContainsAny(curves, "/*") {
		return true
	}
	for _, w := range split(curves) {
		if g, ok := opensslGroup(w); ok && g.Info().PostQuantum {
			return true
		}
	}
	return false
}

// build returns the policy for an OpenSSL release. stated reports whether the
// release is stated, not assumed.
func (s *settings) build(name, title string, soft Software, stated bool) (*Policy, error) {
	s, system, err := s.system(soft)
	if err != nil {
		return nil, err
	}
	p := &Policy{Name: policyName(name), Title: title, Source: name, Confidence: Medium, Target: true, RejectHandshake: s.reject}
	if err := p.groups(s.curves, soft.OpenSSL); err != nil {
		return nil, err
	}
	p.Order = ClientOrder
	p.Group12 = GroupByClient
	if s.prefer == secrecy.True {
		p.Order, p.Group12 = ServerOrder, GroupByServer
	}
	p.Group13 = GroupFirstShare
	if p.GroupTuples != nil {
		p.Group13 = GroupByTuple
	}
	p.ChaChaFirst = s.chacha
	p.FFDHE = secrecy.False
	p.GroupWithout = secrecy.False
	p.SignaturesShared, p.OldHelloFailure = true, true
	notes := slices.Clone(s.notes)
	for _, v := range s.versions {
		if (s.min == 0 || v >= s.min) && (s.max == 0 || v <= s.max) && !slices.Contains(p.Versions, v) {
			p.Versions = append(p.Versions, v)
		}
	}
	slices.Sort(p.Versions)
	text := s.ciphers
	if text == "" {
		text = "DEFAULT"
	}
	var spec cipherString
	if system && soft.CryptoPolicy == "" {
		notes = append(notes, "PROFILE=SYSTEM refers to the system-wide crypto-policy, which is not stated, so the cipher suites are undetermined.")
		spec.level = -1
	} else {
		spec, err = expandCiphers(text)
		if err != nil && !(len(p.Versions) == 1 && p.Versions[0] == iana.TLS13) {
			return nil, err
		}
	}
	if len(spec.unknown) > 0 {
		notes = append(notes, "Unknown words in the cipher string, ignored: "+strings.Join(spec.unknown, " ")+".")
	}
	p.Suites = spec.suites
	if s.dh == secrecy.False {
		p.Suites = slices.DeleteFunc(p.Suites, func(c iana.CipherSuite) bool { return c.Info().KeyExchange.UsesDHParams() })
		notes = append(notes, "DHE suites are disabled, because there are no DH parameters.")
	}
	p.DHBits = s.dhBits
	p.level(spec.level, soft.OpenSSL, stated)
	switch {
	case len(p.Versions) > 0:
	case len(p.RefusedVersions) > 0:
		p.Target = false
		notes = append(notes, "The security level refuses every enabled version.")
	default:
		return nil, fmt.Errorf("%s: no version is enabled", name)
	}
	if p.MaxVersion() == iana.TLS13 {
		p.Suites13 = []iana.CipherSuite{0x1302, 0x1303, 0x1301} // OpenSSL's order
		if s.suites13 != "" {
			if p.Suites13, err = list(split(s.suites13), "TLS 1.3 suites", parseSuite13); err != nil {
				return nil, err
			}
		}
	}
	if s.sigalgs != "" {
		if p.Signatures, err = parseSigalgs(s.sigalgs); err != nil {
			return nil, err
		}
	}
	if m := spec.suiteB; m != nil {
		p.Groups, p.GroupTuples, p.GroupsOpen, p.Signatures = slices.Clone(m.groups), nil, false, slices.Clone(m.signatures)
		p.Group13 = GroupFirstShare
	}
	p.Note = strings.Join(notes, " ")
	return p, nil
}

// system replaces a cipher string that begins with PROFILE=SYSTEM by that of
// the stated crypto-policy, which also sets what the configuration does not.
func (s *settings) system(soft Software) (*settings, bool, error) {
	if !strings.HasPrefix(s.ciphers, systemProfile) {
		return s, false, nil
	}
	c, ok := cryptoPolicies[soft.CryptoPolicy]
	if !ok {
		return s, true, nil
	}
	t := *s
	t.ciphers = c.ciphers + ":" + strings.TrimPrefix(s.ciphers, systemProfile)
	for _, x := range []struct {
		own  *string
		base string
	}{{&t.suites13, c.suites13}, {&t.sigalgs, c.sigalgs}, {&t.curves, c.groups}} {
		if *x.own == "" {
			*x.own = x.base
		}
	}
	if v, _ := protocolVersion(c.min); t.min == 0 {
		t.min = v
	}
	return &t, true, nil
}

// level applies an OpenSSL security level, SSL_CTX_set_security_level(3). Since
// 3.0, levels above 0 refuse the signatures of versions before TLS 1.2, so
// every handshake with them fails, even with RSA key transport. The level -1
// means the default of the build: 1 since 3.0, or 2 since 3.2 and in many
// distributions. What both levels refuse is disabled. The exception is versions
// before TLS 1.2: an administrator who enables them often sets a level
// elsewhere, so they are undetermined.
func (p *Policy) level(n int, r Release, stated bool) {
	old := r.Before(3, 0, 0) // TLS 1.0, TLS 1.1 and SHA-1 are allowed up to level 1
	given := n >= 0
	if !given {
		n = 1
	}
	p.SHA1 = secrecy.TriOf(n == 0 || old && n == 1)
	if n == 0 {
		return
	}
	switch {
	case old:
	case !given && !stated:
		p.LegacyUnsure = p.MinVersion() != 0 && p.MinVersion() < iana.TLS12
	default:
		old := func(v iana.Version) bool { return v < iana.TLS12 }
		p.RefusedVersions = slices.DeleteFunc(slices.Clone(p.Versions), func(v iana.Version) bool { return !old(v) })
		p.Versions = slices.DeleteFunc(p.Versions, old)
	}
	p.Suites = slices.DeleteFunc(p.Suites, func(s iana.CipherSuite) bool {
		c := classOf(s.Info(), "")
		return !c.atLevel(n)
	})
	bits := levelBits[n]
	weak := func(g iana.Group) bool { b := g.Info().SecurityBits; return b > 0 && b < bits }
	at := 0
	for i, size := range p.GroupTuples {
		for _, g := range p.Groups[at : at+size] {
			if weak(g) {
				p.GroupTuples[i]--
			}
		}
		at += size
	}
	p.Groups = slices.DeleteFunc(p.Groups, weak)
}

func split(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ':' || r == ',' || r == ' ' })
}

// protocolVersion parses a version name of a configuration file.
func protocolVersion(word string) (iana.Version, bool) {
	switch strings.ToLower(word) {
	case "sslv3":
		return iana.SSL30, true
	case "tlsv1", "tlsv1.0", "tlsv10":
		return iana.TLS10, true
	case "tlsv1.1", "tlsv11":
		return iana.TLS11, true
	case "tlsv1.2", "tlsv12":
		return iana.TLS12, true
	case "tlsv1.3", "tlsv13":
		return iana.TLS13, true
	}
	return 0, false
}

// conf applies a command of SSL_CONF_cmd(3), as in ssl_conf_command and
// SSLOpenSSLConfCmd.
func (s *settings) conf(key, value string) error {
	switch strings.ToLower(key) {
	case "cipherstring":
		s.ciphers = value
	case "ciphersuites":
		s.suites13 = value
	case "curves", "groups":
		s.curves = value
	case "signaturealgorithms":
		s.sigalgs = value
	case "minprotocol", "maxprotocol":
		v, ok := protocolVersion(value)
		if !ok && !strings.EqualFold(value, "None") {
			return fmt.Errorf("%s: unknown value %q", key, value)
		}
		if strings.EqualFold(key, "MinProtocol") {
			s.min = v
		} else {
			s.max = v
		}
	case "protocol":
		for _, w := range split(value) {
			op, word := byte('+'), w
			if w != "" && (w[0] == '-' || w[0] == '+') {
				op, word = w[0], w[1:]
			}
			if strings.EqualFold(word, "ALL") {
				s.versions = nil
				if op == '+' {
					s.versions = []iana.Version{iana.SSL30, iana.TLS10, iana.TLS11, iana.TLS12, iana.TLS13}
				}
				continue
			}
			v, ok := protocolVersion(word)
			if !ok {
				return fmt.Errorf("%s: unknown value %q", key, value)
			}
			s.versions = slices.DeleteFunc(slices.Clone(s.versions), func(o iana.Version) bool { return o == v })
			if op == '+' {
				s.versions = append(s.versions, v)
			}
		}
	case "options":
		for _, w := range split(value) {
			on := !strings.HasPrefix(w, "-")
			switch strings.ToLower(strings.TrimLeft(w, "+-")) {
			case "serverpreference":
				s.prefer = secrecy.TriOf(on)
			case "prioritizechacha":
				s.chacha = on
			}
		}
	case "dhparameters":
		s.dh = secrecy.True
	}
	return nil // other commands do not affect an answer
}

// policyName derives a policy name from text, which may be a path with a server
// name.
func policyName(text string) string {
	var b strings.Builder
	for _, c := range []byte(strings.ToLower(text)) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-' {
			b.WriteByte(c)
		} else if b.Len() > 0 {
			b.WriteByte('-')
		}
	}
	name := strings.Trim(b.String(), "-")
	if len(name) > 100 {
		name = name[len(name)-100:]
	}
	if name == "" {
		return "policy"
	}
	return name
}

// Read reads a policy file or a server configuration, with one policy for each
// TLS server. name is the file name for messages. Read opens no files: it notes
// includes and does not follow them.
func Read(r io.Reader, name string) ([]*Policy, error) {
	text, err := readAll(r)
	if err != nil {
		return nil, err
	}
	return readConfig(string(text), name, nil, Software{})
}
