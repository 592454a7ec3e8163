package render

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"pfsight/report/visible"
)

// Quote makes a string from the wire safe for a terminal. It escapes what is
// not printable, invisible, or changes the direction of text.
func Quote(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x`)
			b.WriteString(hex2(s[i]))
		case r == '\\':
			b.WriteString(`\\`)
		case visible.Rune(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}

// Message makes a message safe for one line of a terminal. Unlike Quote it
// keeps backslashes, because parts of the message may already be quoted.
func Message(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !visible.Rune(r) }) < 0 && utf8.ValidString(s) {
		return s
	}
	parts := strings.Split(s, `\`)
	for i, p := range parts {
		parts[i] = Quote(p)
	}
	return strings.Join(parts, `\`)
}

func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '\\' {
			return false
		}
	}
	return true
}

func hex2(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}

// Cell makes a string safe for a CSV cell in a spreadsheet. A string that looks
// like a formula gets a leading apostrophe.
func Cell(s string) string {
	s = Quote(s)
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// quoteMarkdown makes a string safe for a cell of a Markdown table.
func quoteMarkdown(s string) string {
	s = Quote(s)
	if !strings.ContainsAny(s, "|`<>*_[]&#") {
		return s
	}
	return strings.NewReplacer("|", `\|`, "`", "\\`", "<", "&lt;", ">", "&gt;", "&", "&amp;", "*", `\*`, "[", `\[`, "]", `\]`, "#", `\#`, "_", `\_`).Replace(s)
}
