// Package docs holds the help topics of pfsight. Each is one Markdown file of
// this folder, so that the repository shows the same text as
// "pfsight help TOPIC" and the manual pages.
package docs

import (
	"embed"
	"strings"
)

//go:embed *.md
var files embed.FS

// A Topic is one help text.
type Topic struct {
	Name    string // name of the file without .md
	Summary string // one line: what the first heading says after the name
	Text    string // Markdown, the first heading included
}

// Topics returns all topics, ordered by name.
func Topics() []Topic {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // the files are part of the program
	}
	list := make([]Topic, 0, len(entries))
	for _, e := range entries {
		b, err := files.ReadFile(e.Name())
		if err != nil {
			panic(err)
		}
		text := string(b)
		heading, _, _ := strings.Cut(text, "\n")
		_, summary, _ := strings.Cut(heading, ": ")
		list = append(list, Topic{Name: strings.TrimSuffix(e.Name(), ".md"), Summary: summary, Text: text})
	}
	return list
}

// Lookup returns the topic with a name.
func Lookup(name string) (Topic, bool) {
	for _, t := range Topics() {
		if t.Name == name {
			return t, true
		}
	}
	return Topic{}, false
}
