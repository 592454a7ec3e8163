package render

import (
	"bytes"
	"encoding/json"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// writeJSON writes v as one JSON value, indented, in which Quote would find
// nothing but backslashes to escape.
func writeJSON(w io.Writer, v any, indent string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return err
	}
	text := b.Bytes()
	if bytes.IndexFunc(text, func(r rune) bool { return r != '\n' && !shown(r) }) < 0 {
		_, err := w.Write(text)
		return err
	}
	out := make([]byte, 0, len(text)+len(text)/8)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == '\n' || shown(r) {
			out = append(out, text[:n]...)
		} else {
			out = appendRune(out, r)
		}
		text = text[n:]
	}
	_, err := w.Write(out)
	return err
}

// shown reports whether a terminal shows r, and as one would expect.
func shown(r rune) bool { return unicode.IsPrint(r) && !unicode.Is(unicode.Bidi_Control, r) }

// appendRune writes r as an escape of JSON (RFC 8259 section 7).
func appendRune(b []byte, r rune) []byte {
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return appendRune(appendRune(b, high), low)
	}
	return append(append(append(b, `\u`...), hex2(byte(r>>8))...), hex2(byte(r))...)
}
