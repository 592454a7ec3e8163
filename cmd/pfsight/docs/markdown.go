package docs

import (
	"path"
	"regexp"
	"strings"
)

// A kind is the kind of a block.
type kind int

const (
	heading   kind = iota
	paragraph      // text
	item           // one entry of a list
	code           // lines as they are
	table          // rows of cells, the first is the header
)

// A block is a part of a Markdown text.
type block struct {
	kind  kind
	level int        // heading: number of #
	text  string     // heading, paragraph, item: one line with inline marks
	lines []string   // code
	rows  [][]string // table: cells with inline marks
}

// parse splits Markdown into blocks. It knows what the topics use: headings,
// paragraphs, lists that begin with "- ", fenced code, tables, and comments on
// lines of their own.
func parse(text string) []block {
	var blocks []block
	var open *block // paragraph or item that the next line may continue
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	add := func(b block) *block {
		blocks = append(blocks, b)
		return &blocks[len(blocks)-1]
	}
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			b := block{kind: code}
			for i++; i < len(lines) && lines[i] != "```"; i++ {
				b.lines = append(b.lines, lines[i])
			}
			add(b)
			open = nil
		case trimmed == "" || strings.HasPrefix(line, "<!--"):
			open = nil
		case strings.HasPrefix(line, "#"):
			title := strings.TrimLeft(line, "#")
			add(block{kind: heading, level: len(line) - len(title), text: strings.TrimSpace(title)})
			open = nil
		case strings.HasPrefix(line, "|"):
			b := block{kind: table}
			for ; i < len(lines) && strings.HasPrefix(lines[i], "|"); i++ {
				if cells := cells(lines[i]); strings.Trim(strings.Join(cells, ""), "-: ") != "" || len(b.rows) != 1 {
					b.rows = append(b.rows, cells)
				}
			}
			i--
			add(b)
			open = nil
		case strings.HasPrefix(line, "- "):
			open = add(block{kind: item, text: strings.TrimSpace(line[2:])})
		case open != nil:
			open.text += " " + trimmed
		default:
			open = add(block{kind: paragraph, text: trimmed})
		}
	}
	return blocks
}

// cells splits a row of a table. A vertical bar in a cell is written \|.
func cells(line string) []string {
	line = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "|"), "|")
	list := strings.Split(strings.ReplaceAll(line, `\|`, "\x00"), "|")
	for i := range list {
		list[i] = strings.ReplaceAll(strings.TrimSpace(list[i]), "\x00", "|")
	}
	return list
}

// A span is a piece of text in one style.
type span struct {
	text string
	bold bool // code or strong
}

var (
	inlineMark = regexp.MustCompile("`[^`]+`|\\*\\*[^*]+\\*\\*|\\[[^\\]]+\\]\\([^)]+\\)")
	linkMark   = regexp.MustCompile(`^\[([^\]]+)\]\(([^)]+)\)$`)
)

// spans resolves the inline marks of text: code, strong text and links.
func spans(text string) []span {
	var list []span
	for text != "" {
		at := inlineMark.FindStringIndex(text)
		if at == nil {
			return append(list, span{text: text})
		}
		if at[0] > 0 {
			list = append(list, span{text: text[:at[0]]})
		}
		switch mark := text[at[0]:at[1]]; mark[0] {
		case '`':
			list = append(list, span{text: mark[1 : len(mark)-1], bold: true})
		case '*':
			list = append(list, span{text: mark[2 : len(mark)-2], bold: true})
		default:
			m := linkMark.FindStringSubmatch(mark)
			list = append(list, spans(m[1])...)
			if where := target(m[1], m[2]); where != "" {
				list = append(list, span{text: " (" + where + ")"})
			}
		}
		text = text[at[1]:]
	}
	return list
}

// target says in words where a link leads. It is empty if the text says it.
// Paths are relative to the top of the repository.
func target(text, link string) string {
	file, _, _ := strings.Cut(link, "#")
	name, isTopic := strings.CutSuffix(file, ".md")
	switch {
	case file == "":
		return ""
	case strings.Contains(link, "://"):
		return link
	case isTopic && !strings.Contains(name, "/"):
		return "pfsight help " + name
	}
	if inRepository := path.Join("cmd/pfsight/docs", file); inRepository != text {
		return inRepository
	}
	return ""
}

// plain returns text without its inline marks.
func plain(text string) string {
	var b strings.Builder
	for _, s := range spans(text) {
		b.WriteString(s.text)
	}
	return b.String()
}
