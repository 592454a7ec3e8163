package policy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Limits of configuration files that include others.
const (
	maxIncludeDepth = 8
	maxIncludes     = 256     // files
	maxIncluded     = 8 << 20 // bytes of all files together
	maxEntries      = 1 << 16 // names in folders that patterns are held against
	maxPattern      = 4096    // bytes of a pattern
	maxServers      = 1 << 12 // policies of one configuration
	maxWords        = 1 << 10 // of one directive
	maxBlocks       = 64      // nested
)

// Load reads the policies of a file: one of YAML, or one for each TLS server of
// a configuration of nginx, Apache or HAProxy, whose includes are followed.
// A server of the configuration that cannot be read is a policy with Unread;
// where none can be, that is an error.
func Load(path string) ([]*Policy, error) { return Software{}.Load(path) }

// Load is the function Load for the programs that s states.
func (s Software) Load(path string) ([]*Policy, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := readAll(f)
	f.Close()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	list, err := readConfig(string(text), path, &includes{dir: filepath.Dir(path), left: maxIncluded}, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// Find returns the policies that a word of the command line means: a built-in
// one, or those of a file.
func Find(word string) ([]*Policy, error) { return Software{}.Find(word) }

// Find is the function Find for the programs that s states.
func (s Software) Find(word string) ([]*Policy, error) {
	if p, ok := Lookup(word); ok {
		return []*Policy{p}, nil
	}
	if _, err := os.Stat(word); err != nil && !strings.ContainsAny(word, "/.") {
		near := ""
		if list := nearest(word); len(list) > 0 {
			near = "; did you mean " + strings.Join(list, ", ") + "?"
		}
		return nil, fmt.Errorf("policy %q: no built-in policy and no file has this name%s", word, near)
	}
	return s.Load(word)
}

// readConfig finds out what a text is, and reads it. Without in, includes are
// not followed.
func readConfig(text, name string, in *includes, soft Software) ([]*Policy, error) {
	if strings.IndexByte(text, 0) >= 0 {
		return nil, errors.New("policy: the file is no text")
	}
	switch kindOf(text, name) {
	case "nginx":
		return readNginx(text, name, in, soft)
	case "apache":
		return readApache(text, name, in, soft)
	case "haproxy":
		return readHAProxy(text, name, in, soft)
	}
	p, err := ReadYAML(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	if p.Source == "" {
		p.Source = name
	}
	return []*Policy{p}, nil
}

// kindOf tells what wrote a text by the directives in it, and by the file's
// name only for YAML.
func kindOf(text, name string) string {
	if ext := strings.ToLower(filepath.Ext(name)); ext == ".yaml" || ext == ".yml" {
		return "yaml"
	}
	var nginx, apache, haproxy, yaml int
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0][0] == '#' {
			continue
		}
		word := strings.ToLower(f[0])
		end := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(word, "ssl-") || word == "bind" && len(f) > 1 && !strings.HasSuffix(end, ";"):
			haproxy += 2
		case (word == "global" || word == "defaults" || word == "frontend" || word == "backend" || word == "listen") && !strings.ContainsAny(end, ";{"):
			haproxy++
		case strings.HasPrefix(word, "<") || strings.HasPrefix(word, "ssl") && !strings.Contains(word, "_") && !strings.HasSuffix(word, ":"):
			apache += 2
		case word == "include" && !strings.HasSuffix(end, ";"), word == "includeoptional", word == "loadmodule":
			apache++
		case strings.HasSuffix(end, ";") || strings.HasSuffix(end, "{") || strings.HasSuffix(end, "}") && word[0] != '{':
			nginx++
		case strings.HasSuffix(word, ":"):
			yaml++
		}
	}
	switch most := max(nginx, apache, haproxy, yaml); {
	case most == 0 || most == yaml:
		return "yaml"
	case most == haproxy:
		return "haproxy"
	case most == apache:
		return "apache"
	}
	return "nginx"
}

// unique makes the names of policies of one configuration differ.
func unique(list []*Policy) []*Policy {
	seen := map[string]int{}
	for _, p := range list {
		seen[p.Name]++
		if n := seen[p.Name]; n > 1 {
			p.Name = fmt.Sprintf("%s-%d", p.Name, n)
		}
	}
	return list
}
