package report

import (
	"testing"
	"unicode/utf8"
)

// TestText encodes strings that differ only in invalid UTF-8, or that look like
// escapes.
func TestText(t *testing.T) {
	seen := map[string]string{}
	parts := []string{"", `\`, "x", "ff", "f", "\xff", "\xfe", `\xff`, `\x5c`, `\xFF`, "\ufffd", "é", "\x00"}
	for _, a := range parts {
		for _, b := range parts {
			for _, c := range parts {
				for _, d := range parts {
					checkText(t, a+b+c+d, seen)
				}
			}
		}
	}
	for s, want := range map[string]string{"a\xff": `a\xff`, `a\xff`: `a\x5cxff`, `CN=a\,b`: `CN=a\,b`, `C:\x`: `C:\x`, "\ufffd": "\ufffd"} {
		if got := Text(s); got != want {
			t.Errorf("%q became %q, want %q", s, got, want)
		}
	}
}

func checkText(t *testing.T, s string, seen map[string]string) {
	text := Text(s)
	if !utf8.ValidString(text) {
		t.Errorf("%q: the text is not UTF-8: %q", s, text)
	}
	if other, ok := seen[text]; ok && other != s {
		t.Errorf("%q and %q have the same text, %q", s, other, text)
	}
	if seen != nil {
		seen[text] = s
	}
	if back := Untext(text); back != s {
		t.Errorf("%q came back as %q", s, back)
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\xff\\xff")
	f.Fuzz(func(t *testing.T, s string) { checkText(t, s, nil) })
}
