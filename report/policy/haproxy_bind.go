package policy

import (
	"fmt"
	"slices"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// options reads the words of a bind line or of ssl-default-bind-options. It
// ignores those that do not affect an answer.
func (b *haproxyBind) options(words []string) error {
	for i := 0; i < len(words); i++ {
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		if strings.Contains(words[i], "${") {
			return fmt.Errorf("%.60s: the configuration does not set this variable", words[i])
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

// option reads one option, and reports whether it used the value.
func (b *haproxyBind) option(key, value string) (took bool, err error) {
	if strings.Contains(value, "${") {
		switch key {
		case "ciphers", "ciphersuites", "curves", "ecdhe", "sigalgs", "ssl-min-ver", "ssl-max-ver":
			return true, fmt.Errorf("%s %.60s: the configuration does not set this variable", key, value)
		}
	}
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
			return false, fmt.Errorf("%s: unknown value %q", key, value)
		}
		if key == "ssl-min-ver" {
			b.min = v
		} else {
			b.max = v
		}
	case "prefer-client-ciphers":
		b.prefer = secrecy.False
		return false, nil
	case "crt", "ca-file", "crt-list", "crl-file", "ca-verify-file", "alpn", "npn", "verify", "name", "id", "mode", "user", "group", "maxconn", "process", "thread":
		return true, nil // their value may look like an option
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

// inherit copies the settings that the line does not set.
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
	if b.prefer == secrecy.Undetermined {
		b.prefer = g.prefer
	}
	if b.dh == secrecy.Undetermined {
		b.dh = g.dh
	}
	b.dhBits = g.dhBits
	b.notes = append(slices.Clone(g.notes), b.notes...)
}

// protocols sets the enabled versions. HAProxy ignores no-tls… if a minimum or
// maximum is set. The default minimum is TLS 1.2 since 2.2, but at most the
// maximum.
func (b *haproxyBind) protocols(r Release) {
	if b.min != 0 || b.max != 0 {
		if b.off != nil {
			b.notes = append(slices.Clone(b.notes), "no-sslv3 and no-tls… are ignored, because a minimum or maximum version is set.")
		}
		b.off = nil
	}
	if b.min == 0 {
		b.min = iana.TLS12
		if r.Known() && r.Before(2, 2, 0) {
			b.min = iana.TLS10
		}
		if b.max != 0 && b.max < b.min {
			b.min = b.max
		}
	}
	b.versions = []iana.Version{}
	for v := iana.SSL30; v <= iana.TLS13; v++ {
		if !slices.Contains(b.off, v) {
			b.versions = append(b.versions, v)
		}
	}
}

func (h *haproxy) policy(b *haproxyBind, name, title string) (*Policy, error) {
	c := *b
	c.protocols(h.soft.HAProxy)
	s := c.settings
	if s.prefer == secrecy.Undetermined {
		s.prefer = secrecy.True
	}
	s.chacha = s.prefer == secrecy.True // it sets PrioritizeChaCha with the server's order
	if s.dh == secrecy.Undetermined {
		s.dh = secrecy.TriOf(h.soft.HAProxy.Known() && h.soft.HAProxy.Before(2, 6, 0)) // built-in parameters before 2.6
	}
	p, err := s.policy(name, title, h.soft)
	if err != nil {
		return nil, err
	}
	p.Source = h.name
	return p, nil
}
