package render

import (
	"encoding/csv"
	"io"

	"pfsight/report"
	"pfsight/report/schema"
)

type csvWriter struct {
	w       *csv.Writer
	columns []schema.Column
	row     []string
	text    []byte // of all cells of a row
	ends    []int  // of the cells, in text
}

// NewCSV returns a Writer of CSV (RFC 4180) with a header line. The elements of
// a list are separated by semicolons; an empty cell is an absent field.
func NewCSV(w io.Writer) Writer { return &csvWriter{w: csv.NewWriter(w)} }

// header writes the header unless it is written.
func (v *csvWriter) header() error {
	if v.columns != nil {
		return nil
	}
	v.columns = schema.Columns()
	for _, c := range v.columns {
		v.row = append(v.row, c.Name)
	}
	return v.w.Write(v.row)
}

func (v *csvWriter) Write(c *report.Connection) error {
	if err := v.header(); err != nil {
		return err
	}
	v.text, v.ends = v.text[:0], v.ends[:0]
	for i := range v.columns {
		v.text = v.columns[i].AppendText(v.text, c)
		v.ends = append(v.ends, len(v.text))
	}
	text, start := string(v.text), 0
	for i, end := range v.ends {
		v.row[i] = Cell(text[start:end])
		start = end
	}
	return v.w.Write(v.row)
}

func (v *csvWriter) Close() error {
	if err := v.header(); err != nil {
		return err
	}
	v.w.Flush()
	return v.w.Error()
}
