package schema

import (
	"strconv"

	"pfsight/report/secrecy"
)

// separator is between the elements of a list that is written as text.
const separator = ';'

// Texts is a list of strings. The empty list is absent.
type Texts[T any] struct {
	At func(v *T) *[]string
}

// AppendText implements Value.
func (t Texts[T]) AppendText(b []byte, v *T) []byte {
	for i, s := range *t.At(v) {
		if i > 0 {
			b = append(b, separator)
		}
		b = append(b, s...)
	}
	return b
}

func (Texts[T]) kind() string { return "list" }

// ReasonSet is a set of reasons. The empty set is absent.
type ReasonSet[T any] struct {
	At func(v *T) *secrecy.Reasons
}

// AppendText implements Value.
func (r ReasonSet[T]) AppendText(b []byte, v *T) []byte {
	start := len(b)
	r.At(v).All(func(x secrecy.Reason) {
		if len(b) > start {
			b = append(b, separator)
		}
		b = append(b, x.String()...)
	})
	return b
}

func (ReasonSet[T]) kind() string { return "list" }

// A CodePoint is a code point that has a name: the field holds its name or, with
// Number, its number as hex digits.
type CodePoint[T any] struct {
	Points *Points
	Number bool
	// Get returns the code point, also where ok is false, so that the field is
	// absent.
	Get func(v *T) (c Code, ok bool)
	Set func(v *T, c Code)
	// Seen, if not nil, is called for each value that is read, also for a name
	// that is not registered.
	Seen func(v *T)
}

// AppendText implements Value.
func (c CodePoint[T]) AppendText(b []byte, v *T) []byte {
	x, ok := c.Get(v)
	switch {
	case !ok:
		return b
	case c.Number:
		return x.AppendHex(b)
	}
	return append(b, c.Points.Name(x)...)
}

func (c CodePoint[T]) kind() string {
	if c.Number {
		return "hex string"
	}
	return "string"
}

// Codes is a list of code points. The empty list is absent.
type Codes[T any] struct {
	Points *Points
	Each   func(v *T, yield func(c Code) bool) // until yield returns false
	Set    func(v *T, list []Code)             // copies the list
	// LeftOut is called where an element of a saved record was left out.
	LeftOut func(v *T)
}

// AppendText implements Value.
func (c Codes[T]) AppendText(b []byte, v *T) []byte {
	start := len(b)
	c.Each(v, func(x Code) bool {
		if len(b) > start {
			b = append(b, separator)
		}
		b = c.Points.AppendElement(b, x)
		return true
	})
	return b
}

func (Codes[T]) kind() string { return "list" }

// An Object is a JSON object in the record. A nil pointer is absent.
type Object[T, U any] struct {
	At     func(v *T) **U
	Fields []Field[U]
}

// AppendText implements Value. It appends the fields as name="value".
func (o Object[T, U]) AppendText(b []byte, v *T) []byte {
	x := *o.At(v)
	if x == nil {
		return b
	}
	start := len(b)
	for i := range o.Fields {
		f := &o.Fields[i]
		if text := f.Value.AppendText(nil, x); len(text) > 0 {
			if len(b) > start {
				b = append(b, separator)
			}
			b = append(append(b, f.Name...), '=')
			b = strconv.AppendQuote(b, string(text))
		}
	}
	return b
}

func (Object[T, U]) kind() string { return "object" }
