package policy

import (
	"fmt"
	"slices"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// directive reads a directive of mod_ssl.
func (h *vhost) directive(key string, args []string, a *apache) error {
	switch {
	case len(args) == 0:
		return nil
	case key == "servername":
		name := args[0]
		if _, rest, ok := strings.Cut(name, "://"); ok {
			name = rest
		}
		if i := strings.LastIndexByte(name, ':'); i > 0 && !strings.HasSuffix(name, "]") {
			name = name[:i]
		}
		h.name = name
	case key == "serveralias":
		if len(h.aliases) < maxNames {
			h.aliases = append(h.aliases, args...)
		}
	}
	if !strings.HasPrefix(key, "ssl") {
		return nil
	}
	switch key {
	case "sslengine":
		h.engine = secrecy.TriOf(strings.EqualFold(args[0], "on") || strings.EqualFold(args[0], "optional"))
		return nil
	case "sslprotocol":
		return h.protocols(args)
	case "sslciphersuite":
		h.hasTLS = true
		switch {
		case len(args) == 2 && strings.EqualFold(args[0], "TLSv1.3"):
			h.suites13 = args[1]
		case len(args) == 2 && !strings.EqualFold(args[0], "SSL"):
			return fmt.Errorf("SSLCipherSuite: %q is not a protocol version", args[0])
		default:
			h.ciphers = args[len(args)-1]
		}
	case "sslhonorcipherorder":
		h.hasTLS = true
		h.prefer = secrecy.TriOf(strings.EqualFold(args[0], "on"))
	case "sslopensslconfcmd":
		h.hasTLS = true
		if len(args) == 2 {
			if strings.EqualFold(args[0], "DHParameters") && a.in != nil {
				h.dhBits = dhParamBits(a.in.dir, strings.Trim(args[1], `"`))
			}
			var probe settings
			if err := probe.conf(args[0], args[1]); err != nil {
				return err
			}
			if len(h.commands) < maxWords {
				h.commands = append(h.commands, [2]string{args[0], args[1]})
			}
		}
	}
	return nil
}

// protocols reads SSLProtocol. Words with a sign add or remove versions; a word
// without a sign replaces all.
func (h *vhost) protocols(args []string) error {
	h.hasTLS = true
	var on []iana.Version
	for _, a := range args {
		op, word := byte(0), a
		if a[0] == '+' || a[0] == '-' {
			op, word = a[0], a[1:]
		}
		var set []iana.Version
		switch v, ok := protocolVersion(word); {
		case strings.EqualFold(word, "all"):
			set = []iana.Version{iana.TLS10, iana.TLS11, iana.TLS12, iana.TLS13}
		case strings.EqualFold(word, "SSLv2"):
		case ok:
			set = []iana.Version{v}
		default:
			return fmt.Errorf("SSLProtocol: unknown version %q", a)
		}
		switch op {
		case '-':
			on = slices.DeleteFunc(on, func(v iana.Version) bool { return slices.Contains(set, v) })
		case 0:
			on = slices.Clone(set)
		default:
			on = append(on, set...)
		}
	}
	h.versions = on
	if on == nil {
		h.versions = []iana.Version{}
	}
	return nil
}

// effective returns the settings of h, merged with those of base. The commands
// of SSLOpenSSLConfCmd are applied after the other directives, those of base
// first.
func (h *vhost) effective(base *vhost) settings {
	s := h.settings
	if s.versions == nil {
		s.versions = base.versions
	}
	for _, c := range []struct{ own, base *string }{{&s.ciphers, &base.ciphers}, {&s.suites13, &base.suites13}} {
		if *c.own == "" {
			*c.own = *c.base
		}
	}
	if s.prefer == secrecy.Undetermined {
		s.prefer = base.prefer
	}
	if s.dhBits == 0 {
		s.dhBits = base.dhBits
	}
	s.notes = append(slices.Clone(base.notes), s.notes...)
	if s.versions == nil {
		s.versions = []iana.Version{iana.TLS10, iana.TLS11, iana.TLS12, iana.TLS13}
	}
	if s.prefer == secrecy.Undetermined {
		s.prefer = secrecy.False
	}
	s.dh = secrecy.True // mod_ssl has built-in parameters
	for _, c := range append(slices.Clone(base.commands), h.commands...) {
		s.conf(c[0], c[1]) // checked when it was read
	}
	return s
}

func (a *apache) policy(s settings, name, title string) (*Policy, error) {
	// mod_ssl appends this to disable anonymous, NULL and export suites.
	if s.ciphers != "" {
		s.ciphers += ":!aNULL:!eNULL:!EXP"
	}
	return s.policy(name, title, a.soft)
}
