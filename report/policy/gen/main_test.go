package main

import (
	"bytes"
	"os"
	"testing"
)

// TestFresh checks that the generated file is up to date.
func TestFresh(t *testing.T) {
	want, err := Generate("../builtin")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../zbuiltin.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("zbuiltin.go is not what builtin/*.yaml makes; run go generate")
	}
}
