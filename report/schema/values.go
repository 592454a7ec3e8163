package schema

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"

	"pfsight/capture/stream"
	"pfsight/report/secrecy"
)

// A Text is a string. The empty string is absent.
type Text[T any] struct {
	At     func(v *T) *string
	Values []string // the values there are; nil for any
	Closed bool     // a saved record with another value is refused
	Hex    bool     // the string is hex digits
	// Omit reports whether a value is absent from the record; nil: never.
	Omit func(v *T) bool
}

// String returns the value, "" where it is absent.
func (t Text[T]) String(v *T) string {
	if t.Omit != nil && t.Omit(v) {
		return ""
	}
	return *t.At(v)
}

// AppendText implements Value.
func (t Text[T]) AppendText(b []byte, v *T) []byte { return append(b, t.String(v)...) }

func (t Text[T]) kind() string {
	if t.Hex {
		return "hex string"
	}
	return oneOf(t.Values, "string")
}

// An Enum is one of a few values that are numbered in memory and named in the
// record.
type Enum[T any] struct {
	At     func(v *T) *uint8
	Values []EnumValue
	Omit   func(v *T) bool // as of Text
}

// An EnumValue is a value of an Enum.
type EnumValue struct {
	Number uint8
	Name   string
}

// enumOf returns the values of an Enum in the order in which they are
// documented.
func enumOf[E interface {
	~uint8
	String() string
}](all ...E) []EnumValue {
	var out []EnumValue
	for _, e := range all {
		out = append(out, EnumValue{uint8(e), e.String()})
	}
	return out
}

// String returns the name of the value, "" where it is absent.
func (e Enum[T]) String(v *T) string {
	if e.Omit != nil && e.Omit(v) {
		return ""
	}
	n := *e.At(v)
	for i := range e.Values {
		if e.Values[i].Number == n {
			return e.Values[i].Name
		}
	}
	return ""
}

// Set sets the value that has a name and reports whether there is one.
func (e Enum[T]) Set(v *T, name []byte) bool {
	for i := range e.Values {
		if e.Values[i].Name == string(name) {
			*e.At(v) = e.Values[i].Number
			return true
		}
	}
	return false
}

// Names returns the names of all values.
func (e Enum[T]) Names() []string {
	var out []string
	for _, x := range e.Values {
		out = append(out, x.Name)
	}
	return out
}

// AppendText implements Value.
func (e Enum[T]) AppendText(b []byte, v *T) []byte { return append(b, e.String(v)...) }

func (e Enum[T]) kind() string { return oneOf(e.Names(), "string") }

// A Number is an integer of at least 0.
type Number[T any] struct {
	Get func(v *T) (n uint64, ok bool)
	Set func(v *T, n uint64)
	Max uint64 // the highest that is read; 0: any of 64 bits
}

// AppendText implements Value.
func (n Number[T]) AppendText(b []byte, v *T) []byte {
	if x, ok := n.Get(v); ok {
		b = strconv.AppendUint(b, x, 10)
	}
	return b
}

func (Number[T]) kind() string { return "number" }

// A Tri is a claim with three states. It is absent while it is undetermined.
type Tri[T any] struct {
	At func(v *T) *secrecy.Tri
}

// AppendText implements Value.
func (t Tri[T]) AppendText(b []byte, v *T) []byte {
	switch *t.At(v) {
	case secrecy.True:
		return append(b, "true"...)
	case secrecy.False:
		return append(b, "false"...)
	}
	return b
}

func (Tri[T]) kind() string { return "boolean" }

// A Flag is a claim that is absent where it is not true.
type Flag[T any] struct {
	At func(v *T) *bool
	// Known reports whether the absence of the claim says that it is false;
	// otherwise it is undetermined. Nil is always.
	Known func(v *T) bool
}

// State returns the claim with its three states.
func (f Flag[T]) State(v *T) secrecy.Tri {
	if set := *f.At(v); set || f.Known == nil || f.Known(v) {
		return secrecy.TriOf(set)
	}
	return secrecy.Undetermined
}

// AppendText implements Value.
func (f Flag[T]) AppendText(b []byte, v *T) []byte {
	if *f.At(v) {
		b = append(b, "true"...)
	}
	return b
}

func (Flag[T]) kind() string { return "boolean" }

// A Time is a time in nanoseconds since 1970 UTC, or 0 where it is absent.
type Time[T any] struct {
	Get func(v *T) int64
	Set func(v *T, ns int64)
}

// AppendText implements Value. It writes RFC 3339 with microseconds, or with
// nanoseconds where they are not zero.
func (t Time[T]) AppendText(b []byte, v *T) []byte {
	if ns := t.Get(v); ns != 0 {
		b = AppendTime(b, ns)
	}
	return b
}

func (Time[T]) kind() string { return "RFC 3339, UTC" }

// AppendTime appends a time in nanoseconds since 1970 UTC as a Time is written.
func AppendTime(b []byte, ns int64) []byte {
	t := time.Unix(0, ns).UTC()
	b = t.AppendFormat(b, time.RFC3339) // fast; layouts with a fraction are not
	fraction, digits := t.Nanosecond(), 9
	if ns%1000 == 0 {
		fraction, digits = fraction/1000, 6
	}
	b[len(b)-1] = '.'
	b = append(b, "000000000Z"[9-digits:]...)
	for i := len(b) - 2; fraction > 0; i-- {
		b[i] = '0' + byte(fraction%10)
		fraction /= 10
	}
	return b
}

// A Date is a time in seconds since 1970 UTC. Certificates have dates beyond
// the range of nanoseconds.
type Date[T any] struct {
	Get func(v *T) (s int64, ok bool)
	Set func(v *T, s int64)
}

// AppendText implements Value.
func (d Date[T]) AppendText(b []byte, v *T) []byte {
	if s, ok := d.Get(v); ok {
		b = time.Unix(s, 0).UTC().AppendFormat(b, time.RFC3339)
	}
	return b
}

func (Date[T]) kind() string { return "RFC 3339, UTC" }

// An IP is the address of an AddrPort. It is absent where the AddrPort is not
// valid.
type IP[T any] struct {
	At func(v *T) *netip.AddrPort
}

// AppendText implements Value.
func (i IP[T]) AppendText(b []byte, v *T) []byte {
	if a := i.At(v); a.IsValid() {
		b = a.Addr().AppendTo(b)
	}
	return b
}

func (IP[T]) kind() string { return "string" }

// A Port is the port of an AddrPort, absent as IP is.
type Port[T any] struct {
	At func(v *T) *netip.AddrPort
}

// AppendText implements Value.
func (p Port[T]) AppendText(b []byte, v *T) []byte {
	if a := p.At(v); a.IsValid() {
		b = strconv.AppendUint(b, uint64(a.Port()), 10)
	}
	return b
}

func (Port[T]) kind() string { return "number" }

// An AddrPort is an address with a port. It is absent where it is not valid.
type AddrPort[T any] struct {
	At func(v *T) *netip.AddrPort
}

// AppendText implements Value.
func (a AddrPort[T]) AppendText(b []byte, v *T) []byte {
	if x := a.At(v); x.IsValid() {
		b = x.AppendTo(b)
	}
	return b
}

func (AddrPort[T]) kind() string { return "string" }

// A MAC is the address of a LAN station. The zero MAC is absent.
type MAC[T any] struct {
	At func(v *T) *stream.MAC
}

// AppendText implements Value.
func (m MAC[T]) AppendText(b []byte, v *T) []byte {
	if x := m.At(v); *x != (stream.MAC{}) {
		b = x.AppendTo(b)
	}
	return b
}

func (MAC[T]) kind() string { return "string" }

// A Hex is bytes that are written as hex digits, such as a hash. It is absent
// where all bytes are zero.
type Hex[T any] struct {
	At func(v *T) []byte
}

// AppendText implements Value.
func (h Hex[T]) AppendText(b []byte, v *T) []byte {
	for x, i := h.At(v), 0; i < len(x); i++ {
		if x[i] != 0 {
			return hex.AppendEncode(b, x)
		}
	}
	return b
}

func (Hex[T]) kind() string { return "hex string" }
