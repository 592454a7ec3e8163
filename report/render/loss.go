package render

import (
	"fmt"
	"strings"

	"pfsight/report"
)

// maxKinds is the number of kinds and of inputs that a loss names.
const maxKinds = 8

// LossText describes a loss with its count, kinds and inputs: "12 packets of an
// unsupported link type: USER0 (link type 147), in a.pcap (8) and b.pcap (4)".
// It is quoted for a terminal.
func LossText(l *report.Loss) string { return lossText(l, Quote) }

func lossText(l *report.Loss, quote func(string) string) string {
	out := Number(l.Count) + " " + quote(lossWhat(l))
	if kinds := lossKinds(l); kinds != "" {
		out += ": " + quote(kinds)
	}
	if files := lossFiles(l, quote); files != "" {
		out += ", in " + files
	}
	return out
}

// lossWhat returns what was lost, in the singular if the count is 1. The first
// noun of l.What is in the plural.
func lossWhat(l *report.Loss) string {
	if l.Count != 1 {
		return l.What
	}
	words := strings.Fields(l.What)
	for i, w := range words {
		if s, ok := strings.CutSuffix(w, "s"); ok {
			words[i] = s
			break
		}
	}
	return strings.Join(words, " ")
}

// lossKinds lists the kinds of a loss, with their counts if there are several.
func lossKinds(l *report.Loss) string {
	if len(l.Kinds) == 1 && l.Kinds[0].N == l.Count {
		return l.Kinds[0].Label
	}
	return joinCounts(l.Kinds, max(len(l.Kinds)-maxKinds, 0), func(s string) string { return s })
}

// lossFiles lists the inputs of a loss.
func lossFiles(l *report.Loss, quote func(string) string) string {
	return joinCounts(l.Files, l.MoreFiles, quote)
}

// joinCounts joins the first counts of a list, and adds the number of further
// ones. more is that number for a list of at most maxKinds entries, or the
// number of entries of list beyond maxKinds.
func joinCounts(list []report.Count, more int, quote func(string) string) string {
	if n := maxKinds; len(list) > n {
		list = list[:n]
	}
	var parts []string
	for _, c := range list {
		if c.N == 0 {
			parts = append(parts, quote(c.Label))
		} else {
			parts = append(parts, fmt.Sprintf("%s (%s)", quote(c.Label), Number(c.N)))
		}
	}
	if more > 0 {
		parts = append(parts, Number(uint64(more))+" more")
	}
	if n := len(parts); n > 1 {
		return strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
	return strings.Join(parts, "")
}

// A jsonLoss is the JSON form of a report.Loss.
type jsonLoss struct {
	Name      string     `json:"name"`
	Count     uint64     `json:"count"`
	Kinds     []jsonPart `json:"kinds,omitempty"`      // parts of the count, such as link types
	Files     []jsonPart `json:"files,omitempty"`      // inputs with the loss, if there are several
	MoreFiles int        `json:"more_files,omitempty"` // number of further inputs
}

type jsonPart struct {
	Name  string `json:"name"`
	Count uint64 `json:"count,omitempty"`
}

func jsonLosses(list []report.Loss) []jsonLoss {
	part := func(list []report.Count) (out []jsonPart) {
		for _, c := range list {
			out = append(out, jsonPart{c.Label, c.N})
		}
		return out
	}
	out := []jsonLoss{}
	for _, l := range list {
		out = append(out, jsonLoss{l.Reason, l.Count, part(l.Kinds), part(l.Files), l.MoreFiles})
	}
	return out
}
