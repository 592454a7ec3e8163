package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"pfsight/report/policy"
)

func TestPolicies(t *testing.T) {
	code, out, stderr := pfsight(t, "", "policies")
	if code != 0 || stderr != "" {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(policy.Builtin())+1 {
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines {
		if utf8.RuneCountInString(line) > 80 {
			t.Errorf("wide: %s", line)
		}
	}
	_, targets, _ := pfsight(t, "", "policies", "--targets", "--width", "200")
	if strings.Contains(targets, "pci-dss") || !strings.Contains(targets, "mozilla-modern-6-0") || !strings.Contains(targets, "TLS 1.3 and nothing else") {
		t.Error(targets)
	}
	_, md, _ := pfsight(t, "", "policies", "--markdown")
	if !strings.HasPrefix(md, "| name |") {
		t.Error(md)
	}
	for _, p := range policy.Builtin() {
		code, out, stderr := pfsight(t, "", "policies", "show", p.Name)
		if code != 0 || stderr != "" || !strings.Contains(out, p.Name) {
			t.Errorf("%s: exit %d: %s%s", p.Name, code, out, stderr)
		}
		if !p.Target {
			continue
		}
		for _, kind := range policy.ConfigKinds() {
			if code, out, stderr := pfsight(t, "", "policies", "show", p.Name, "--config", kind); code != 0 || stderr != "" || !strings.Contains(out, p.Name) {
				t.Errorf("%s %s: exit %d: %s%s", p.Name, kind, code, out, stderr)
			}
		}
	}
}

func TestPoliciesOfFiles(t *testing.T) {
	dir := t.TempDir()
	_, text, _ := pfsight(t, "", "policies", "show", "--yaml", "mozilla-modern-6-0")
	path := filepath.Join(dir, "mine.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(text, "Mozilla", "\x1b[31mMine", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := pfsight(t, "", "policies", "show", path)
	if code != 2 || !strings.Contains(stderr, "control characters") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(text, "Mozilla", `\e[31mMine`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, `"Mozilla`) {
		code, out, stderr := pfsight(t, "", "policies", "show", path)
		if code != 0 || strings.Contains(out, "\x1b") || !strings.Contains(out, `\x1b[31mMine`) {
			t.Errorf("exit %d: %q %s", code, out, stderr)
		}
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte("http {\nserver {\nlisten 443 ssl;\nssl_ciphers AES128-SHA;\n}\nserver {\nlisten 444 ssl;\n}\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := pfsight(t, "", "policies", "show", conf)
	if code != 0 || strings.Count(out, "confidence") != 2 || !strings.Contains(out, "TLS_RSA_WITH_AES_128_CBC_SHA") {
		t.Errorf("exit %d: %s%s", code, out, stderr)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"policies", "mozilla"}, "policies show mozilla"},
		{[]string{"policies", "show"}, "show which policy?"},
		{[]string{"policies", "show", "mozilla-modern-5-7", "--yaml", "--config", "nginx"}, "choose one of --config and --yaml"},
		{[]string{"policies", "show", "mozilla-modern"}, "did you mean mozilla-modern-"},
		{[]string{"policies", "show", "no-such-file.yaml"}, "no such file"},
		{[]string{"policies", "show", "tls13-only", "--config", "iis"}, "choose one of nginx"},
		{[]string{"policies", "show", "pci-dss-4-0-1", "--config", "nginx"}, "states no versions"},
		{[]string{"policies", "--width", "5"}, "at least 40"},
	} {
		code, out, stderr := pfsight(t, "", c.args...)
		if code != 2 || out != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit %d\n%s\n%s", c.args, code, out, stderr)
		}
	}
	for _, args := range [][]string{{"policies", "--help"}, {"policies", "show", "--help"}, {"policies", "format"}} {
		_, out, _ := pfsight(t, "", args...)
		for line := range strings.Lines(out) {
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 80 {
				t.Errorf("%v: %s", args, line)
			}
		}
	}
}
