package policy

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// apache reads a configuration of Apache: one directive a line, sections in
// angle brackets. Sections that depend on something, such as IfModule, are
// taken as they stand.
type apache struct {
	in    *includes
	base  vhost
	hosts []*vhost
	open  *vhost // the VirtualHost that is being read
}

// A vhost is a VirtualHost, or what stands outside of all.
type vhost struct {
	settings
	file    string
	line    int
	address string
	name    string
	engine  secrecy.Tri
	said    bool // a directive of TLS was there
}

// readApache returns a policy for each VirtualHost with TLS; where there is
// none, one for what stands outside of them.
func readApache(text, name string, in *includes) ([]*Policy, error) {
	a := &apache{in: in, base: vhost{file: name}}
	if err := a.read(text, name, 0); err != nil {
		return nil, err
	}
	if a.open != nil {
		return nil, fmt.Errorf("apache: %s:%d: VirtualHost is not closed", a.open.file, a.open.line)
	}
	var list []*Policy
	for _, h := range a.hosts {
		if h.engine == secrecy.False || h.engine == secrecy.Untold && a.base.engine != secrecy.True && !h.said {
			continue
		}
		p, err := h.policy(&a.base)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	if len(list) == 0 {
		if !a.base.said {
			return nil, errors.New("apache: no VirtualHost with TLS, and no directive of mod_ssl")
		}
		p, err := a.base.policy(&vhost{})
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return unique(list), nil
}

func (a *apache) read(text, file string, depth int) error {
	number, start := 0, 0
	var whole string
	for raw := range strings.Lines(text) {
		number++
		line := strings.TrimRight(raw, "\r\n")
		if whole == "" {
			start = number
		}
		if cut, more := strings.CutSuffix(line, `\`); more && len(whole) < maxCipherString {
			whole += cut
			continue
		}
		line, whole = whole+line, ""
		if err := a.line(line, file, start, depth); err != nil {
			return fmt.Errorf("apache: %s:%d: %w", file, start, err)
		}
	}
	return nil
}

func (a *apache) line(line, file string, number, depth int) error {
	words, err := apacheWords(line)
	if err != nil || len(words) == 0 {
		return err
	}
	key := strings.ToLower(words[0])
	switch {
	case strings.HasPrefix(key, "</virtualhost"):
		if a.open == nil {
			return errors.New("VirtualHost is closed twice")
		}
		a.hosts, a.open = append(a.hosts, a.open), nil
		return nil
	case key == "<virtualhost":
		if a.open != nil {
			return errors.New("VirtualHost inside of another")
		}
		if len(a.hosts) >= maxServers {
			return fmt.Errorf("more than %d VirtualHosts", maxServers)
		}
		a.open = &vhost{file: file, line: number, address: strings.TrimSuffix(strings.Join(words[1:], " "), ">")}
		return nil
	case strings.HasPrefix(key, "<"):
		return nil
	case key == "include" || key == "includeoptional":
		return a.include(words[1:], depth)
	}
	h := &a.base
	if a.open != nil {
		h = a.open
	}
	return h.directive(key, words[1:], a.in)
}

func (a *apache) include(args []string, depth int) error {
	if a.in == nil {
		a.base.notes = append(a.base.notes, "An include was not followed.")
		return nil
	}
	if depth >= maxIncludeDepth {
		return fmt.Errorf("include: deeper than %d", maxIncludeDepth)
	}
	for _, pattern := range args {
		texts, names, err := a.in.open(pattern)
		if err != nil {
			return err
		}
		for i, text := range texts {
			if err := a.read(text, names[i], depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// directive takes one of mod_ssl's.
func (h *vhost) directive(key string, args []string, in *includes) error {
	if key == "servername" && len(args) > 0 {
		h.name = args[0]
	}
	if !strings.HasPrefix(key, "ssl") || len(args) == 0 {
		return nil
	}
	switch key {
	case "sslengine":
		h.engine = secrecy.TriOf(strings.EqualFold(args[0], "on"))
		return nil
	case "sslprotocol":
		return h.protocols(args)
	case "sslciphersuite":
		h.said = true
		if len(args) == 2 && strings.EqualFold(args[0], "TLSv1.3") {
			h.suites13 = args[1]
		} else {
			h.ciphers = args[len(args)-1]
		}
	case "sslhonorcipherorder":
		h.said = true
		h.prefer = secrecy.TriOf(strings.EqualFold(args[0], "on"))
	case "sslopensslconfcmd":
		h.said = true
		if len(args) == 2 {
			if strings.EqualFold(args[0], "DHParameters") && in != nil {
				h.dhBits = dhParamBits(in.dir, strings.Trim(args[1], `"`))
			}
			return h.conf(args[0], args[1])
		}
	}
	return nil
}

// protocols takes SSLProtocol: words add and take away, and one without a sign
// begins anew.
func (h *vhost) protocols(args []string) error {
	h.said = true
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
			return fmt.Errorf("SSLProtocol: %q is not known", a)
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

// policy makes the policy of h, which takes over what base says.
func (h *vhost) policy(base *vhost) (*Policy, error) {
	s := h.settings
	if s.versions == nil {
		s.versions = base.versions
	}
	for _, c := range []struct{ own, base *string }{{&s.ciphers, &base.ciphers}, {&s.suites13, &base.suites13}, {&s.curves, &base.curves}, {&s.sigalgs, &base.sigalgs}} {
		if *c.own == "" {
			*c.own = *c.base
		}
	}
	if s.prefer == secrecy.Untold {
		s.prefer = base.prefer
	}
	if s.dhBits == 0 {
		s.dhBits = base.dhBits
	}
	if s.min == 0 {
		s.min = base.min
	}
	if s.max == 0 {
		s.max = base.max
	}
	s.notes = append(slices.Clone(base.notes), s.notes...)
	if s.versions == nil {
		s.versions = []iana.Version{iana.TLS10, iana.TLS11, iana.TLS12, iana.TLS13}
	}
	if s.prefer == secrecy.Untold {
		s.prefer = secrecy.False
	}
	s.dh = secrecy.True // mod_ssl has parameters of its own
	name := filepath.Base(h.file)
	title := "Apache, " + name
	if h.address != "" {
		title = fmt.Sprintf("Apache, %s line %d: VirtualHost %s", name, h.line, h.address)
		if h.name != "" {
			title += " " + h.name
			name += "-" + h.name
		}
	}
	p, err := s.policy(name, title)
	if err != nil {
		return nil, fmt.Errorf("apache: %s:%d: %w", h.file, h.line, err)
	}
	p.Source = h.file
	return p, nil
}

// apacheWords splits a line; quoted words may hold spaces.
func apacheWords(line string) ([]string, error) {
	var out []string
	for line = strings.TrimLeft(line, " \t"); line != "" && len(out) < maxWords; line = strings.TrimLeft(line, " \t") {
		if len(out) == 0 && line[0] == '#' {
			return nil, nil
		}
		if q := line[0]; q == '"' || q == '\'' {
			end := strings.IndexByte(line[1:], q)
			if end < 0 {
				return nil, errors.New("a quoted word is not ended")
			}
			if w := line[1 : end+1]; w != "" {
				out = append(out, w)
			}
			line = line[end+2:]
			continue
		}
		end := strings.IndexAny(line, " \t")
		if end < 0 {
			end = len(line)
		}
		out = append(out, line[:end])
		line = line[end:]
	}
	return out, nil
}

// derPrimeBits returns the size of the prime in DHParameter, PKCS #3.
func derPrimeBits(der []byte) int {
	var dh struct {
		P, G *big.Int
		L    int `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(der, &dh); err != nil || dh.P == nil {
		return 0
	}
	return dh.P.BitLen()
}
