package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"pfsight/cmd/pfsight/docs"
)

const root = "../.."

// documents returns the README and the files of the help topics.
func documents(t *testing.T) []string {
	t.Helper()
	topics, err := filepath.Glob("docs/*.md")
	if err != nil || len(topics) < 10 {
		t.Fatalf("%d topics, %v", len(topics), err)
	}
	return append([]string{root + "/README.md"}, topics...)
}

// A fence is a block of code in a document.
type fence struct {
	language    string
	line        int      // of its first line of code, counted from 1
	lines       []string // of code
	first, last int      // the lines of code are lines[first:last] of the document
}

// fences returns the lines of a document and its blocks of code.
func fences(t *testing.T, file string) ([]string, []fence) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	var list []fence
	for i := 0; i < len(lines); i++ {
		language, ok := strings.CutPrefix(lines[i], "```")
		if !ok {
			continue
		}
		f := fence{language: language, line: i + 2, first: i + 1}
		for i++; i < len(lines) && lines[i] != "```"; i++ {
		}
		if i == len(lines) {
			t.Fatalf("%s:%d: the block has no end", file, f.line)
		}
		f.last, f.lines = i, lines[f.first:i]
		list = append(list, f)
	}
	return lines, list
}

// TestDocsFlags parses the pfsight commands of the blocks that are not run, and
// of the text: their flags exist.
func TestDocsFlags(t *testing.T) {
	inline := regexp.MustCompile("`(pfsight [^`]+)`")
	checked := 0
	for _, file := range documents(t) {
		lines, blocks := fences(t, file)
		var commands []string
		for _, f := range blocks {
			for _, line := range f.lines {
				line, _, _ = strings.Cut(line, " #")
				if f.language != "console" && strings.HasPrefix(line, "pfsight ") {
					commands = append(commands, line)
				}
			}
			for i := f.first; i < f.last; i++ {
				lines[i] = ""
			}
		}
		for _, m := range inline.FindAllStringSubmatch(strings.Join(lines, "\n"), -1) {
			commands = append(commands, m[1])
		}
		for _, c := range commands {
			checked++
			if err := parseCommand(c); err != nil {
				t.Errorf("%s: %s: %v", file, c, err)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d commands were checked", checked)
	}
}

// parseCommand finds the command of a line and parses its flags.
func parseCommand(line string) error {
	line = strings.TrimSuffix(strings.Fields(line + " ")[0]+strings.TrimPrefix(line, "pfsight"), "\n")
	var words []string
	for _, w := range regexp.MustCompile(`'[^']*'|[^\s']+`).FindAllString(line, -1) {
		words = append(words, strings.Trim(w, "'"))
	}
	cmd, rest, err := newRoot(newApp(nil, &bytes.Buffer{}, &bytes.Buffer{})).Find(words[1:])
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if err := cmd.ParseFlags(rest); err != nil && !errors.Is(err, pflag.ErrHelp) {
		return err
	}
	return nil
}

// TestDocsLinks follows the relative links of the documents, anchors included.
func TestDocsLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)]+)\)`)
	checked := 0
	for _, file := range documents(t) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(b), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			checked++
			path, anchor, _ := strings.Cut(m[1], "#")
			to := file
			if path != "" {
				to = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(t, to), anchor) {
				t.Errorf("%s: %s has no heading #%s", file, to, anchor)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d links were checked", checked)
	}
}

// anchors returns the names of the headings of a Markdown file, as repository
// hosts make them.
func anchors(t *testing.T, file string) []string {
	t.Helper()
	lines, blocks := fences(t, file)
	for _, f := range blocks {
		for i := f.first; i < f.last; i++ {
			lines[i] = ""
		}
	}
	notInAnchor := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	var list []string
	for _, line := range lines {
		if strings.HasPrefix(line, "#") {
			title := strings.TrimSpace(strings.TrimLeft(line, "#"))
			list = append(list, strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(title), ""), " ", "-"))
		}
	}
	return list
}

// TestReadmeLength keeps the README a landing page.
func TestReadmeLength(t *testing.T) {
	lines, _ := fences(t, root+"/README.md")
	if len(lines) > 220 {
		t.Errorf("the README has %d lines", len(lines))
	}
}

// TestHelpTopics shows every topic, and holds names and summaries to their
// form.
func TestHelpTopics(t *testing.T) {
	_, listed, _ := pfsight(t, "", "help")
	for _, topic := range docs.Topics() {
		t.Run(topic.Name, func(t *testing.T) {
			code, out, stderr := pfsight(t, "", "help", topic.Name)
			if code != 0 || stderr != "" || out != topic.Text {
				t.Errorf("help %s: exit %d, %q, %d bytes of %d", topic.Name, code, stderr, len(out), len(topic.Text))
			}
			if !strings.HasPrefix(topic.Text, "# "+topic.Name+": "+topic.Summary+"\n\n") || topic.Summary == "" {
				t.Errorf("the first line is not the name and a summary: %.80q", topic.Text)
			}
			if !strings.Contains(strings.Join(strings.Fields(listed), " "), topic.Name+" "+topic.Summary) {
				t.Error("'pfsight help' does not list it")
			}
			for _, width := range []int{40, 60, 100} {
				var b bytes.Buffer
				if err := docs.Write(&b, topic.Text, width, false); err != nil {
					t.Fatal(err)
				}
				for line := range strings.SplitSeq(b.String(), "\n") {
					if strings.HasPrefix(line, "    ") { // code is not broken
						continue
					}
					if n := utf8.RuneCountInString(line); n > width && strings.Contains(strings.TrimSpace(line), " ") && width > 40 {
						t.Errorf("width %d: %d columns: %s", width, n, line)
					}
				}
			}
		})
	}
}

// TestHelpUnknown suggests names that are near to a wrong one.
func TestHelpUnknown(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"verdct", "did you mean verdict?"},
		{"polices", "did you mean policies, policy?"},
		{"sens", "did you mean sensor?"},
		{"xyzzyxyzzy", "'pfsight help' lists them"},
		{"policies nonsense", "no such command or topic"},
	} {
		t.Run(c.args, func(t *testing.T) {
			code, out, stderr := pfsight(t, "", append([]string{"help"}, strings.Fields(c.args)...)...)
			if code != exitFailed || out != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("exit %d, %q, %q; want %q", code, out, stderr, c.want)
			}
		})
	}
}
