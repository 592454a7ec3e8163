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
	"pfsight/report/secrecy"
)

// present asks whether the field has a value.
func present(f *field) node {
	return func(c *report.Connection) secrecy.Tri { return secrecy.TriOf(f.known(c)) }
}

// anyOf asks whether one of the nodes is true.
func anyOf(all []node) node {
	return func(c *report.Connection) secrecy.Tri {
		out := secrecy.False
		for _, n := range all {
			switch n(c) {
			case secrecy.True:
				return secrecy.True
			case secrecy.Untold:
				out = secrecy.Untold
			}
		}
		return out
	}
}

// takes reports whether value is one that the field may have.
func (f *field) takes(value string) bool { return slices.Contains(f.values, value) }

// compare makes a node of an operator and a value. What is wrong with them is
// said by wrong; of the operator it begins with "operator: ".
func (f *field) compare(op, value string) (n node, wrong string) {
	if f.kind == object {
		return nil, "operator: " + f.name + " is an object; ask for a field of it, such as " + f.example
	}
	switch op {
	case "has":
		if f.kind != list && f.kind != codes {
			return nil, "operator: " + f.name + " is no list; write =="
		}
	case "contains", "starts_with", "ends_with", "matches":
		if f.text == nil && f.each == nil {
			return nil, "operator: " + f.name + " is no text"
		}
		return f.search(op, value)
	case "<", "<=", ">", ">=":
		if f.kind != number && f.kind != when && f.kind != version {
			return nil, "operator: " + f.name + " has no order"
		}
	default:
		if f.kind == list || f.kind == codes {
			return nil, "operator: " + f.name + " is a list; write has"
		}
	}
	switch f.kind {
	case boolean:
		return f.compareBool(op, value)
	case text:
		return f.compareText(op, value)
	case address:
		return f.compareAddress(op, value)
	case list, codes:
		return f.compareList(value)
	}
	return f.compareNumber(op, value)
}

func negate(op string, n node) node {
	if op == "!=" {
		return not(n)
	}
	return n
}

func (f *field) compareBool(op, value string) (node, string) {
	switch strings.ToLower(value) {
	case "yes", "true":
		return negate(op, f.tri), ""
	case "no", "false":
		return negate(op, not(f.tri)), ""
	}
	return nil, f.name + " is yes or no"
}

func (f *field) compareText(op, value string) (node, string) {
	if len(f.values) > 0 {
		if value = strings.ToLower(value); !f.takes(value) {
			return nil, f.name + " is one of " + strings.Join(f.values, ", ")
		}
	}
	get := f.text
	return negate(op, func(c *report.Connection) secrecy.Tri {
		s := get(c)
		if s == "" {
			return secrecy.Untold
		}
		return secrecy.TriOf(strings.EqualFold(report.Text(s), value))
	}), ""
}

// search makes a node that looks into text, or into each value of a list.
func (f *field) search(op, value string) (node, string) {
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
			return nil, "not a regular expression: " + strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		}
		found = re.MatchString
	}
	if f.each != nil {
		return f.some(func(s string, _ uint16) bool { return found(report.Text(s)) }), ""
	}
	get := f.text
	return func(c *report.Connection) secrecy.Tri {
		s := get(c)
		if s == "" {
			return secrecy.Untold
		}
		return secrecy.TriOf(found(report.Text(s)))
	}, ""
}

// some asks whether a value of the list is found. In a list of which a part
// is missing, what is not found is not known.
func (f *field) some(found func(s string, code uint16) bool) node {
	return func(c *report.Connection) secrecy.Tri {
		if f.offered && c.Offered == nil {
			return secrecy.Untold
		}
		out := secrecy.False
		if f.offered && c.Offered.Incomplete {
			out = secrecy.Untold
		}
		f.each(c, func(s string, code uint16) bool {
			if found(s, code) {
				out = secrecy.True
				return false
			}
			return true
		})
		return out
	}
}

func (f *field) compareList(value string) (node, string) {
	if f.kind == list {
		if len(f.values) > 0 && !f.takes(strings.ToLower(value)) {
			return nil, strconv.Quote(value) + " is no value of " + f.name + nearestOf(value, f.values)
		}
		return f.some(func(s string, _ uint16) bool { return strings.EqualFold(report.Text(s), value) }), ""
	}
	want, ok := f.code(value)
	if !ok {
		return nil, strconv.Quote(value) + " is no " + f.what + "; write its name or its number, such as 0x001d"
	}
	return f.some(func(_ string, code uint16) bool { return code == want }), ""
}

func (f *field) compareAddress(op, value string) (node, string) {
	get := f.addr
	ask := func(in func(netip.Addr) bool) node {
		return negate(op, func(c *report.Connection) secrecy.Tri {
			a := get(c)
			if !a.IsValid() {
				return secrecy.Untold
			}
			return secrecy.TriOf(in(a.Unmap()))
		})
	}
	if a, err := netip.ParseAddr(value); err == nil {
		a = a.Unmap()
		return ask(func(b netip.Addr) bool { return a == b }), ""
	}
	prefix, err := netip.ParsePrefix(value)
	if err != nil {
		return nil, strconv.Quote(value) + " is no address and no network such as 10.0.0.0/8"
	}
	if op != "in" {
		return nil, "operator: write in before a network"
	}
	return ask(prefix.Contains), ""
}

// compareNumber compares numbers, times, versions and single code points.
func (f *field) compareNumber(op, value string) (node, string) {
	want, wrong := f.parse(value)
	if wrong != "" {
		return nil, wrong
	}
	get := f.num
	if f.kind == version && op != "==" && op != "!=" && op != "in" {
		want = age(uint16(want))
		get = func(c *report.Connection) (int64, bool) {
			v, ok := f.num(c)
			v = age(uint16(v))
			return v, ok && v > 0
		}
		if want == 0 {
			return nil, strconv.Quote(value) + " has no place in the order of versions"
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
	return func(c *report.Connection) secrecy.Tri {
		v, ok := get(c)
		if !ok {
			return secrecy.Untold
		}
		return secrecy.TriOf(holds(v))
	}, ""
}

// parse reads a value of a field that is a number, a time or a code point.
func (f *field) parse(value string) (int64, string) {
	switch f.kind {
	case when:
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
			if t, err := time.Parse(layout, value); err == nil {
				if f.seconds {
					return t.Unix(), ""
				}
				if s := t.Unix(); s > 9e9 || s < -9e9 {
					return 0, strconv.Quote(value) + " is too far away"
				}
				return t.UnixNano(), ""
			}
		}
		return 0, strconv.Quote(value) + " is no time; write 2026-11-24T12:00:00Z or 2026-11-24"
	case number:
		n, err := strconv.ParseInt(value, 0, 64)
		if err != nil {
			return 0, strconv.Quote(value) + " is no number"
		}
		return n, ""
	}
	n, ok := f.code(value)
	if !ok {
		return 0, fmt.Sprintf("%q is no %s; write its name or its number", value, f.what)
	}
	return int64(n), ""
}

// hexCode reads the number of a code point.
func hexCode(s string) (uint16, bool) {
	if len(s) < 3 || s[0] != '0' || s[1]|0x20 != 'x' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:], 16, 16)
	return uint16(n), err == nil
}

func suiteCode(s string) (uint16, bool) {
	if n, ok := hexCode(s); ok {
		return n, true
	}
	id, ok := iana.LookupSuite(s)
	return uint16(id), ok
}

func groupCode(s string) (uint16, bool) {
	if n, ok := hexCode(s); ok {
		return n, true
	}
	id, ok := iana.LookupGroup(s)
	return uint16(id), ok
}

func schemeCode(s string) (uint16, bool) {
	if n, ok := hexCode(s); ok {
		return n, true
	}
	id, ok := iana.LookupSignatureScheme(s)
	return uint16(id), ok
}

func versionCode(s string) (uint16, bool) {
	if n, ok := hexCode(s); ok {
		return n, true
	}
	for _, v := range []iana.Version{iana.SSL20, iana.SSL30, iana.TLS10, iana.TLS11, iana.TLS12, iana.TLS13, iana.DTLS10, iana.DTLS12, iana.DTLS13, iana.TLCP11} {
		name := v.String()
		if strings.EqualFold(name, s) || strings.EqualFold(strings.ReplaceAll(name, " ", ""), s) {
			return uint16(v), true
		}
	}
	for v := iana.Version(0x7f00); v < 0x7f80; v++ {
		if strings.EqualFold(v.String(), s) {
			return uint16(v), true
		}
	}
	return 0, false
}

// age orders versions; 0 is no place in the order.
func age(v uint16) int64 {
	switch v := iana.Version(v); {
	case v == iana.SSL20:
		return 1
	case v == iana.SSL30:
		return 2
	case v == iana.TLS10:
		return 3
	case v == iana.TLS11, v == iana.DTLS10, v == 0x0100: // DTLS 1.0 is TLS 1.1 over datagrams, RFC 4347
		return 4
	case v == iana.TLS12, v == iana.DTLS12:
		return 5
	case v.IsTLS13():
		return 6
	}
	return 0
}
