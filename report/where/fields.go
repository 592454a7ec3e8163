package where

import (
	"fmt"
	"math"
	"net/netip"
	"strings"

	"pfsight/report"
	"pfsight/report/schema"
	"pfsight/report/secrecy"
	"pfsight/report/suggest"
)

// A kind is how the values of a field are compared.
type kind uint8

const (
	text    kind = iota
	boolean      // three states
	number
	timed   // a time
	version // a code point with an order
	code    // a code point
	address
	list  // of strings
	codes // a list of code points
	object
)

// A field is a field of the record. Its kind decides which functions are set.
type field struct {
	name    string
	kind    kind
	values  []string // all there are; nil: any
	text    func(c *conn) string
	num     func(c *conn) (int64, bool)
	tri     node
	addr    func(c *conn) netip.Addr
	each    func(c *conn, yield func(s string) bool)      // of a list, and the names of codes
	codes   func(c *conn, yield func(c schema.Code) bool) // of codes
	has     func(c *conn) bool                            // of an object
	example string                                        // of an object: a field of it
	points  *schema.Points                                // of a code point
	offered bool                                          // the field belongs to the ClientHello
	seconds bool                                          // a time is in seconds, not in nanoseconds
}

type conn = report.Connection

// known reports whether c has a value of the field.
func (f *field) known(c *conn) bool {
	some := false
	switch f.kind {
	case object:
		return f.has(c)
	case text:
		s := f.text(c)
		return s != "" && !(s == "unknown" && f.takes(s))
	case boolean:
		return f.tri(c) != secrecy.Undetermined
	case address:
		return f.addr(c).IsValid()
	case list:
		f.each(c, func(string) bool { some = true; return false })
	case codes:
		f.codes(c, func(schema.Code) bool { some = true; return false })
	default:
		_, some = f.num(c)
	}
	return some
}

func lookup(name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

var fields = newFields()

// newFields returns the fields of the record and of its objects, and bytes.
func newFields() []field {
	var out []field
	for i := range schema.Fields {
		f := &schema.Fields[i]
		switch v := f.Value.(type) {
		case schema.Object[conn, report.Certificate]:
			out = append(out, objectFields(f.Name, v, "bits")...)
		case schema.Object[conn, report.Offer]:
			out = append(out, objectFields(f.Name, v, "groups")...)
		default:
			out = append(out, newField(f.Name, f.Value, func(c *conn) *conn { return c }))
		}
	}
	return append(out, field{name: "bytes", kind: number, num: func(c *conn) (int64, bool) { return clamp(c.Totals.Bytes[0] + c.Totals.Bytes[1]), true }})
}

func objectFields[T any](name string, o schema.Object[conn, T], example string) []field {
	out := []field{{name: name, kind: object, example: name + "." + example, has: func(c *conn) bool { return *o.At(c) != nil }}}
	_, offered := any((*T)(nil)).(*report.Offer)
	for i := range o.Fields {
		f := newField(name+"."+o.Fields[i].Name, o.Fields[i].Value, func(c *conn) *T { return *o.At(c) })
		f.offered = offered
		out = append(out, f)
	}
	return out
}

// newField returns the field that has a value in what of returns for a
// connection. That may be nil.
func newField[T any](name string, value schema.Value[T], of func(c *conn) *T) field {
	str := func(get func(v *T) string) func(c *conn) string {
		return func(c *conn) string {
			if v := of(c); v != nil {
				return get(v)
			}
			return ""
		}
	}
	num := func(get func(v *T) (int64, bool)) func(c *conn) (int64, bool) {
		return func(c *conn) (int64, bool) {
			if v := of(c); v != nil {
				return get(v)
			}
			return 0, false
		}
	}
	tri := func(get func(v *T) secrecy.Tri) node {
		return func(c *conn) secrecy.Tri {
			if v := of(c); v != nil {
				return get(v)
			}
			return secrecy.Undetermined
		}
	}
	f := field{name: name}
	switch k := value.(type) {
	case schema.Text[T]:
		f.values, f.text = k.Values, str(func(v *T) string { return *k.At(v) })
	case schema.Enum[T]:
		f.values, f.text = k.Names(), str(k.String)
	case schema.AddrPort[T], schema.MAC[T], schema.Hex[T]:
		f.text = str(func(v *T) string { return string(value.AppendText(nil, v)) })
	case schema.Number[T]:
		f.kind, f.num = number, num(func(v *T) (int64, bool) { n, ok := k.Get(v); return clamp(n), ok })
	case schema.Port[T]:
		f.kind, f.num = number, num(func(v *T) (int64, bool) { a := k.At(v); return int64(a.Port()), a.IsValid() })
	case schema.Time[T]:
		f.kind, f.num = timed, num(func(v *T) (int64, bool) { ns := k.Get(v); return ns, ns != 0 })
	case schema.Date[T]:
		f.kind, f.seconds, f.num = timed, true, num(k.Get)
	case schema.Tri[T]:
		f.kind, f.tri = boolean, tri(func(v *T) secrecy.Tri { return *k.At(v) })
	case schema.Flag[T]:
		f.kind, f.tri = boolean, tri(k.State)
	case schema.IP[T]:
		f.kind, f.addr = address, func(c *conn) netip.Addr {
			if v := of(c); v != nil {
				return k.At(v).Addr()
			}
			return netip.Addr{}
		}
	case schema.CodePoint[T]:
		if f.kind = code; k.Points == schema.Versions {
			f.kind = version
		}
		f.points = k.Points
		f.num = num(func(v *T) (int64, bool) { c, ok := k.Get(v); return int64(c), ok })
		f.text = str(func(v *T) string {
			if c, ok := k.Get(v); ok {
				return k.Points.Name(c)
			}
			return ""
		})
	case schema.Texts[T]:
		f.kind, f.each = list, func(c *conn, yield func(s string) bool) {
			if v := of(c); v != nil {
				for _, s := range *k.At(v) {
					if !yield(s) {
						return
					}
				}
			}
		}
	case schema.ReasonSet[T]:
		for r := range secrecy.NumReasons {
			f.values = append(f.values, r.String())
		}
		f.kind, f.each = list, func(c *conn, yield func(s string) bool) {
			more := true
			if v := of(c); v != nil {
				k.At(v).All(func(r secrecy.Reason) { more = more && yield(r.String()) })
			}
		}
	case schema.Codes[T]:
		f.kind, f.points = codes, k.Points
		f.codes = func(c *conn, yield func(c schema.Code) bool) {
			if v := of(c); v != nil {
				k.Each(v, yield)
			}
		}
		f.each = func(c *conn, yield func(s string) bool) {
			f.codes(c, func(x schema.Code) bool { return yield(k.Points.Name(x)) })
		}
	default:
		panic(fmt.Sprintf("the field %s is of a kind that cannot be compared: %T", name, value))
	}
	return f
}

// clamp returns n, or the highest int64.
func clamp(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// mostSimilar returns the name of all that is most similar to s, "" for none.
func mostSimilar(s string, all []string) string {
	s = strings.ToLower(s)
	var ranking suggest.Ranking
	for _, a := range all {
		if d := suggest.Distance(s, a); d <= max(2, len(s)/4) {
			ranking.Add(a, d)
		}
	}
	if best := ranking.Best(1); len(best) > 0 {
		return best[0]
	}
	return ""
}

// didYouMean returns the end of an error message about s, which is none of all.
func didYouMean(s string, all []string) string {
	if name := mostSimilar(s, all); name != "" {
		return "; did you mean " + name + "?"
	}
	return ""
}

func fieldNames() []string {
	var out []string
	for i := range fields {
		out = append(out, fields[i].name)
	}
	return out
}
