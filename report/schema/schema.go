package schema

import (
	"cmp"
	"slices"
	"strings"

	"pfsight/report"
)

// A Field is one field of the JSON object that describes a T.
type Field[T any] struct {
	Name    string // unique in its object
	Meaning string
	// Absent says what the absence of the field means; it is Never for a field
	// that every record has.
	Absent string
	// Column orders the columns of CSV; fields with equal numbers keep the order
	// of the table. A new field has a higher number than all others.
	Column int
	// AtEnd says that the value is known only when the connection has ended, so
	// that the record of a handshake event has no such field.
	AtEnd bool
	Value Value[T]
}

// Never is the Absent of a field that every record has.
const Never = "never"

// A Value is how a field's value is read from a T and set in it. Each kind of
// value is a type of this package; the functions it holds are the accessors.
type Value[T any] interface {
	// AppendText appends the value as text, without quotes or escapes, and
	// nothing where the value is absent. The elements of a list are separated by
	// semicolons. Text that came from the wire may hold any byte.
	AppendText(b []byte, v *T) []byte
	// kind describes the kind for people.
	kind() string
}

// Type describes the kind of the value for people: "number", "tcp, udp, eapol".
func (f *Field[T]) Type() string { return f.Value.kind() }

type conn = report.Connection

// Lookup finds a field of the record by its name.
func Lookup(name string) *Field[report.Connection] {
	for i := range Fields {
		if Fields[i].Name == name {
			return &Fields[i]
		}
	}
	return nil
}

// An Entry is a field of the record or a field of one of its objects. The
// latter has the object's name and a dot before its own: certificate.bits.
type Entry struct {
	Name, Type, Meaning, Absent string
	// Of is the name of the object that the field belongs to, "" for the record.
	Of string
}

// Entries returns all fields of the record. The fields of an object follow it.
func Entries() []Entry {
	var out []Entry
	for i := range Fields {
		f := &Fields[i]
		out = append(out, entry(f, ""))
		switch v := f.Value.(type) {
		case Object[conn, report.Certificate]:
			out = append(out, entries(v.Fields, f.Name)...)
		case Object[conn, report.Offer]:
			out = append(out, entries(v.Fields, f.Name)...)
		}
	}
	return out
}

func entries[T any](fields []Field[T], of string) []Entry {
	var out []Entry
	for i := range fields {
		out = append(out, entry(&fields[i], of))
	}
	return out
}

func entry[T any](f *Field[T], of string) Entry {
	name := f.Name
	if of != "" {
		name = of + "." + name
	}
	return Entry{name, f.Type(), f.Meaning, f.Absent, of}
}

// A Column is one value of the record in a flat table such as CSV. The fields
// of an object are columns with the object's name before theirs:
// certificate_bits.
type Column struct {
	Name string
	// AppendText appends the value of c as Value.AppendText does.
	AppendText func(b []byte, c *report.Connection) []byte
	order      int
}

// Columns returns the columns of a flat table in their order.
func Columns() []Column {
	var out []Column
	for i := range Fields {
		f := &Fields[i]
		switch v := f.Value.(type) {
		case Object[conn, report.Certificate]:
			out = append(out, columns(f, v)...)
		case Object[conn, report.Offer]:
			out = append(out, columns(f, v)...)
		default:
			out = append(out, Column{f.Name, f.Value.AppendText, f.Column})
		}
	}
	slices.SortStableFunc(out, func(a, b Column) int { return cmp.Compare(a.order, b.order) })
	return out
}

// columns returns the columns of an object, in which a field comes no earlier
// than the object.
func columns[T any](object *Field[conn], v Object[conn, T]) []Column {
	var out []Column
	for i := range v.Fields {
		f := &v.Fields[i]
		out = append(out, Column{object.Name + "_" + f.Name, func(b []byte, c *conn) []byte {
			if x := *v.At(c); x != nil {
				return f.Value.AppendText(b, x)
			}
			return b
		}, max(object.Column, f.Column)})
	}
	return out
}

// oneOf describes a kind whose values are listed, else it is called name.
func oneOf(values []string, name string) string {
	if len(values) > 0 {
		return strings.Join(values, ", ")
	}
	return name
}
