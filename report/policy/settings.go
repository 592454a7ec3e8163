package policy

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// Options are what goes with a cipher string. The zero value is OpenSSL's
// default.
type Options struct {
	Name       string       // of the policy; "" is "ciphers"
	MinVersion iana.Version // 0: TLS 1.2
	MaxVersion iana.Version // 0: TLS 1.3
	// Suites13 are the TLS 1.3 suites, a list with colons; "": OpenSSL's.
	Suites13 string
	// Groups is a list with colons, such as X25519:P-256; "": not stated.
	Groups      string
	ClientOrder bool // the client's order of suites counts, not the server's
}

// ReadCiphers makes a policy of an OpenSSL cipher string, openssl-ciphers(1),
// as OpenSSL 3 understands it.
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
		return nil, fmt.Errorf("policy: versions from %s to %s", lo, hi)
	}
	for v := lo; v <= hi; v++ {
		s.versions = append(s.versions, v)
	}
	name := o.Name
	if name == "" {
		name = "ciphers"
	}
	p, err := s.policy(name, "OpenSSL cipher string "+text)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return p, nil
}

// settings are what a configuration says of TLS, in OpenSSL's words; the zero
// of a field is "not said".
type settings struct {
	versions []iana.Version // unordered
	ciphers  string
	suites13 string
	curves   string
	sigalgs  string
	prefer   secrecy.Tri
	chacha   bool
	dh       secrecy.Tri // whether there is a group for DHE
	dhBits   int
	min, max iana.Version // bounds beside versions
	notes    []string
}

// defaultGroups are those that every OpenSSL since 1.1.1 offers by default;
// there may be others.
var defaultGroups = []iana.Group{0x001d, secp256r1, 0x001e, secp521r1, secp384r1}

// policy makes the policy of a server of OpenSSL that is set so.
func (s *settings) policy(name, title string) (*Policy, error) {
	p := &Policy{Name: policyName(name), Title: title, Source: name, Confidence: Medium, Target: true}
	p.GroupsOpen = s.curves == "" || strings.EqualFold(s.curves, "auto")
	p.Groups = slices.Clone(defaultGroups)
	if !p.GroupsOpen {
		groups, open, err := parseCurves(s.curves)
		if err != nil {
			return nil, err
		}
		p.Groups, p.GroupsOpen = groups, open
	}
	p.Group13 = GroupFirstShare // before 3.5
	p.Order = ClientOrder
	p.Group12 = GroupByClient
	if s.prefer == secrecy.True {
		p.Order, p.Group12 = ServerOrder, GroupByServer
	}
	p.ChaChaFirst = s.chacha
	p.FFDHE = secrecy.False
	p.GroupWithout = secrecy.False
	notes := slices.Clone(s.notes)
	text := s.ciphers
	if text == "" {
		text = "DEFAULT"
	}
	spec, err := expandCiphers(text)
	if err != nil && !(len(s.versions) == 1 && s.versions[0] == iana.TLS13) {
		return nil, err
	}
	if len(spec.unknown) > 0 {
		notes = append(notes, "Not known in the cipher string, and passed over: "+strings.Join(spec.unknown, " ")+".")
	}
	p.Suites = spec.suites
	if s.dh == secrecy.False {
		p.Suites = slices.DeleteFunc(p.Suites, func(c iana.CipherSuite) bool { return c.Info().KeyExchange.UsesDHParams() })
		notes = append(notes, "Without parameters for them the suites of DHE are off.")
	}
	p.DHBits = s.dhBits
	for _, v := range s.versions {
		if (s.min == 0 || v >= s.min) && (s.max == 0 || v <= s.max) && !slices.Contains(p.Versions, v) {
			p.Versions = append(p.Versions, v)
		}
	}
	slices.Sort(p.Versions)
	p.level(spec.level)
	if len(p.Versions) == 0 {
		return nil, fmt.Errorf("%s: no version is on", name)
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
	p.Note = strings.Join(notes, " ")
	return p, nil
}

// level applies an OpenSSL security level, as version 3 has them,
// SSL_CTX_set_security_level(3). Without one (-1) the build's default is in
// force, and what hangs on it stays unknown.
func (p *Policy) level(n int) {
	switch {
	case n < 0:
		p.LegacyUnsure = p.MinVersion() < iana.TLS12
		return
	case n == 0:
		p.SHA1 = secrecy.True
		return
	}
	p.SHA1 = secrecy.False
	p.Versions = slices.DeleteFunc(p.Versions, func(v iana.Version) bool { return v < iana.TLS12 })
	p.Suites = slices.DeleteFunc(p.Suites, func(s iana.CipherSuite) bool {
		c := classOf(s.Info(), "")
		return !c.atLevel(n)
	})
	bits := levelBits[n]
	p.Groups = slices.DeleteFunc(p.Groups, func(g iana.Group) bool { b := g.Info().SecurityBits; return b > 0 && b < bits && !isFF(g) })
}

func split(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ':' || r == ',' || r == ' ' })
}

// parseCurves reads a list of groups in OpenSSL's form. Of the marks of
// OpenSSL 3.5 (* for a key share, ? for "if known", / between tuples, - to
// take away) only the names count; DEFAULT stands for defaultGroups.
func parseCurves(text string) (out []iana.Group, open bool, err error) {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ':' || r == '/' || r == ',' || r == ' ' })
	if len(words) > maxNames {
		return nil, false, fmt.Errorf("groups: more than %d", maxNames)
	}
	for _, w := range words {
		optional := strings.Contains(w, "?")
		w = strings.TrimLeft(w, "*?")
		remove := strings.HasPrefix(w, "-")
		w = strings.TrimPrefix(w, "-")
		if strings.EqualFold(w, "DEFAULT") || strings.EqualFold(w, "auto") {
			out, open = append(out, defaultGroups...), true
			continue
		}
		g, ok := opensslGroup(w)
		switch {
		case !ok && optional:
		case !ok:
			return nil, false, fmt.Errorf("groups: %q is not known", w)
		case remove:
			out = slices.DeleteFunc(out, func(o iana.Group) bool { return o == g })
		case !slices.Contains(out, g):
			out = append(out, g)
		}
	}
	if len(out) == 0 {
		return nil, false, fmt.Errorf("groups: %q names none", text)
	}
	return out, open, nil
}

// opensslGroup finds a group by a name that OpenSSL knows.
func opensslGroup(name string) (iana.Group, bool) {
	if g, ok := iana.LookupGroup(name); ok && !g.IsGREASE() {
		return g, true
	}
	switch strings.ToLower(name) {
	case "p-521", "p521":
		return secp521r1, true
	case "p-224", "p224":
		return 0x0015, true
	case "prime192v1", "p-192":
		return 0x0013, true
	case "curve25519":
		return 0x001d, true
	}
	return 0, false
}

// parseSigalgs reads a list of signature algorithms in OpenSSL's form, such as
// ECDSA+SHA256:RSA-PSS+SHA256:rsa_pkcs1_sha256.
func parseSigalgs(text string) ([]iana.SignatureScheme, error) {
	words := split(text)
	if len(words) > maxNames {
		return nil, fmt.Errorf("signature algorithms: more than %d", maxNames)
	}
	var out []iana.SignatureScheme
	for _, w := range words {
		w = strings.TrimLeft(w, "?")
		if s, ok := iana.LookupSignatureScheme(w); ok {
			out = append(out, s)
			continue
		}
		key, hash, _ := strings.Cut(w, "+")
		h := map[string]iana.SignatureScheme{"SHA1": 2, "SHA224": 3, "SHA256": 4, "SHA384": 5, "SHA512": 6}[strings.ToUpper(hash)]
		if h == 0 {
			return nil, fmt.Errorf("signature algorithms: %q is not known", w)
		}
		switch strings.ToUpper(key) {
		case "RSA":
			out = append(out, h<<8|1)
		case "DSA":
			out = append(out, h<<8|2)
		case "ECDSA":
			out = append(out, h<<8|3)
		case "RSA-PSS", "PSS":
			if h < 4 {
				return nil, fmt.Errorf("signature algorithms: %q is not known", w)
			}
			out = append(out, 0x0800+h, 0x0805+h)
		default:
			return nil, fmt.Errorf("signature algorithms: %q is not known", w)
		}
	}
	return out, nil
}

// protocolVersion reads the name of a version as configuration files write
// them.
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

// conf takes a command of SSL_CONF_cmd(3), as ssl_conf_command and
// SSLOpenSSLConfCmd give it.
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
			return fmt.Errorf("%s %q is not known", key, value)
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
				return fmt.Errorf("%s %q is not known", key, value)
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
	return nil // other commands have no part in what is chosen
}

// policyName makes a name of what may be a path with a server's name.
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

// Read reads a policy file or a configuration file of a server, of which
// there may be one policy for each of its TLS servers. Name is the file's, for
// messages; nothing is opened, so includes of a configuration are noted and
// not followed.
func Read(r io.Reader, name string) ([]*Policy, error) {
	text, err := readAll(r)
	if err != nil {
		return nil, err
	}
	return readConfig(string(text), name, nil)
}
