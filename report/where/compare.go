package where

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/schema"
	"pfsight/report/secrecy"
)

// present is the test whether the field has a value.
func present(f *field) node {
	return func(c *conn) secrecy.Tri { return secrecy.TriOf(f.known(c)) }
}

// anyOf is the test whether one of the nodes is true.
func anyOf(all []node) node {
	return func(c *conn) secrecy.Tri {
		out := secrecy.False
		for _, n := range all {
			switch n(c) {
			case secrecy.True:
				return secrecy.True
			case secrecy.Undetermined:
				out = secrecy.Undetermined
			}
		}
		return out
	}
}

// takes reports whether the field can have a value.
func (f *field) takes(value string) bool { return slices.Contains(f.values, value) }

// An operatorError says what is wrong with an operator, a valueError what is
// wrong with a value.
type (
	operatorError string
	valueError    string
)

func (e operatorError) Error() string { return string(e) }
func (e valueError) Error() string    { return string(e) }

// compare returns the test of the field with an operator and a value. The error
// is an operatorError or a valueError.
func (f *field) compare(op, value string) (node, error) {
	if f.kind == object {
		return nil, operatorError(f.name + " is an object; compare one of its fields, such as " + f.example)
	}
	switch op {
	case "has":
		if f.kind != list && f.kind != codes {
			return nil, operatorError(f.name + " is not a list; write ==")
		}
	case "contains", "starts_with", "ends_with", "matches":
		if f.text == nil && f.each == nil {
			return nil, operatorError(f.name + " is not text")
		}
		return f.search(op, value)
	case "<", "<=", ">", ">=":
		if f.kind != number && f.kind != timed && f.kind != version {
			return nil, operatorError(f.name + " has no order")
		}
	default:
		if f.kind == list || f.kind == codes {
			return nil, operatorError(f.name + " is a list; write has")
		}
	}
	switch f.kind {
	case boolean:
		return f.compareBool(op, value)
	case text:
		return f.compareText(op, value)
	case address:
		return f.compareAddress(op, value)
	case list:
		return f.compareList(value)
	case codes:
		return f.compareCodes(value)
	}
	return f.compareNumber(op, value)
}

// negate returns n, or its negation for the operator !=.
func negate(op string, n node) node {
	if op == "!=" {
		return not(n)
	}
	return n
}

func (f *field) compareBool(op, value string) (node, error) {
	switch strings.ToLower(value) {
	case "yes", "true":
		return negate(op, f.tri), nil
	case "no", "false":
		return negate(op, not(f.tri)), nil
	}
	return nil, valueError(f.name + " is yes or no")
}

func (f *field) compareText(op, value string) (node, error) {
	if len(f.values) > 0 {
		if value = strings.ToLower(value); !f.takes(value) {
			return nil, valueError(f.name + " is one of " + strings.Join(f.values, ", "))
		}
	}
	get := f.text
	return negate(op, func(c *conn) secrecy.Tri {
		s := get(c)
		if s == "" {
			return secrecy.Undetermined
		}
		return secrecy.TriOf(strings.EqualFold(report.Text(s), value))
	}), nil
}

// search returns the test that looks for a value in text, or in each element of
// a list.
func (f *field) search(op, value string) (node, error) {
	var found func(s string) bool
	switch op {
	case "contains":
		lower := strings.ToLower(value)
		found = func(s string) bool { return strings.Contains(strings.ToLower(s), lower) }
	case "starts_with":
		found = func(s string) bool { return len(s) >= len(value) && strings.EqualFold(s[:len(value)], value) }
	case "ends_with":
		found = func(s string) bool { return len(s) >= len(value) && strings.EqualFold(s[len(s)-len(value):], value) }
	default:
		re, err := regexp.Compile(value)
		if err != nil {
			return nil, valueError("not a regular expression: " + strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		found = re.MatchString
	}
	if f.each != nil {
		return f.someText(found), nil
	}
	get := f.text
	return func(c *conn) secrecy.Tri {
		s := get(c)
		if s == "" {
			return secrecy.Undetermined
		}
		return secrecy.TriOf(found(report.Text(s)))
	}, nil
}

// someText is the test whether found is true of the text of an element of the
// list.
func (f *field) someText(found func(s string) bool) node {
	return func(c *conn) secrecy.Tri {
		out := f.notFound(c)
		f.each(c, func(s string) bool {
			if found(report.Text(s)) {
				out = secrecy.True
			}
			return out != secrecy.True
		})
		return out
	}
}

// notFound returns the result of a search that finds nothing. It is undetermined
// for a list of a ClientHello that is not wholly known.
func (f *field) notFound(c *conn) secrecy.Tri {
	if f.offered && (c.Offered == nil || c.Offered.Incomplete) {
		return secrecy.Undetermined
	}
	return secrecy.False
}

func (f *field) compareList(value string) (node, error) {
	if len(f.values) > 0 && !f.takes(strings.ToLower(value)) {
		return nil, valueError(strconv.Quote(value) + " is not a value of " + f.name + didYouMean(value, f.values))
	}
	return f.someText(func(s string) bool { return strings.EqualFold(s, value) }), nil
}

func (f *field) compareCodes(value string) (node, error) {
	want, ok := f.points.Lookup(value)
	if !ok {
		return nil, valueError(strconv.Quote(value) + " is not a " + f.points.What + "; write its name or its number, such as 0x001d")
	}
	return func(c *conn) secrecy.Tri {
		out := f.notFound(c)
		f.codes(c, func(x schema.Code) bool {
			if x == want {
				out = secrecy.True
			}
			return out != secrecy.True
		})
		return out
	}, nil
}

func (f *field) compareAddress(op, value string) (node, error) {
	get := f.addr
	test := func(in func(netip.Addr) bool) node {
		return negate(op, func(c *conn) secrecy.Tri {
			a := get(c)
			if !a.IsValid() {
				return secrecy.Undetermined
			}
			return secrecy.TriOf(in(a.Unmap()))
		})
	}
	if a, err := netip.ParseAddr(value); err == nil {
		a = a.Unmap()
		return test(func(b netip.Addr) bool { return a == b }), nil
	}
	prefix, err := netip.ParsePrefix(value)
	if err != nil {
		return nil, valueError(strconv.Quote(value) + " is neither an address nor a network such as 10.0.0.0/8")
	}
	if op != "in" {
		return nil, operatorError("write in before a network")
	}
	return test(prefix.Contains), nil
}

// compareNumber compares numbers, times, versions and single code points.
func (f *field) compareNumber(op, value string) (node, error) {
	want, err := f.parse(value)
	if err != nil {
		return nil, err
	}
	get := f.num
	if f.kind == version && op != "==" && op != "!=" && op != "in" {
		want = age(uint16(want))
		get = func(c *conn) (int64, bool) {
			v, ok := f.num(c)
			v = age(uint16(v))
			return v, ok && v > 0
		}
		if want == 0 {
			return nil, valueError(strconv.Quote(value) + " has no place in the order of versions")
		}
	}
	var holds func(v int64) bool
	switch op {
	case "<":
		holds = func(v int64) bool { return v < want }
	case "<=":
		holds = func(v int64) bool { return v <= want }
	case ">":
		holds = func(v int64) bool { return v > want }
	case ">=":
		holds = func(v int64) bool { return v >= want }
	case "!=":
		holds = func(v int64) bool { return v != want }
	default:
		holds = func(v int64) bool { return v == want }
	}
	return func(c *conn) secrecy.Tri {
		v, ok := get(c)
		if !ok {
			return secrecy.Undetermined
		}
		return secrecy.TriOf(holds(v))
	}, nil
}

// timeLayouts are the ways in which a time may be written.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly}

// parse reads the value of a field that is a number, a time or a code point.
func (f *field) parse(value string) (int64, error) {
	switch f.kind {
	case timed:
		for _, layout := range timeLayouts {
			t, err := time.Parse(layout, value)
			switch {
			case err != nil:
				continue
			case f.seconds:
				return t.Unix(), nil
			case t.Unix() > 9e9 || t.Unix() < -9e9: // int64 holds 9.2e18 ns
				return 0, valueError(strconv.Quote(value) + " is too far from 1970")
			}
			return t.UnixNano(), nil
		}
		return 0, valueError(strconv.Quote(value) + " is not a time; write 2026-11-24T12:00:00Z or 2026-11-24")
	case number:
		n, err := strconv.ParseInt(value, 0, 64)
		if err != nil {
			return 0, valueError(strconv.Quote(value) + " is not a number")
		}
		return n, nil
	}
	n, ok := f.points.Lookup(value)
	if !ok {
		return 0, valueError(fmt.Sprintf("%q is not a %s; write its name or its number", value, f.points.What))
	}
	return int64(n), nil
}

// age returns the place of a version in their order, 0 for none. DTLS versions
// have the place of the TLS version that they are based on.
func age(v uint16) int64 {
	switch v := iana.Version(v); {
	case v == iana.SSL20:
		return 1
	case v == iana.SSL30:
		return 2
	case v == iana.TLS10:
		return 3
	case v == iana.TLS11, v == iana.DTLS10, v == 0x0100: // RFC 4347; 0x0100 is DTLS 1.0 of old OpenSSL
		return 4
	case v == iana.TLS12, v == iana.DTLS12:
		return 5
	case v.IsTLS13():
		return 6
	}
	return 0
}
