package parquet_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"pfsight/report/parquet"
)

// A form is a row with every kind of column, in the encodings of other writers.
type form struct {
	Plain      string   `parquet:"plain"`
	Dict       *string  `parquet:"dict,optional,dict"`
	Delta      string   `parquet:"delta,delta"`
	DeltaMaybe string   `parquet:"deltamaybe,optional,delta"`
	Yes        bool     `parquet:"yes"`
	Maybe      *bool    `parquet:"maybe,optional"`
	I32        int32    `parquet:"i32,delta"`
	I64        int64    `parquet:"i64,optional,delta"` // 0 is null
	U32        uint32   `parquet:"u32"`
	U64        *uint64  `parquet:"u64,optional,dict"`
	F32        float32  `parquet:"f32"`
	F64        *float64 `parquet:"f64,optional"`
	List       []string `parquet:"list,list"`
	Bare       []string `parquet:"bare"`
	Numbers    []int64  `parquet:"numbers,list"`
	Millis     int64    `parquet:"millis,timestamp(millisecond)"`
	Micros     int64    `parquet:"micros,optional,timestamp(microsecond),delta"` // 0 is null
	Nanos      int64    `parquet:"nanos,timestamp(nanosecond)"`
	Group      *inner   `parquet:"group,optional"`
	Needed     inner    `parquet:"needed"`
}

type inner struct {
	Text  *string  `parquet:"text,optional,dict"`
	List  []string `parquet:"list,list"`
	Inner *struct {
		N int64 `parquet:"n"`
	} `parquet:"inner,optional"`
}

func pointer[T any](r *rand.Rand, v T) *T {
	if r.IntN(3) == 0 {
		return nil
	}
	return &v
}

func text(r *rand.Rand) string {
	switch r.IntN(6) {
	case 0:
		return strings.Repeat("long ", r.IntN(60)) + "x"
	case 1:
		return "\"é\\\x01\u202e" + fmt.Sprint(r.IntN(5))
	}
	return fmt.Sprint("name", r.IntN(20))
}

func texts(r *rand.Rand) (list []string) {
	for range max(0, r.IntN(7)-2) {
		list = append(list, text(r))
	}
	return list
}

func randomForm(r *rand.Rand) form {
	group := func() inner {
		g := inner{Text: pointer(r, text(r)), List: texts(r)}
		if r.IntN(2) == 0 {
			g.Inner = &struct {
				N int64 `parquet:"n"`
			}{r.Int64() - r.Int64()}
		}
		return g
	}
	f := form{
		Plain: text(r), Dict: pointer(r, text(r)), Delta: text(r), DeltaMaybe: text(r), Yes: r.IntN(2) == 0, Maybe: pointer(r, r.IntN(2) == 0),
		I32: int32(r.Uint32()), I64: (r.Int64() - r.Int64()) * r.Int64N(2), U32: r.Uint32(), U64: pointer(r, r.Uint64()>>r.IntN(64)), F32: float32(r.IntN(99)) / 4, F64: pointer(r, r.Float64()),
		List: texts(r), Bare: texts(r), Millis: r.Int64N(1 << 42), Micros: r.Int64N(1<<52) * r.Int64N(2), Nanos: r.Int64(), Needed: group(),
	}
	for range r.IntN(40) {
		f.Numbers = append(f.Numbers, r.Int64N(1<<r.IntN(60)))
	}
	f.Group = pointer(r, group())
	return f
}

// want returns the JSON object of a form, as encoding/json reads it.
func (f *form) want() map[string]any {
	m := map[string]any{}
	put := func(m map[string]any, name string, v any) {
		x := reflect.ValueOf(v)
		if x.Kind() == reflect.Pointer {
			if x.IsNil() {
				return
			}
			v = x.Elem().Interface()
		}
		if s, ok := v.(string); ok && s == "" || x.Kind() == reflect.Slice && x.Len() == 0 {
			return
		}
		b, _ := json.Marshal(v)
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		var back any
		_ = d.Decode(&back)
		m[name] = back
	}
	put(m, "plain", f.Plain)
	put(m, "dict", f.Dict)
	put(m, "delta", f.Delta)
	put(m, "deltamaybe", f.DeltaMaybe)
	put(m, "yes", f.Yes)
	put(m, "maybe", f.Maybe)
	put(m, "i32", f.I32)
	if f.I64 != 0 {
		put(m, "i64", f.I64)
	}
	put(m, "u32", f.U32)
	put(m, "u64", f.U64)
	put(m, "f32", f.F32)
	put(m, "f64", f.F64)
	put(m, "list", f.List)
	put(m, "bare", f.Bare)
	put(m, "numbers", f.Numbers)
	put(m, "millis", time.UnixMilli(f.Millis).UTC().Format(time.RFC3339Nano))
	if f.Micros != 0 {
		put(m, "micros", time.UnixMicro(f.Micros).UTC().Format(time.RFC3339Nano))
	}
	put(m, "nanos", time.Unix(0, f.Nanos).UTC().Format(time.RFC3339Nano))
	group := func(g *inner) map[string]any {
		m := map[string]any{}
		put(m, "text", g.Text)
		put(m, "list", g.List)
		if g.Inner != nil {
			m["inner"] = map[string]any{"n": json.Number(fmt.Sprint(g.Inner.N))}
		}
		return m
	}
	if f.Group != nil {
		m["group"] = group(f.Group)
	}
	m["needed"] = group(&f.Needed)
	return m
}

// others sets the encoding of the columns that do not name one.
func others(yes bool) pq.WriterOption {
	if !yes {
		return pq.DefaultEncoding(&pq.Plain)
	}
	return pq.DefaultEncodingFor(pq.ByteArray, &pq.DeltaLengthByteArray)
}

var codecs = []compress.Codec{&pq.Uncompressed, &pq.Snappy, &pq.Gzip, &pq.Brotli, &pq.Zstd, &pq.Lz4Raw}

// forms writes rows as a file.
func forms(t testing.TB, rows []form, options ...pq.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pq.NewGenericWriter[form](&b, options...)
	for i := range rows {
		if _, err := w.Write(rows[i : i+1]); err != nil {
			t.Fatal(err)
		}
		if i%400 == 399 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func small(t testing.TB) (files [][]byte) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, c := range codecs {
		for version := 1; version <= 2; version++ {
			files = append(files, forms(t, []form{randomForm(r), randomForm(r), randomForm(r)}, pq.Compression(c), pq.DataPageVersion(version)))
		}
	}
	return files
}

// TestForms reads rows of every kind with every codec and both versions of pages.
func TestForms(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	rows := make([]form, 1000)
	for i := range rows {
		rows[i] = randomForm(r)
	}
	all := parquet.Options{Wanted: func(string) bool { return true }}
	for _, c := range codecs {
		for version := 1; version <= 2; version++ {
			for _, page := range []int{300, 1 << 20} {
				t.Run(fmt.Sprintf("%s-%d-%d", c, version, page), func(t *testing.T) {
					b := forms(t, rows, pq.Compression(c), pq.DataPageVersion(version), pq.PageBufferSize(page), others(page == 300))
					in, err := parquet.NewReader(bytes.NewReader(b), int64(len(b)), all)
					if err != nil {
						t.Fatal(err)
					}
					defer in.Close()
					d := json.NewDecoder(in)
					d.UseNumber()
					for i := range rows {
						var got map[string]any
						if err := d.Decode(&got); err != nil {
							t.Fatalf("row %d: %v", i, err)
						}
						if want := rows[i].want(); !reflect.DeepEqual(got, want) {
							for k := range want {
								if !reflect.DeepEqual(got[k], want[k]) {
									t.Errorf("row %d: %s: %v, want %v", i, k, got[k], want[k])
								}
							}
							t.Fatalf("row %d: %v\n%v", i, got, want)
						}
					}
					if err := d.Decode(new(any)); err != io.EOF {
						t.Error(err)
					}
				})
			}
		}
	}
}
