package policy

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// haproxy reads an HAProxy configuration: sections with one directive on each
// line.
type haproxy struct {
	in     *includes
	soft   Software
	name   string
	global haproxyBind
	hasTLS bool // the global section has a TLS directive
	env    map[string]string
	binds  []*haproxyLine
}

// haproxyBind is the settings of a bind line.
type haproxyBind struct {
	settings
	off []iana.Version // no-tlsv10 and similar options
}

// A haproxyLine is a bind line with ssl.
type haproxyLine struct {
	haproxyBind
	line    int
	section string
	address string
	listens []Listen
	lists   []string // crt-list files
	err     error
}

// readHAProxy returns a policy for each bind line with ssl, and for each line
// of its crt-lists with different settings. Without any, it returns one for the
// global section.
func readHAProxy(text, name string, in *includes, soft Software) ([]*Policy, error) {
	h := &haproxy{in: in, soft: soft, name: name, env: map[string]string{}}
	section, number, skipped := "", 0, 0
	for raw := range strings.Lines(text) {
		number++
		fail := func(err error) error { return fmt.Errorf("haproxy: %s:%d: %w", name, number, err) }
		words, err := h.words(strings.TrimRight(raw, "\r\n"))
		if err != nil {
			return nil, fail(err)
		}
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case ".if", ".elif", ".else", ".endif":
			skipped++
			continue // conditional directives apply unconditionally
		case "global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "userlist", "cache", "program", "ring":
			section = strings.Join(words[:min(2, len(words))], " ")
			continue
		}
		if err := h.directive(words, section, number); err != nil {
			return nil, fail(err)
		}
	}
	if skipped > 0 {
		h.global.notes = append(h.global.notes, "Conditional lines (.if, .endif) are applied unconditionally.")
	}
	list, errs := h.policies()
	if len(list) == 0 {
		if !h.hasTLS {
			return nil, errors.New("haproxy: no bind line with ssl and no ssl-default-bind directive")
		}
		p, err := h.policy(&h.global, filepath.Base(name), "HAProxy, "+filepath.Base(name)+": global")
		if err != nil {
			return nil, fmt.Errorf("haproxy: %s: %w", name, err)
		}
		list = append(list, p)
	}
	return unique(list), checkRead(list, errs)
}

// directive reads a directive of a section.
func (h *haproxy) directive(words []string, section string, number int) error {
	key := words[0]
	switch {
	case key == "setenv" || key == "presetenv":
		if len(words) == 3 && len(h.env) < maxWords {
			if _, there := h.env[words[1]]; key == "setenv" || !there {
				h.env[words[1]] = words[2]
			}
		}
	case strings.HasPrefix(key, "ssl-default-bind-") && key != "ssl-default-bind-options":
		switch key[len("ssl-default-bind-"):] {
		case "ciphers", "ciphersuites", "curves", "sigalgs":
		default:
			return nil
		}
		h.hasTLS = true
		if len(words) < 2 {
			return fmt.Errorf("%s needs a value", key)
		}
		_, err := h.global.option(key[len("ssl-default-bind-"):], words[1])
		return err
	case key == "ssl-default-bind-options":
		h.hasTLS = true
		return h.global.options(words[1:])
	case key == "ssl-dh-param-file":
		h.global.dh = secrecy.True
		if h.in != nil && len(words) > 1 {
			h.global.dhBits = dhParamBits(h.in.dir, words[1])
		}
	case key == "tune.ssl.default-dh-param" && len(words) > 1:
		n, err := strconv.Atoi(words[1])
		if err != nil || n < 0 || n > 1<<16 {
			return fmt.Errorf("%s: %.40s", key, words[1])
		}
		h.global.dh, h.global.dhBits = secrecy.True, n
	case key == "bind" && len(words) > 1 && slices.Contains(words[2:], "ssl"):
		if len(h.binds) >= maxServers {
			return fmt.Errorf("more than %d bind lines", maxServers)
		}
		b := &haproxyLine{line: number, section: section, address: words[1]}
		for i, w := range words[2:] {
			if w == "crt-list" && i+3 < len(words) {
				b.lists = append(b.lists, words[i+3])
			}
		}
		b.err = b.options(words[2:])
		for _, a := range strings.Split(words[1], ",") {
			family := 0
			if kind, rest, ok := strings.Cut(a, "@"); ok {
				a = rest
				switch kind {
				case "ipv4", "udp4", "quic4":
					family = 4
				case "ipv6", "udp6", "quic6":
					family = 6
				}
			}
			lo, hi, ranged := strings.Cut(a, "-") // a range of ports
			l, ok := parseListen(lo, 0)
			if !ok {
				continue
			}
			if !l.Addr.IsValid() && family != 0 {
				l.Family = family
			} else if !l.Addr.IsValid() && l.Family == 6 && slices.Contains(words[2:], "v4v6") {
				l.Family = 0
			}
			last := l.Port
			if n, err := strconv.ParseUint(hi, 10, 16); ranged && err == nil {
				last = uint16(n)
			}
			for p := int(l.Port); p <= int(last) && len(b.listens) < 1<<12; p++ {
				l.Port = uint16(p)
				b.listens = append(b.listens, l)
			}
		}
		h.binds = append(h.binds, b)
	}
	return nil
}

// policies returns the policies of the bind lines and their crt-lists.
func (h *haproxy) policies() (list []*Policy, errs []error) {
	binds := map[*Policy]*haproxyBind{}
	r := &rules{}
	r.underDefault = func(host, def *Policy) *Policy {
		own, base := binds[host], binds[def]
		if own == nil || base == nil {
			return host
		}
		// OpenSSL uses the groups of the bind line's first context.
		b := *own
		b.curves = base.curves
		p, err := h.policy(&b, host.Name, host.Title)
		if err != nil {
			return host
		}
		p.Source, p.Host = host.Source, host.Host
		return p
	}
	add := func(b *haproxyBind, err error, host *Host, line int, title string) {
		name := filepath.Base(h.name)
		if len(host.Names) > 0 {
			name += "-" + host.Names[0]
		}
		p := (*Policy)(nil)
		if err == nil {
			p, err = h.policy(b, name, title)
		}
		if err != nil {
			err = fmt.Errorf("haproxy: %s:%d: %w", h.name, line, err)
			errs = append(errs, err)
			p = unreadable(name, title, h.name, err)
		}
		p.Source, p.Host = h.name, host
		binds[p] = b
		list = append(list, p)
	}
	for _, b := range h.binds {
		own := b.haproxyBind
		own.inherit(&h.global)
		title := fmt.Sprintf("HAProxy, %s line %d: %s bind %s", filepath.Base(h.name), b.line, b.section, b.address)
		first := make([]Listen, len(b.listens))
		for i, l := range b.listens {
			l.Default = true
			first[i] = l
		}
		var entries []crtEntry
		for _, path := range b.lists {
			more, err := h.crtList(path)
			if err != nil {
				own.notes = append(own.notes, fmt.Sprintf("The crt-list %s was not read: %v.", path, err))
			}
			entries = append(entries, more...)
		}
		add(&own, b.err, &Host{Config: h.name, Listens: first, rules: r}, b.line, title)
		for _, e := range entries {
			if len(list) >= maxServers {
				return list, append(errs, fmt.Errorf("haproxy: more than %d servers", maxServers))
			}
			c := e.haproxyBind
			c.inherit(&own)
			add(&c, cmp.Or(b.err, e.err), &Host{Config: h.name, Names: e.names, Listens: b.listens, rules: r}, e.line,
				fmt.Sprintf("HAProxy, %s line %d: %s on %s", filepath.Base(e.file), e.line, strings.Join(e.names, " "), b.address))
		}
	}
	return list, errs
}

// A crtEntry is a line of a crt-list with its own options.
type crtEntry struct {
	haproxyBind
	names []string
	file  string
	line  int
	err   error
}

// crtList reads a crt-list: certificates, options in brackets, and server
// names. It leaves out lines without options or names, which use the settings
// of the bind line.
func (h *haproxy) crtList(path string) ([]crtEntry, error) {
	if h.in == nil {
		return nil, errors.New("files are not opened")
	}
	texts, names, err := h.in.open(path)
	if err != nil {
		return nil, err
	}
	if len(texts) == 0 {
		return nil, errors.New("no such file")
	}
	var out []crtEntry
	number := 0
	for line := range strings.Lines(texts[0]) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || len(out) >= maxServers {
			continue
		}
		options := ""
		if i, j := strings.IndexByte(line, '['), strings.IndexByte(line, ']'); i >= 0 && j > i {
			options = line[i+1 : j]
			line = line[:i] + " " + line[j+1:]
		}
		f := strings.Fields(line)
		e := crtEntry{file: names[0], line: number}
		for _, n := range f[min(1, len(f)):] {
			if !strings.HasPrefix(n, "!") { // a negated name
				e.names = append(e.names, n)
			}
		}
		if options == "" || len(e.names) == 0 {
			continue
		}
		e.err = e.options(strings.Fields(options))
		out = append(out, e)
	}
	return out, nil
}

// words splits a line. It handles backslash escapes, quotes, # comments, and
// variables in double quotes.
func (h *haproxy) words(line string) ([]string, error) {
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
		case c == '$' && quote == '"':
			value, n := h.variable(line[i:])
			if n == 0 {
				word.WriteByte(c)
				continue
			}
			if word.Len()+len(value) > maxCipherString {
				return nil, errors.New("a word is too long")
			}
			word.WriteString(value)
			i += n - 1
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
		return nil, errors.New("unterminated quote")
	}
	if in {
		out = append(out, word.String())
	}
	return out, nil
}

// variable returns the value of the variable at the start of text ($NAME,
// ${NAME} or ${NAME-default}), and its length in text, which is 0 if the
// configuration does not set it. It does not use the environment of this
// process, which differs from the server's.
func (h *haproxy) variable(text string) (value string, n int) {
	name := ""
	if strings.HasPrefix(text, "${") {
		end := strings.IndexByte(text, '}')
		if end < 0 {
			return "", 0
		}
		name, n = text[2:end], end+1
	} else {
		for n = 1; n < len(text) && (isCipherWord(text[n]) && text[n] != '-' && text[n] != '.' && text[n] != '='); n++ {
		}
		name = text[1:n]
	}
	name, fallback, hasFallback := strings.Cut(name, "-")
	if name == "" {
		return "", 0
	}
	if v, ok := h.env[name]; ok {
		return v, n
	}
	if hasFallback {
		return fallback, n
	}
	return "", 0
}
