package main

import (
	"strings"
	"testing"

	"pfsight/report/schema"
)

// TestExplainFields explains every field of the record by name, and in the list of
// fields.
func TestExplainFields(t *testing.T) {
	_, all, _ := pfsight(t, "", "explain", "fields")
	words := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	for _, e := range schema.Entries() {
		code, out, stderr := pfsight(t, "", "explain", e.Name)
		want := words(e.Name + " (" + e.Type + ") " + e.Meaning + " absent: " + e.Absent)
		if !strings.Contains(words(all), want) {
			t.Errorf("the list of all fields lacks %s", want)
		}
		if e.Name == "reasons" {
			continue // explain lists the reasons themselves
		}
		if code != 0 || !strings.Contains(words(out), want) {
			t.Errorf("%s: exit %d: %s%s\nwant %s", e.Name, code, out, stderr, want)
		}
		if e.Of != "" {
			if _, out, _ := pfsight(t, "", "explain", e.Of); !strings.Contains(words(out), want) {
				t.Errorf("%s: got %s\nwant %s", e.Of, out, want)
			}
		}
	}
}
