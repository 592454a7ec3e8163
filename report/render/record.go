package render

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"

	"pfsight/report"
	"pfsight/report/schema"
	"pfsight/report/secrecy"
	"pfsight/report/visible"
)

// An Encoder writes records as JSON objects. It keeps its buffers, and the JSON
// of offers and certificates that connections share, between calls.
type Encoder struct {
	b      []byte
	offers shared[report.Offer]
	certs  shared[report.Certificate]
}

// Limits of the JSON that an Encoder keeps of objects, bytes.
const (
	maxShared  = 1 << 20 // of one type
	longShared = 8 << 10 // of one object
)

// shared is the JSON of objects by address: equal objects have one.
type shared[T any] struct {
	json map[*T][]byte
	held int // bytes
}

// keep keeps a copy of the JSON of v. When there is no room it forgets all
// others.
func (s *shared[T]) keep(v *T, json []byte) {
	if len(json) > longShared {
		return
	}
	if s.json == nil || s.held+len(json) > maxShared {
		s.json, s.held = map[*T][]byte{}, 0
	}
	s.json[v] = bytes.Clone(json)
	s.held += len(json)
}

// Record returns the JSON object of c, without a newline. It is valid until
// the next call.
func (e *Encoder) Record(c *report.Connection) []byte {
	return e.record(append(e.b[:0], '{'), c, true)
}

// An Event is the event of a connection that a live record is written for.
type Event string

// The events.
const (
	Handshake Event = "handshake" // the verdict is known; bytes and packets are not
	End       Event = "end"       // the connection ended, or is no longer followed; the record is complete
)

// Event returns the record of c at an event. Where both events of connections
// are written, named is true and two more fields precede the record: event, and
// connection, a number that the two records of a connection share. It is valid
// until the next call.
func (e *Encoder) Event(ev Event, named bool, c *report.Connection) []byte {
	b := append(e.b[:0], '{')
	if named {
		b = append(b, `"event":"`...)
		b = append(b, ev...)
		b = append(b, `","connection":`...)
		b = strconv.AppendUint(b, c.ID, 10)
	}
	return e.record(b, c, ev == End)
}

// record writes what follows the opening brace.
func (e *Encoder) record(b []byte, c *report.Connection, ended bool) []byte {
	for i := range recordFields {
		switch f := &recordFields[i]; {
		case f.atEnd && !ended:
		case f.value != nil:
			b = f.value(b, c)
		default:
			b = f.object(e, b, c)
		}
	}
	e.b = append(b, '}')
	return e.b
}

// offeredJSON returns the JSON object of an offer, nil for none.
func offeredJSON(o *report.Offer) []byte {
	if o == nil {
		return nil
	}
	return append(appendObject([]byte("{"), offerFields, o), '}')
}

// An appender appends the name and the value of a field to an object that is not
// closed, or nothing where the value is absent.
type appender[T any] func(b []byte, v *T) []byte

// A recordField writes a field of the record: one of the functions is set.
type recordField struct {
	value  appender[report.Connection]
	object func(e *Encoder, b []byte, c *report.Connection) []byte
	atEnd  bool
}

// These write the fields of the record and of its objects.
var (
	certificateFields = appenders(schema.CertificateFields)
	offerFields       = appenders(schema.OfferFields)
	recordFields      = newRecordFields()
)

func newRecordFields() []recordField {
	var out []recordField
	for i := range schema.Fields {
		f := &schema.Fields[i]
		r := recordField{atEnd: f.AtEnd}
		switch v := f.Value.(type) {
		case schema.Object[report.Connection, report.Certificate]:
			r.object = objectAppender(f.Name, v, certificateFields, func(e *Encoder) *shared[report.Certificate] { return &e.certs })
		case schema.Object[report.Connection, report.Offer]:
			r.object = objectAppender(f.Name, v, offerFields, func(e *Encoder) *shared[report.Offer] { return &e.offers })
		default:
			r.value = newAppender(f)
		}
		out = append(out, r)
	}
	return out
}

func appenders[T any](fields []schema.Field[T]) []appender[T] {
	var out []appender[T]
	for i := range fields {
		out = append(out, newAppender(&fields[i]))
	}
	return out
}

// objectAppender returns the function that writes an object with its name. kept
// returns where the Encoder keeps such objects.
func objectAppender[T any](name string, object schema.Object[report.Connection, T], fields []appender[T], kept func(e *Encoder) *shared[T]) func(*Encoder, []byte, *report.Connection) []byte {
	key := jsonKey(name)
	return func(e *Encoder, b []byte, c *report.Connection) []byte {
		v := *object.At(c)
		if v == nil {
			return b
		}
		b = appendKey(b, key)
		known := kept(e)
		if json, ok := known.json[v]; ok {
			return append(b, json...)
		}
		start := len(b)
		b = append(appendObject(append(b, '{'), fields, v), '}')
		known.keep(v, b[start:])
		return b
	}
}

// appendObject writes what is between the braces of an object.
func appendObject[T any](b []byte, fields []appender[T], v *T) []byte {
	for i := range fields {
		b = fields[i](b, v)
	}
	return b
}

// newAppender returns the function that writes a field which is not an object.
func newAppender[T any](f *schema.Field[T]) appender[T] {
	key := jsonKey(f.Name)
	switch k := f.Value.(type) {
	case schema.Text[T]:
		at := k.At
		if k.Omit != nil {
			return func(b []byte, v *T) []byte { return appendText(b, key, k.String(v)) }
		}
		return func(b []byte, v *T) []byte { return appendText(b, key, *at(v)) }
	case schema.Tri[T]:
		at := k.At
		return func(b []byte, v *T) []byte {
			switch *at(v) {
			case secrecy.True:
				return append(appendKey(b, key), "true"...)
			case secrecy.False:
				return append(appendKey(b, key), "false"...)
			}
			return b
		}
	case schema.Number[T]:
		get := k.Get
		return func(b []byte, v *T) []byte {
			if n, ok := get(v); ok {
				b = strconv.AppendUint(appendKey(b, key), n, 10)
			}
			return b
		}
	case schema.Flag[T]:
		at, whole := k.At, key+"true"
		return func(b []byte, v *T) []byte {
			if *at(v) {
				b = appendKey(b, whole)
			}
			return b
		}
	case schema.IP[T]:
		at := k.At
		return func(b []byte, v *T) []byte {
			if a := at(v); a.IsValid() {
				b = append(a.Addr().AppendTo(append(appendKey(b, key), '"')), '"')
			}
			return b
		}
	case schema.Port[T]:
		at := k.At
		return func(b []byte, v *T) []byte {
			if a := at(v); a.IsValid() {
				b = strconv.AppendUint(appendKey(b, key), uint64(a.Port()), 10)
			}
			return b
		}
	case schema.Enum[T]:
		at, omit := k.At, k.Omit
		var whole []string // by number
		for _, x := range k.Values {
			for len(whole) <= int(x.Number) {
				whole = append(whole, "")
			}
			whole[x.Number] = key + `"` + x.Name + `"`
		}
		return func(b []byte, v *T) []byte {
			if n := int(*at(v)); n < len(whole) && whole[n] != "" && (omit == nil || !omit(v)) {
				b = appendKey(b, whole[n])
			}
			return b
		}
	case schema.Time[T]:
		get := k.Get
		return func(b []byte, v *T) []byte {
			if ns := get(v); ns != 0 {
				b = append(schema.AppendTime(append(appendKey(b, key), '"'), ns), '"')
			}
			return b
		}
	case schema.CodePoint[T]:
		get, points, number := k.Get, k.Points, k.Number
		return func(b []byte, v *T) []byte {
			c, ok := get(v)
			switch {
			case !ok:
				return b
			case number:
				return append(c.AppendHex(append(appendKey(b, key), '"')), '"')
			}
			return append(append(append(appendKey(b, key), '"'), points.Name(c)...), '"')
		}
	case schema.Texts[T]:
		at := k.At
		return func(b []byte, v *T) []byte {
			list := *at(v)
			if len(list) == 0 {
				return b
			}
			b = append(appendKey(b, key), '[')
			for _, s := range list {
				b = append(appendString(b, s), ',')
			}
			b[len(b)-1] = ']'
			return b
		}
	case schema.Codes[T]:
		return func(b []byte, v *T) []byte {
			before := b
			b = append(appendKey(b, key), '[')
			start := len(b)
			k.Each(v, func(c schema.Code) bool {
				b = append(k.Points.AppendElement(append(b, '"'), c), '"', ',') // registered names need no escape
				return true
			})
			if len(b) == start {
				return before
			}
			b[len(b)-1] = ']'
			return b
		}
	case schema.ReasonSet[T]:
		at := k.At
		return func(b []byte, v *T) []byte {
			set := *at(v)
			if set == 0 {
				return b
			}
			b = append(appendKey(b, key), '[')
			set.All(func(r secrecy.Reason) {
				b = append(b, '"')
				b = append(b, r.String()...)
				b = append(b, '"', ',')
			})
			b[len(b)-1] = ']'
			return b
		}
	case schema.Date[T], schema.AddrPort[T], schema.MAC[T], schema.Hex[T]: // their text needs no escape
		return func(b []byte, v *T) []byte {
			before := len(b)
			b = append(appendKey(b, key), '"')
			start := len(b)
			if b = f.Value.AppendText(b, v); len(b) == start {
				return b[:before]
			}
			return append(b, '"')
		}
	}
	panic(fmt.Sprintf("the field %s is of a kind that JSON does not have: %T", f.Name, f.Value))
}

// timeText returns a time in nanoseconds since 1970 UTC as the record has it, ""
// for 0.
func timeText(ns int64) string {
	if ns == 0 {
		return ""
	}
	return string(schema.AppendTime(nil, ns))
}

func jsonKey(name string) string { return `,"` + name + `":` }

// appendKey writes a key that begins with a comma, without it at the start of
// an object.
func appendKey(b []byte, key string) []byte {
	if b[len(b)-1] == '{' {
		key = key[1:]
	}
	return append(b, key...)
}

func appendText(b []byte, key, v string) []byte {
	if v == "" {
		return b
	}
	return appendString(appendKey(b, key), v)
}

// appendString writes s, as report.Text has it, as a JSON string. What a terminal would
// not show, or a reader of lines take for the end of one, is an escape; so is
// U+FFFD, which others write where they lose a byte.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < 0x7f && c != '"' && c != '\\' {
			b = append(b, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, c == '\\' && report.IsByteEscape(s[i:]):
			b = append(append(b, `\\x`...), hex2(c)...)
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case r == utf8.RuneError:
			b = append(b, `\ufffd`...)
		case !visible.Rune(r):
			b = appendRune(b, r)
		default:
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return append(b, '"')
}
