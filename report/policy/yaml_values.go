package policy

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
	"pfsight/report/visible"
)

// suffix returns the name suffix that binds suite i to a group, "" for none.
func (p *Policy) suffix(i int) string {
	if i < len(p.SuiteGroups) {
		switch p.SuiteGroups[i] {
		case secp256r1:
			return "_P256"
		case secp384r1:
			return "_P384"
		case secp521r1:
			return "_P521"
		}
	}
	return ""
}

// bind reads the suites of TLS 1.2 and older, and their groups if their names
// have a suffix.
func (p *Policy) bind(texts []string) error {
	if len(texts) > maxNames {
		return fmt.Errorf("cipher_suites: more than %d", maxNames)
	}
	bound := false
	for _, text := range texts {
		s, g, err := parseBound(text)
		if err != nil {
			return fmt.Errorf("cipher_suites: %w", err)
		}
		bound = bound || g != 0
		p.Suites = append(p.Suites, s)
		p.SuiteGroups = append(p.SuiteGroups, g)
	}
	if !bound {
		p.SuiteGroups = nil
	}
	return nil
}

func parseBound(text string) (iana.CipherSuite, iana.Group, error) {
	var g iana.Group
	name := text
	for i, suffix := range [...]string{"_P256", "_P384", "_P521"} {
		if n, ok := strings.CutSuffix(text, suffix); ok {
			name, g = n, secp256r1+iana.Group(i)
		}
	}
	s, err := parseSuite(name)
	if err == nil && s.Info().KeyExchange == iana.KexTLS13 {
		err = fmt.Errorf("%s is one of TLS 1.3", s)
	}
	return s, g, err
}

// parseSuite parses a suite by IANA name, OpenSSL name or number.
func parseSuite(text string) (iana.CipherSuite, error) {
	if s, ok := iana.LookupSuite(text); ok {
		if k := s.Info().Kind; k == "scsv" || k == "grease" {
			return 0, fmt.Errorf("%s cannot be selected", s)
		}
		return s, nil
	}
	if s, ok := lookupOpenSSL(text); ok {
		return s, nil
	}
	n, err := number(text)
	return iana.CipherSuite(n), err
}

func parseSuite13(text string) (iana.CipherSuite, error) {
	s, err := parseSuite(text)
	if err == nil && s.Info().KeyExchange != iana.KexTLS13 {
		err = fmt.Errorf("%s is not a TLS 1.3 suite", s)
	}
	return s, err
}

func parseGroup(text string) (iana.Group, error) {
	if g, ok := iana.LookupGroup(text); ok && !g.IsGREASE() {
		return g, nil
	}
	n, err := number(text)
	return iana.Group(n), err
}

func parseSignature(text string) (iana.SignatureScheme, error) {
	if s, ok := iana.LookupSignatureScheme(text); ok {
		return s, nil
	}
	n, err := number(text)
	return iana.SignatureScheme(n), err
}

func parseVersion(text string) (iana.Version, error) {
	for _, v := range [...]iana.Version{iana.SSL20, iana.SSL30, iana.TLS10, iana.TLS11, iana.TLS12, iana.TLS13} {
		if strings.EqualFold(v.String(), text) {
			return v, nil
		}
	}
	return 0, fmt.Errorf("%q: choose from SSLv3, TLS 1.0, TLS 1.1, TLS 1.2, TLS 1.3", text)
}

func number(text string) (uint16, error) {
	if !strings.HasPrefix(text, "0x") {
		return 0, fmt.Errorf("%q is not known", text)
	}
	n, err := strconv.ParseUint(text[2:], 16, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is not a 16-bit number", text)
	}
	return uint16(n), nil
}

// list parses the entries of a list. A duplicate value is an error.
func list[T comparable](texts []string, key string, parse func(string) (T, error)) ([]T, error) {
	if len(texts) > maxNames {
		return nil, fmt.Errorf("%s: more than %d", key, maxNames)
	}
	var out []T
	for _, text := range texts {
		v, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		if slices.Contains(out, v) {
			return nil, fmt.Errorf("%s: duplicate %q", key, text)
		}
		out = append(out, v)
	}
	return out, nil
}

func oneOf[T ~uint8](names []string, text string, none T) (T, error) {
	if text == "" {
		return none, nil
	}
	if i := slices.Index(names, text); i >= 0 {
		return T(i), nil
	}
	return none, fmt.Errorf("%q: choose from %s", text, strings.Join(names, ", "))
}

func names[T fmt.Stringer](list []T) []string {
	var out []string
	for _, v := range list {
		out = append(out, v.String())
	}
	return out
}

func boolOr(b *bool, otherwise bool) bool {
	if b == nil {
		return otherwise
	}
	return *b
}

func triOf(b *bool) secrecy.Tri {
	if b == nil {
		return secrecy.Undetermined
	}
	return secrecy.TriOf(*b)
}

func boolOf(t secrecy.Tri) *bool {
	if t == secrecy.Undetermined {
		return nil
	}
	b := t == secrecy.True
	return &b
}

func validName(s string) bool {
	if s == "" || len(s) > 100 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// quoteInvisible makes the scalars that hold characters which a reader would not
// see double-quoted: only there YAML has escapes (YAML 1.2 section 7.3.1).
func quoteInvisible(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && strings.ContainsFunc(n.Value, func(r rune) bool { return !visible.Rune(r) }) {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, c := range n.Content {
		quoteInvisible(c)
	}
}

// escapeInvisible escapes what the encoder left of these characters, which all
// lie in double-quoted scalars.
func escapeInvisible(b []byte) []byte {
	var out bytes.Buffer
	for _, r := range string(b) {
		switch {
		case r == '\n' || visible.Rune(r):
			out.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&out, `\U%08X`, r)
		default:
			fmt.Fprintf(&out, `\u%04X`, r)
		}
	}
	return out.Bytes()
}
