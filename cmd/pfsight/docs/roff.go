package docs

import (
	"fmt"
	"strings"
)

// manualWidth is the width of the tables and lists in a manual page, columns.
// Their lines are not broken by the formatter.
const manualWidth = 72

// Manual returns the topic as a manual page of section 7. The date is written
// as it is; version names the release.
func (t Topic) Manual(date, version string) string {
	var b strings.Builder
	b.WriteString(ManualHead("PFSIGHT-"+strings.ToUpper(t.Name), 7, date, version))
	b.WriteString(".SH NAME\npfsight-" + Escape(t.Name) + ` \- ` + Escape(t.Summary) + "\n")
	blocks := parse(t.Text)
	if len(blocks) > 1 && blocks[1].kind != heading {
		b.WriteString(".SH DESCRIPTION\n")
	}
	afterHeading := true
	for _, k := range blocks[1:] {
		switch k.kind {
		case heading:
			macro := ".SH"
			if k.level > 2 {
				macro = ".SS"
			}
			b.WriteString(macro + " " + quoteArgument(plain(k.text)) + "\n")
		case paragraph:
			if !afterHeading {
				b.WriteString(".PP\n")
			}
			b.WriteString(roffLine(k.text) + "\n")
		case item:
			b.WriteString(".IP \\(bu 2\n" + roffLine(k.text) + "\n")
		case code:
			b.WriteString(Verbatim(k.lines))
		case table:
			b.WriteString(Verbatim(tableLines(k.rows, manualWidth)))
		}
		afterHeading = k.kind == heading
	}
	b.WriteString(".SH SEE ALSO\n.BR pfsight (1)\n")
	return b.String()
}

// ManualHead returns the first lines of a manual page.
func ManualHead(title string, section int, date, version string) string {
	return fmt.Sprintf(".\\\" Written by pfsight man.\n.TH %s %d %s %s %s\n.nh\n", title, section,
		quoteArgument(date), quoteArgument("pfsight "+version), quoteArgument("pfsight manual"))
}

// Verbatim returns lines as roff that is not filled.
func Verbatim(lines []string) string {
	var b strings.Builder
	b.WriteString(".PP\n.RS 2\n.nf\n")
	for _, line := range lines {
		if line == "" {
			b.WriteString("\\&\n")
			continue
		}
		b.WriteString(Escape(line) + "\n")
	}
	b.WriteString(".fi\n.RE\n")
	return b.String()
}

// Escape returns text as one line of roff: no character of it is a request or
// an escape.
func Escape(text string) string {
	text = escapes.Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

var escapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", "\\`", "^", `\(ha`, "~", `\(ti`)

// roffLine returns text with inline marks as one line of roff.
func roffLine(text string) string {
	var b strings.Builder
	for _, s := range spans(text) {
		part := escapes.Replace(s.text)
		if s.bold {
			part = `\fB` + part + `\fR`
		}
		b.WriteString(part)
	}
	line := b.String()
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		line = `\&` + line
	}
	return line
}

// quoteArgument returns text as one argument of a macro.
func quoteArgument(text string) string {
	return `"` + strings.ReplaceAll(escapes.Replace(text), `"`, `\(dq`) + `"`
}
