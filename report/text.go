package report

import (
	"strings"
	"unicode/utf8"
)

// Text returns s as valid UTF-8, for JSON strings. File names and data from the
// wire may hold other bytes. Such a byte becomes \xNN with two lower-case hex
// digits. A backslash in s that begins such an escape becomes \x5c, so that
// distinct strings have distinct texts. Other backslashes are unchanged.
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

// Untext is the inverse of Text.
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

// IsByteEscape reports whether s begins with an escape of Text.
func IsByteEscape(s string) bool {
	return len(s) >= len(`\xNN`) && s[0] == '\\' && s[1] == 'x' && strings.IndexByte(hexDigits, s[2]) >= 0 && strings.IndexByte(hexDigits, s[3]) >= 0
}

const hexDigits = "0123456789abcdef"
