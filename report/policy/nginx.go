package policy

import (
	"cmp"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// nginx reads an nginx configuration: directives end with ; or hold a block in
// braces. Only TLS directives count. A server inherits from the blocks around
// it.
type nginx struct {
	in      *includes
	dump    nginxDump // the files of "nginx -T", nil for other input
	soft    Software
	servers []*block
}

// A block is the settings in force in a block.
type block struct {
	settings
	kind     string // the directive that opened it
	module   string // the enclosing http, stream or mail
	file     string
	line     int
	tls      bool
	names    []string
	listens  []nginxListen
	commands [][2]string // of ssl_conf_command, in force
	own      bool        // commands are set in this block, not inherited
	err      error       // of the first directive that cannot be read
	inner    []func() error
}

// An nginxListen is a listen directive.
type nginxListen struct {
	Listen
	tls bool
}

// readNginx returns a policy for each server block with TLS. Without any, it
// returns one for the settings outside of servers.
func readNginx(text, name string, in *includes, soft Software) ([]*Policy, error) {
	n := &nginx{in: in, soft: soft}
	root := &block{kind: "main", file: name}
	if dump, first, ok := readDump(text); ok {
		n.dump, text, root.file = dump, dump[first], first
	}
	toks := &nginxTokens{text: text, line: 1}
	if err := n.block(toks, root, root.file, 0, 0); err != nil {
		return nil, err
	}
	list, errs := n.policies(name)
	if len(list) == 0 {
		if root.err != nil {
			return nil, root.err
		}
		if root.ciphers == "" && root.versions == nil && root.curves == "" && root.commands == nil {
			return nil, errors.New("nginx: no server with TLS and no TLS directive")
		}
		p, err := n.policy(root.file, "nginx, "+filepath.Base(root.file), root.effective(), soft)
		if err != nil {
			return nil, fmt.Errorf("nginx: %s: %w", root.file, err)
		}
		p.Source = name
		list = append(list, p)
	}
	return unique(list), checkRead(list, errs)
}

// policies returns the policies of the servers with TLS.
func (n *nginx) policies(config string) (list []*Policy, errs []error) {
	// A listen with ssl enables TLS for all servers of the socket.
	tls := map[string]bool{}
	key := func(b *block, l nginxListen) string { return b.module + " " + l.socket().String() }
	for _, b := range n.servers {
		for _, l := range b.listens {
			if l.tls || b.tls {
				tls[key(b, l)] = true
			}
		}
	}
	blocks := map[*Policy]*block{}
	r := &rules{underDefault: func(host, def *Policy) *Policy { return n.underDefault(host, blocks[host], blocks[def]) }}
	for _, b := range n.servers {
		h := &Host{Config: config, Names: b.names, rules: r}
		for _, l := range b.listens {
			if tls[key(b, l)] {
				h.Listens = append(h.Listens, l.Listen)
			}
		}
		if len(h.Listens) == 0 && !b.tls {
			continue
		}
		if len(list) == maxServers {
			return list, append(errs, fmt.Errorf("nginx: more than %d servers", maxServers))
		}
		name, title := b.title(h)
		p, err := (*Policy)(nil), b.err
		if err == nil {
			p, err = n.policy(name, title, b.effective(), n.soft)
		}
		if err != nil {
			err = fmt.Errorf("nginx: %s:%d: %w", b.file, b.line, err)
			errs = append(errs, err)
			p = unreadable(name, title, b.file, err)
		}
		p.Source, p.Host = b.file, h
		blocks[p] = b
		list = append(list, p)
	}
	return list, errs
}

func (b *block) title(h *Host) (name, title string) {
	name = filepath.Base(b.file)
	who := strings.Join(b.names, " ")
	if who == "" {
		who = "server"
	}
	title = fmt.Sprintf("nginx, %s line %d: %s", name, b.line, who)
	var at []string
	for _, l := range h.Listens {
		at = append(at, l.String())
	}
	if len(at) > 0 {
		title += " on " + strings.Join(at, " ")
	}
	if len(b.names) > 0 {
		name += "-" + b.names[0]
	}
	return name, title
}

// nginxReleases represent the releases that differ. TLS 1.3 was off by default
// before 1.23.4, TLS 1.0 and 1.1 were on before 1.27.3, and ssl_protocols was
// taken from a socket's default server before 1.29.2.
var nginxReleases = []Release{{1, 29, 2}, {1, 27, 3}, {1, 23, 4}, {1, 22, 0}}

// releases returns the stated release, or the representatives of all releases.
func (n *nginx) releases() []Release {
	if n.soft.Nginx.Known() {
		return []Release{n.soft.Nginx}
	}
	return nginxReleases
}

// policy returns the policy of a server. If the release is not stated, other
// releases become its variants.
func (n *nginx) policy(name, title string, s settings, soft Software) (*Policy, error) {
	releases := n.releases()
	if s.versions != nil {
		releases = releases[:1] // then no releases differ for a single server
	}
	return n.variants(releases, func(r Release) (*Policy, error) {
		t := s
		if t.versions == nil {
			t.versions = nginxVersions(r)
			if !n.soft.Nginx.Known() {
				t.notes = append(slices.Clone(t.notes), "ssl_protocols is not set: before 1.23.4 TLS 1.3 was off, before 1.27.3 TLS 1.0 and 1.1 were on.")
			}
		}
		if t.ciphers == "" {
			t.ciphers = "HIGH:!aNULL:!MD5"
		}
		if t.prefer == secrecy.Undetermined {
			t.prefer = secrecy.False
		}
		if t.dh == secrecy.Undetermined {
			t.dh = secrecy.False
		}
		return t.policy(name, title, soft)
	})
}

func nginxVersions(r Release) []iana.Version {
	switch {
	case r.Before(1, 23, 4):
		return []iana.Version{iana.TLS10, iana.TLS11, iana.TLS12}
	case r.Before(1, 27, 3):
		return []iana.Version{iana.TLS10, iana.TLS11, iana.TLS12, iana.TLS13}
	}
	return []iana.Version{iana.TLS12, iana.TLS13}
}

// variants calls make for each release and returns the first policy, with those
// of the other releases as its variants. A release that rejects the
// configuration is omitted if another one accepts it.
func (n *nginx) variants(releases []Release, make func(Release) (*Policy, error)) (*Policy, error) {
	var p *Policy
	var first error
	for _, r := range releases {
		q, err := make(r)
		switch {
		case err != nil:
			first = cmp.Or(first, err)
		case p == nil:
			p = q
		default:
			p.addVariant(q)
		}
	}
	if p == nil {
		return nil, first
	}
	return p, nil
}

// underDefault returns the effective policy of a host on a socket with another
// default server. OpenSSL copies the groups from the default server's context.
// Before 1.29.2, nginx reads the name only after OpenSSL has chosen the version
// and, in TLS 1.3, the suite; these come from the default server too.
func (n *nginx) underDefault(host *Policy, own, def *block) *Policy {
	if own == nil || def == nil || own.err != nil || def.err != nil {
		return host
	}
	mine, its := own.effective(), def.effective()
	p, err := n.variants(n.releases(), func(r Release) (*Policy, error) {
		one := *n
		one.soft.Nginx = r
		base, err := one.policy(host.Name, host.Title, its, n.soft)
		if err != nil {
			return nil, err
		}
		s := mine
		s.curves = its.curves
		if r.Before(1, 29, 2) {
			s.versions, s.min, s.max = its.versions, its.min, its.max
		}
		p, err := one.policy(host.Name, host.Title, s, n.soft)
		if err == nil && r.Before(1, 29, 2) {
			for _, q := range append([]*Policy{p}, p.Variants...) {
				q.Suites13, q.Order13, q.ChaChaFirst13 = base.Suites13, base.Order, secrecy.TriOf(base.ChaChaFirst)
			}
		}
		return p, err
	})
	if err != nil {
		return unreadable(host.Name, host.Title, host.Source, err)
	}
	p.Source, p.Host, p.Note = host.Source, host.Host, host.Note
	return p
}

// effective returns the settings with the commands of ssl_conf_command, which
// override the other directives in any order.
func (b *block) effective() settings {
	s := b.settings
	for _, c := range b.commands {
		s.conf(c[0], c[1]) // checked when it was read
	}
	return s
}

// block reads the directives of a block up to its end.
func (n *nginx) block(toks *nginxTokens, b *block, file string, depth, nested int) error {
	if nested > maxBlocks {
		return fmt.Errorf("nginx: %s: blocks nested deeper than %d", file, maxBlocks)
	}
	for {
		words, line, end, err := toks.next()
		if err != nil {
			return fmt.Errorf("nginx: %s:%d: %w", file, line, err)
		}
		switch end {
		case tokEOF, tokClose:
			if (end == tokClose) != toks.closed {
				return fmt.Errorf("nginx: %s:%d: braces do not match", file, line)
			}
			if toks.included {
				return nil
			}
			for _, f := range b.inner {
				if err := f(); err != nil {
					return err
				}
			}
			if b.kind == "server" {
				n.servers = append(n.servers, b)
			}
			if len(n.servers) > maxServers {
				return fmt.Errorf("nginx: more than %d servers", maxServers)
			}
			return nil
		case tokOpen:
			kind := ""
			if len(words) > 0 {
				kind = words[0]
			}
			body, err := toks.body()
			if err != nil {
				return fmt.Errorf("nginx: %s:%d: %w", file, line, err)
			}
			module := b.module
			switch kind {
			case "http", "stream", "mail":
				module = kind
			case "server", "main":
			default:
				continue // locations, upstreams and maps have no server TLS settings
			}
			b.inner = append(b.inner, func() error {
				child := &block{settings: b.settings, kind: kind, module: module, file: file, line: line, commands: b.commands, err: b.err, tls: b.tls}
				child.notes = slices.Clone(b.notes)
				return n.block(body, child, file, depth, nested+1)
			})
		default:
			if words[0] == "include" && len(words) == 2 {
				if err := n.include(words[1], b, depth, nested); err != nil {
					return err
				}
				continue
			}
			if err := b.nginxDirective(words, n.in); err != nil && b.err == nil {
				b.err = fmt.Errorf("nginx: %s:%d: %w", file, line, err)
			}
		}
	}
}

func (n *nginx) include(pattern string, b *block, depth, nested int) error {
	if n.in == nil && n.dump == nil {
		if len(b.notes) < maxNotes {
			b.notes = append(b.notes, "An include was not followed.")
		}
		return nil
	}
	if depth >= maxIncludeDepth {
		return fmt.Errorf("nginx: include %s: deeper than %d", pattern, maxIncludeDepth)
	}
	var texts, names []string
	var err error
	if n.dump != nil {
		texts, names = n.dump.open(pattern)
	} else {
		texts, names, err = n.in.open(pattern)
	}
	if err != nil {
		return err
	}
	if len(texts) == 0 && !strings.ContainsAny(pattern, "*?[") && len(b.notes) < maxNotes {
		b.notes = append(b.notes, fmt.Sprintf("The included file %.60q was not found, so its content is unknown.", pattern))
	}
	for i, text := range texts {
		// An included text is inside the block, but does not end it.
		toks := &nginxTokens{text: text, line: 1, included: true}
		if err := n.block(toks, b, names[i], depth+1, nested); err != nil {
			return err
		}
	}
	return nil
}

// nginxDirective reads a directive of ngx_http_ssl_module,
// ngx_stream_ssl_module or ngx_mail_ssl_module.
func (b *block) nginxDirective(words []string, in *includes) error {
	args := words[1:]
	switch words[0] {
	case "ssl_ciphers", "ssl_ecdh_curve", "ssl_prefer_server_ciphers", "ssl_dhparam", "ssl_reject_handshake":
		if len(args) != 1 {
			return fmt.Errorf("%s takes one word", words[0])
		}
	}
	one := func() string {
		if len(args) == 1 {
			return args[0]
		}
		return ""
	}
	switch words[0] {
	case "listen":
		if len(args) > 0 {
			b.listen(args)
		}
	case "ssl", "starttls":
		b.tls = b.tls || one() == "on" || one() == "only"
	case "server_name":
		b.names = append(b.names, slices.DeleteFunc(slices.Clone(args), func(n string) bool { return n == "" })...)
	case "ssl_protocols":
		b.versions = []iana.Version{}
		for _, a := range args {
			if a == "SSLv2" {
				continue
			}
			v, ok := protocolVersion(a)
			if !ok {
				return fmt.Errorf("ssl_protocols: unknown version %q", a)
			}
			b.versions = append(b.versions, v)
		}
	case "ssl_ciphers":
		b.ciphers = one()
	case "ssl_ecdh_curve":
		b.curves = one()
	case "ssl_prefer_server_ciphers":
		b.prefer = secrecy.TriOf(one() == "on")
	case "ssl_reject_handshake":
		b.reject = one() == "on"
	case "ssl_dhparam":
		b.dh = secrecy.True
		if in != nil {
			b.dhBits = dhParamBits(in.dir, one())
		}
	case "ssl_conf_command":
		if len(args) != 2 {
			return errors.New("ssl_conf_command takes two words")
		}
		var probe settings
		if err := probe.conf(args[0], args[1]); err != nil {
			return err
		}
		if !b.own {
			b.commands, b.own = nil, true // the block's own commands replace inherited ones
		}
		if len(b.commands) < maxWords {
			b.commands = append(b.commands, [2]string{args[0], args[1]})
		}
	}
	return nil
}

// listen reads a listen directive. A port range of the stream module adds every
// port. Sockets of other families are ignored.
func (b *block) listen(args []string) {
	var tls, def, v6only bool
	v6only = true
	for _, a := range args[1:] {
		switch a {
		case "ssl", "quic":
			tls = true
		case "default_server", "default":
			def = true
		case "ipv6only=off":
			v6only = false
		}
	}
	addr, ports := args[0], []string(nil)
	if i := strings.LastIndexByte(addr, '-'); i > 0 && !strings.HasPrefix(addr, "unix:") && !strings.HasSuffix(addr, "]") {
		var lo, hi uint16
		head := ""
		j := strings.LastIndexByte(addr[:i], ':')
		head = addr[:j+1]
		if _, err := fmt.Sscanf(addr[j+1:], "%d-%d", &lo, &hi); err == nil && lo > 0 && lo <= hi && hi-lo < 1<<12 {
			for p := int(lo); p <= int(hi); p++ {
				ports = append(ports, fmt.Sprintf("%s%d", head, p))
			}
		}
	}
	if ports == nil {
		ports = []string{addr}
	}
	for _, text := range ports {
		l, ok := parseListen(text, 80)
		if !ok {
			b.tls = b.tls || tls
			continue
		}
		if strings.HasPrefix(text, "*") {
			l.Family = 4
		}
		if l.Family == 6 && !v6only {
			l.Family = 0
		}
		l.Default = def
		if len(b.listens) < 1<<13 {
			b.listens = append(b.listens, nginxListen{l, tls})
		}
	}
}

// dhParamBits returns the size of the prime in a DH parameter file, 0 if it
// cannot be read.
func dhParamBits(dir, path string) int {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() || st.Size() > maxFile {
		return 0
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	b, _ := pem.Decode(text)
	if b == nil || b.Type != "DH PARAMETERS" {
		return 0
	}
	return derPrimeBits(b.Bytes)
}
