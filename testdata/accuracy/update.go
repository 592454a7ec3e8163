package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// The table in README.md is between two marks. A sentence before them has the date.
var (
	readmeTable = regexp.MustCompile(`(?s)(<!-- accuracy -->\n).*(<!-- accuracy -->\n)`)
	readmeDate  = regexp.MustCompile(`On \d{4}-\d\d-\d\d, [\d,]+ connections`)
)

// update writes accuracy-DATE.txt and the table in README.md of the repository at
// root.
func (r *report) update(root string) error {
	var run, table bytes.Buffer
	if err := r.print(&run); err != nil {
		return err
	}
	r.table(&table)
	day := time.Now().UTC().Format(time.DateOnly)
	if err := os.WriteFile(filepath.Join(root, "testdata", "accuracy-"+day+".txt"), run.Bytes(), 0o644); err != nil {
		return err
	}
	readme := filepath.Join(root, "README.md")
	b, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	if !readmeTable.Match(b) || !readmeDate.Match(b) {
		return fmt.Errorf("%s has no marks for the table", readme)
	}
	b = readmeTable.ReplaceAll(b, append(append([]byte("${1}"), table.Bytes()[1:]...), "${2}"...))
	connections := 0
	for _, c := range r.corpora {
		connections += len(c.labels)
	}
	b = readmeDate.ReplaceAll(b, []byte("On "+day+", "+thousands(connections)+" connections"))
	return os.WriteFile(readme, b, 0o644)
}

// thousands formats n, which is below a million, with a comma.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
