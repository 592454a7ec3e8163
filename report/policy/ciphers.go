package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"pfsight/parse/iana"
)

// Limits of a cipher string.
const (
	maxCipherString = 1 << 14 // bytes
	maxRules        = 1 << 9  // rules; each passes over all suites once
)

// A cipherClass holds the attributes of a suite that cipher strings ask for.
type cipherClass struct {
	suite      iana.CipherSuite
	name       string
	kex, auth  string
	enc, mac   string
	bits       int // of the cipher, as OpenSSL counts them
	min        iana.Version
	strength   string // HIGH, MEDIUM, LOW, EXP; "" for no encryption
	notDefault bool
	weak       bool // not in OpenSSL's builds since 1.1.0, but still known by name
}

// classes returns the suites of OpenSSL by falling number, its own order
// before any rule.
var classes = sync.OnceValue(func() []cipherClass {
	var out []cipherClass
	for i := range iana.Suites() {
		s := &iana.Suites()[i]
		name := OpenSSLName(s.ID)
		if name == "" || s.KeyExchange == iana.KexTLS13 {
			continue
		}
		if id, ok := LookupOpenSSL(name); !ok || id != s.ID {
			continue // an old number of the same suite
		}
		out = append(out, classOf(s, name))
	}
	slices.SortFunc(out, func(a, b cipherClass) int { return int(b.suite) - int(a.suite) })
	return out
})

func classOf(s *iana.Suite, name string) cipherClass {
	c := cipherClass{suite: s.ID, name: name, min: iana.SSL30, strength: "HIGH"}
	switch k := s.KeyExchange; k {
	case iana.KexRSA, iana.KexRSAExport:
		c.kex = "kRSA"
	case iana.KexDHE, iana.KexDHEExport, iana.KexDHAnon, iana.KexDHAnonExport:
		c.kex = "kDHE"
	case iana.KexECDHE, iana.KexECDHAnon:
		c.kex = "kECDHE"
	case iana.KexPSK, iana.KexRSAPSK, iana.KexDHEPSK, iana.KexECDHEPSK:
		c.kex = map[iana.KeyExchange]string{iana.KexPSK: "kPSK", iana.KexRSAPSK: "kRSAPSK", iana.KexDHEPSK: "kDHEPSK", iana.KexECDHEPSK: "kECDHEPSK"}[k]
	case iana.KexSRP:
		c.kex = "kSRP"
	default:
		c.kex, c.weak = k.String(), true // fixed DH and ECDH, gone since 1.1.0
	}
	switch {
	case s.KeyExchange == iana.KexRSAPSK:
		c.auth = "aRSA"
	case s.Authentication == "anon":
		c.auth = "aNULL"
	case strings.Contains(s.Authentication, "PSK"):
		c.auth = "aPSK"
	default:
		c.auth = "a" + s.Authentication[strings.LastIndexByte(s.Authentication, '+')+1:]
	}
	c.enc, c.mac = s.Encryption, s.MAC
	switch e := s.Encryption; {
	case strings.Contains(e, "_256") || strings.HasPrefix(e, "CHACHA20"):
		c.bits = 256
	case strings.HasPrefix(e, "3DES"):
		c.bits, c.strength, c.weak = 112, "MEDIUM", true
	case strings.HasPrefix(e, "SEED"), strings.HasPrefix(e, "IDEA"), strings.HasPrefix(e, "RC4"):
		c.bits, c.strength, c.weak = 128, "MEDIUM", true
	case strings.HasPrefix(e, "DES"), strings.HasPrefix(e, "RC2"):
		c.bits, c.strength, c.weak = 56, "LOW", true
	case e == "NULL":
		c.strength = ""
	default:
		c.bits = 128
	}
	if s.Export {
		c.bits, c.strength, c.weak = 40, "EXP", true
	}
	for _, aead := range [...]string{"GCM", "CCM", "POLY1305"} {
		if strings.Contains(c.enc, aead) {
			c.mac = "AEAD"
		}
	}
	ec := s.KeyExchange.UsesECParams()
	switch {
	case needs12(s):
		c.min = iana.TLS12
	case ec || s.KeyExchange.UsesPSK() && (c.mac == "SHA256" || c.mac == "SHA384"):
		c.min = iana.TLS10
	}
	c.notDefault = c.auth == "aNULL" || c.auth == "aDSS" || c.enc == "NULL" || c.weak || strings.Contains(c.enc, "CCM") ||
		strings.HasPrefix(c.enc, "ARIA") || strings.HasPrefix(c.enc, "CAMELLIA")
	return c
}

// alias tells which suites a word of a cipher string means, openssl-ciphers(1);
// nil for an unknown one.
func alias(word string) func(*cipherClass) bool {
	is := func(f func(*cipherClass) string, v ...string) func(*cipherClass) bool {
		return func(c *cipherClass) bool { return slices.Contains(v, f(c)) }
	}
	kex := func(c *cipherClass) string { return c.kex }
	auth := func(c *cipherClass) string { return c.auth }
	mac := func(c *cipherClass) string { return c.mac }
	strength := func(c *cipherClass) string { return c.strength }
	enc := func(prefix, part string) func(*cipherClass) bool {
		return func(c *cipherClass) bool { return strings.HasPrefix(c.enc, prefix) && strings.Contains(c.enc, part) }
	}
	signed := func(k string) func(*cipherClass) bool {
		return func(c *cipherClass) bool { return c.kex == k && c.auth != "aNULL" }
	}
	switch word {
	case "ALL":
		return func(c *cipherClass) bool { return c.enc != "NULL" }
	case "COMPLEMENTOFALL", "eNULL", "NULL":
		return func(c *cipherClass) bool { return c.enc == "NULL" }
	case "COMPLEMENTOFDEFAULT":
		return func(c *cipherClass) bool { return c.notDefault && c.enc != "NULL" }
	case "kRSA", "kPSK", "kRSAPSK", "kDHEPSK", "kECDHEPSK", "kSRP", "kDHE", "kECDHE":
		return is(kex, word)
	case "kEDH", "DH":
		return is(kex, "kDHE")
	case "kEECDH", "ECDH":
		return is(kex, "kECDHE")
	case "EDH", "DHE":
		return signed("kDHE")
	case "EECDH", "ECDHE":
		return signed("kECDHE")
	case "PSK":
		return is(kex, "kPSK", "kRSAPSK", "kDHEPSK", "kECDHEPSK")
	case "SRP":
		return is(kex, "kSRP")
	case "RSA":
		return func(c *cipherClass) bool { return c.kex == "kRSA" && c.auth == "aRSA" }
	case "aRSA", "aNULL", "aECDSA", "aDSS", "aPSK", "aSRP":
		return is(auth, word)
	case "ECDSA", "DSS":
		return is(auth, "a"+word)
	case "ADH":
		return func(c *cipherClass) bool { return c.kex == "kDHE" && c.auth == "aNULL" }
	case "AECDH":
		return func(c *cipherClass) bool { return c.kex == "kECDHE" && c.auth == "aNULL" }
	case "AES", "CAMELLIA", "ARIA":
		return enc(word+"_", "")
	case "AES128", "AES256":
		return enc("AES_"+word[3:], "")
	case "CAMELLIA128", "CAMELLIA256":
		return enc("CAMELLIA_"+word[8:], "")
	case "ARIA128", "ARIA256":
		return enc("ARIA_"+word[4:], "")
	case "AESGCM":
		return enc("AES_", "GCM")
	case "ARIAGCM":
		return enc("ARIA_", "GCM")
	case "AESCCM":
		return enc("AES_", "CCM")
	case "AESCCM8":
		return enc("AES_", "CCM_8")
	case "CHACHA20", "3DES", "RC4", "RC2", "SEED", "IDEA":
		return enc(word, "")
	case "DES":
		return enc("DES", "")
	case "MD5", "SHA", "SHA256", "SHA384":
		return is(mac, word)
	case "SHA1":
		return is(mac, "SHA")
	case "SSLv3", "TLSv1", "TLSv1.0", "TLSv1.2":
		v := map[string]iana.Version{"SSLv3": iana.SSL30, "TLSv1": iana.TLS10, "TLSv1.0": iana.TLS10, "TLSv1.2": iana.TLS12}[word]
		return func(c *cipherClass) bool { return c.min == v }
	case "HIGH", "MEDIUM", "LOW", "EXP":
		return is(strength, word)
	case "EXPORT":
		return is(strength, "EXP")
	}
	return nil
}

// A cipherList is OpenSSL's list while the rules of a string are applied:
// suites that are on and off keep an order together.
type cipherList struct {
	list []*cipherClass
	on   map[*cipherClass]bool
}

type operator uint8

const (
	add  operator = iota // to the end, where it is off
	del                  // off, to the front
	kill                 // off for good
	last                 // to the end, where it is on
	bump                 // to the front, where it is on
)

// apply does one rule. What moves keeps its order.
func (l *cipherList) apply(op operator, match func(*cipherClass) bool) {
	var stay, move []*cipherClass
	for _, c := range l.list {
		hit := match(c)
		switch op {
		case add:
			hit = hit && !l.on[c]
		case last, bump, del:
			hit = hit && l.on[c]
		}
		if hit {
			move = append(move, c)
			l.on[c] = op != del && op != kill
		} else {
			stay = append(stay, c)
		}
	}
	switch op {
	case add, last:
		l.list = append(stay, move...)
	case del, bump:
		l.list = append(move, stay...)
	case kill:
		l.list = stay
	}
}

// strengthen sorts what is on by strength, @STRENGTH.
func (l *cipherList) strengthen() {
	for _, bits := range [...]int{256, 128, 112, 56, 40, 0} {
		l.apply(last, func(c *cipherClass) bool { return c.bits == bits })
	}
}

// newCipherList returns the list in the order that OpenSSL 1.1.0 and later
// begin with, nothing on: ephemeral before not, AEAD before not, AES before
// others, 256 bits before 128.
func newCipherList(universe []*cipherClass) *cipherList {
	l := &cipherList{list: universe, on: map[*cipherClass]bool{}}
	all := func(*cipherClass) bool { return true }
	ephemeral := func(c *cipherClass) bool { return c.kex == "kDHE" || c.kex == "kECDHE" }
	l.apply(add, func(c *cipherClass) bool { return c.kex == "kECDHE" && c.auth == "aECDSA" })
	l.apply(add, func(c *cipherClass) bool { return c.kex == "kECDHE" })
	l.apply(del, func(c *cipherClass) bool { return c.kex == "kECDHE" })
	for _, word := range [...]string{"AESGCM", "CHACHA20"} {
		l.apply(add, alias(word))
	}
	l.apply(add, func(c *cipherClass) bool { return strings.HasPrefix(c.enc, "AES_") && !strings.Contains(c.enc, "GCM") })
	l.apply(add, all)
	for _, word := range [...]string{"MD5", "aNULL"} {
		l.apply(last, alias(word))
	}
	l.apply(last, func(c *cipherClass) bool { return c.kex == "kRSA" || c.kex == "kPSK" })
	l.apply(last, alias("kPSK"))
	l.apply(last, alias("RC4"))
	l.strengthen()
	l.apply(bump, func(c *cipherClass) bool { return c.min == iana.TLS12 })
	l.apply(bump, func(c *cipherClass) bool { return c.mac == "AEAD" })
	l.apply(bump, ephemeral)
	l.apply(bump, func(c *cipherClass) bool { return ephemeral(c) && c.mac == "AEAD" })
	l.apply(del, all)
	return l
}

// expandCiphers returns the suites that a cipher string of OpenSSL names, in
// its order, as OpenSSL 3 does, and the security level that it sets, -1 for
// none. Suites that later versions lack, such as those of RC4 and triple DES,
// are taken only where they are named one by one. Words that are not known are
// returned; OpenSSL passes over them.
func expandCiphers(text string) (out []iana.CipherSuite, level int, unknown []string, err error) {
	table := classes()
	all := make([]*cipherClass, len(table))
	for i := range table {
		all[i] = &table[i]
	}
	return expandCiphersOf(text, all)
}

func expandCiphersOf(text string, universe []*cipherClass) (out []iana.CipherSuite, level int, unknown []string, err error) {
	level = -1
	if len(text) > maxCipherString {
		return nil, level, nil, fmt.Errorf("the cipher string is longer than %d bytes", maxCipherString)
	}
	l := newCipherList(universe)
	rules := strings.FieldsFunc(text, func(r rune) bool {
		return r == ':' || r == ',' || r == ';' || r == ' ' || r == '\t' || r == '\n' || r == '\r'
	})
	if len(rules) > 0 && rules[0] == "DEFAULT" {
		rules = append([]string{"ALL", "!COMPLEMENTOFDEFAULT", "!eNULL"}, rules[1:]...)
	}
	if len(rules) > maxRules {
		return nil, level, nil, fmt.Errorf("the cipher string has more than %d rules", maxRules)
	}
	for _, rule := range rules {
		op := add
		switch rule[0] {
		case '-':
			op = del
		case '+':
			op = last
		case '!':
			op = kill
		case '@':
			switch {
			case rule == "@STRENGTH":
				l.strengthen()
			case strings.HasPrefix(rule, "@SECLEVEL="):
				n, err := strconv.Atoi(rule[len("@SECLEVEL="):])
				if err != nil || n < 0 || n > 5 {
					return nil, level, nil, fmt.Errorf("%s: want a level from 0 to 5", rule)
				}
				level = n
			default:
				return nil, level, nil, fmt.Errorf("%s: want @STRENGTH or @SECLEVEL=n", rule)
			}
			continue
		}
		if op != add {
			rule = rule[1:]
		}
		match, bad := matchRule(rule)
		if match == nil {
			unknown = append(unknown, bad)
			continue
		}
		l.apply(op, match)
	}
	for _, c := range l.list {
		if l.on[c] {
			out = append(out, c.suite)
		}
	}
	if len(out) == 0 {
		return nil, level, unknown, errors.New("the cipher string names no suite")
	}
	return out, level, unknown, nil
}

// matchRule returns what a rule without its operator matches; nil and the
// word for one that is not known.
func matchRule(rule string) (func(*cipherClass) bool, string) {
	if s, ok := LookupOpenSSL(rule); ok {
		return func(c *cipherClass) bool { return c.suite == s }, ""
	}
	if s, ok := iana.LookupSuite(rule); ok && strings.HasPrefix(rule, "TLS_") { // OpenSSL 3.2 and later
		return func(c *cipherClass) bool { return c.suite == s }, ""
	}
	words := strings.Split(rule, "+")
	var parts []func(*cipherClass) bool
	for _, w := range words {
		f := alias(w)
		if f == nil {
			s, ok := LookupOpenSSL(w)
			if !ok {
				return nil, rule
			}
			f = func(c *cipherClass) bool { return c.suite == s }
		}
		parts = append(parts, f)
	}
	return func(c *cipherClass) bool {
		if c.weak {
			return false
		}
		for _, f := range parts {
			if !f(c) {
				return false
			}
		}
		return true
	}, ""
}
