package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pfsight/cmd/pfsight/docs"
)

// newMan returns the command that packagers use to make the manual pages. It
// is not listed.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages into a folder",
		Hidden: true,
		Long: `man writes the manual pages of pfsight into DIR: one of section 1 for each
command, and one of section 7 for each help topic.

Their date is SOURCE_DATE_EPOCH, seconds since 1970, where that variable is
set, else the time of the commit that the program was built from. Without
either they have none.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := manualDate(os.Getenv("SOURCE_DATE_EPOCH"))
			if err != nil {
				return err
			}
			return writeManual(cmd.Root(), args[0], date)
		},
	}
}

// manualDate returns the date of the manual pages; epoch overrules that of the
// build.
func manualDate(epoch string) (string, error) {
	if epoch != "" {
		n, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return "", fmt.Errorf("SOURCE_DATE_EPOCH %q: not a number of seconds", epoch)
		}
		return time.Unix(n, 0).UTC().Format(time.DateOnly), nil
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" && len(s.Value) >= len(time.DateOnly) {
				return s.Value[:len(time.DateOnly)], nil
			}
		}
	}
	return "", nil
}

// writeManual writes the pages of root, its commands and the topics into dir.
func writeManual(root *cobra.Command, dir, date string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	version, _, _ := strings.Cut(root.Version, " ")
	var write func(cmd *cobra.Command) error
	write = func(cmd *cobra.Command) error {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		if err := os.WriteFile(filepath.Join(dir, name+".1"), []byte(manual(cmd, date, version)), 0o666); err != nil {
			return err
		}
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() && c.Name() != "help" {
				if err := write(c); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := write(root); err != nil {
		return err
	}
	for _, t := range docs.Topics() {
		if err := os.WriteFile(filepath.Join(dir, "pfsight-"+t.Name+".7"), []byte(t.Manual(date, version)), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// exitStatus is what a manual page of section 1 says of exit codes.
var exitStatus = []string{
	"0  done",
	"1  the answer is no, where --fail-on asked",
	"2  it could not be done: usage, or nothing readable",
	"3  done, but the input was incomplete or something was lost",
}

// manual returns the manual page of a command.
func manual(cmd *cobra.Command, date, version string) string {
	cmd.InitDefaultHelpFlag()
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	var b strings.Builder
	b.WriteString(docs.ManualHead(strings.ToUpper(name), 1, date, version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n.SH SYNOPSIS\n", docs.Escape(name), docs.Escape(cmd.Short))
	if cmd.Runnable() {
		fmt.Fprintf(&b, "\\fB%s\\fR\n", docs.Escape(cmd.UseLine()))
	}
	if cmd.HasAvailableSubCommands() {
		if cmd.Runnable() {
			b.WriteString(".br\n")
		}
		fmt.Fprintf(&b, "\\fB%s\\fR COMMAND ...\n", docs.Escape(cmd.CommandPath()))
	}
	b.WriteString(".SH DESCRIPTION\n" + manualText(cmd))
	if flags := flagRows(cmd.Flags()); len(flags) > 0 {
		b.WriteString(".SH OPTIONS\n")
		for _, f := range flags {
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fR\n%s", docs.Escape(strings.TrimSpace(f.left)), docs.Paragraph(f.text))
		}
	}
	if cmd.HasExample() {
		var lines []string
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			lines = append(lines, strings.TrimPrefix(line, "  "))
		}
		b.WriteString(".SH EXAMPLES\n" + docs.Verbatim(lines))
	}
	if cmd.Runnable() && cmd.Name() != "licenses" && !strings.Contains(cmd.CommandPath(), "completion") {
		b.WriteString(".SH EXIT STATUS\n" + docs.Verbatim(exitStatus))
	}
	b.WriteString(".SH SEE ALSO\n" + strings.Join(references1(cmd), ",\n") + "\n")
	return docs.Tidy(b.String())
}

// manualText returns the description of a command in roff.
func manualText(cmd *cobra.Command) string {
	text := cmd.Long
	if text == "" {
		return docs.Paragraph(cmd.Short + ".")
	}
	var b strings.Builder
	for i, part := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(part, " ") || strings.HasPrefix(part, "\t") {
			b.WriteString(docs.Verbatim(strings.Split(strings.ReplaceAll(part, "\t", "    "), "\n")))
			continue
		}
		if i > 0 {
			b.WriteString(".PP\n")
		}
		b.WriteString(docs.Paragraph(part))
	}
	return b.String()
}

// references1 returns the pages that a command's page refers to: its parent,
// its commands and its topics.
func references1(cmd *cobra.Command) []string {
	var list []string
	add := func(name string, section int) {
		list = append(list, fmt.Sprintf(".BR %s (%d)", docs.Escape(name), section))
	}
	if cmd.HasParent() {
		add(strings.ReplaceAll(cmd.Parent().CommandPath(), " ", "-"), 1)
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			add(strings.ReplaceAll(c.CommandPath(), " ", "-"), 1)
		}
	}
	topics := topicsOf[cmd.CommandPath()]
	if !cmd.HasParent() {
		topics = nil
		for _, t := range docs.Topics() {
			topics = append(topics, t.Name)
		}
	}
	for _, t := range topics {
		add("pfsight-"+t, 7)
	}
	if len(list) == 0 {
		add("pfsight", 1)
	}
	return list
}
