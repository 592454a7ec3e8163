package policy

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// haproxyBind is what is in force for a bind line of HAProxy.
type haproxyBind struct {
	settings
	off []iana.Version // no-tlsv10 and such
}

// readHAProxy returns a policy for each bind line with ssl; where there is
// none, one for what global sets.
func readHAProxy(text, name string) ([]*Policy, error) {
	var global haproxyBind
	var list []*Policy
	type bind struct {
		haproxyBind
		line    int
		section string
		address string
	}
	var binds []bind
	section, said := "", false
	number := 0
	for raw := range strings.Lines(text) {
		number++
		words, err := haproxyWords(strings.TrimRight(raw, "\r\n"))
		if err != nil {
			return nil, fmt.Errorf("haproxy: %s:%d: %w", name, number, err)
		}
		if len(words) == 0 {
			continue
		}
		fail := func(err error) error { return fmt.Errorf("haproxy: %s:%d: %w", name, number, err) }
		switch words[0] {
		case "global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "userlist", "cache", "program", "ring":
			section = strings.Join(words[:min(2, len(words))], " ")
		case "ssl-default-bind-ciphers", "ssl-default-bind-ciphersuites", "ssl-default-bind-curves", "ssl-default-bind-sigalgs":
			said = true
			if len(words) < 2 {
				return nil, fail(fmt.Errorf("%s needs a value", words[0]))
			}
			if _, err := global.option(words[0][len("ssl-default-bind-"):], words[1]); err != nil {
				return nil, fail(err)
			}
		case "ssl-default-bind-options":
			said = true
			if err := global.options(words[1:]); err != nil {
				return nil, fail(err)
			}
		case "ssl-dh-param-file", "tune.ssl.default-dh-param":
			global.dh = secrecy.True
			if words[0][0] == 't' && len(words) > 1 {
				fmt.Sscanf(words[1], "%d", &global.dhBits)
				if global.dhBits < 0 || global.dhBits > 1<<16 {
					return nil, fail(fmt.Errorf("%s: %s", words[0], words[1]))
				}
			}
		case "bind":
			if len(words) < 2 || !slices.Contains(words[2:], "ssl") {
				continue
			}
			if len(binds) >= maxServers {
				return nil, fail(fmt.Errorf("more than %d bind lines", maxServers))
			}
			b := bind{line: number, section: section, address: words[1]}
			if err := b.options(words[2:]); err != nil {
				return nil, fail(err)
			}
			binds = append(binds, b)
		}
	}
	for _, b := range binds {
		own := b.haproxyBind
		own.inherit(&global)
		p, err := own.policy(name, fmt.Sprintf("HAProxy, %s line %d: %s bind %s", filepath.Base(name), b.line, b.section, b.address))
		if err != nil {
			return nil, fmt.Errorf("haproxy: %s:%d: %w", name, b.line, err)
		}
		list = append(list, p)
	}
	if len(list) == 0 {
		if !said {
			return nil, errors.New("haproxy: no bind line with ssl, and no ssl-default-bind directive")
		}
		p, err := global.policy(name, "HAProxy, "+filepath.Base(name)+": global")
		if err != nil {
			return nil, fmt.Errorf("haproxy: %s: %w", name, err)
		}
		list = append(list, p)
	}
	return unique(list), nil
}

// options takes words of a bind line or of ssl-default-bind-options; those
// that have no part in what is chosen are passed over.
func (b *haproxyBind) options(words []string) error {
	for i := 0; i < len(words); i++ {
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		took, err := b.option(words[i], value)
		if err != nil {
			return err
		}
		if took {
			i++
		}
	}
	return nil
}

// option takes one, and reports whether it took the value.
func (b *haproxyBind) option(key, value string) (took bool, err error) {
	switch key {
	case "ciphers":
		b.ciphers = value
	case "ciphersuites":
		b.suites13 = value
	case "curves":
		b.curves = value
	case "ecdhe":
		if b.curves == "" {
			b.curves = value
		}
	case "sigalgs":
		b.sigalgs = value
	case "ssl-min-ver", "ssl-max-ver":
		v, ok := protocolVersion(value)
		if !ok {
			return false, fmt.Errorf("%s %q is not known", key, value)
		}
		if key == "ssl-min-ver" {
			b.min = v
		} else {
			b.max = v
		}
	case "prefer-client-ciphers":
		b.prefer = secrecy.False
		return false, nil
	default:
		if v, ok := protocolVersion(strings.TrimPrefix(key, "force-")); ok && strings.HasPrefix(key, "force-") {
			b.min, b.max = v, v
		} else if v, ok := protocolVersion(strings.TrimPrefix(key, "no-")); ok && strings.HasPrefix(key, "no-") {
			b.off = append(b.off, v)
		}
		return false, nil
	}
	return true, nil
}

// inherit takes over what the line does not set.
func (b *haproxyBind) inherit(g *haproxyBind) {
	for _, c := range []struct{ own, base *string }{{&b.ciphers, &g.ciphers}, {&b.suites13, &g.suites13}, {&b.curves, &g.curves}, {&b.sigalgs, &g.sigalgs}} {
		if *c.own == "" {
			*c.own = *c.base
		}
	}
	if b.min == 0 {
		b.min = g.min
	}
	if b.max == 0 {
		b.max = g.max
	}
	b.off = append(slices.Clone(b.off), g.off...)
	if b.prefer == secrecy.Untold {
		b.prefer = g.prefer
	}
	if b.dh == secrecy.Untold {
		b.dh = g.dh
	}
	b.dhBits = g.dhBits
}

func (b *haproxyBind) policy(name, title string) (*Policy, error) {
	s := b.settings
	if s.min == 0 {
		s.min = iana.TLS12 // since 2.2
		if b.off != nil {
			s.min = iana.TLS10
		}
	}
	for v := iana.SSL30; v <= iana.TLS13; v++ {
		if !slices.Contains(b.off, v) {
			s.versions = append(s.versions, v)
		}
	}
	if s.prefer == secrecy.Untold {
		s.prefer = secrecy.True
	}
	s.chacha = s.prefer == secrecy.True // it sets PrioritizeChaCha with its own order
	if s.dh == secrecy.Untold {
		s.dh = secrecy.False // since 2.6
	}
	p, err := s.policy(filepath.Base(name), title)
	if err != nil {
		return nil, err
	}
	p.Source = name
	return p, nil
}

// haproxyWords splits a line: \ escapes, quotes hold words together, # begins
// a comment.
func haproxyWords(line string) ([]string, error) {
	var out []string
	var word strings.Builder
	var quote byte
	in := false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			in = true
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, in = c, true
		case c == '#':
			i = len(line)
		case c == ' ' || c == '\t':
			if in && len(out) < maxWords {
				out = append(out, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quoted word is not ended")
	}
	if in {
		out = append(out, word.String())
	}
	return out, nil
}
