package policy

import (
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// nginx reads a configuration of nginx: directives end in ; or hold a block
// in braces. Only those of TLS count; a server takes over what the block
// around it says.
type nginx struct {
	in   *includes
	list []*Policy
}

// A block is what is in force in a block of nginx.
type block struct {
	settings
	kind    string // the directive that opened it
	file    string
	line    int
	tls     bool
	names   []string
	listens []string
	inner   []func() error // its blocks, read when all of its own directives are
}

// readNginx returns a policy for each server block with TLS; where there is
// none, one for what stands outside of them.
func readNginx(text, name string, in *includes) ([]*Policy, error) {
	n := &nginx{in: in}
	root := &block{kind: "main", file: name}
	toks := &nginxTokens{text: text, line: 1}
	if err := n.block(toks, root, name, 0, 0); err != nil {
		return nil, err
	}
	if len(n.list) == 0 {
		if root.ciphers == "" && root.versions == nil && root.curves == "" {
			return nil, errors.New("nginx: no server with TLS, and no directive of TLS")
		}
		if err := n.policy(root); err != nil {
			return nil, err
		}
	}
	return unique(n.list), nil
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
			if b.kind == "server" && b.tls {
				return n.policy(b)
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
			switch kind {
			case "http", "stream", "mail", "server", "main":
			default:
				continue // locations, upstreams, maps: no TLS of a server in them
			}
			b.inner = append(b.inner, func() error {
				child := &block{settings: b.settings, kind: kind, file: file, line: line}
				return n.block(body, child, file, depth, nested+1)
			})
		default:
			if words[0] == "include" && len(words) == 2 {
				if err := n.include(words[1], b, depth, nested); err != nil {
					return err
				}
				continue
			}
			if err := b.nginxDirective(words, n.in); err != nil {
				return fmt.Errorf("nginx: %s:%d: %w", file, line, err)
			}
		}
	}
}

func (n *nginx) include(pattern string, b *block, depth, nested int) error {
	if n.in == nil {
		b.notes = append(b.notes, "An include was not followed.")
		return nil
	}
	if depth >= maxIncludeDepth {
		return fmt.Errorf("nginx: include %s: deeper than %d", pattern, maxIncludeDepth)
	}
	texts, names, err := n.in.open(pattern)
	if err != nil {
		return err
	}
	for i, text := range texts {
		// What is included stands in the block; only the block's end does not.
		toks := &nginxTokens{text: text, line: 1, included: true}
		if err := n.block(toks, b, names[i], depth+1, nested); err != nil {
			return err
		}
	}
	return nil
}

// nginxDirective takes a directive of ngx_http_ssl_module,
// ngx_stream_ssl_module or ngx_mail_ssl_module.
func (b *block) nginxDirective(words []string, in *includes) error {
	args := words[1:]
	switch words[0] {
	case "ssl_ciphers", "ssl_ecdh_curve", "ssl_prefer_server_ciphers", "ssl_dhparam":
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
			b.listens = append(b.listens, args[0])
		}
		for _, a := range args[min(1, len(args)):] {
			if a == "ssl" || a == "quic" {
				b.tls = true
			}
		}
	case "ssl", "starttls":
		b.tls = b.tls || one() == "on" || one() == "only"
	case "server_name":
		b.names = args
	case "ssl_protocols":
		b.versions = nil
		for _, a := range args {
			if a == "SSLv2" {
				continue
			}
			v, ok := protocolVersion(a)
			if !ok {
				return fmt.Errorf("ssl_protocols: %q is not known", a)
			}
			b.versions = append(b.versions, v)
		}
	case "ssl_ciphers":
		b.ciphers = one()
	case "ssl_ecdh_curve":
		b.curves = one()
	case "ssl_prefer_server_ciphers":
		b.prefer = secrecy.TriOf(one() == "on")
	case "ssl_dhparam":
		b.dh = secrecy.True
		if in != nil {
			b.dhBits = dhParamBits(in.dir, one())
		}
	case "ssl_conf_command":
		if len(args) == 2 {
			return b.conf(args[0], args[1])
		}
	}
	return nil
}

// policy adds the policy of a server.
func (n *nginx) policy(b *block) error {
	if len(n.list) >= maxServers {
		return fmt.Errorf("nginx: more than %d servers", maxServers)
	}
	s := b.settings
	var open bool
	if s.versions == nil {
		s.versions, open = []iana.Version{iana.TLS12}, true
		s.notes = append(s.notes, "ssl_protocols is not set: before 1.23.4 TLS 1.3 was off, before 1.27.3 TLS 1.0 and 1.1 were on.")
	}
	if s.ciphers == "" {
		s.ciphers = "HIGH:!aNULL:!MD5"
	}
	if s.prefer == secrecy.Untold {
		s.prefer = secrecy.False
	}
	if s.dh == secrecy.Untold {
		s.dh = secrecy.False
	}
	name := filepath.Base(b.file)
	title := fmt.Sprintf("nginx, %s", name)
	if b.kind == "server" {
		who := strings.Join(b.names, " ")
		if who == "" {
			who = "server"
		}
		title = fmt.Sprintf("nginx, %s line %d: %s", name, b.line, who)
		if len(b.listens) > 0 {
			title += " on " + strings.Join(b.listens, " ")
		}
		if len(b.names) > 0 {
			name += "-" + b.names[0]
		}
	}
	p, err := s.policy(name, title)
	if err != nil {
		return fmt.Errorf("nginx: %s:%d: %w", b.file, b.line, err)
	}
	p.VersionsOpen = open
	p.Source = b.file
	n.list = append(n.list, p)
	return nil
}

// dhParamBits returns the size of the prime in a file of DH parameters, 0
// where it cannot be read.
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

const (
	tokSemicolon = iota
	tokOpen
	tokClose
	tokEOF
)

// nginxTokens splits a configuration of nginx into directives.
type nginxTokens struct {
	text     string
	at       int
	line     int
	included bool // the text is part of a block whose end is elsewhere
	closed   bool // the text ends with the brace that closes it
}

// next returns the words of a directive and what ends it.
func (t *nginxTokens) next() (words []string, line, end int, err error) {
	line = t.line
	for {
		word, kind, err := t.word()
		if err != nil {
			return nil, t.line, 0, err
		}
		switch kind {
		case 'w':
			if len(words) == 0 {
				line = t.line
			}
			if len(words) < maxWords {
				words = append(words, word)
			}
		case ';':
			if len(words) == 0 {
				continue
			}
			return words, line, tokSemicolon, nil
		case '{':
			return words, line, tokOpen, nil
		case '}':
			if len(words) > 0 {
				return nil, t.line, 0, fmt.Errorf("%q is not ended by ;", words[0])
			}
			return nil, t.line, tokClose, nil
		default:
			if len(words) > 0 {
				return nil, t.line, 0, fmt.Errorf("%q is not ended by ;", words[0])
			}
			return nil, t.line, tokEOF, nil
		}
	}
}

// body returns the tokens of the block that has just been opened, its closing
// brace included, and goes on behind it.
func (t *nginxTokens) body() (*nginxTokens, error) {
	start, line := t.at, t.line
	for depth := 1; ; {
		_, kind, err := t.word()
		if err != nil {
			return nil, err
		}
		switch kind {
		case '{':
			depth++
		case '}':
			depth--
		case 0:
			return nil, errors.New("a block is not closed")
		}
		if depth == 0 {
			return &nginxTokens{text: t.text[start:t.at], line: line, closed: true}, nil
		}
	}
}

// word returns the next word ('w'), mark (its byte) or 0 at the end.
func (t *nginxTokens) word() (string, byte, error) {
	for t.at < len(t.text) {
		switch c := t.text[t.at]; c {
		case '\n':
			t.line++
			t.at++
		case ' ', '\t', '\r':
			t.at++
		case '#':
			if i := strings.IndexByte(t.text[t.at:], '\n'); i >= 0 {
				t.at += i
			} else {
				t.at = len(t.text)
			}
		case ';', '{', '}':
			t.at++
			return "", c, nil
		case '"', '\'':
			return t.quoted(c)
		default:
			start := t.at
			for t.at < len(t.text) {
				c := t.text[t.at]
				if c == '\\' && t.at+1 < len(t.text) {
					t.at += 2
					continue
				}
				if c == '$' && t.at+1 < len(t.text) && t.text[t.at+1] == '{' { // a variable
					if i := strings.IndexByte(t.text[t.at:], '}'); i >= 0 {
						t.at += i + 1
						continue
					}
				}
				if strings.IndexByte(" \t\r\n;{", c) >= 0 {
					break
				}
				t.at++
			}
			return t.text[start:t.at], 'w', nil
		}
	}
	return "", 0, nil
}

func (t *nginxTokens) quoted(q byte) (string, byte, error) {
	var b strings.Builder
	for i := t.at + 1; i < len(t.text); i++ {
		switch c := t.text[i]; {
		case c == '\\' && i+1 < len(t.text):
			i++
			b.WriteByte(t.text[i])
		case c == q:
			t.line += strings.Count(t.text[t.at:i], "\n")
			t.at = i + 1
			return b.String(), 'w', nil
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, errors.New("a quoted word is not ended")
}
