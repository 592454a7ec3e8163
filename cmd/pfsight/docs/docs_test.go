package docs

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// write returns Markdown as a terminal shows it.
func write(t *testing.T, text string, width int) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, text, width, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWrite(t *testing.T) {
	for _, c := range []struct {
		name, text string
		width      int
		want       string
	}{
		{"heading and paragraph", "# topic: a summary\n\nOne `code` and\n**strong** text.\n", 80, "topic: a summary\n\n  One code and strong text.\n"},
		{"wrapped", "aaaa bbbb cccc\n", 11, "  aaaa bbbb\n  cccc\n"},
		{"list", "- one\n- two\n  and more\n", 80, "  - one\n  - two and more\n"},
		{"code", "```sh\n**as** it `is`\n```\n", 12, "    **as** it `is`\n"},
		{"comment", "<!-- x -->\ntext\n", 80, "  text\n"},
		{"link to a topic", "see [record](record.md#rules)\n", 80, "  see record (pfsight help record)\n"},
		{"link to a page", "see [it](https://example.org/a)\n", 80, "  see it (https://example.org/a)\n"},
		{"link to a file", "see [dist](../dist) and [testdata](../../../testdata)\n", 80, "  see dist (cmd/pfsight/dist) and testdata\n"},
		{"link within", "see [below](#rules)\n", 80, "  see below\n"},
		{"table", "| a | b |\n| --- | --- |\n| `x` | y \\| z |\n", 80, "  a  b\n  x  y | z\n"},
		{"table without a header", "| | |\n| --- | --- |\n| x | y |\n", 80, "  x  y\n"},
		{"narrow table", "| a | b |\n| --- | --- |\n| x | one two three |\n", 14, "  a  b\n\n  x  one two\n     three\n"},
		{"table as a list", "| a | b |\n| --- | --- |\n| x | " + strings.Repeat("word ", 30) + "|\n", 18,
			"  x\n    b: word word\n" + strings.Repeat("      word word\n", 14)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := write(t, c.text, c.width); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestBold writes bold text. It takes the same columns as other text.
func TestBold(t *testing.T) {
	var b strings.Builder
	if err := Write(&b, "# t: s\n\n`one` **two three** four\n\n| | |\n| --- | --- |\n| `x` | y |\n| long | z |\n", 12, true); err != nil {
		t.Fatal(err)
	}
	const want = "\x1b[1mt: s\x1b[22m\n\n  \x1b[1mone\x1b[22m \x1b[1mtwo\n  three\x1b[22m four\n\n  \x1b[1mx\x1b[22m     y\n  long  z\n"
	if got := b.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestRandom writes random Markdown in random widths: no word is lost, no line
// of text is too wide unless it is one word, and no text is a roff request.
func TestRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"a", "word", ".SH", "'br", `\fB`, "- x", "`code`", "**strong**", "[t](x.md)", "|", "#", "é", "it's", `\`, "-j"}
	for range 2000 {
		var text strings.Builder
		text.WriteString("# topic: summary\n\n")
		for range 1 + r.IntN(6) {
			switch r.IntN(4) {
			case 0:
				text.WriteString("\n- ")
			case 1:
				text.WriteString("\n\n")
			case 2:
				text.WriteString("\n\n## ")
			}
			for range 1 + r.IntN(12) {
				text.WriteString(words[r.IntN(len(words))] + " ")
			}
		}
		width := 20 + r.IntN(80)
		for line := range strings.SplitSeq(write(t, text.String(), width), "\n") {
			if utf8.RuneCountInString(line) > width && strings.Contains(strings.TrimLeft(line, " -"), " ") {
				t.Fatalf("%q, width %d: %q", text.String(), width, line)
			}
		}
		page := Topic{Name: "topic", Summary: "summary", Text: text.String()}.Manual("2026-11-28", "1")
		for line := range strings.Lines(page) {
			if strings.HasPrefix(line, "'") || strings.HasPrefix(line, ".") && !strings.Contains(" .SH .SS .PP .IP .TH .BR .nh .ad .RS .RE .nf .fi .\\\" ", " "+strings.Fields(line)[0]+" ") {
				t.Fatalf("%q: a request: %q", text.String(), line)
			}
		}
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want []string
	}{
		{"", 10, []string{""}},
		{"one", 1, []string{"one"}},
		{"one two", 7, []string{"one two"}},
		{"one two", 6, []string{"one", "two"}},
		{"é é", 3, []string{"é é"}},
	} {
		if got := Wrap(c.text, c.n); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("Wrap(%q, %d) = %q, want %q", c.text, c.n, got, c.want)
		}
	}
}
