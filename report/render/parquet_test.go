package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"

	"pfsight/report"
)

func parquetOf(t testing.TB, rows ...*report.Connection) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewParquet(&b)
	for _, r := range rows {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestParquetRows holds what is read against the records that were written,
// value by value.
func TestParquetRows(t *testing.T) {
	rows := []*report.Connection{row("x"), {TicketLifetime: -1}, row("=\x01\u202eé\ufffd")}
	b := parquetOf(t, rows...)
	r, err := ParquetRecords(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(r)
	for i, c := range rows {
		var got, want map[string]any
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		var e Encoder
		_ = json.Unmarshal(e.Record(c), &want)
		for _, m := range []map[string]any{got, want} {
			for k, v := range m {
				s, isText := v.(string)
				if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
					m[k] = at.UnixNano() // however it is written
				} else if isText && s == "" {
					delete(m, k) // as absent
				}
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("row %d:\n%v\n%v", i, got, want)
		}
	}
	if err := d.Decode(new(any)); err != io.EOF {
		t.Error(err)
	}
}

// readParquet reads all of b, and reports an error that is none of ErrParquet.
func readParquet(t *testing.T, b []byte) {
	r, err := ParquetRecords(bytes.NewReader(b), int64(len(b)))
	if err == nil {
		_, err = io.Copy(io.Discard, r)
		_ = r.Close()
	}
	if err != nil && !errors.Is(err, ErrParquet) {
		t.Errorf("%v", err)
	}
}

func FuzzParquet(f *testing.F) {
	f.Add(parquetOf(f, row("x"), row("y")))
	f.Add([]byte("PAR1"))
	f.Fuzz(readParquet)
}
