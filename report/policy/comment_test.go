package policy

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pfsight/report/visible"
)

// TestConfigComments writes every kind of configuration for a policy whose texts
// hold hostile characters.
func TestConfigComments(t *testing.T) {
	for name, hostile := range map[string]string{
		"newline": "a\nssl_protocols SSLv3;", "carriage return": "a\rb", "escape": "\x1b[2J", "C1 control": "\u009b2J",
		"override": "http\u202e\u2066", "filler": "\u3164\u115f", "invalid UTF-8": "\xff\xc3",
	} {
		t.Run(name, func(t *testing.T) {
			known, ok := Lookup("mozilla-intermediate-5-7")
			if !ok {
				t.Fatal("no such policy")
			}
			p := *known
			p.Title, p.Source, p.Note, p.Target = hostile, hostile, hostile, false
			for _, kind := range ConfigKinds() {
				text, err := p.Config(kind)
				if err != nil {
					continue // not every kind can express it
				}
				for i, line := range strings.Split(text, "\n") {
					if strings.HasPrefix(strings.TrimSpace(line), "ssl_protocols SSLv3") {
						t.Errorf("%s: line %d is a directive from a comment", kind, i+1)
					}
					for _, r := range line {
						if r != '\t' && !visible.Rune(r) || r == utf8.RuneError {
							t.Errorf("%s: line %d holds %U: %q", kind, i+1, r, line)
						}
					}
				}
			}
		})
	}
}
