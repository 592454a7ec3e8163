package policy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// An openSection is a section that is not closed yet.
type openSection struct {
	name string // lower case, such as "ifmodule"
	skip bool   // its content is ignored
}

// A macro is a block of lines with parameters, as in mod_macro.
type macro struct {
	name   string
	params []string
	lines  []string
}

// Limits of macros.
const (
	maxMacroLines = 1 << 12 // of one macro
	maxMacros     = 1 << 10
	maxUsed       = 1 << 16 // lines produced by all uses
)

// skipping reports whether an open section is ignored.
func (a *apache) skipping() bool {
	return slices.ContainsFunc(a.sections, func(m openSection) bool { return m.skip })
}

// section opens or closes a section.
func (a *apache) section(key string, args []string, file string, number int) error {
	if rest, ok := strings.CutPrefix(key, "</"); ok {
		name := strings.TrimSuffix(rest, ">")
		for i := len(a.sections) - 1; i >= 0; i-- {
			if a.sections[i].name == name {
				a.sections = a.sections[:i]
				if name == "virtualhost" && !a.skipping() {
					a.hosts, a.current = append(a.hosts, a.current), nil
				}
				return nil
			}
		}
		if name == "virtualhost" {
			return errors.New("</VirtualHost> without a <VirtualHost>")
		}
		return nil
	}
	if len(a.sections) >= maxBlocks {
		return fmt.Errorf("sections nested deeper than %d", maxBlocks)
	}
	name := strings.TrimSuffix(key[1:], ">")
	for i := range args {
		args[i] = strings.TrimSuffix(args[i], ">")
	}
	args = slices.DeleteFunc(args, func(s string) bool { return s == "" })
	m := openSection{name: name}
	if a.skipping() {
		a.sections = append(a.sections, m)
		return nil
	}
	switch name {
	case "virtualhost":
		if a.current != nil {
			return errors.New("VirtualHost inside another one")
		}
		if len(a.hosts) >= maxServers {
			return fmt.Errorf("more than %d VirtualHosts", maxServers)
		}
		a.current = &vhost{file: file, line: number, addresses: slices.Clone(args)}
	case "ifmodule", "ifdefine", "ifversion", "iffile", "ifdirective", "ifsection":
		m.skip = !a.holds(name, args)
	default:
		// In Directory, Location, Files, If and Proxy, mod_ssl's directives
		// affect a renegotiation or another connection.
		m.skip = true
	}
	a.sections = append(a.sections, m)
	return nil
}

// holds reports whether a condition is true.
func (a *apache) holds(name string, args []string) bool {
	if len(args) == 0 {
		return true
	}
	word, not := strings.CutPrefix(args[0], "!")
	result := true
	switch name {
	case "ifmodule":
		result = a.module(strings.ToLower(word))
	case "ifdefine":
		_, result = a.defines[word]
		if !result {
			a.note("IfDefine " + quoteShort(word) + ": no Define sets it, and the server is assumed to be started without it.")
		}
	case "ifversion":
		result = a.version(word, args[1:])
	case "iffile":
		if a.in != nil {
			path := word
			if !filepath.IsAbs(path) {
				path = filepath.Join(a.in.dir, path)
			}
			_, err := os.Stat(path)
			result = err == nil
		}
	case "ifdirective", "ifsection":
		result = !strings.HasPrefix(strings.ToLower(word), "md")
	}
	return result != not
}

func quoteShort(s string) string { return fmt.Sprintf("%.60q", s) }

// module reports whether a module is loaded. mod_ssl always is, and so is every
// module if the configuration has no LoadModule.
func (a *apache) module(name string) bool {
	switch name {
	case "ssl_module", "mod_ssl.c", "core.c", "http_core.c", "mod_so.c", "so_module", "core_module", "mod_version.c", "version_module":
		return true
	}
	if len(a.modules) == 0 {
		return true
	}
	return a.modules[name]
}

// version reports whether IfVersion is true. If the release is not stated, it
// assumes the latest 2.4.
func (a *apache) version(op string, args []string) bool {
	have := a.soft.Apache
	if !have.Known() {
		have = Release{2, 4, 62}
		a.note("IfVersion is evaluated for 2.4.62, because the Apache release is not stated.")
	}
	not := false
	if rest, ok := strings.CutPrefix(op, "!"); ok {
		op, not = rest, true
	}
	want := op
	if len(args) > 0 {
		want = args[0]
	} else {
		op = "="
	}
	if expr, ok := strings.CutPrefix(want, "/"); ok || op == "~" {
		re, err := regexp.Compile(strings.TrimSuffix(expr, "/"))
		return (err == nil && len(expr) < 1<<10 && re.MatchString(have.String())) != not
	}
	r, err := parseRelease(want)
	if err != nil {
		return true
	}
	c := slices.Compare(have[:], r[:])
	var result bool
	switch op {
	case "=", "==":
		result = c == 0
	case ">":
		result = c > 0
	case ">=":
		result = c >= 0
	case "<":
		result = c < 0
	case "<=":
		result = c <= 0
	}
	return result != not
}

// substitute replaces ${NAME} with the values of Define.
func (a *apache) substitute(line string) string {
	if !strings.Contains(line, "${") || strings.HasPrefix(strings.TrimSpace(line), "#") {
		return line
	}
	var b strings.Builder
	for {
		i := strings.Index(line, "${")
		j := -1
		if i >= 0 {
			j = strings.IndexByte(line[i:], '}')
		}
		if j < 0 || b.Len() > maxCipherString {
			b.WriteString(line)
			return b.String()
		}
		value, ok := a.defines[line[i+2:i+j]]
		b.WriteString(line[:i])
		if ok {
			b.WriteString(value)
		} else {
			b.WriteString(line[i : i+j+1])
		}
		line = line[i+j+1:]
	}
}

// macroLine reads a line in the definition of a macro. done reports whether the
// line belongs to a definition.
func (a *apache) macroLine(line string) (done bool, err error) {
	f := strings.Fields(line)
	if a.macro != nil {
		if len(f) > 0 && strings.EqualFold(strings.TrimSuffix(f[0], ">"), "</macro") {
			a.macros[strings.ToLower(a.macro.name)] = a.macro
			a.macro = nil
			return true, nil
		}
		if len(a.macro.lines) >= maxMacroLines {
			return true, fmt.Errorf("a macro has more than %d lines", maxMacroLines)
		}
		a.macro.lines = append(a.macro.lines, line)
		return true, nil
	}
	if len(f) > 1 && strings.EqualFold(f[0], "<macro") && !a.skipping() {
		if len(a.macros) >= maxMacros {
			return true, fmt.Errorf("more than %d macros", maxMacros)
		}
		a.macro = &macro{}
		for i, w := range f[1:] {
			w = strings.TrimSuffix(w, ">")
			switch {
			case i == 0:
				a.macro.name = w
			case w != "":
				a.macro.params = append(a.macro.params, w)
			}
		}
		return true, nil
	}
	return false, nil
}

// use reads the lines of a macro with its parameters replaced, the longest name
// first.
func (a *apache) use(args []string, file string, number, depth int) error {
	if len(args) == 0 {
		return nil
	}
	m := a.macros[strings.ToLower(args[0])]
	if m == nil {
		a.note("Use " + quoteShort(args[0]) + ": no such macro.")
		return nil
	}
	if depth >= maxIncludeDepth {
		return fmt.Errorf("apache: %s:%d: Use: deeper than %d", file, number, maxIncludeDepth)
	}
	if a.used += len(m.lines); a.used > maxUsed {
		return fmt.Errorf("apache: %s:%d: macros produce more than %d lines", file, number, maxUsed)
	}
	order := make([]int, len(m.params))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return len(m.params[y]) - len(m.params[x]) })
	var pairs []string
	for _, i := range order {
		value := ""
		if i+1 < len(args) {
			value = args[i+1]
		}
		pairs = append(pairs, m.params[i], value)
	}
	r := strings.NewReplacer(pairs...)
	for _, line := range m.lines {
		line = r.Replace(line)
		if len(line) > maxCipherString {
			return fmt.Errorf("apache: %s:%d: a line of a macro is too long", file, number)
		}
		if err := a.line(line, file, number, depth+1); err != nil {
			return err
		}
	}
	return nil
}
