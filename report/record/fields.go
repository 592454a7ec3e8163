package record

import (
	"fmt"
	"net/netip"
	"slices"

	"pfsight/report"
	"pfsight/report/schema"
	"pfsight/report/secrecy"
)

// A field is the number of a field of the record, from 1 in the order of
// schema.Fields, or unknown.
type field uint8

const unknown field = 0

// maxFields is the number of fields for which there is room, unknown included.
const maxFields = 256

// names are the names of the fields. leads are the names as they begin a member
// of an object: with quotes and colon. readers read the values.
var (
	names   [maxFields]string
	leads   [maxFields]string
	readers [maxFields]reader[report.Connection]
	byName  = map[string]field{}
	verdict field // of forward_secrecy, which every record has
)

func init() {
	leads[unknown] = "\x00" // no member begins so
	for i := range schema.Fields {
		f, n := &schema.Fields[i], field(i+1)
		names[n], leads[n], byName[f.Name] = f.Name, `"`+f.Name+`":`, n
		switch v := f.Value.(type) {
		case schema.Object[report.Connection, report.Certificate]:
			fields := objectReaders(f.Name, v.Fields)
			readers[n] = func(p *Parser, c *report.Connection) bool {
				return readShared(p, &p.certs, maxCertificates, fields, v.At(c))
			}
		case schema.Object[report.Connection, report.Offer]:
			fields := objectReaders(f.Name, v.Fields)
			readers[n] = func(p *Parser, c *report.Connection) bool {
				return readShared(p, &p.offers, maxOffers, fields, v.At(c))
			}
		default:
			readers[n] = newReader(f, f.Name)
		}
	}
	verdict = byName["forward_secrecy"]
}

// IsField reports whether name is that of a field of the record.
func IsField(name string) bool { return byName[name] != unknown }

func fieldOf(key []byte) field { return byName[string(key)] }

// A reader reads the value of a field into v and reports whether it is one.
type reader[T any] func(p *Parser, v *T) bool

// newReader returns the reader of a field that is not an object. path is its
// name in notes.
func newReader[T any](f *schema.Field[T], path string) reader[T] {
	switch k := f.Value.(type) {
	case schema.Text[T]:
		at := k.At
		if k.Closed {
			return func(p *Parser, v *T) bool { return p.text(at(v)) && slices.Contains(k.Values, *at(v)) }
		}
		return func(p *Parser, v *T) bool { return p.text(at(v)) }
	case schema.Enum[T]:
		return func(p *Parser, v *T) bool {
			raw, _ := p.raw()
			return k.Set(v, raw)
		}
	case schema.Number[T]:
		return func(p *Parser, v *T) bool {
			var n uint64
			if !p.number(&n) || k.Max > 0 && n > k.Max {
				return false
			}
			k.Set(v, n)
			return true
		}
	case schema.Tri[T]:
		at := k.At
		return func(p *Parser, v *T) bool {
			var is bool
			ok := p.boolean(&is)
			*at(v) = secrecy.TriOf(is)
			return ok
		}
	case schema.Flag[T]:
		at := k.At
		return func(p *Parser, v *T) bool { return p.boolean(at(v)) }
	case schema.Time[T]:
		set := k.Set
		return func(p *Parser, v *T) bool {
			ns, ok := p.time()
			set(v, ns)
			return ok
		}
	case schema.Date[T]:
		return func(p *Parser, v *T) bool {
			raw, _ := p.raw()
			s, _, ok := p.clock.parse(raw)
			k.Set(v, s)
			return ok
		}
	case schema.IP[T]:
		at := k.At
		return func(p *Parser, v *T) bool { return p.address(at(v)) }
	case schema.Port[T]:
		at := k.At
		return func(p *Parser, v *T) bool {
			var n uint64
			a := at(v)
			ok := p.number(&n)
			*a = netip.AddrPortFrom(a.Addr(), uint16(n))
			return ok && n < 1<<16
		}
	case schema.AddrPort[T]:
		return func(p *Parser, v *T) bool { return p.addrPort(k.At(v)) }
	case schema.MAC[T]:
		return func(p *Parser, v *T) bool { return p.mac(k.At(v)) }
	case schema.Hex[T]:
		return func(p *Parser, v *T) bool { return p.hex(k.At(v)) }
	case schema.Texts[T]:
		at := k.At
		return func(p *Parser, v *T) bool { return p.list(at(v)) }
	case schema.ReasonSet[T]:
		return func(p *Parser, v *T) bool { return p.reasonSet(k.At(v)) }
	case schema.CodePoint[T]:
		return codePointReader(&k, path)
	case schema.Codes[T]:
		return codesReader(k, path)
	}
	panic(fmt.Sprintf("the field %s is of a kind that is not read: %T", path, f.Value))
}

// codePointReader reads a code point by its number or its name. Where a record
// has both, in any order, the number counts.
func codePointReader[T any](k *schema.CodePoint[T], path string) reader[T] {
	number := `,"` + path + `_id":"` // what a writer that knows more names has next
	return func(p *Parser, v *T) bool {
		raw, escaped := p.raw()
		if p.bad || escaped {
			return false
		}
		if k.Seen != nil {
			k.Seen(v)
		}
		c, ok := k.Points.Hex(raw)
		if !ok {
			if k.Number {
				return false
			}
			if have, _ := k.Get(v); have != 0 {
				return true
			}
			if c, ok = k.Points.Named(raw); !ok {
				if rest := p.b[p.i:]; len(rest) <= len(number) || string(rest[:len(number)]) != number {
					p.note(path + ": " + clip(raw) + " is not registered")
				}
				return true
			}
		}
		k.Set(v, c)
		return true
	}
}

// codesReader reads a list of names and numbers of code points. It leaves out
// names that are not registered, with a note.
func codesReader[T any](k schema.Codes[T], path string) reader[T] {
	return func(p *Parser, v *T) bool {
		if !p.open('[') {
			return false
		}
		p.scratch = p.scratch[:0]
		for more := p.more(']'); more; more = p.next(']') {
			raw, escaped := p.raw()
			if p.bad || escaped {
				return false
			}
			c, ok := k.Points.Hex(raw)
			if !ok {
				c, ok = k.Points.Named(raw)
			}
			switch {
			case ok:
				p.scratch = append(p.scratch, c)
			case k.Points.Closed:
				return false
			default:
				k.LeftOut(v)
				p.note(path + ": " + clip(raw) + " is not registered")
			}
		}
		k.Set(v, p.scratch)
		return !p.bad
	}
}
