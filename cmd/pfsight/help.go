package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// helpWidth is the width of the help texts, columns.
const helpWidth = 80

// flagHelp lists flags in two columns that fit helpWidth.
func flagHelp(set *pflag.FlagSet) string {
	type row struct{ flag, text string }
	var rows []row
	width := 0
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		arg, text := pflag.UnquoteUsage(f)
		r := row{flag: "      --" + f.Name, text: text}
		if f.Shorthand != "" {
			r.flag = "  -" + f.Shorthand + ", --" + f.Name
		}
		if f.Value.Type() != "bool" {
			r.flag += " " + arg
			if f.DefValue != "" && f.DefValue != "0" && f.DefValue != "[]" && f.DefValue != "0s" {
				r.text += fmt.Sprintf(" (default %s)", f.DefValue)
			}
		}
		width = max(width, len(r.flag))
		rows = append(rows, r)
	})
	var b strings.Builder
	for _, r := range rows {
		left := r.flag
		for _, line := range wrap(r.text, helpWidth-width-2) {
			fmt.Fprintf(&b, "%-*s  %s\n", width, left, line)
			left = ""
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

// wrap breaks text at spaces into lines of at most n columns.
func wrap(text string, n int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > n {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
