package render

import (
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/parquet-go/parquet-go"

	"pfsight/report"
	"pfsight/report/schema"
	"pfsight/report/secrecy"
)

// A row group of a Parquet file has parquetGroup rows, or fewer whose values
// take parquetBytes: what a writer keeps in memory.
const (
	parquetGroup = 1 << 15
	parquetBytes = 64 << 20
)

// A parquetField is a column, or the group of columns of an object.
type parquetField[T any] struct {
	typ reflect.Type
	tag string // options of the column for parquet-go, after its name
	// set sets the value in a row and returns its size, bytes. An absent value
	// stays zero, which is null.
	set func(to reflect.Value, v *T) int
}

// newParquetField returns the column of a field that is not an object.
func newParquetField[T any](f *schema.Field[T]) parquetField[T] {
	switch k := f.Value.(type) {
	case schema.Time[T]:
		return parquetField[T]{reflect.TypeFor[*time.Time](), ",optional,timestamp(nanosecond)", func(to reflect.Value, v *T) int {
			if ns := k.Get(v); ns != 0 {
				t := time.Unix(0, ns).UTC()
				to.Set(reflect.ValueOf(&t))
			}
			return 8
		}}
	case schema.Number[T]:
		return numberColumn(k.Get)
	case schema.Port[T]:
		return numberColumn(func(v *T) (uint64, bool) { a := k.At(v); return uint64(a.Port()), a.IsValid() })
	case schema.Tri[T]:
		return boolColumn(func(v *T) secrecy.Tri { return *k.At(v) })
	case schema.Flag[T]:
		return boolColumn(func(v *T) secrecy.Tri {
			if *k.At(v) {
				return secrecy.True
			}
			return secrecy.Undetermined
		})
	case schema.Texts[T]:
		return listColumn(func(v *T) []string {
			var list []string
			for _, s := range *k.At(v) {
				list = append(list, report.Text(s))
			}
			return list
		})
	case schema.Codes[T]:
		return listColumn(func(v *T) []string {
			var list []string
			k.Each(v, func(c schema.Code) bool {
				list = append(list, string(k.Points.AppendElement(nil, c)))
				return true
			})
			return list
		})
	case schema.ReasonSet[T]:
		return listColumn(func(v *T) []string { return k.At(v).Strings() })
	case schema.Text[T], schema.Enum[T], schema.Date[T], schema.IP[T], schema.AddrPort[T], schema.MAC[T], schema.Hex[T], schema.CodePoint[T]:
		// A Date is text because it can be out of the range of nanoseconds.
		return parquetField[T]{reflect.TypeFor[string](), ",optional,dict", func(to reflect.Value, v *T) int {
			text := report.Text(string(f.Value.AppendText(nil, v)))
			to.SetString(text)
			return len(text)
		}}
	}
	panic(fmt.Sprintf("the field %s is of a kind that Parquet does not have: %T", f.Name, f.Value))
}

func numberColumn[T any](get func(v *T) (uint64, bool)) parquetField[T] {
	return parquetField[T]{reflect.TypeFor[*uint64](), ",optional", func(to reflect.Value, v *T) int {
		if n, ok := get(v); ok {
			to.Set(reflect.ValueOf(&n))
		}
		return 8
	}}
}

func boolColumn[T any](get func(v *T) secrecy.Tri) parquetField[T] {
	return parquetField[T]{reflect.TypeFor[*bool](), ",optional", func(to reflect.Value, v *T) int {
		if t := get(v); t != secrecy.Undetermined {
			b := t == secrecy.True
			to.Set(reflect.ValueOf(&b))
		}
		return 1
	}}
}

func listColumn[T any](get func(v *T) []string) parquetField[T] {
	return parquetField[T]{reflect.TypeFor[[]string](), ",list", func(to reflect.Value, v *T) int {
		list, size := get(v), 0
		for _, s := range list {
			size += 16 + len(s)
		}
		to.Set(reflect.ValueOf(list))
		return size
	}}
}

// objectColumns returns the columns of an object.
func objectColumns[T any](o schema.Object[report.Connection, T]) parquetField[report.Connection] {
	typ, set := parquetStruct(o.Fields, newParquetField[T])
	return parquetField[report.Connection]{reflect.PointerTo(typ), "", func(to reflect.Value, c *report.Connection) int {
		v := *o.At(c)
		if v == nil {
			return 0
		}
		to.Set(reflect.New(typ))
		return set(to.Elem(), v)
	}}
}

// parquetStruct returns the type of a row, or of an object in it, and the
// function that sets all its columns.
func parquetStruct[T any](fields []schema.Field[T], column func(f *schema.Field[T]) parquetField[T]) (reflect.Type, func(to reflect.Value, v *T) int) {
	var members []reflect.StructField
	var columns []parquetField[T]
	for i := range fields {
		c := column(&fields[i])
		columns = append(columns, c)
		members = append(members, reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: c.typ, Tag: reflect.StructTag(fmt.Sprintf(`parquet:"%s%s"`, fields[i].Name, c.tag))})
	}
	return reflect.StructOf(members), func(to reflect.Value, v *T) int {
		size := 0
		for i := range columns {
			size += columns[i].set(to.Field(i), v)
		}
		return size
	}
}

type parquetWriter struct {
	w     *parquet.GenericWriter[any]
	typ   reflect.Type
	set   func(to reflect.Value, c *report.Connection) int
	n     int // rows of the group
	bytes int // of their values
}

// NewParquet returns a Writer of a Parquet file whose columns are the fields
// of the record. An absent value is null.
func NewParquet(w io.Writer) Writer {
	typ, set := parquetStruct(schema.Fields, func(f *schema.Field[report.Connection]) parquetField[report.Connection] {
		switch v := f.Value.(type) {
		case schema.Object[report.Connection, report.Certificate]:
			return objectColumns(v)
		case schema.Object[report.Connection, report.Offer]:
			return objectColumns(v)
		}
		return newParquetField(f)
	})
	columns := parquet.SchemaOf(reflect.New(typ).Interface())
	return &parquetWriter{
		w:   parquet.NewGenericWriter[any](w, columns, parquet.Compression(&parquet.Zstd), parquet.CreatedBy("pfsight", "", "")),
		typ: typ, set: set,
	}
}

func (p *parquetWriter) Write(c *report.Connection) error {
	row := reflect.New(p.typ)
	p.bytes += p.set(row.Elem(), c)
	if _, err := p.w.Write([]any{row.Interface()}); err != nil {
		return err
	}
	if p.n++; p.n < parquetGroup && p.bytes < parquetBytes {
		return nil
	}
	p.n, p.bytes = 0, 0
	return p.w.Flush()
}

func (p *parquetWriter) Close() error { return p.w.Close() }
