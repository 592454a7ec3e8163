package main

import (
	"fmt"
	"html"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pfsight/cmd/pfsight/internal/laws"
)

// A claim is what a report may say about a run.
type claim struct {
	packets  int  // packets read
	wanted   int  // those that the filter accepted and that can be decoded
	others   int  // connections that --where rejected
	chosen   int  // connections that --where accepted
	whole    bool // the whole input was read and reported
	filtered bool
	stopped  string // expected note about an early end; "" for none
}

var (
	claimRead    = regexp.MustCompile(`([0-9,]+) packets, [0-9.]+ `)
	claimNothing = regexp.MustCompile(`No TLS handshake was observed in (?:the )?([0-9,]+) packets?( that could be read| that match(?:es)?)?`)
	claimNone    = regexp.MustCompile(`None of the ([0-9,]+) connections? with a TLS handshake matches`)
	claimOthers  = regexp.MustCompile(`: ([0-9,]+) others do not match`)
	claimOf      = regexp.MustCompile(`: ([0-9,]+) of ([0-9,]+)\.`)
	htmlTag      = regexp.MustCompile(`<[^>]*>`)
	blanks       = regexp.MustCompile(`\s+`)
)

// claimText removes the markup of a format and the line breaks.
func claimText(format, out string) string {
	switch format {
	case "html":
		out = out[strings.Index(out, "<body"):]
		out = html.UnescapeString(htmlTag.ReplaceAllString(out, " "))
		out = strings.NewReplacer(" .", ".", " :", ":").Replace(blanks.ReplaceAllString(out, " "))
	case "markdown":
		out = strings.ReplaceAll(out, `\`, "")
	}
	return blanks.ReplaceAllString(out, " ")
}

// hold compares the text of a report with the claim.
func (c claim) hold(text string) []string {
	var wrong []string
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	number := func(s string) int {
		n, _ := strconv.Atoi(strings.ReplaceAll(s, ",", ""))
		return n
	}
	if m := claimRead.FindStringSubmatch(text); m == nil || number(m[1]) != c.packets {
		say("got %q, want %d packets read", m, c.packets)
	}
	if !c.whole && strings.Contains(text, "whole capture") {
		say("it claims the whole capture")
	}
	if c.stopped != "" && !strings.Contains(text, c.stopped) {
		say("it does not say %q", c.stopped)
	}
	if c.stopped == "" && (strings.Contains(text, "because of -c") || strings.Contains(text, "Interrupted:")) {
		say("it says that the reading ended early")
	}
	if m := claimNothing.FindStringSubmatch(text); m != nil {
		if c.chosen+c.others > 0 || number(m[1]) != c.wanted {
			say("got %q, want %d connections in %d packets", m[0], c.chosen+c.others, c.wanted)
		}
	} else if strings.Contains(text, "No TLS handshake was observed.") {
		say("it does not say in what nothing was observed")
	}
	if m := claimNone.FindStringSubmatch(text); m != nil && (c.chosen > 0 || number(m[1]) != c.others) {
		say("got %q, want %d matching connections and %d others", m[0], c.chosen, c.others)
	}
	if m := claimOthers.FindStringSubmatch(text); (m != nil) != (c.others > 0) || m != nil && number(m[1]) != c.others {
		say("got %q, want %d connections that do not match", m, c.others)
	}
	if m := claimOf.FindStringSubmatch(text); c.filtered && c.wanted < c.packets && (m == nil || number(m[1]) != c.wanted || number(m[2]) != c.packets) {
		say("got %q, want %d of %d packets that match", m, c.wanted, c.packets)
	}
	return wrong
}

// TestLawsClaims reads parts of the captures, with -c, -f and --where, in
// every format of the summary. The report must not claim more than was read.
func TestLawsClaims(t *testing.T) {
	court := newCourt(t)
	rng := rand.New(rand.NewPCG(5, 6))
	filters := []struct {
		expr  string
		wants func(laws.Transport) bool
	}{
		{"tcp", func(p laws.Transport) bool { return p == laws.TCP }},
		{"udp", func(p laws.Transport) bool { return p == laws.UDP }},
	}
	wheres := []string{`forward_secrecy == yes`, `version == "TLS 1.2"`, `outcome == established`, `client_port == 1`}
	for _, x := range court.all {
		known := laws.Transports(x)
		if known == nil {
			continue // the result of a filter on it is undetermined here
		}
		c := claim{packets: len(x.Packets), wanted: len(x.Packets), whole: true}
		var args []string
		if rng.IntN(2) == 0 && len(x.Packets) > 2 {
			n := 1 + rng.IntN(len(x.Packets)-1)
			args = append(args, "-c", strconv.Itoa(n))
			c.packets, c.wanted, c.whole, c.stopped = n, n, false, "because of -c"
		} else if rng.IntN(2) == 0 {
			f := filters[rng.IntN(len(filters))]
			args = append(args, "-f", f.expr)
			c.whole, c.filtered, c.wanted = false, true, 0
			for _, p := range known {
				if f.wants(p) {
					c.wanted++
				}
			}
		}
		all := claimRecords(t, x.Path, args...)
		where := args
		c.chosen = all
		if rng.IntN(2) == 0 {
			where = append(append([]string{}, args...), "--where", wheres[rng.IntN(len(wheres))])
			c.whole = false
			c.chosen = claimRecords(t, x.Path, where...)
			c.others = all - c.chosen
		}
		for _, format := range []string{"table", "markdown", "html"} {
			line := append(append([]string{}, where...), "--format", format, "--width", "200", x.Path)
			code, out, stderr := pfsight(t, "", line...)
			if code != exitDone && code != exitIncomplete {
				t.Errorf("%v: exit %d %s", line, code, stderr)
			}
			for _, w := range c.hold(claimText(format, out)) {
				t.Errorf("pfsight %s: %s", strings.Join(line, " "), w)
			}
		}
		// The table of connections says so if it is empty.
		if c.chosen == 0 {
			_, out, _ := pfsight(t, "", append(append([]string{}, where...), "--connections", x.Path)...)
			if strings.Contains(out, "No TLS handshake was observed.") || !strings.Contains(out, "No TLS handshake was observed in") && !strings.Contains(out, "None of the") {
				t.Errorf("%v: %s", where, out)
			}
		}
	}
}

// claimRecords returns the number of records.
func claimRecords(t *testing.T, path string, args ...string) int {
	t.Helper()
	_, out, _ := pfsight(t, "", append(append([]string{"--format", "jsonl"}, args...), path)...)
	return strings.Count(out, "\n")
}
