// Package render writes rows, summaries and answers: for a terminal, as
// Markdown, HTML, JSON, JSON Lines, CSV and Parquet. It is the only package that
// prints strings from the wire, and it quotes all of them.
//
// A report is either a document, which is written in three formats from one
// description, or a format of its own. All tables are grids.
//
//	quote.go    Quote, Cell, quoteMarkdown: strings from the wire made safe
//	format.go   numbers, shares, sizes, times, bars
//	printer.go  Options; printer: text and tables for a terminal
//	table.go    grid: a table of text, drawn for a terminal or as Markdown
//	document.go document: one description for terminal, Markdown and HTML
//	scope.go, loss.go  which part of the input the report covers
//
// Rows:
//
//	connections.go  Writer, table
//	json.go, record.go, csv.go, parquet.go  the record formats
//
// The summary:
//
//	summary.go, markdown.go, summaryjson.go  terminal, Markdown, JSON
//	view.go, html.go, page.html, style.css   HTML
//	live.go, viewlive.go                     a live capture
//
// Answers:
//
//	impact.go, impactbreaks.go, impactadvice.go, impactdata.go  package impact
//	diff.go      package diff
//	policies.go  package policy
package render
