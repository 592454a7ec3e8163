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

// pageTemplate is fed with view, of which every string from the wire has been
// quoted: html/template keeps markup out, and Quote what a browser would
// obey besides, such as a change of direction.
var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"parts": parts}).Parse(pageText))

// shortName is how long a name is that is never broken, bytes.
const shortName = 15

// parts cuts a long name where a line may break.
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

// StyleSource is the Content-Security-Policy source of the style that pages
// carry inside.
var StyleSource = func() string {
	sum := sha256.Sum256([]byte(styleText))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

// SummaryHTML writes the summary as an HTML document of one file: no script,
// and nothing that is loaded from elsewhere.
func SummaryHTML(w io.Writer, s *report.Summary, opt Options) error {
	return writePage(w, newView(s, opt))
}

// Rows are the newest connections, as a page shows them.
type Rows struct {
	List    []*report.Connection // newest first
	Of      int                  // how many were looked at
	Verdict string               // that was asked for; "" any
	Server  string               // that was asked for
	Where   string               // that was asked for
	Err     error                // why what was asked for cannot be
}

// LiveHTML writes the page of a capture that goes on. It loads page.js and
// icon.svg, which whoever serves the page provides, and asks for its own
// address again.
func LiveHTML(w io.Writer, s *report.Summary, l *Live, rows *Rows, opt Options) error {
	v := newView(s, opt)
	v.addLive(s, l, rows)
	return writePage(w, v)
}

func writePage(w io.Writer, v *view) error {
	var b bytes.Buffer // a page is whole or not written
	if err := pageTemplate.Execute(&b, v); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}
