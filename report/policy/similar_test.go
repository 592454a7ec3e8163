package policy

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	for word, want := range map[string]string{
		"tls13-onyl":              "tls13-only",
		"TLS13-only ":             "tls13-only",
		"mozila-intermediate-6-0": "mozilla-intermediate-6-0",
		"mozilla-intermediate":    "mozilla-intermediate-6-0",
		"azure-guestos-family7":   "azure-guestos-family6",
		"":                        "",
		"nothing-like-any":        "",
	} {
		if got, _, _ := strings.Cut(strings.Join(similarNames(word), " "), " "); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

// TestYAMLErrors checks that errors do not contain Go type names.
func TestYAMLErrors(t *testing.T) {
	for text, want := range map[string]string{
		"name: a\nversions: [TLS 1.2]\nfoo: 1\n": "line 3: field foo not found",
		"root:x:0:0:root:/root:/bin/bash\n":      "line 1: not what belongs here",
	} {
		if _, err := ReadYAML(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "policy.file") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
