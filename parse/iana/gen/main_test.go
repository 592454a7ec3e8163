package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestGenerate checks that the tables in the repository match the CSV files.
func TestGenerate(t *testing.T) {
	t.Parallel()
	files, err := generate("..")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s does not match its CSV file: run go generate in parse/iana", name)
		}
	}
}
