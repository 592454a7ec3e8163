package policy

import (
	"path/filepath"
	"slices"
	"strings"
)

// nginxDump is the files in the output of "nginx -T", by name.
type nginxDump map[string]string

const dumpMark = "# configuration file "

// readDump splits the output of "nginx -T", and returns the name of its first
// file. ok is false if text has another format.
func readDump(text string) (files nginxDump, first string, ok bool) {
	name, start := "", 0
	at := 0
	files = nginxDump{}
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, dumpMark); found {
			if next, colon := strings.CutSuffix(strings.TrimRight(rest, "\r\n"), ":"); colon && strings.HasPrefix(next, "/") {
				if name != "" {
					files[name] = text[start:at]
				} else if strings.TrimSpace(dropMessages(text[:at])) != "" {
					return nil, "", false // a comment inside a file
				}
				if first == "" {
					first = next
				}
				name, start = next, at+len(line)
			}
		}
		at += len(line)
	}
	if name == "" {
		return nil, "", false
	}
	files[name] = text[start:]
	return files, first, true
}

// dropMessages removes nginx's messages about the check.
func dropMessages(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "nginx:") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// open returns the files that match a pattern. A relative pattern matches any
// file whose name ends with it, because its base directory is unknown.
func (d nginxDump) open(pattern string) (texts, names []string) {
	for name := range d {
		ok, _ := filepath.Match(pattern, name)
		if !ok && !filepath.IsAbs(pattern) {
			tail := name
			for range strings.Count(name, "/") - strings.Count(pattern, "/") {
				_, tail, _ = strings.Cut(tail, "/")
			}
			ok, _ = filepath.Match(pattern, strings.TrimPrefix(tail, "/"))
		}
		if ok && len(names) < maxIncludes {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		texts = append(texts, d[name])
	}
	return texts, names
}
