package main

import (
	"path"
	"slices"
	"strings"

	"pfsight/cmd/pfsight/internal/laws"
)

// A known violation is a law that is broken today: what TestLaws skips. The
// table is to become empty.
type knownViolation struct {
	kinds   string // one of them is in the composition; "" for any
	capture string // pattern of names, separated by blanks; "" for any
	fields  string // that differ, separated by commas; "" for any
	why     string
}

var knownViolations = []knownViolation{}

// isKnown reports whether v is in the table.
func (c *court) isKnown(x laws.Composition, v violation) bool {
	return slices.ContainsFunc(c.known, func(k knownViolation) bool {
		return (k.fields == "" || slices.Contains(strings.Split(k.fields, ","), v.field)) &&
			(k.kinds == "" || slices.ContainsFunc(x.Changes, func(c laws.Change) bool { return slices.Contains(strings.Fields(k.kinds), c.Name) })) &&
			(k.capture == "" || slices.ContainsFunc(strings.Fields(k.capture), func(p string) bool { ok, _ := path.Match(p, x.Capture); return ok }))
	})
}
