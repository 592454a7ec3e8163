package policy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Limits of configurations with includes.
const (
	maxIncludeDepth = 8
	maxIncludes     = 256     // files
	maxIncluded     = 8 << 20 // bytes of all files together
	maxEntries      = 1 << 16 // directory entries matched against patterns
	maxPattern      = 4096    // bytes of a pattern
	maxServers      = 1 << 12 // policies of one configuration
	maxWords        = 1 << 10 // of one directive
	maxBlocks       = 64      // nested
)

// Load reads the policies of a file: a YAML policy, or one policy for each TLS
// server of an nginx, Apache or HAProxy configuration. It follows includes. A
// server that cannot be read becomes a policy with Unread; if none can be read,
// Load returns an error.
func Load(path string) ([]*Policy, error) { return Software{}.Load(path) }

// Load is like the function Load, for the given software releases.
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

// Find returns the policies that a command-line argument names: a built-in
// policy, or those of a file.
func Find(word string) ([]*Policy, error) { return Software{}.Find(word) }

// Find is like the function Find, for the given software releases.
func (s Software) Find(word string) ([]*Policy, error) {
	if p, ok := Lookup(word); ok {
		return []*Policy{p}, nil
	}
	if _, err := os.Stat(word); err != nil && !strings.ContainsAny(word, "/.") {
		near := ""
		if list := similarNames(word); len(list) > 0 {
			near = "; did you mean " + strings.Join(list, ", ") + "?"
		}
		return nil, fmt.Errorf("policy %q: no built-in policy or file with this name%s", word, near)
	}
	return s.Load(word)
}

// readConfig detects the format of a text and reads it. If in is nil, includes
// are not followed.
func readConfig(text, name string, in *includes, soft Software) ([]*Policy, error) {
	if strings.IndexByte(text, 0) >= 0 {
		return nil, errors.New("policy: not a text file")
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

// kindOf detects the format of a text by its directives, and YAML also by the
// file name.
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

// unique makes the policy names of one configuration distinct.
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
