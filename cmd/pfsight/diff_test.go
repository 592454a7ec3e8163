package main

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDiff(t *testing.T) {
	before := save(t, "jsonl", "before.jsonl", captures+"/rsa.pcap", captures+"/ecdhe-p256.pcap", captures+"/tls13-hrr.pcap")
	after := captures + "/ticket-ecdhe.pcap"
	for _, format := range []string{"table", "markdown", "html", "json", "csv"} {
		code, out, stderr := pfsight(t, "", "diff", "--format", format, before, after)
		if code != 0 || stderr != "" || out == "" {
			t.Errorf("%s: exit %d %s", format, code, stderr)
		}
		switch format {
		case "table":
			for line := range strings.SplitSeq(out, "\n") {
				if utf8.RuneCountInString(line) > 80 {
					t.Errorf("wide: %s", line)
				}
			}
		case "json":
			var d struct {
				Before struct{ Connections int }
				Shares []struct{ Label, Change string }
			}
			if err := json.Unmarshal([]byte(out), &d); err != nil || d.Before.Connections != 3 || len(d.Shares) == 0 {
				t.Errorf("%v: %+v", err, d)
			}
		case "csv":
			if rows, err := csv.NewReader(strings.NewReader(out)).ReadAll(); err != nil || len(rows) < 5 {
				t.Errorf("%v: %d rows", err, len(rows))
			}
		}
	}
	// The client used RSA before and not after: it gained. The reverse is a loss.
	code, _, stderr := pfsight(t, "", "diff", "--fail-on", "lost-client", captures+"/ecdhe-p256.pcap", captures+"/rsa.pcap")
	if code != 1 || !strings.Contains(stderr, "lost-client: 1, such as 127.0.0.1") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if code, _, stderr = pfsight(t, "", "diff", "--fail-on", "refused-client", captures+"/rsa.pcap", captures+"/failed-suite.pcap"); code != 1 || !strings.Contains(stderr, "refused-client: 1") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if code, _, _ = pfsight(t, "", "diff", "--fail-on", "lost-client,less-forward-secrecy", captures+"/rsa.pcap", captures+"/ecdhe-p256.pcap"); code != 0 {
		t.Errorf("exit %d", code)
	}
	if code, _, stderr = pfsight(t, "", "diff", "--fail-on", "lost-client", before, captures+"/bad/header-only.pcap"); code != 2 || !strings.Contains(stderr, "nothing to judge") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if code, _, stderr = pfsight(t, "", "diff", "--fail-on", "nonsense", before, after); code != 2 || !strings.Contains(stderr, "choose from") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if code, _, stderr = pfsight(t, "", "diff", before); code != 2 || !strings.Contains(stderr, "BEFORE AFTER") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	// The number of jobs changes nothing.
	_, one, _ := pfsight(t, "", "diff", "-j", "1", "--format", "json", captures, before)
	_, three, _ := pfsight(t, "", "diff", "-j", "3", "--format", "json", captures, before)
	if one != three {
		t.Error("-j 1 and -j 3 differ")
	}
}
