package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pfsight/cmd/pfsight/docs"
	"pfsight/cmd/pfsight/internal/terminal"
	"pfsight/report/suggest"
)

// Widths of help, columns.
const (
	helpWidth  = 80  // help of a command; less on a narrower terminal
	topicWidth = 100 // help of a topic on a terminal, which may be narrower
	// leastText is the least width of the text beside a flag or a name. Where
	// there is less room, the text begins on the next line.
	leastText = 24
)

// topicsOf names the topics that say more about a command.
var topicsOf = map[string][]string{
	"pfsight":          {"verdict", "record", "inputs", "outputs"},
	"pfsight read":     {"verdict", "record", "inputs", "outputs", "memory"},
	"pfsight live":     {"sensor", "security", "memory", "speed"},
	"pfsight impact":   {"migration", "policy"},
	"pfsight diff":     {"migration"},
	"pfsight policies": {"policy"},
	"pfsight explain":  {"verdict", "record"},
}

// setHelp gives root and its commands their help, and the help command, which
// knows topics too.
func setHelp(a *app, root *cobra.Command) {
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { writeHelp(&a.results, cmd, a.helpWidth()) })
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := io.WriteString(cmd.OutOrStderr(), usage(cmd, a.helpWidth()))
		return err
	})
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [COMMAND|TOPIC]",
		Short: "Show the help of a command or a topic",
		Long: `help shows the help of a command, or a topic in full.

On a terminal a topic is formatted; through a pipe or into a file it is
written as it is, in Markdown.`,
		Example: "  pfsight help live\n  pfsight help record",
		ValidArgsFunction: func(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			var names []string
			cmd, rest, err := root.Find(args)
			if err == nil && len(rest) == 0 {
				for _, c := range cmd.Commands() {
					if c.IsAvailableCommand() {
						names = append(names, c.Name()+"\t"+c.Short)
					}
				}
			}
			if len(args) == 0 {
				for _, t := range docs.Topics() {
					names = append(names, t.Name+"\t"+t.Summary)
				}
			}
			return begin(names, begun), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				if t, ok := docs.Lookup(args[0]); ok {
					return a.writeTopic(t)
				}
			}
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownTopic(root, strings.Join(args, " "))
			}
			cmd.InitDefaultHelpFlag()
			cmd.InitDefaultVersionFlag()
			return cmd.Help()
		},
	})
}

// helpWidth returns the width of a command's help on standard output.
func (a *app) helpWidth() int {
	if n := terminal.Width(a.Stdout); n > 0 {
		return min(n, helpWidth)
	}
	return helpWidth
}

// writeTopic writes a topic to standard output.
func (a *app) writeTopic(t docs.Topic) error {
	if n := terminal.Width(a.Stdout); n > 0 {
		bold := terminal.Color()
		return docs.Write(&a.results, t.Text, min(n, topicWidth), bold)
	}
	_, err := io.WriteString(&a.results, t.Text)
	return err
}

// unknownTopic is the error for a name that is no command and no topic. It
// suggests names that are similar to it or contain it.
func unknownTopic(root *cobra.Command, name string) error {
	var list suggest.Ranking
	add := func(known string) {
		lower := strings.ToLower(name)
		switch d := suggest.Distance(lower, known); {
		case strings.HasPrefix(known, lower) || len(lower) >= 3 && strings.HasPrefix(lower, known):
			list.Add(known, 0)
		case d <= max(1, len(lower)/3):
			list.Add(known, d)
		}
	}
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			add(c.Name())
		}
	}
	for _, t := range docs.Topics() {
		add(t.Name)
	}
	if best := list.Best(3); len(best) > 0 {
		return usagef("help %q: no such command or topic; did you mean %s?", name, strings.Join(best, ", "))
	}
	return usagef("help %q: no such command or topic; 'pfsight help' lists them", name)
}

// writeHelp writes the help of a command. The results keep the error.
func writeHelp(w io.Writer, cmd *cobra.Command, width int) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	fmt.Fprintf(w, "%s\n%s", reflow(text, width), usage(cmd, width))
}

// usage returns how cmd is called: its usage, examples, commands and flags.
func usage(cmd *cobra.Command, width int) string {
	var b strings.Builder
	b.WriteString("Usage:")
	if cmd.Runnable() {
		b.WriteString("\n  " + cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\n  " + cmd.CommandPath() + " [command]")
	}
	if cmd.HasExample() {
		b.WriteString("\n\nExamples:\n" + cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		var rows []helpRow
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() || c.Name() == "help" {
				rows = append(rows, helpRow{"  " + c.Name(), c.Short})
			}
		}
		b.WriteString("\n\nAvailable Commands:\n" + twoColumns(rows, width))
	}
	if cmd.HasAvailableLocalFlags() {
		b.WriteString("\n\nFlags:\n" + twoColumns(flagRows(cmd.LocalFlags()), width))
	}
	if cmd.HasAvailableInheritedFlags() {
		b.WriteString("\n\nGlobal Flags:\n" + twoColumns(flagRows(cmd.InheritedFlags()), width))
	}
	if !cmd.HasParent() {
		var rows []helpRow
		for _, t := range docs.Topics() {
			rows = append(rows, helpRow{"  " + t.Name, t.Summary})
		}
		b.WriteString("\n\nTopics:\n" + twoColumns(rows, width))
		b.WriteString("\n\nUse \"pfsight help NAME\" for more about a command or a topic.")
	} else if topics := topicsOf[cmd.CommandPath()]; len(topics) > 0 {
		b.WriteString("\n\nSee also: pfsight help " + strings.Join(topics, ", "))
	}
	if cmd.HasParent() && cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n\nUse \"%s [command] --help\" for more about a command.", cmd.CommandPath())
	}
	return b.String() + "\n"
}

// reflow breaks the paragraphs of text into lines of at most width columns.
// Lines that begin with a space stay as they are.
func reflow(text string, width int) string {
	var b strings.Builder
	for part := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		joined := ""
		flush := func() {
			if joined != "" {
				b.WriteString(strings.Join(docs.Wrap(joined, width), "\n") + "\n")
			}
			joined = ""
		}
		for line := range strings.SplitSeq(part, "\n") {
			if strings.HasPrefix(line, " ") {
				flush()
				b.WriteString(line + "\n")
				continue
			}
			joined += line + " "
		}
		flush()
		b.WriteByte('\n')
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// A helpRow is a flag or a name, and its text.
type helpRow struct{ left, text string }

// flagRows returns the flags of set that are shown.
func flagRows(set *pflag.FlagSet) []helpRow {
	var rows []helpRow
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		argument, text := pflag.UnquoteUsage(f)
		r := helpRow{"      --" + f.Name, text}
		if f.Shorthand != "" {
			r.left = "  -" + f.Shorthand + ", --" + f.Name
		}
		if f.Value.Type() != "bool" {
			r.left += " " + argument
			if f.DefValue != "" && f.DefValue != "0" && f.DefValue != "[]" && f.DefValue != "0s" {
				r.text += fmt.Sprintf(" (default %s)", f.DefValue)
			}
		}
		rows = append(rows, r)
	})
	return rows
}

// twoColumns lays rows out in width columns, without a newline at the end.
func twoColumns(rows []helpRow, width int) string {
	left := 0
	for _, r := range rows {
		left = max(left, utf8.RuneCountInString(r.left))
	}
	var b strings.Builder
	for _, r := range rows {
		first, indent := r.left, left
		if width-left-2 < leastText {
			b.WriteString(r.left + "\n")
			first, indent = "", 8
		}
		for _, line := range docs.Wrap(r.text, width-indent-2) {
			fmt.Fprintf(&b, "%-*s  %s\n", indent, first, line)
			first = ""
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
