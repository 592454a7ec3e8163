package render

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"

	"pfsight/report"
)

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

// pageTemplate is executed with a view, whose strings from the wire are quoted.
// html/template escapes markup; Quote escapes what a browser would also
// interpret, such as a change of text direction.
var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"parts": parts}).Parse(pageText))

// shortName is the length up to which a name is never broken, bytes.
const shortName = 15

// parts splits a long name at its line break opportunities.
func parts(s string) []string {
	if len(s) <= shortName {
		return []string{s}
	}
	var out []string
	from := 0
	for i := range len(s) - 1 {
		switch s[i] {
		case '_', '.', ':', ',', '@':
			out, from = append(out, s[from:i+1]), i+1
		}
	}
	return append(out, s[from:])
}

// StyleSource is the Content-Security-Policy source of the embedded style
// sheet.
var StyleSource = func() string {
	sum := sha256.Sum256([]byte(styleText))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

// SummaryHTML writes the summary as a self-contained HTML document without
// scripts.
func SummaryHTML(w io.Writer, s *report.Summary, opt Options) error {
	return writePage(w, newView(s, opt))
}

// Rows are the latest connections for a page, with the query that selected
// them.
type Rows struct {
	List    []*report.Connection // newest first
	Of      int                  // number of rows searched
	Verdict string               // requested verdict; "" for any
	Server  string               // requested server
	Where   string               // requested expression
	Err     error                // error in the request
}

// LiveHTML writes the page of a live capture. The page loads page.js and
// icon.svg from its server, and reloads its own address.
func LiveHTML(w io.Writer, s *report.Summary, l *Live, rows *Rows, opt Options) error {
	v := newView(s, opt)
	v.addLive(s, l, rows)
	return writePage(w, v)
}

func writePage(w io.Writer, v *view) error {
	var b bytes.Buffer // write a page completely or not at all
	if err := pageTemplate.Execute(&b, v); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}
