package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The committed tables are those of the committed CSV files.
func TestGenerated(t *testing.T) {
	files, err := Generate("..")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what its CSV makes: run go generate in parse/iana", name)
		}
	}
}
