package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// save writes the records of files into a new one and returns its path.
func save(t *testing.T, format, name string, files ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if code, _, stderr := pfsight(t, "", append([]string{"--format", format, "-o", path}, files...)...); code != 0 && (code != exitIncomplete || !strings.Contains(stderr, "missing: ")) {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	return path
}

func slurp(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestRecordsRoundTrip writes the records of every capture, reads them, and
// writes them again.
func TestRecordsRoundTrip(t *testing.T) {
	files, _ := filepath.Glob(captures + "/*.pcap")
	rows := 0
	for _, f := range files {
		first := save(t, "jsonl", "a.jsonl", f)
		want := slurp(t, first)
		rows += strings.Count(want, "\n")
		if want == "" {
			continue
		}
		for _, jobs := range []string{"1", "3"} {
			if got := slurp(t, save(t, "jsonl", "b.jsonl", "-j", jobs, first)); got != want {
				t.Errorf("%s: read and written again:\n%s\n%s", f, got, want)
			}
		}
		if got := slurp(t, save(t, "jsonl", "b.jsonl", save(t, "json", "a.json", f))); got != want {
			t.Errorf("%s: by way of a JSON array:\n%s\n%s", f, got, want)
		}
	}
	if rows < 100 {
		t.Errorf("only %d records", rows)
	}
}

// TestRecordsSummary compares the summary of saved records with that of the
// capture, except for the lines about the input.
func TestRecordsSummary(t *testing.T) {
	below := func(s string) string {
		_, rest, ok := strings.Cut(s, "\nForward secrecy, of ")
		if !ok {
			t.Fatalf("no summary: %s", s)
		}
		return rest
	}
	for _, format := range []string{"table"} {
		saved := save(t, "jsonl", "all.jsonl", captures)
		_, want, _ := pfsight(t, "", "--format", format, captures)
		code, got, stderr := pfsight(t, "", "--format", format, saved)
		if code != 0 || stderr != "" || below(got) != below(want) {
			t.Errorf("exit %d %s\n%s\n%s", code, stderr, got, want)
		}
		_, page, _ := pfsight(t, "", "--format", "html", saved)
		if !strings.Contains(page, "saved records") || strings.Contains(page, "0 packets") || !strings.Contains(page, "before they were saved") {
			t.Error("the page does not say what it rests on")
		}
		if !strings.Contains(got, "saved records") {
			t.Errorf("the summary does not say what it rests on: %s", got)
		}
	}
}

// TestRecordsInputs reads saved records from each kind of input.
func TestRecordsInputs(t *testing.T) {
	saved := save(t, "jsonl", "a.jsonl", rsa)
	line := slurp(t, saved)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(line))
	_ = z.Close()
	gz := filepath.Join(t.TempDir(), "a.jsonl.gz")
	if err := os.WriteFile(gz, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	n := func(want int, stdin string, args ...string) {
		t.Helper()
		code, out, stderr := pfsight(t, stdin, append([]string{"--format", "jsonl"}, args...)...)
		if code != 0 || strings.Count(out, "\n") != want || stderr != "" {
			t.Errorf("%v: exit %d, %d records, want %d: %s", args, code, strings.Count(out, "\n"), want, stderr)
		}
	}
	n(1, "", saved)
	n(1, "", gz)
	n(1, line, "-")
	n(1, packed.String(), "-")
	n(1, "", filepath.Dir(saved))
	n(3, line, saved, rsa, "-")
	// A folder with captures and their records: nothing counts twice.
	dir := filepath.Dir(saved)
	if err := os.WriteFile(filepath.Join(dir, "x.pcap"), []byte(slurp(t, rsa)), 0o644); err != nil {
		t.Fatal(err)
	}
	n(1, "", dir)
	n(2, "", dir, saved)
	_, table, _ := pfsight(t, "", "--connections", saved, rsa)
	if strings.Count(table, "rsa_key_transport") != 2 {
		t.Errorf("a table of both:\n%s", table)
	}
}

// TestBadRecords reads incomplete records.
func TestBadRecords(t *testing.T) {
	line := slurp(t, save(t, "jsonl", "a.jsonl", rsa))
	path := filepath.Join(t.TempDir(), "bad.jsonl")
	in := line + line[:len(line)/2] + "\n" + line + strings.Replace(line, `"client_port":`, `"client_port":-`, 1) + strings.Replace(line, `"TLS_RSA_WITH_`, `"TLS_XYZ_WITH_`, 2) + line[:100]
	if err := os.WriteFile(path, []byte(in), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := pfsight(t, "", "--format", "jsonl", path)
	if code != 3 || strings.Count(out, "\n") != 3 {
		t.Errorf("exit %d, %d records", code, strings.Count(out, "\n"))
	}
	for _, want := range []string{"bad.jsonl: line 2: ", "line 4: client_port: not a value", "line 5: offered.cipher_suites: TLS_XYZ_", "line 6: "} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr lacks %q: %s", want, stderr)
		}
	}
	code, out, _ = pfsight(t, "", path)
	if code != 3 || !strings.Contains(out, "3 saved records that could not be read") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if err := os.WriteFile(path, []byte(line+strings.Repeat("{}\n", 30)), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr = pfsight(t, "", path); code != 3 || strings.Count(stderr, "\n") != 6 || !strings.Contains(stderr, "30 records could not be read") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// TestWhere chooses connections of captures and of saved records alike.
func TestWhere(t *testing.T) {
	saved := save(t, "jsonl", "a.jsonl", captures)
	for expr, want := range map[string]int{
		"forward_secrecy == no and reasons has static_dh":                       3,
		"version < 'TLS 1.0'":                                                   2,
		"offered.groups has X25519MLKEM768 and not post_quantum":                6,
		"cipher_suite is unknown and outcome == rejected and ja4 matches '^t1'": 6,
	} {
		var got [2]int
		for i, in := range []string{captures, saved} {
			code, out, stderr := pfsight(t, "", "--format", "jsonl", "--where", expr, in)
			if code != 0 || stderr != "" {
				t.Errorf("%s: exit %d %s", expr, code, stderr)
			}
			got[i] = strings.Count(out, "\n")
		}
		if got[0] != got[1] || got[0] < want {
			t.Errorf("%s: %d of captures, %d of records, want at least %d", expr, got[0], got[1], want)
		}
	}
	_, out, _ := pfsight(t, "", "--where", "forward_secrecy == no", saved)
	if !strings.Contains(out, "Only connections where forward_secrecy == no: ") || !strings.Contains(out, "not forward secret") {
		t.Errorf("the summary does not say what was chosen: %s", out)
	}
}

// TestParquet writes the records of all captures as Parquet, reads them, and
// writes them again.
func TestParquet(t *testing.T) {
	want := slurp(t, save(t, "jsonl", "a.jsonl", captures))
	file := save(t, "parquet", "a.parquet", captures)
	if got := slurp(t, save(t, "jsonl", "b.jsonl", file)); got != want {
		t.Errorf("by way of Parquet:\n%.2000s\n%.2000s", got, want)
	}
	code, out, _ := pfsight(t, "", "--where", "forward_secrecy == no", file)
	if code != 0 || !strings.Contains(out, "saved records") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, _, stderr := pfsight(t, "", "--format", "parquet", rsa); code != 2 || !strings.Contains(stderr, "-o FILE") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if code, _, stderr := pfsight(t, slurp(t, file), "-"); code != 2 || !strings.Contains(stderr, "by its name") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	empty := save(t, "parquet", "empty.parquet", captures+"/bad/header-only.pcap")
	if code, out, stderr := pfsight(t, "", empty); code != 0 || !strings.Contains(out, "No TLS handshake was observed in 0 saved records") {
		t.Errorf("exit %d: %s%s", code, out, stderr)
	}
	// Damaged files: no panic, and an error that names the file.
	whole := slurp(t, file)
	path := filepath.Join(t.TempDir(), "bad.parquet")
	for i := 4; i < len(whole); i += len(whole)/40 + 1 {
		for _, bad := range []string{whole[:i], whole[:i] + "\xff\x00\xff" + whole[min(i+3, len(whole)):]} {
			if err := os.WriteFile(path, []byte(bad), 0o644); err != nil {
				t.Fatal(err)
			}
			code, _, stderr := pfsight(t, "", path)
			if code == 1 || code != 0 && !strings.Contains(stderr, path) {
				t.Errorf("cut at %d: exit %d: %s", i, code, stderr)
			}
		}
	}
}
