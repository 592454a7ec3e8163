package report

import (
	"strings"
	"unicode/utf8"
)

// Text returns s as the text that a JSON string of this program holds. JSON
// has no bytes that are not UTF-8, and names of files and what comes from the
// wire may have them: such a byte becomes \xNN, two hex digits in lower case. A
// backslash of s that xNN follows becomes \x5c, so that no two strings have the
// same text. Any other backslash stays one.
func Text(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r == '\\' && IsByteEscape(s[i:]) {
			b.WriteString(`\x`)
			b.WriteByte(hexDigits[s[i]>>4])
			b.WriteByte(hexDigits[s[i]&15])
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// Untext returns the string that Text made text of.
func Untext(text string) string {
	if !strings.Contains(text, `\x`) {
		return text
	}
	b := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if IsByteEscape(text[i:]) {
			b = append(b, byte(strings.IndexByte(hexDigits, text[i+2])<<4|strings.IndexByte(hexDigits, text[i+3])))
			i += len(`\xNN`) - 1
			continue
		}
		b = append(b, text[i])
	}
	return string(b)
}

// IsByteEscape reports whether s begins like an escape that Text makes.
func IsByteEscape(s string) bool {
	return len(s) >= len(`\xNN`) && s[0] == '\\' && s[1] == 'x' && strings.IndexByte(hexDigits, s[2]) >= 0 && strings.IndexByte(hexDigits, s[3]) >= 0
}

const hexDigits = "0123456789abcdef"
