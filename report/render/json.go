package render

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"unicode/utf16"
	"unicode/utf8"

	"pfsight/report"
	"pfsight/report/visible"
)

// texts returns v with report.Text applied to every string in it that JSON shows.
func texts(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		out := reflect.New(v.Type()).Elem()
		out.SetString(report.Text(v.String()))
		return out
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return v
		}
		inner := texts(v.Elem())
		if v.Kind() == reflect.Interface {
			return inner
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(inner)
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Tag.Get("json") != "-" {
				out.Field(i).Set(texts(v.Field(i)))
			}
		}
		return out
	case reflect.Slice:
		if v.IsNil() || v.Type().Elem().Kind() == reflect.Uint8 {
			return v // JSON that was made before
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(texts(v.Index(i)))
		}
		return out
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for k, x := range v.Seq2() {
			out.SetMapIndex(texts(k), texts(x))
		}
		return out
	}
	return v
}

// writeJSON writes v as one JSON value, indented, in which Quote would find
// nothing but backslashes to escape. Its strings are as report.Text has them.
func writeJSON(w io.Writer, v any, indent string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", indent)
	if err := e.Encode(texts(reflect.ValueOf(v)).Interface()); err != nil {
		return err
	}
	text := b.Bytes()
	if bytes.IndexFunc(text, func(r rune) bool { return r != '\n' && !visible.Rune(r) }) < 0 {
		_, err := w.Write(text)
		return err
	}
	out := make([]byte, 0, len(text)+len(text)/8)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == '\n' || visible.Rune(r) {
			out = append(out, text[:n]...)
		} else {
			out = appendRune(out, r)
		}
		text = text[n:]
	}
	_, err := w.Write(out)
	return err
}

// appendRune writes r as an escape of JSON (RFC 8259 section 7).
func appendRune(b []byte, r rune) []byte {
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return appendRune(appendRune(b, high), low)
	}
	return append(append(append(b, `\u`...), hex2(byte(r>>8))...), hex2(byte(r))...)
}
