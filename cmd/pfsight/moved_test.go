package main

import (
	"path/filepath"
	"testing"
)

// TestMovedTogether reads all captures of QUIC and DTLS at once. Their servers share
// one address: no client may be joined to a wrong connection, and the output is
// the same for any number of workers.
func TestMovedTogether(t *testing.T) {
	files, err := filepath.Glob(captures + "/quic-*.pcap")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d captures, %v", len(files), err)
	}
	files = append(files, captures+"/dtls12-pion-turn.pcap")
	type key struct{ source, port, moved any }
	apart := map[key]bool{}
	n := 0
	for _, f := range files {
		for _, r := range records(t, f) {
			apart[key{r["source"], r["client_port"], r["migrated_to"]}] = true
			n++
		}
	}
	together := records(t, files...)
	if len(together) != n {
		t.Errorf("%d connections together, %d apart", len(together), n)
	}
	for _, r := range together {
		if k := (key{r["source"], r["client_port"], r["migrated_to"]}); !apart[k] {
			t.Errorf("%v is not there in its capture alone", k)
		}
	}
	var first string
	for _, jobs := range []string{"1", "2", "4"} {
		_, out, stderr := pfsight(t, "", append([]string{"--format", "jsonl", "-j", jobs}, files...)...)
		if first == "" {
			first = out
		}
		if out != first || out == "" {
			t.Errorf("-j %s writes other bytes; %s", jobs, stderr)
		}
	}
}
