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
	for _, k := range blocks[1:] {
		switch k.kind {
		case heading:
			macro := ".SH"
			if k.level > 2 {
				macro = ".SS"
			}
			b.WriteString(macro + " " + quoteArgument(plain(k.text)) + "\n")
		case paragraph:
			b.WriteString(".PP\n" + fill(roff(k.text)))
		case item:
			b.WriteString(".IP \\(bu 2\n" + fill(roff(k.text)))
		case code:
			b.WriteString(Verbatim(k.lines))
		case table:
			lines := tableLines(k.rows, manualWidth)
			for i := range lines {
				lines[i] = withoutBold.Replace(lines[i])
			}
			b.WriteString(Verbatim(lines))
		}
	}
	b.WriteString(".SH SEE ALSO\n.BR pfsight (1)\n")
	return Tidy(b.String())
}

// Tidy removes paragraph breaks that a heading makes superfluous.
func Tidy(page string) string {
	var b strings.Builder
	heading := false
	for line := range strings.Lines(page) {
		if !heading || line != ".PP\n" {
			b.WriteString(line)
		}
		heading = strings.HasPrefix(line, ".SH") || strings.HasPrefix(line, ".SS")
	}
	return b.String()
}

// ManualHead returns the first lines of a manual page. The date is YYYY-MM-DD.
func ManualHead(title string, section int, date, version string) string {
	return fmt.Sprintf(".\\\" Written by pfsight man.\n.TH %s %d \"%s\" %s %s\n.nh\n.ad l\n", title, section, date,
		quoteArgument("pfsight "+version), quoteArgument("pfsight manual"))
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
func Escape(text string) string { return guard(escapes.Replace(text)) }

// Paragraph returns text as lines of roff.
func Paragraph(text string) string { return fill(escapes.Replace(text)) }

var escapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", "\\`", "^", `\(ha`, "~", `\(ti`)

// guard keeps a line of roff from being a request.
func guard(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}

// fill breaks roff at spaces into lines of at most 76 columns.
func fill(text string) string {
	var b strings.Builder
	for _, line := range Wrap(text, 76) {
		b.WriteString(guard(line) + "\n")
	}
	return b.String()
}

// roff returns text with inline marks as roff.
func roff(text string) string {
	var b strings.Builder
	for _, s := range spans(text) {
		part := escapes.Replace(s.text)
		if s.bold {
			part = `\fB` + part + `\fR`
		}
		b.WriteString(part)
	}
	return b.String()
}

// quoteArgument returns text as one argument of a macro.
func quoteArgument(text string) string {
	return `"` + strings.ReplaceAll(escapes.Replace(text), `"`, `\(dq`) + `"`
}
