package parquet_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"pfsight/report/parquet"
)

// Values of Thrift's compact protocol, to make files that no writer makes.
type (
	fields []any // of a struct: id, value, id, value, …
	list   []any
)

func compact(b []byte, v any) []byte {
	zigzag := func(n int64) []byte { return binary.AppendUvarint(b, uint64(n<<1)^uint64(n>>63)) }
	switch v := v.(type) {
	case int:
		return zigzag(int64(v))
	case string:
		return append(binary.AppendUvarint(b, uint64(len(v))), v...)
	case list:
		kind := byte(12)
		if len(v) > 0 {
			kind = kindOf(v[0])
		}
		b = append(b, 0xf0|kind)
		b = binary.AppendUvarint(b, uint64(len(v)))
		for _, x := range v {
			b = compact(b, x)
		}
		return b
	case fields:
		for i := 0; i < len(v); i += 2 {
			b = append(b, kindOf(v[i+1]))
			b = compact(compact(b, v[i]), v[i+1])
		}
		return append(b, 0)
	}
	panic(v)
}

func kindOf(v any) byte {
	switch v.(type) {
	case int:
		return 6
	case string:
		return 8
	case list:
		return 9
	}
	return 12
}

// A column is an optional text or a list of texts.
type column struct {
	name   string
	list   bool
	codec  int
	pages  []byte
	values int
}

// file makes a file whose row groups all have the same pages.
func file(rows, groups int, columns ...column) []byte {
	b := []byte("PAR1")
	schema := list{fields{4, "root", 5, len(columns)}}
	chunks := list{}
	for _, c := range columns {
		path := list{c.name}
		if c.list {
			schema = append(schema, fields{3, 1, 4, c.name, 5, 1, 6, 3}, fields{3, 2, 4, "list", 5, 1})
			schema = append(schema, fields{1, 6, 3, 0, 4, "element"})
			path = list{c.name, "list", "element"}
		} else {
			schema = append(schema, fields{1, 6, 3, 1, 4, c.name})
		}
		meta := fields{1, 6, 3, path, 4, c.codec, 5, c.values, 7, len(c.pages), 9, len(b)}
		chunks = append(chunks, fields{2, len(b), 3, meta})
		b = append(b, c.pages...)
	}
	all := list{}
	for range groups {
		all = append(all, fields{1, chunks, 3, rows})
	}
	footer := compact(nil, fields{1, 1, 2, schema, 3, rows * groups, 4, all})
	b = append(b, footer...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(footer)))
	return append(b, "PAR1"...)
}

// run makes a run of n equal levels or indexes.
func run(n int, value byte) []byte { return append(binary.AppendUvarint(nil, uint64(n)<<1), value) }

func levels(b ...[]byte) []byte {
	var out []byte
	for _, x := range b {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(x)))
		out = append(out, x...)
	}
	return out
}

// page makes a data page of n values that announces size bytes decompressed.
func page(n, encoding, size int, body []byte) []byte {
	return append(compact(nil, fields{1, 0, 2, size, 3, len(body), 5, fields{1, n, 2, encoding, 3, 3, 4, 3}}), body...)
}

func dictPage(n int, body []byte) []byte {
	return append(compact(nil, fields{1, 2, 2, len(body), 3, len(body), 7, fields{1, n, 2, 0}}), body...)
}

func plain(texts ...string) []byte {
	var b []byte
	for _, s := range texts {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return b
}

// text1 makes a column that has the same text in n rows.
func text1(name, s string, n int) column {
	body := append(levels(run(n, 1)), append([]byte{1}, run(n, 0)...)...)
	return column{name: name, values: n, pages: append(dictPage(1, plain(s)), page(n, 8, len(body), body)...)}
}

func record1(n int, more ...column) []column {
	return append([]column{text1("time", "2026-11-24T17:35:15Z", n), text1("transport", "tcp", n), text1("forward_secrecy", "yes", n)}, more...)
}

// TestMade reads a small file of this test, to prove that such files are valid.
func TestMade(t *testing.T) {
	elements := append(levels(append(run(1, 0), run(2, 1)...), run(3, 2)), plain("a", "b", "c")...)
	b := file(1, 2, record1(1, column{name: "reasons", list: true, values: 3, pages: page(3, 0, len(elements), elements)})...)
	n, err := drain(t, b)
	if want := strings.Repeat(`{"time":"2026-11-24T17:35:15Z","transport":"tcp","forward_secrecy":"yes","reasons":["a","b","c"]}`+"\n", 2); err != nil || n != int64(len(want)) {
		t.Errorf("%d bytes, %v, want %d", n, err, len(want))
	}
}

// TestBombs reads small files that announce or expand to much data. They are
// refused in little time and with little memory.
func TestBombs(t *testing.T) {
	const many = 1<<31 - 1
	zeros := make([]byte, 64<<20)
	z, _ := zstd.NewWriter(nil)
	packed := z.EncodeAll(zeros, nil)
	over := snappy.Encode(nil, zeros[:1<<20])
	binary.PutUvarint(over, 1<<28) // it says that it is longer
	listed := func(n int, value []byte) column {
		body := append(levels(append(run(1, 0), run(n-1, 1)...), run(n, 2)), append([]byte{1}, run(n, 0)...)...)
		return column{name: "reasons", list: true, values: n, pages: append(dictPage(1, value), page(n, 8, len(body), body)...)}
	}
	long := strings.Repeat("x", 1<<20)
	// Each text is the one before and a byte.
	grown := func(n int) column {
		deltas := func(first, step int) []byte {
			b := binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(nil, 65536), 1), uint64(n))
			b = binary.AppendVarint(b, int64(first))
			for i := 1; i < n; i += 65536 {
				b = append(binary.AppendVarint(b, int64(step)), 0)
			}
			return b
		}
		body := append(levels(run(n, 1)), deltas(0, 1)...)
		body = append(append(body, deltas(1, 0)...), strings.Repeat("x", n)...)
		return column{name: "server_name", values: n, pages: page(n, 7, len(body), body)}
	}
	var deep []byte
	for range 1 << 16 {
		deep = append(deep, 0x1c) // a struct in a struct
	}
	withFooter := func(footer []byte) []byte {
		b := append([]byte("PAR1"), footer...)
		return append(binary.LittleEndian.AppendUint32(b, uint32(len(footer))), "PAR1"...)
	}
	cases := map[string][]byte{
		"a footer longer than the file":  append(binary.LittleEndian.AppendUint32([]byte("PAR1"), 1<<32-1), "PAR1"...),
		"a list of structs without end":  withFooter(append([]byte{0x19 + 0x10, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07}, deep[:100]...)),
		"deep metadata":                  withFooter(deep),
		"many elements":                  withFooter(compact(nil, fields{2, append(list{fields{4, "root", 5, many}}, make1(100000)...)})),
		"many children":                  withFooter(compact(nil, fields{2, list{fields{4, "root", 5, many}, fields{3, 1, 4, "offered", 5, many}}})),
		"many rows":                      file(many, 1, record1(many)...),
		"many row groups of one page":    file(1<<16, 2000, record1(1<<16)...),
		"a long list":                    file(1, 1, record1(1, listed(many, plain("a")))...),
		"a list of long texts":           file(1, 1, record1(1, listed(1<<20, plain(long)))...),
		"one long text in many rows":     file(1<<20, 1, record1(1<<20, text1("server_name", long, 1<<20))...),
		"texts that grow":                file(1<<18, 1, record1(1<<18, grown(1<<18))...),
		"a page that is said to be long": file(1, 1, record1(1, column{name: "server_name", values: 1, pages: page(1, 0, many, []byte{1})})...),
		"zstd":                           file(1, 1, record1(1, column{name: "server_name", codec: 6, values: 1, pages: page(1, 0, len(zeros), packed)})...),
		"zstd said to be long":           file(1, 1, record1(1, column{name: "server_name", codec: 6, values: 1, pages: page(1, 0, many, packed)})...),
		"snappy said to be long":         file(1, 1, record1(1, column{name: "server_name", codec: 1, values: 1, pages: page(1, 0, 1<<28, over)})...),
		"brotli said to be long":         file(1, 1, record1(1, column{name: "server_name", codec: 4, values: 1, pages: page(1, 0, many, []byte{1, 2, 3})})...),
		"gzip said to be long":           file(1, 1, record1(1, column{name: "server_name", codec: 2, values: 1, pages: page(1, 0, many, []byte{0x1f, 0x8b, 8})})...),
		"a dictionary said to be long":   file(1, 1, record1(1, column{name: "server_name", values: 1, pages: dictPage(many, plain("a"))})...),
		"pages without values":           file(1, 1, record1(1, column{name: "server_name", values: 1, pages: bytes.Repeat(page(0, 0, 0, nil), 1<<16)})...),
	}
	for name, b := range cases {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err := drain(t, b)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		made := after.TotalAlloc - before.TotalAlloc
		t.Logf("%s: %d bytes, %v, %d MiB allocated: %v", name, len(b), took.Round(time.Millisecond), made>>20, err)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if took > 10*time.Second && !racing {
			t.Errorf("%s: %v", name, took)
		}
		if made > 200<<20+uint64(64*len(b)) {
			t.Errorf("%s: %d MiB allocated", name, made>>20)
		}
	}
}

func make1(n int) (out list) {
	for range n {
		out = append(out, fields{3, 1, 4, "x"})
	}
	return out
}

// TestDamaged changes bytes of files of every kind, with checksums of pages and
// without. A file that is read without an error has the right number of rows.
func TestDamaged(t *testing.T) {
	files := small(t)
	if testing.Short() {
		files = files[:2]
	}
	all := parquet.Options{Wanted: func(string) bool { return true }}
	read := func(b []byte) (out []byte, err error) {
		r, err := parquet.NewReader(bytes.NewReader(b), int64(len(b)), all)
		if err == nil {
			defer r.Close()
			out, err = io.ReadAll(r)
		}
		if err != nil && !errors.Is(err, parquet.ErrFormat) {
			t.Error(err)
		}
		return out, err
	}
	for i, file := range files {
		want, err := read(file)
		if err != nil {
			t.Fatal(err)
		}
		rows := bytes.Count(want, []byte("\n"))
		for _, sums := range []bool{true, false} {
			stop := func() {}
			if !sums {
				stop = parquet.IgnoreSums()
			}
			for at := 4; at < len(file); at += 11 {
				b := bytes.Clone(file)
				b[at] ^= 1 << (at % 8)
				if got, err := read(b); err == nil && bytes.Count(got, []byte("\n")) != rows {
					t.Errorf("file %d, byte %d: %d rows for %d", i, at, bytes.Count(got, []byte("\n")), rows)
				}
			}
			stop()
		}
		for n := i; n < len(file); n += 37 {
			if _, err := read(file[:n]); err == nil {
				t.Errorf("file %d is cut at %d and read", i, n)
			}
		}
	}
}
