package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

const rsa = captures + "/rsa.pcap"

// TestHelpFits checks that help texts fit into 80 columns.
func TestHelpFits(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"read", "--help"}, {"explain", "--help"}, {"completion", "--help"}, {"explain", "filter"}, {"explain", "where"}, {"explain", "reasons"}, {"help", "read"}, {"diff", "--help"}, {"impact", "--help"}} {
		code, out, stderr := pfsight(t, "", args...)
		if code != 0 || stderr != "" {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
		for _, line := range strings.Split(out, "\n") {
			if n := utf8.RuneCountInString(line); n > 80 || strings.Contains(line, "=true|false") {
				t.Errorf("%v: %d columns: %s", args, n, line)
			}
		}
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "no capture named"},
		{[]string{"--nonsense", rsa}, "unknown flag: --nonsense"},
		{[]string{"--format", "xml", rsa}, "choose one of"},
		{[]string{"--format", "html", "--connections", rsa}, "shows the summary"},
		{[]string{"-f", "tcp port", rsa}, "-f: at column 5"},
		{[]string{"impact", "--policy", "tls13-only", "--max-breaking", "1%", rsa}, "--fail-on"},
		{[]string{"impact", "--policy", "tls13-onyl", rsa}, "did you mean tls13-only?"},
		{[]string{"explain", "outcom"}, "did you mean outcome?"},
		{[]string{"-f", "host example.com", rsa}, "names are not looked up"},
		{[]string{"--where", "forward_secrecy == maybe", rsa}, "--where: at column 20"},
		{[]string{"--color", "blue", rsa}, "choose auto, always or never"},
		{[]string{"--top", "0", rsa}, "at least 1"},
		{[]string{"--width", "5", rsa}, "at least 40"},
		{[]string{"--width", "1001", rsa}, "at most 1000"},
		{[]string{"policies", "--width", "1000000000"}, "at most 1000"},
		{[]string{"-j", "0", rsa}, "cores"},
		{[]string{"--memory", "many", rsa}, "512M"},
		{[]string{"--memory", "9000000T", rsa}, "512M"},
		{[]string{"-", "-"}, "once"},
		{[]string{"no-such-file.pcap"}, "no such file"},
		{[]string{"impcat", rsa + "x"}, "did you mean pfsight impact?"},
		{[]string{"explain"}, "explain what?"},
		{[]string{"impact", "--nonsense", rsa}, "Try 'pfsight impact --help'."},
		{[]string{"explain", "rsa_key_transprt"}, "did you mean"},
		{[]string{"-o", "/no/such/folder/x", rsa}, "writing the result"},
	} {
		code, out, stderr := pfsight(t, "", c.args...)
		if code != 2 || out != "" || !strings.Contains(stderr, c.want) || !strings.HasPrefix(stderr, "pfsight: ") {
			t.Errorf("%v: exit %d\n%s\n%s", c.args, code, out, stderr)
		}
	}
}

// TestOutputInFolder writes a result into the folder that it is made from. An
// earlier result there is replaced, and is not an input.
func TestOutputInFolder(t *testing.T) {
	dir := t.TempDir()
	records, result := filepath.Join(dir, "a.jsonl"), filepath.Join(dir, "z.jsonl")
	code, saved, stderr := pfsight(t, "", "--format", "jsonl", rsa)
	if code != 0 {
		t.Fatal(stderr)
	}
	many := saved + saved
	if err := os.WriteFile(records, []byte(many), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := os.WriteFile(result, []byte(saved), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := pfsight(t, "", "--format", "jsonl", "-o", result, dir); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		if b, _ := os.ReadFile(result); string(b) != many {
			t.Fatalf("%d bytes, want %d", len(b), len(many))
		}
	}
	if err := os.Remove(records); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := pfsight(t, "", "--format", "jsonl", "-o", result, dir); code != 2 {
		t.Errorf("nothing but the result: exit %d: %s", code, stderr)
	}
	if b, _ := os.ReadFile(result); string(b) != many {
		t.Errorf("the old result has %d bytes", len(b))
	}
}

// TestOutputKeepsInput checks that a result does not overwrite its input.
func TestOutputKeepsInput(t *testing.T) {
	dir := t.TempDir()
	b, err := os.ReadFile(rsa)
	if err != nil {
		t.Fatal(err)
	}
	file, records := filepath.Join(dir, "a.pcap"), filepath.Join(dir, "a.jsonl")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := pfsight(t, "", "--format", "jsonl", "-o", records, file); code != 0 {
		t.Fatal(stderr)
	}
	saved, _ := os.ReadFile(records)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-o", file, file}, "is an input"},
		{[]string{"-o", filepath.Join(dir, ".", "a.pcap"), dir}, "is a capture"},
		{[]string{"--format", "jsonl", "-o", records, records}, "is an input"},
		{[]string{"impact", "--policy", "tls13-only", "-o", records, records}, "is an input"},
		{[]string{"diff", "-o", records, records, file}, "is an input"},
		{[]string{"-o", dir, file}, "is a directory"},
	} {
		code, out, stderr := pfsight(t, "", c.args...)
		if code != 2 || out != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit %d\n%s%s", c.args, code, out, stderr)
		}
	}
	if now, _ := os.ReadFile(file); !bytes.Equal(now, b) {
		t.Error("the capture has changed")
	}
	if code, _, _ := pfsight(t, "", "-o", records, filepath.Join(dir, "no-such-file")); code != 2 {
		t.Errorf("exit %d", code)
	}
	if now, _ := os.ReadFile(records); !bytes.Equal(now, saved) || len(saved) == 0 {
		t.Error("the records have changed")
	}
	if code, out, stderr := pfsight(t, "", "--format", "jsonl", "-o", "-", file); code != 0 || out != string(saved) {
		t.Errorf("-o -: exit %d\n%s%s", code, out, stderr)
	}
	if code, out, stderr := pfsight(t, "", "-f", "udp", records); code != 0 || strings.Contains(out, "Only packets") || !strings.Contains(stderr, "choose packets") {
		t.Errorf("-f of records: exit %d\n%s%s", code, out, stderr)
	}
	evil := filepath.Join(dir, "a\x1b[31m\n\u202e\\.pcap")
	if err := os.WriteFile(evil, b[:100], 0o600); err != nil {
		t.Skip(err) // not every file system allows this name
	}
	if code, _, stderr := pfsight(t, "", dir); code != 3 || !strings.Contains(stderr, `a\x1b[31m\n\u202e\.pcap: packet 1`) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("a hostile name: exit %d, %q", code, stderr)
	}
	parquet := filepath.Join(dir, "cut.parquet")
	if err := os.WriteFile(parquet, []byte("PAR1 and no more"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := pfsight(t, "", parquet); code != 2 || !strings.Contains(stderr, "no readable Parquet file") {
		t.Errorf("a cut Parquet file alone: exit %d\n%s", code, stderr)
	}
	if code, _, _ := pfsight(t, "", parquet, file); code != 3 {
		t.Errorf("a cut Parquet file beside a capture: exit %d", code)
	}
	if code, out, _ := pfsight(t, "", "-f", "tcp", file); code != 0 || !strings.Contains(out, "\nOnly packets that match tcp.\n") {
		t.Errorf("-f: exit %d\n%s", code, out)
	}
}

func TestStandardInput(t *testing.T) {
	b, err := os.ReadFile(captures + "/packed-zstd.pcap")
	if err != nil {
		t.Fatal(err)
	}
	code, out, stderr := pfsight(t, string(b), "-")
	if code != 0 || !strings.Contains(out, "1 negotiated connection") || stderr != "" {
		t.Errorf("exit %d\n%s%s", code, out, stderr)
	}
}

func TestFormats(t *testing.T) {
	file := captures + "/ticket-ecdhe.pcap"
	_, out, _ := pfsight(t, "", "--format", "json", file)
	var list []map[string]any
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 2 {
		t.Errorf("json: %v, %d records", err, len(list))
	}
	_, out, _ = pfsight(t, "", "--format", "jsonl", file)
	if n := strings.Count(out, "\n"); n != 2 || !json.Valid([]byte(strings.SplitN(out, "\n", 2)[0])) {
		t.Errorf("jsonl: %d lines", n)
	}
	_, out, _ = pfsight(t, "", "--format", "csv", file)
	if rows, err := csv.NewReader(strings.NewReader(out)).ReadAll(); err != nil || len(rows) != 3 {
		t.Errorf("csv: %v, %d rows", err, len(rows))
	}
	for _, format := range []string{"table", "markdown"} {
		for _, more := range [][]string{nil, {"--connections"}} {
			code, out, stderr := pfsight(t, "", append([]string{"--format", format, file}, more...)...)
			if code != 0 || stderr != "" || !strings.HasSuffix(out, "\n") || strings.HasSuffix(out, "\n\n") || strings.Contains(out, "\x1b") {
				t.Errorf("%s %v: exit %d\n%q", format, more, code, out)
			}
			if format == "table" {
				for _, line := range strings.Split(out, "\n") {
					if utf8.RuneCountInString(line) > 80 {
						t.Errorf("%v: wider than 80 columns: %s", more, line)
					}
				}
			}
		}
	}
}

func TestOutputFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	code, out, stderr := pfsight(t, "", "--format", "jsonl", "-o", path, rsa)
	b, err := os.ReadFile(path)
	if code != 0 || out != "" || stderr != "" || err != nil || bytes.Count(b, []byte("\n")) != 1 {
		t.Errorf("exit %d, %q, %q, %v, %d bytes", code, out, stderr, err, len(b))
	}
}

// TestHTML checks that the report is one well-formed file that loads and runs
// nothing.
func TestHTML(t *testing.T) {
	out := filepath.Join(t.TempDir(), "report.html")
	code, stdout, stderr := pfsight(t, "", "--format", "html", "-o", out, rsa, captures+"/ticket-ecdhe.pcap")
	b, err := os.ReadFile(out)
	if code != 0 || stdout != "" || stderr != "" || err != nil {
		t.Fatalf("exit %d, %q, %q, %v", code, stdout, stderr, err)
	}
	for _, want := range []string{"<!DOCTYPE html>", "not forward secret", "rsa_<wbr>key_<wbr>transport", "Content-Security-Policy", "</html>"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("it does not say %q", want)
		}
	}
	for _, no := range []string{"<script", "<link", "src=", "http://", "https://", " style=", " onclick", "noscript"} {
		if strings.Contains(string(b), no) {
			t.Errorf("it holds %q", no)
		}
	}
}

func TestCountAndFilter(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
	}{
		{nil, 1}, {[]string{"-f", "tcp port 1"}, 0}, {[]string{"-f", "tcp"}, 1}, {[]string{"-c", "3"}, 0}, {[]string{"-c", "6"}, 1},
	} {
		_, out, _ := pfsight(t, "", append(c.args, "--format", "jsonl", rsa)...)
		if n := strings.Count(out, "\n"); n != c.want {
			t.Errorf("%v: %d connections, want %d", c.args, n, c.want)
		}
	}
}

func TestExplain(t *testing.T) {
	for code, want := range map[string]string{
		"0xc02f": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_128_CBC_SHA": "forward secrecy  no", "x25519": "0x001d", "P-256": "secp256r1",
		"weak_dh": "RFC", "handshake_failure": "alert 40", "DHE_PSK": "forward secrecy: yes", "0xfffe": "registered", "fields": "forward_secrecy",
	} {
		exit, out, stderr := pfsight(t, "", "explain", code)
		if exit != 0 || !strings.Contains(out, want) {
			t.Errorf("%s: exit %d, %s%s", code, exit, out, stderr)
		}
	}
}

// closed is a pipe without a reader.
type closed struct{ io.Writer }

func (closed) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// full is a full disk.
type full struct{ io.Writer }

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestBrokenOutput(t *testing.T) {
	for _, format := range []string{"table", "jsonl", "json", "csv", "markdown", "html"} {
		var stderr bytes.Buffer
		if code := run([]string{"--format", format, rsa}, nil, closed{}, &stderr); code != 0 || stderr.Len() > 0 {
			t.Errorf("%s into a closed pipe: exit %d, %s", format, code, &stderr)
		}
		if code := run([]string{"--format", format, rsa}, nil, full{}, &stderr); code != 2 || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("%s onto a full disk: exit %d, %s", format, code, &stderr)
		}
	}
}

// TestCutInputInReport reads a truncated file. The report says so itself, because
// its readers may not see the warning.
func TestCutInputInReport(t *testing.T) {
	for _, format := range []string{"table", "markdown", "html"} {
		code, out, _ := pfsight(t, "", "--format", format, captures+"/bad/cut-in-packet.pcap")
		if code != exitIncomplete || !strings.Contains(out, "cut, damaged or not readable") {
			t.Errorf("%s: exit %d, %.400s", format, code, out)
		}
	}
}
