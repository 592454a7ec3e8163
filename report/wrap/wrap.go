// Package wrap breaks text into lines.
package wrap

import (
	"strings"
	"unicode/utf8"
)

// Words breaks text at white space into lines of at most width characters. A
// longer word is a line of its own. The result has at least one line.
func Words(text string, width int) []string {
	return Func(text, width, utf8.RuneCountInString)
}

// Func is Words with another measure of a word's width.
func Func(text string, width int, measure func(word string) int) []string {
	var lines []string
	var line strings.Builder
	n := 0 // width of line
	for w := range strings.FieldsSeq(text) {
		k := measure(w)
		if n > 0 && n+1+k > width {
			lines = append(lines, line.String())
			line.Reset()
			n = 0
		}
		if n > 0 {
			line.WriteByte(' ')
			n++
		}
		line.WriteString(w)
		n += k
	}
	return append(lines, line.String())
}
