package main

import (
	"flag"
	"os"
	"testing"

	"pfsight/cmd/pfsight/internal/laws"
)

var lawsDump = flag.String("lawsdump", "", "the folder into which TestLawsDump writes the files of -laws")

// TestLawsDump writes the files of a composition for inspection.
func TestLawsDump(t *testing.T) {
	if *lawsDump == "" || *lawsCase == "" {
		t.Skip("-args -laws=LINE -lawsdump=DIR")
	}
	x, err := laws.ParseComposition(*lawsCase)
	if err != nil {
		t.Fatal(err)
	}
	w, applied, err := x.Make(newCourt(t).all)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(applied)
	for _, f := range w.Files {
		if err := os.WriteFile(*lawsDump+"/"+f.Name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
