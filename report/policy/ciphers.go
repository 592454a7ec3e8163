package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"pfsight/parse/iana"
)

// Limits of a cipher string.
const (
	maxCipherString = 1 << 14 // bytes
	maxRules        = 1 << 9  // rules; each one visits all suites
)

// A pattern is what a rule of a cipher string matches. All non-empty masks, the
// version and the suite, if set, must match.
type pattern struct {
	kex, auth, enc, mac mask
	strong              mask
	notDefault          bool
	min                 iana.Version
	suite               iana.CipherSuite
	named               bool // suite is set
}

func (p *pattern) matches(c *cipherClass) bool {
	fits := func(want, have mask) bool { return want == 0 || want&have != 0 }
	return fits(p.kex, c.kex) && fits(p.auth, c.auth) && fits(p.enc, c.enc) && fits(p.mac, c.mac) && fits(p.strong, c.strong) &&
		(!p.notDefault || c.notDefault) && (p.min == 0 || p.min == c.min) && (!p.named || p.suite == c.suite)
}

// narrow intersects p with q, as OpenSSL combines the words of a rule. It
// reports false if no suite can match.
func (p *pattern) narrow(q *pattern) bool {
	for _, m := range [...]struct {
		to   *mask
		from mask
	}{{&p.kex, q.kex}, {&p.auth, q.auth}, {&p.enc, q.enc}, {&p.mac, q.mac}} {
		switch {
		case m.from == 0:
		case *m.to == 0:
			*m.to = m.from
		default:
			if *m.to &= m.from; *m.to == 0 {
				return false
			}
		}
	}
	if q.strong != 0 {
		if p.strong == 0 {
			// OpenSSL stores both attributes in one word, and assigns it here.
			p.strong, p.notDefault = q.strong, false
		} else if p.strong &= q.strong; p.strong == 0 {
			return false
		}
	}
	p.notDefault = p.notDefault || q.notDefault
	if q.named {
		p.suite, p.named = q.suite, true // the version of a named suite is ignored
		return true
	}
	if q.min != 0 {
		if p.min != 0 && p.min != q.min {
			return false
		}
		p.min = q.min
	}
	return true
}

// aliases are the keywords of cipher strings, openssl-ciphers(1).
var aliases = map[string]pattern{
	"ALL": {enc: ^eNULL}, "COMPLEMENTOFALL": {enc: eNULL}, "COMPLEMENTOFDEFAULT": {notDefault: true},
	"kRSA": {kex: kRSA}, "kEDH": {kex: kDHE}, "kDHE": {kex: kDHE}, "DH": {kex: kDHE}, "kEECDH": {kex: kECDHE}, "kECDHE": {kex: kECDHE}, "ECDH": {kex: kECDHE},
	"kPSK": {kex: kPSK}, "kRSAPSK": {kex: kRSAPSK}, "kDHEPSK": {kex: kDHEPSK}, "kECDHEPSK": {kex: kECDHEPSK}, "kSRP": {kex: kSRP},
	"aRSA": {auth: aRSA}, "aDSS": {auth: aDSS}, "DSS": {auth: aDSS}, "aNULL": {auth: aNULL}, "aECDSA": {auth: aECDSA}, "ECDSA": {auth: aECDSA}, "aPSK": {auth: aPSK}, "aSRP": {auth: aSRP},
	"EDH": {kex: kDHE, auth: ^aNULL}, "DHE": {kex: kDHE, auth: ^aNULL}, "EECDH": {kex: kECDHE, auth: ^aNULL}, "ECDHE": {kex: kECDHE, auth: ^aNULL},
	"NULL": {enc: eNULL}, "eNULL": {enc: eNULL}, "RSA": {kex: kRSA, auth: aRSA}, "ADH": {kex: kDHE, auth: aNULL}, "AECDH": {kex: kECDHE, auth: aNULL},
	"PSK": {kex: kPSK | kRSAPSK | kDHEPSK | kECDHEPSK}, "SRP": {kex: kSRP},
	"3DES": {enc: e3DES}, "DES": {enc: eDES}, "RC4": {enc: eRC4}, "RC2": {enc: eRC2}, "IDEA": {enc: eIDEA}, "SEED": {enc: eSEED},
	"AES": {enc: eAES}, "AES128": {enc: eAES128 | eAES128GCM | eAES128CCM | eAES128CCM8}, "AES256": {enc: eAES256 | eAES256GCM | eAES256CCM | eAES256CCM8},
	"AESGCM": {enc: eAESGCM}, "AESCCM": {enc: eAESCCM}, "AESCCM8": {enc: eAES128CCM8 | eAES256CCM8},
	"CAMELLIA": {enc: eCamellia128 | eCamellia256}, "CAMELLIA128": {enc: eCamellia128}, "CAMELLIA256": {enc: eCamellia256}, "CHACHA20": {enc: eChaCha20},
	"ARIA": {enc: eARIA128 | eARIA256}, "ARIAGCM": {enc: eARIA128 | eARIA256}, "ARIA128": {enc: eARIA128}, "ARIA256": {enc: eARIA256},
	"CBC": {enc: eAES128 | eAES256 | eCamellia128 | eCamellia256 | eSEED | eIDEA | eRC2 | e3DES | eDES},
	"MD5": {mac: mMD5}, "SHA": {mac: mSHA1}, "SHA1": {mac: mSHA1}, "SHA256": {mac: mSHA256}, "SHA384": {mac: mSHA384},
	"SSLv3": {min: iana.SSL30}, "TLSv1": {min: iana.TLS10}, "TLSv1.0": {min: iana.TLS10}, "TLSv1.2": {min: iana.TLS12},
	"LOW": {strong: strongLow}, "MEDIUM": {strong: strongMedium}, "HIGH": {strong: strongHigh}, "FIPS": {strong: strongFIPS},
	"EXP": {strong: strongExport}, "EXPORT": {strong: strongExport}, // before 1.1.0
}

// patternOf returns what a word of a rule matches: an alias, or a suite by
// OpenSSL's name. OpenSSL knows the standard names since 3.2.
func patternOf(word string) (pattern, bool) {
	if p, ok := aliases[word]; ok {
		return p, true
	}
	s, ok := lookupOpenSSL(word)
	if !ok && strings.HasPrefix(word, "TLS_") {
		s, ok = iana.LookupSuite(word)
	}
	if !ok || s.Info().KeyExchange == iana.KexTLS13 {
		return pattern{}, false
	}
	c := classOf(s.Info(), word)
	return pattern{kex: c.kex, auth: c.auth, enc: c.enc, mac: c.mac, strong: c.strong, notDefault: c.notDefault, suite: s, named: true}, true
}

// A cipherList is OpenSSL's suite list while the rules of a string are applied.
// Enabled and disabled suites share one order.
type cipherList struct {
	list, spare []listed
}

// A listed is a suite in a cipherList.
type listed struct {
	*cipherClass
	on bool
}

type operator uint8

const (
	add  operator = iota // enable, and move to the end
	del                  // disable, and move to the front
	kill                 // disable permanently
	last                 // move to the end if enabled
	bump                 // move to the front if enabled
)

// apply performs one rule. Moved suites keep their relative order.
func (l *cipherList) apply(op operator, match func(*cipherClass) bool) {
	stay, move := l.spare[:0], make([]listed, 0, len(l.list))
	for _, c := range l.list {
		hit := match(c.cipherClass)
		switch op {
		case add:
			hit = hit && !c.on
		case last, bump, del:
			hit = hit && c.on
		}
		if hit {
			c.on = op != del && op != kill
			move = append(move, c)
		} else {
			stay = append(stay, c)
		}
	}
	old := l.list
	switch op {
	case add, last:
		l.list, l.spare = append(stay, move...), old
	case del, bump:
		l.list, l.spare = append(move, stay...), stay
	case kill:
		l.list, l.spare = stay, old
	}
}

// rule applies a rule of a string. A suite that default builds lack is enabled
// only by its own name.
func (l *cipherList) rule(op operator, p pattern) {
	l.apply(op, func(c *cipherClass) bool { return p.matches(c) && (op != add || p.named || !c.weak) })
}

// strengthen sorts the enabled suites by strength, @STRENGTH.
func (l *cipherList) strengthen() {
	for _, bits := range [...]int{256, 128, 112, 56, 40, 0} {
		l.apply(last, func(c *cipherClass) bool { return c.bits == bits })
	}
}

// newCipherList returns the initial list of OpenSSL 1.1.0 and later, with all
// suites disabled: ephemeral first, then AEAD, then AES, then 256 bits.
func newCipherList(universe []*cipherClass) *cipherList {
	l := &cipherList{}
	for _, c := range universe {
		l.list = append(l.list, listed{cipherClass: c})
	}
	step := func(op operator, p pattern) { l.apply(op, p.matches) }
	step(add, pattern{kex: kECDHE, auth: aECDSA})
	step(add, pattern{kex: kECDHE})
	step(del, pattern{kex: kECDHE})
	step(add, pattern{enc: eAESGCM})
	step(add, pattern{enc: eChaCha20})
	step(add, pattern{enc: eAES &^ eAESGCM})
	step(add, pattern{})
	step(last, pattern{mac: mMD5})
	step(last, pattern{auth: aNULL})
	step(last, pattern{kex: kRSA})
	step(last, pattern{kex: kPSK})
	step(last, pattern{enc: eRC4})
	l.strengthen()
	step(bump, pattern{min: iana.TLS12})
	step(bump, pattern{mac: mAEAD})
	step(bump, pattern{kex: kDHE | kECDHE})
	step(bump, pattern{kex: kDHE | kECDHE, mac: mAEAD})
	step(del, pattern{})
	return l
}

// A suiteB is a mode of RFC 6460 at the start of a cipher string. It sets the
// suites, the curves and the signatures.
type suiteB struct {
	word, ciphers string
	groups        []iana.Group
	signatures    []iana.SignatureScheme
}

var suiteBModes = [...]suiteB{
	{"SUITEB128ONLY", "ECDHE-ECDSA-AES128-GCM-SHA256", []iana.Group{secp256r1}, []iana.SignatureScheme{0x0403}},
	{"SUITEB128C2", "ECDHE-ECDSA-AES256-GCM-SHA384", []iana.Group{secp256r1, secp384r1}, []iana.SignatureScheme{0x0403, 0x0503}},
	{"SUITEB128", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384", []iana.Group{secp256r1, secp384r1}, []iana.SignatureScheme{0x0403, 0x0503}},
	{"SUITEB192", "ECDHE-ECDSA-AES256-GCM-SHA384", []iana.Group{secp384r1}, []iana.SignatureScheme{0x0503}},
}

// defaultCiphers is the meaning of DEFAULT at the start of a string, since
// OpenSSL 3.0.
const defaultCiphers = "ALL:!COMPLEMENTOFDEFAULT:!eNULL"

// systemProfile is the prefix that Red Hat's OpenSSL replaces with the
// system-wide crypto-policy.
const systemProfile = "PROFILE=SYSTEM"

// A cipherString is the meaning of a cipher string.
type cipherString struct {
	suites  []iana.CipherSuite // in order of preference
	level   int                // security level; -1 if it is not set
	unknown []string           // unknown words, which OpenSSL ignores
	suiteB  *suiteB
}

// expandCiphers evaluates a cipher string as OpenSSL 3 does. It enables suites
// that later releases lack, such as those with RC4 and triple DES, only by
// name. A string that OpenSSL rejects is an error.
func expandCiphers(text string) (cipherString, error) {
	cipherCache.Lock()
	defer cipherCache.Unlock()
	e, ok := cipherCache.m[text]
	if !ok {
		e.spec, e.err = expandCiphersOf(text, universe())
		if len(cipherCache.m) >= maxCached {
			clear(cipherCache.m)
		}
		if len(text) <= maxCipherString {
			cipherCache.m[text] = e
		}
	}
	e.spec.suites = slices.Clone(e.spec.suites) // callers remove suites
	return e.spec, e.err
}

// cipherCache caches evaluated strings: the servers of a configuration share
// them, and each is evaluated for several releases.
var cipherCache = struct {
	sync.Mutex
	m map[string]expanded
}{m: map[string]expanded{}}

type expanded struct {
	spec cipherString
	err  error
}

const maxCached = 64 // strings

// universe returns all classes.
var universe = sync.OnceValue(func() []*cipherClass {
	table := classes()
	all := make([]*cipherClass, len(table))
	for i := range table {
		all[i] = &table[i]
	}
	return all
})

func expandCiphersOf(text string, universe []*cipherClass) (cipherString, error) {
	out := cipherString{level: -1}
	if len(text) > maxCipherString {
		return out, fmt.Errorf("the cipher string is longer than %d bytes", maxCipherString)
	}
	for i := range suiteBModes {
		if m := &suiteBModes[i]; strings.HasPrefix(text, m.word) { // OpenSSL ignores the rest
			out.suiteB, text = m, m.ciphers
			break
		}
	}
	r := ruleReader{out: &out, list: newCipherList(universe)}
	if rest, ok := strings.CutPrefix(text, "DEFAULT"); ok { // OpenSSL accepts any text after this prefix
		text = strings.TrimPrefix(rest, ":")
		if err := r.read(defaultCiphers); err != nil {
			return out, err
		}
	}
	if err := r.read(text); err != nil {
		return out, err
	}
	for _, c := range r.list.list {
		if c.on {
			out.suites = append(out.suites, c.suite)
		}
	}
	if len(out.suites) == 0 {
		return out, errors.New("the cipher string names no suite")
	}
	return out, nil
}

// A ruleReader applies the rules of a string.
type ruleReader struct {
	out   *cipherString
	list  *cipherList
	rules int
}

func isSeparator(c byte) bool { return c == ':' || c == ' ' || c == ';' || c == ',' }

func isCipherWord(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == '='
}

// read parses a string as ssl_cipher_process_rulestr does. A rule ends with its
// words, so an operator may follow without a separator.
func (r *ruleReader) read(text string) error {
	at := 0
	skip := func() { // to the next separator
		for at < len(text) && !isSeparator(text[at]) {
			at++
		}
	}
	word := func() string {
		start := at
		for at < len(text) && isCipherWord(text[at]) {
			at++
		}
		return text[start:at]
	}
	for at < len(text) {
		c := text[at]
		if isSeparator(c) {
			at++
			continue
		}
		if r.rules++; r.rules > maxRules {
			return fmt.Errorf("the cipher string has more than %d rules", maxRules)
		}
		start := at
		op := add
		switch c {
		case '-':
			op = del
		case '+':
			op = last
		case '!':
			op = kill
		}
		if op != add || c == '@' {
			at++
		}
		if c == '@' {
			if err := r.special(word()); err != nil {
				return err
			}
			skip()
			continue
		}
		var p pattern
		for {
			w := word()
			if w == "" {
				return fmt.Errorf("the cipher string cannot be read at %q", text[start:min(len(text), start+40)])
			}
			more := at < len(text) && text[at] == '+'
			q, known := patternOf(w)
			if !known || !p.narrow(&q) {
				skip()
				if !known && len(r.out.unknown) < maxRules {
					r.out.unknown = append(r.out.unknown, text[start:at])
				}
				break
			}
			if !more {
				r.list.rule(op, p)
				break
			}
			at++
		}
	}
	return nil
}

// special applies a command that begins with @.
func (r *ruleReader) special(word string) error {
	level, ok := strings.CutPrefix(word, "SECLEVEL=")
	switch {
	case word == "STRENGTH":
		r.list.strengthen()
	case ok && len(level) == 1 && level[0] >= '0' && level[0] <= '5':
		r.out.level = int(level[0] - '0')
	case ok:
		return fmt.Errorf("@%s: want a level from 0 to 5", word)
	default:
		return fmt.Errorf("@%s: want @STRENGTH or @SECLEVEL=n", word)
	}
	return nil
}

// atLevel reports whether a security level from 0 to 5 allows a suite of TLS
// 1.2 or older, SSL_CTX_set_security_level(3).
func (c *cipherClass) atLevel(level int) bool {
	if level <= 0 {
		return true
	}
	bits := levelBits[min(level, 5)]
	return c.bits >= bits && c.auth != aNULL && c.mac != mMD5 && (bits <= 160 || c.mac != mSHA1) && (level < 2 || c.enc != eRC4) && (level < 3 || c.ephemeral())
}

// levelBits are the security bits that each level requires.
var levelBits = [...]int{0, 80, 112, 128, 192, 256}
