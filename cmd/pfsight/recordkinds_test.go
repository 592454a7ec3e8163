package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRecordsWithLongNames saves records, the first with a long server name of
// control characters and invalid UTF-8, and reads them back in every format and
// from every kind of input: all are there, unchanged.
func TestRecordsWithLongNames(t *testing.T) {
	lines := strings.SplitAfter(strings.TrimSuffix(slurp(t, save(t, "jsonl", "a.jsonl", captures+"/dhe-psk.pcap", rsa)), "\n"), "\n")
	var first map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil {
		t.Fatal(err)
	}
	first["server_name"] = strings.Repeat("\x01\u3164", 30000) + `\xff\x5cxff\`
	long, _ := json.Marshal(first)
	dir := t.TempDir()
	source := filepath.Join(dir, "source.jsonl")
	if err := os.WriteFile(source, []byte(string(long)+"\n"+strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	_, want, _ := pfsight(t, "", "--format", "jsonl", source)
	if n := strings.Count(want, "\n"); n != 1+len(lines) || !strings.Contains(want, `\u3164\\xff\\x5cxff\\"`) {
		t.Fatalf("%d records, want %d", n, 1+len(lines))
	}
	for _, format := range []string{"jsonl", "json", "parquet"} {
		file := save(t, format, "again."+format, source)
		if code, got, stderr := pfsight(t, "", "--format", "jsonl", file); code != 0 || got != want {
			t.Errorf("%s: exit %d, %d records: %s", format, code, strings.Count(got, "\n"), stderr)
		}
		if code, out, stderr := pfsight(t, "", filepath.Dir(file)); code != 0 || strings.Contains(out, " 0 saved records") {
			t.Errorf("%s in a folder: exit %d: %s%s", format, code, out, stderr)
		}
		if format == "parquet" {
			continue
		}
		if code, got, stderr := pfsight(t, slurp(t, file), "--format", "jsonl", "-"); code != 0 || got != want {
			t.Errorf("%s from standard input: exit %d: %s", format, code, stderr)
		}
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write([]byte(slurp(t, file)))
		_ = z.Close()
		if err := os.WriteFile(file+".gz", packed.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, got, stderr := pfsight(t, "", "--format", "jsonl", file+".gz"); code != 0 || got != want {
			t.Errorf("%s, compressed: exit %d: %s", format, code, stderr)
		}
	}
}

// TestNothingIsNotNothing checks that inputs without records, or with records that
// are not counted, are reported.
func TestNothingIsNotNothing(t *testing.T) {
	line := strings.SplitN(slurp(t, save(t, "jsonl", "a.jsonl", rsa)), "\n", 2)[0]
	event := func(kind, id string) string {
		return `{"event":"` + kind + `","connection":` + id + `,` + line[1:] + "\n"
	}
	path := filepath.Join(t.TempDir(), "x")
	for _, c := range []struct {
		name, in string
		code     int
		want     string
	}{
		{"no JSON", "what?\n", 2, "no saved records"},
		{"another object", `{"name":"x"}` + "\n", 2, "no saved records"},
		{"an object like a record", `{"transport":"tcp","forward_secrecy":"x"}` + "\n", 3, "line 1"},
		{"the first field of a record", `{"time":"`, 2, "no saved records"},
		{"an array of numbers", "[1,2]", 2, "no saved records"},
		{"an empty array", "[]\n", 0, ""},
		{"empty", "", 2, "empty"},
		{"announced", event("handshake", "1") + event("handshake", "2"), 3, "not in the input: 2"},
		{"announced, one ended", event("handshake", "1") + event("handshake", "2") + event("end", "1"), 3, "not in the input: 1"},
		{"announced and ended", event("handshake", "1") + event("end", "1"), 0, ""},
		{"ended", event("end", "1"), 0, ""},
		{"cut Parquet", "PAR1\x00\x00", 2, "no readable Parquet file"},
		{"Parquet of nothing", "PAR1\x00\x00\x00\x00PAR1", 2, "no readable Parquet file"},
	} {
		if err := os.WriteFile(path, []byte(c.in), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, stderr := pfsight(t, "", path)
		if code != c.code || !strings.Contains(stderr, c.want) || c.want == "" && stderr != "" {
			t.Errorf("%s: exit %d, want %d: %s%s", c.name, code, c.code, out, stderr)
		}
	}
}
