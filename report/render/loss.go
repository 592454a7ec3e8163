package render

import (
	"fmt"
	"strings"

	"pfsight/report"
)

// maxKinds is how many kinds of a loss are named.
const maxKinds = 8

// LossText says what was lost, how much of it, of which kinds and of which
// inputs: "12 packets of a link type that is not read: USER0 (link type 147), in
// a.pcap (8) and b.pcap (4)". It is fit for a terminal.
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

// lossWhat says what was lost. The first noun of l.What is in the plural.
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

// lossKinds lists the kinds of a loss, with their numbers if there are several.
func lossKinds(l *report.Loss) string {
	if len(l.Kinds) == 1 && l.Kinds[0].N == l.Count {
		return l.Kinds[0].Label
	}
	return counted(l.Kinds, max(len(l.Kinds)-maxKinds, 0), func(s string) string { return s })
}

// lossFiles lists the inputs of a loss.
func lossFiles(l *report.Loss, quote func(string) string) string {
	return counted(l.Files, l.MoreFiles, quote)
}

// counted joins all but more of the counts, and says how many more there are:
// more counts what lies beyond the list, or at its end.
func counted(list []report.Count, more int, quote func(string) string) string {
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

// A jsonLoss is a report.Loss.
type jsonLoss struct {
	Name      string     `json:"name"`
	Count     uint64     `json:"count"`
	Kinds     []jsonPart `json:"kinds,omitempty"`      // of what it consists, such as link types
	Files     []jsonPart `json:"files,omitempty"`      // inputs that it is of, if there are several
	MoreFiles int        `json:"more_files,omitempty"` // beyond those
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
