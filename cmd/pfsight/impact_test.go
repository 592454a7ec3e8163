package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// impactInputs are captures whose clients get different answers under
// testdata/policy.yaml.
var impactInputs = []string{"rsa", "tls10-rsa", "ecdhe-p256", "ticket-ecdhe", "tls13-x25519", "tls13-hrr", "go-tls13-mlkem", "failed-suite", "jsse-sslv3-rsa", "psk", "ecdhe-ecdsa", "client-only"}

func impactFiles() (out []string) {
	for _, f := range impactInputs {
		out = append(out, captures+"/"+f+".pcap")
	}
	return out
}

// TestImpactGolden compares the reports with golden files.
func TestImpactGolden(t *testing.T) {
	saved := save(t, "jsonl", "saved.jsonl", impactFiles()...)
	for _, format := range []string{"table", "markdown", "json", "csv", "html"} {
		args := []string{"impact", "--policy", "testdata/policy.yaml", "--advise", "--format", format, "--config", "nginx"}
		code, out, stderr := pfsight(t, "", append(args, impactFiles()...)...)
		if code != 0 || stderr != "" {
			t.Errorf("%s: exit %d %s", format, code, stderr)
		}
		if format == "table" {
			for line := range strings.SplitSeq(out, "\n") {
				if n := utf8.RuneCountInString(line); n > 80 && !strings.HasPrefix(line, "    ") && !strings.HasPrefix(line, "all-forward") {
					t.Errorf("%d columns: %s", n, line)
				}
			}
		}
		// Saved records give the same report, except for the names of the inputs.
		_, again, _ := pfsight(t, "", append(args, "-j", "3", saved)...)
		if format == "csv" && again != out {
			t.Errorf("of saved records:\n%s\n%s", again, out)
		}
		if format == "html" {
			if strings.Contains(out, "<script") || !strings.Contains(out, "<svg") {
				t.Error("a page with a script, or without its picture")
			}
			continue // its parts are compared
		}
		path := "testdata/impact." + map[string]string{"table": "txt", "markdown": "md", "json": "json", "csv": "csv"}[format]
		// The curve depends on the built-in policies, which change.
		out = cutCurve(out)
		if *update {
			if err := os.WriteFile(path, []byte(out), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != out {
			t.Errorf("the report differs from %s; see what changed with -update and git diff:\n%s", path, out)
		}
	}
}

// cutCurve removes what depends on the built-in policies.
func cutCurve(out string) string {
	for _, x := range [][2]string{{"Strictest policy without breakage\n", "Smallest change that lets"}, {"Strictness against breakage\n", "For nginx"}, {`"steps": [`, "]"}, {`"next_breaking": [`, "\n    ],"}, {`"strictest"`, ",\n"}, {`"next"`, ",\n"}} {
		start := strings.Index(out, x[0])
		if start < 0 {
			continue
		}
		start += len(x[0])
		if end := strings.Index(out[start:], x[1]); end >= 0 {
			out = out[:start] + out[start+end:]
		}
	}
	return out
}

func TestImpact(t *testing.T) {
	for _, format := range []string{"json", "csv"} {
		_, out, _ := pfsight(t, "", append([]string{"impact", "--policy", "mozilla-modern-6-0", "--policy", "windows-server-2012r2", "--policy", "testdata/policy.yaml", "--format", format}, impactFiles()...)...)
		switch format {
		case "json":
			var r struct {
				Observed struct{ Connections int }
				Policies []struct {
					Policy   string
					Breaks   struct{ Connections, Clients int }
					Breaking []struct {
						ClientIP string `json:"client_ip"`
						Failure  string
						Offered  map[string]any
					}
				}
			}
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatal(err)
			}
			if len(r.Policies) != 3 || r.Observed.Connections != 13 || len(r.Policies[0].Breaking) == 0 || r.Policies[0].Breaking[0].ClientIP != "127.0.0.1" || r.Policies[0].Breaking[0].Failure == "" || r.Policies[0].Breaking[0].Offered["versions"] == nil {
				t.Errorf("%+v", r)
			}
		case "csv":
			if rows, err := csv.NewReader(strings.NewReader(out)).ReadAll(); err != nil || len(rows) < 40 {
				t.Errorf("%v: %d rows", err, len(rows))
			}
		}
	}
	policy := []string{"impact", "--policy", "testdata/policy.yaml"}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--fail-on", "breaks", rsa}, 1, "all-forward-secret: 1 of 1 observed connections, of 1 clients: breaks"},
		{[]string{"--fail-on", "breaks", captures + "/tls13-x25519.pcap"}, 0, ""},
		{[]string{"--fail-on", "breaks", "--max-breaking", "1", rsa}, 0, ""},
		{[]string{"--fail-on", "breaks", "--max-breaking", "100%", rsa}, 0, ""},
		{[]string{"--fail-on", "breaks", "--max-breaking", "99.9%", rsa}, 1, "breaks"},
		{[]string{"--fail-on", "breaks", captures + "/bad/header-only.pcap"}, 2, "nothing to judge"},
		{[]string{"--advise", captures + "/bad/header-only.pcap"}, 0, ""},
		{[]string{"--max-breaking", "few", rsa}, 2, "0.1%"},
		{[]string{"--max-breaking", "NaN%", rsa}, 2, "0.1%"},
		{[]string{"--fail-on", "nonsense", rsa}, 2, "choose from"},
		{[]string{"--certificate", "wood", rsa}, 2, "choose from"},
		{[]string{"--config", "iis", rsa}, 2, "choose one of"},
		{[]string{"--policy", "no-such-policy", rsa}, 2, "no built-in policy"},
		{[]string{"--format", "pdf", rsa}, 2, "choose one of"},
		{nil, 2, "no capture named"},
	} {
		code, _, stderr := pfsight(t, "", append(policy, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.want) || c.want == "" && stderr != "" {
			t.Errorf("%v: exit %d: %s", c.args, code, stderr)
		}
	}
	if code, _, stderr := pfsight(t, "", "impact", rsa); code != 2 || !strings.Contains(stderr, "no policy named") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	code, out, _ := pfsight(t, "", "impact", "--advise", "--config", "apache", rsa)
	if code != 0 || !strings.Contains(out, "The strictest of") || !strings.Contains(out, "SSLProtocol") {
		t.Errorf("exit %d\n%s", code, out)
	}
	path := filepath.Join(t.TempDir(), "out.html")
	if code, out, _ := pfsight(t, "", append(policy, "--format", "html", "-o", path, rsa)...); code != 0 || out != "" || !strings.Contains(slurp(t, path), "</html>") {
		t.Errorf("exit %d, %q", code, out)
	}
}
