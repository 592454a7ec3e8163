package policy

import (
	"bytes"
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

// TestYAMLInvisible writes policies with hostile texts as YAML, and reads them
// back.
func TestYAMLInvisible(t *testing.T) {
	for name, hostile := range map[string]string{
		"newlines": "a\nversions: []\n\n b", "escape": "\x1b[2J \\u0041 \"x\"", "override": "http\u202e\u2066://x y", "filler": "\u3164: \u115f #",
		"beyond the first plane": "'\U0001d159\U000e0001'", "long": strings.Repeat("word \u202e ", 60), "tab": "a\tb",
	} {
		t.Run(name, func(t *testing.T) {
			known, ok := Lookup("mozilla-intermediate-5-7")
			if !ok {
				t.Fatal("no such policy")
			}
			p := *known
			p.Title, p.Source, p.Note = hostile, hostile, hostile
			b, err := p.YAML()
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range string(b) {
				if r != '\n' && !visible.Rune(r) {
					t.Errorf("YAML holds %U", r)
				}
			}
			q, err := ReadYAML(bytes.NewReader(b))
			if err != nil {
				t.Fatalf("%v\n%s", err, b)
			}
			if q.Title != hostile || q.Source != hostile || q.Note != hostile {
				t.Errorf("got %q, %q, %q, want %q", q.Title, q.Source, q.Note, hostile)
			}
		})
	}
}
