package schema

import (
	"strconv"
	"strings"
	"sync"

	"pfsight/parse/iana"
)

// A Code is a code point of a TLS registry, or a cipher kind of SSL 2.0 with the
// bit SSLv2 set.
type Code uint32

// SSLv2 marks a Code that is a cipher kind of SSL 2.0, three bytes.
const SSLv2 Code = 1 << 31

// AppendHex appends the number of c: 0x and four hex digits, or six of an SSL
// 2.0 cipher kind.
func (c Code) AppendHex(b []byte) []byte {
	shift := 12
	if c&SSLv2 != 0 {
		shift = 20
	}
	b = append(b, '0', 'x')
	for ; shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[c>>shift&15])
	}
	return b
}

// Points is a registry of code points.
type Points struct {
	What string // what a code point of it is: "cipher suite"
	// Closed says that a saved record with a name that is not known is refused.
	// Otherwise only the name is left out, with a note.
	Closed bool

	name   func(c Code) string // the name, or the number of a code point without one
	grease bool                // the registry has GREASE values, RFC 8701, of equal names
	lookup func(name string) (Code, bool)
	names  func() map[string]Code // by exact name; of equal names the lowest code point
}

// Name returns the name of c, or its number where it has none.
func (p *Points) Name(c Code) string { return p.name(c) }

// AppendElement appends c as an element of a list: its name, or its number where
// it has none or shares it with the other GREASE values.
func (p *Points) AppendElement(b []byte, c Code) []byte {
	if p.grease && c&0x0f0f == 0x0a0a && c>>8 == c&0xff {
		return c.AppendHex(b)
	}
	return append(b, p.name(c)...)
}

// Hex finds the code point that a record has by its number.
func (p *Points) Hex(text []byte) (Code, bool) {
	c, ok := parseHex(text)
	return c, ok && (c&SSLv2 == 0 || p == Suites)
}

// Named finds the code point that a record has by its name, as Name writes it.
func (p *Points) Named(text []byte) (Code, bool) {
	c, ok := p.names()[string(text)]
	return c, ok
}

// Lookup finds the code point that a person names: by its number in hex or by
// its name, without regard to case and with the usual abbreviations.
func (p *Points) Lookup(text string) (Code, bool) {
	if c, ok := p.Hex([]byte(text)); ok {
		return c, true
	}
	if len(text) >= 3 && text[0] == '0' && text[1]|0x20 == 'x' {
		if n, err := strconv.ParseUint(text[2:], 16, 16); err == nil {
			return Code(n), true
		}
	}
	return p.lookup(text)
}

// parseHex reads what AppendHex writes, in any case.
func parseHex(text []byte) (c Code, ok bool) {
	switch {
	case len(text) == 6:
	case len(text) == 8:
		c = SSLv2 >> 24 // shifted to its place by the six digits
	default:
		return 0, false
	}
	if text[0] != '0' || text[1] != 'x' {
		return 0, false
	}
	for _, d := range text[2:] {
		switch {
		case d >= '0' && d <= '9':
			d -= '0'
		case d >= 'a' && d <= 'f':
			d -= 'a' - 10
		case d >= 'A' && d <= 'F':
			d -= 'A' - 10
		default:
			return 0, false
		}
		c = c<<4 | Code(d)
	}
	return c, true
}

// The registries.
var (
	Versions = &Points{
		What: "version", grease: true, lookup: lookupVersion,
		name: func(c Code) string { return iana.Version(c).String() },
		names: sync.OnceValue(func() map[string]Code {
			m := map[string]Code{}
			for _, page := range []Code{0x0000, 0x0100, 0x0300, 0x7e00, 0x7f00, 0xfb00, 0xfe00} {
				for c := page; c < page+256; c++ {
					if iana.Version(c).Known() {
						addName(m, iana.Version(c).String(), c)
					}
				}
			}
			m[iana.DTLS10.String()] = Code(iana.DTLS10) // not the number of old OpenSSL
			return m
		}),
	}
	Suites = &Points{
		What: "cipher suite", grease: true, lookup: lookupSuite,
		name: func(c Code) string {
			if c&SSLv2 != 0 {
				return iana.SSLv2Kind(c &^ SSLv2).String()
			}
			return iana.CipherSuite(c).String()
		},
		names: sync.OnceValue(func() map[string]Code {
			m := map[string]Code{}
			for _, s := range iana.Suites() {
				addName(m, s.Name, Code(s.ID))
			}
			for k := range iana.SSLv2Kinds() {
				m[k.String()] = SSLv2 | Code(k)
			}
			return m
		}),
	}
	Groups = &Points{
		What: "group", grease: true,
		name:   func(c Code) string { return iana.Group(c).String() },
		lookup: func(name string) (Code, bool) { g, ok := iana.LookupGroup(name); return Code(g), ok },
		names: sync.OnceValue(func() map[string]Code {
			m := map[string]Code{}
			for _, g := range iana.Groups() {
				addName(m, g.Name, Code(g.ID))
			}
			return m
		}),
	}
	Schemes = &Points{
		What: "signature scheme", grease: true,
		name:   func(c Code) string { return iana.SignatureScheme(c).String() },
		lookup: func(name string) (Code, bool) { s, ok := iana.LookupSignatureScheme(name); return Code(s), ok },
		names: sync.OnceValue(func() map[string]Code {
			m := map[string]Code{}
			for s := range iana.SignatureSchemes() {
				addName(m, s.String(), Code(s))
			}
			return m
		}),
	}
	// PSKModes is the registry of PskKeyExchangeMode, RFC 8446 section 4.2.9,
	// one byte. A mode without a name is its decimal number.
	PSKModes = &Points{
		What: "PSK mode", Closed: true, lookup: lookupPSKMode,
		name: func(c Code) string {
			if int(c) < len(pskModeNames) {
				return pskModeNames[c]
			}
			return strconv.Itoa(int(c))
		},
		names: pskModes,
	}
)

var pskModeNames = [...]string{"psk_ke", "psk_dhe_ke"}

// addName adds a name unless a lower code point has it.
func addName(m map[string]Code, name string, c Code) {
	if old, ok := m[name]; !ok || c < old {
		m[name] = c
	}
}

func lookupSuite(name string) (Code, bool) {
	if s, ok := iana.LookupSuite(name); ok {
		return Code(s), true
	}
	for k, s := range iana.SSLv2Kinds() {
		if strings.EqualFold(s.Name, name) {
			return SSLv2 | Code(k), true
		}
	}
	return 0, false
}

func lookupVersion(name string) (Code, bool) {
	for _, v := range []iana.Version{iana.SSL20, iana.SSL30, iana.TLS10, iana.TLS11, iana.TLS12, iana.TLS13, iana.DTLS10, iana.DTLS12, iana.DTLS13, iana.TLCP11} {
		known := v.String()
		if strings.EqualFold(known, name) || strings.EqualFold(strings.ReplaceAll(known, " ", ""), name) {
			return Code(v), true
		}
	}
	for v := iana.Version(0x7f00); v < 0x7f80; v++ { // drafts of TLS 1.3
		if strings.EqualFold(v.String(), name) {
			return Code(v), true
		}
	}
	return 0, false
}

var pskModes = sync.OnceValue(func() map[string]Code {
	m := map[string]Code{}
	for c := range Code(256) {
		m[strconv.Itoa(int(c))] = c
	}
	for c, name := range pskModeNames {
		m[name] = Code(c)
	}
	return m
})

func lookupPSKMode(name string) (Code, bool) {
	c, ok := pskModes()[strings.ToLower(name)]
	return c, ok
}
