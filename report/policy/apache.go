package policy

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strings"

	"pfsight/report/secrecy"
)

// apache reads an Apache configuration: one directive on each line, sections in
// angle brackets.
type apache struct {
	in       *includes
	soft     Software
	name     string // the file passed by the caller
	root     string // ServerRoot, "" if it is not set
	base     vhost
	hosts    []*vhost
	current  *vhost        // the current VirtualHost
	sections []openSection // open sections, outermost first
	macro    *macro        // the macro being defined
	macros   map[string]*macro
	// defines are the values of Define, modules the names of LoadModule.
	defines map[string]string
	modules map[string]bool
	notes   map[string]bool
	used    int // lines produced by macros
}

// A vhost is a VirtualHost, or the server config outside of all of them.
type vhost struct {
	settings
	file      string
	line      int
	addresses []string
	name      string
	aliases   []string
	engine    secrecy.Tri
	hasTLS    bool // it has a TLS directive
	commands  [][2]string
	err       error // of the first directive that cannot be read
}

// readApache returns a policy for each VirtualHost with TLS. Without any, it
// returns one for the server config.
func readApache(text, name string, in *includes, soft Software) ([]*Policy, error) {
	a := &apache{in: in, soft: soft, name: name, base: vhost{file: name}, macros: map[string]*macro{}, defines: map[string]string{}, modules: map[string]bool{}, notes: map[string]bool{}}
	for _, d := range soft.Defines {
		a.defines[d] = ""
	}
	if err := a.read(text, name, 0); err != nil {
		return nil, err
	}
	if a.current != nil {
		return nil, fmt.Errorf("apache: %s:%d: VirtualHost is not closed", a.current.file, a.current.line)
	}
	for n := range a.notes {
		a.base.notes = append(a.base.notes, n)
	}
	slices.Sort(a.base.notes)
	list, errs := a.policies()
	if len(list) == 0 {
		if a.base.err != nil {
			return nil, a.base.err
		}
		if !a.base.hasTLS {
			return nil, errors.New("apache: no VirtualHost with TLS and no mod_ssl directive")
		}
		p, err := a.policy(a.base.effective(&vhost{}), filepath.Base(name), "Apache, "+filepath.Base(name))
		if err != nil {
			return nil, fmt.Errorf("apache: %s:%d: %w", a.base.file, a.base.line, err)
		}
		p.Source = name
		list = append(list, p)
	}
	return unique(list), checkRead(list, errs)
}

// policies returns the policies of the VirtualHosts with TLS.
func (a *apache) policies() (list []*Policy, errs []error) {
	hosts := map[*Policy]*vhost{}
	r := &rules{apache: true}
	r.underDefault = func(host, def *Policy) *Policy {
		own, first := hosts[host], hosts[def]
		if own == nil || first == nil || host.Unread != "" || def.Unread != "" {
			return host
		}
		// OpenSSL copies the groups from the context of the address's first
		// host. mod_ssl only adds options to those of that host. Without an
		// SSLProtocol, that host's versions remain.
		s, its := own.effective(&a.base), first.effective(&a.base)
		s.curves = its.curves
		if its.prefer == secrecy.True {
			s.prefer = secrecy.True
		}
		s.chacha = s.chacha || its.chacha
		if own.versions == nil && a.base.versions == nil {
			s.versions = its.versions
		}
		p, err := a.policy(s, host.Name, host.Title)
		if err != nil {
			return host
		}
		p.Source, p.Host = host.Source, host.Host
		return p
	}
	for _, h := range a.hosts {
		engine := h.engine
		if engine == secrecy.Undetermined {
			engine = a.base.engine
		}
		if engine == secrecy.False || engine == secrecy.Undetermined && !h.hasTLS {
			continue
		}
		name := filepath.Base(h.file)
		title := fmt.Sprintf("Apache, %s line %d: VirtualHost %s", name, h.line, strings.Join(h.addresses, " "))
		if h.name != "" {
			title += " " + h.name
			name += "-" + h.name
		}
		p, err := (*Policy)(nil), h.err
		if err == nil {
			err = a.base.err
		}
		if err == nil {
			if p, err = a.policy(h.effective(&a.base), name, title); err != nil {
				err = fmt.Errorf("apache: %s:%d: %w", h.file, h.line, err)
			}
		}
		if err != nil {
			errs = append(errs, err)
			p = unreadable(name, title, h.file, err)
		}
		p.Source = h.file
		p.Host = &Host{Config: a.name, rules: r}
		for _, n := range append([]string{h.name}, h.aliases...) {
			if n != "" {
				p.Host.Names = append(p.Host.Names, n)
			}
		}
		for _, text := range h.addresses {
			if l, ok := parseListen(text, 0); ok {
				p.Host.Listens = append(p.Host.Listens, l)
			}
		}
		hosts[p] = h
		list = append(list, p)
	}
	return list, errs
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
			return err
		}
	}
	return nil
}

// line reads one line. An error in a directive of a VirtualHost makes that host
// unreadable; an error in the structure makes the file unreadable.
func (a *apache) line(line, file string, number, depth int) error {
	at := func(err error) error { return fmt.Errorf("apache: %s:%d: %w", file, number, err) }
	if done, err := a.macroLine(line); done || err != nil {
		if err != nil {
			return at(err)
		}
		return nil
	}
	words, err := apacheWords(a.substitute(line))
	if err != nil {
		if a.skipping() {
			return nil
		}
		return at(err)
	}
	if len(words) == 0 {
		return nil
	}
	key := strings.ToLower(words[0])
	if key[0] == '<' {
		if err := a.section(key, words[1:], file, number); err != nil {
			return at(err)
		}
		return nil
	}
	if a.skipping() {
		return nil
	}
	switch key {
	case "include", "includeoptional":
		if err := a.include(words[1:], depth, key == "include"); err != nil {
			return err
		}
		return nil
	case "use":
		if err := a.use(words[1:], file, number, depth); err != nil {
			return err
		}
		return nil
	case "serverroot":
		if len(words) > 1 && a.current == nil {
			a.root = words[1]
		}
		return nil
	case "loadmodule":
		if len(words) > 2 && len(a.modules) < 1<<12 {
			name := strings.TrimSuffix(filepath.Base(words[2]), ".so")
			a.modules[strings.ToLower(words[1])], a.modules[strings.ToLower(name)+".c"] = true, true
		}
		return nil
	case "define":
		if len(words) > 1 && len(a.defines) < 1<<12 {
			value := ""
			if len(words) > 2 {
				value = words[2]
			}
			a.defines[words[1]] = value
		}
		return nil
	case "undefine":
		if len(words) > 1 {
			delete(a.defines, words[1])
		}
		return nil
	}
	h := &a.base
	if a.current != nil {
		h = a.current
	}
	if err := h.directive(key, words[1:], a); err != nil && h.err == nil {
		h.err = at(err)
	}
	return nil
}

// include reads the files of an Include: a file, a directory tree, or a
// pattern.
func (a *apache) include(args []string, depth int, must bool) error {
	if a.in == nil {
		a.note("An include was not followed.")
		return nil
	}
	if depth >= maxIncludeDepth {
		return fmt.Errorf("apache: include: deeper than %d", maxIncludeDepth)
	}
	for _, pattern := range args {
		texts, names, err := a.openInclude(pattern)
		if err != nil {
			return err
		}
		if len(texts) == 0 && must {
			a.note("Include " + quoteShort(pattern) + " matches no file here, so its content is unknown.")
		}
		for i, text := range texts {
			if err := a.read(text, names[i], depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// note adds a note to every policy, once.
func (a *apache) note(text string) {
	if len(a.notes) < maxNotes {
		a.notes[text] = true
	}
}

// maxNotes is the number of notes that a reader adds to a policy.
const maxNotes = 16

// openInclude opens the files that match a pattern. A relative pattern starts
// at ServerRoot. If that directory does not exist, as with a copied
// configuration, it starts at the directory of the file or its parent, as in
// ServerRoot/conf/httpd.conf.
func (a *apache) openInclude(pattern string) (texts, names []string, err error) {
	dir := a.in.dir
	var tries []string
	switch {
	case filepath.IsAbs(pattern):
		tries = []string{pattern}
		if rest, ok := strings.CutPrefix(pattern, strings.TrimSuffix(a.root, "/")+"/"); ok && a.root != "" {
			tries = append(tries, filepath.Join(filepath.Dir(dir), rest), filepath.Join(dir, rest))
		}
	case filepath.IsAbs(a.root) && a.within(a.root):
		tries = []string{filepath.Join(a.root, pattern)}
	default:
		tries = []string{filepath.Join(dir, pattern), filepath.Join(filepath.Dir(dir), pattern)}
		if filepath.Base(dir) == "conf" {
			slices.Reverse(tries)
		}
		if filepath.IsAbs(a.root) {
			tries = append(tries, filepath.Join(a.root, pattern))
		}
	}
	for _, try := range tries {
		if texts, names, err = a.in.openTree(try); err != nil || len(texts) > 0 {
			return texts, names, err
		}
	}
	return nil, nil, nil
}

// within reports whether the file passed by the caller is below a directory.
func (a *apache) within(root string) bool {
	dir, err := filepath.Abs(a.in.dir)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(root, dir)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// apacheWords splits a line into words; quoted words may contain spaces.
func apacheWords(line string) ([]string, error) {
	var out []string
	for line = strings.TrimLeft(line, " \t"); line != "" && len(out) < maxWords; line = strings.TrimLeft(line, " \t") {
		if len(out) == 0 && line[0] == '#' {
			return nil, nil
		}
		if q := line[0]; q == '"' || q == '\'' {
			end := strings.IndexByte(line[1:], q)
			if end < 0 {
				return nil, errors.New("unterminated quote")
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

// derPrimeBits returns the size of the prime in a PKCS #3 DHParameter.
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
