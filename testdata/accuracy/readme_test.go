package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadme holds the table of the README against the last dated run.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(readme), "<!-- accuracy -->\n")
	if len(parts) != 3 {
		t.Fatalf("the README has %d marks of the table", len(parts)-1)
	}
	runs, err := filepath.Glob("../accuracy-*.txt")
	if err != nil || len(runs) == 0 {
		t.Fatalf("no dated run: %v", err)
	}
	last := runs[len(runs)-1]
	run, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(run), parts[1]) {
		t.Errorf("the table of the README is not that of %s", last)
	}
	date := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(last), "accuracy-"), ".txt")
	if !strings.HasPrefix(string(run), date) || !strings.Contains(parts[0], "On "+date) {
		t.Errorf("%s, its first line and the README have other dates", last)
	}
}
