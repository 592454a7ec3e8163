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
		if got, _, _ := strings.Cut(strings.Join(nearest(word), " "), " "); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}
