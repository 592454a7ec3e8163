package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReadme compares the table in README.md with the last dated run.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(readme), "<!-- accuracy -->\n")
	if len(parts) != 3 {
		t.Fatalf("got %d accuracy marks in README.md, want 2", len(parts)-1)
	}
	runs, err := filepath.Glob("../accuracy-*.txt")
	if err != nil || len(runs) == 0 {
		t.Fatalf("no accuracy-DATE.txt: %v", err)
	}
	last := runs[len(runs)-1]
	run, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(run), parts[1]) {
		t.Errorf("the table in README.md differs from that in %s", last)
	}
	date := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(last), "accuracy-"), ".txt")
	if !strings.HasPrefix(string(run), date) || !strings.Contains(parts[0], "On "+date) {
		t.Errorf("the dates in the name of %s, its first line and README.md differ", last)
	}
}

func TestUpdate(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "testdata"), 0o700); err != nil {
		t.Fatal(err)
	}
	readme := filepath.Join(root, "README.md")
	if err := os.WriteFile(readme, []byte("On 2020-01-02, 1 connections:\n<!-- accuracy -->\nold\n<!-- accuracy -->\nrest\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k := &kinds[0]
	c := &corpus{kind: k, labels: make([]label, 1234)}
	ours := pfsight
	ours.program = "false"
	r := &report{tools: []*tool{&ours}, corpora: []*corpus{c}, results: [][]*result{{score(c, nil)}}}
	if err := r.update(root); err != nil {
		t.Fatal(err)
	}
	day := time.Now().UTC().Format(time.DateOnly)
	b, err := os.ReadFile(readme)
	if err != nil || !strings.HasPrefix(string(b), "On "+day+", 1,234 connections:\n<!-- accuracy -->\n|  | pfsight |\n") || !strings.HasSuffix(string(b), " |\n<!-- accuracy -->\nrest\n") {
		t.Errorf("%v\n%s", err, b)
	}
	if _, err := os.Stat(filepath.Join(root, "testdata", "accuracy-"+day+".txt")); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(readme, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.update(root); err == nil {
		t.Error("README.md without a table: got no error")
	}
}
