package main

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"pfsight/report"
	"pfsight/report/render"
	"pfsight/report/schema"
)

// TestCSV compares the cells of CSV with the JSON records of every capture, and
// checks that fields that are never absent are present in each.
func TestCSV(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(slurp(t, save(t, "jsonl", "a.jsonl", captures)), "\n"), "\n")
	rows, err := csv.NewReader(strings.NewReader(slurp(t, save(t, "csv", "a.csv", captures)))).ReadAll()
	if err != nil || len(rows) != len(lines)+1 || len(lines) < 100 {
		t.Fatalf("%d rows of CSV, %d records: %v", len(rows), len(lines), err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	for n, line := range lines {
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		var m map[string]any
		if err := d.Decode(&m); err != nil {
			t.Fatal(err)
		}
		for _, e := range schema.Entries() {
			v := m[e.Name]
			if inner, ok := m[e.Of].(map[string]any); ok {
				v = inner[strings.TrimPrefix(e.Name, e.Of+".")]
			}
			if v == nil && e.Absent == schema.Never {
				t.Errorf("%s is absent: %s", e.Name, line)
			}
			if e.Type == "object" {
				continue
			}
			var want string
			switch v := v.(type) {
			case string:
				want = render.Cell(report.Untext(v))
			case json.Number:
				want = v.String()
			case bool:
				want = map[bool]string{false: "false", true: "true"}[v]
			case []any:
				var list []string
				for _, x := range v {
					list = append(list, report.Untext(x.(string)))
				}
				want = render.Cell(strings.Join(list, ";"))
			}
			if got := rows[n+1][column[strings.ReplaceAll(e.Name, ".", "_")]]; got != want {
				t.Errorf("%s is %q in CSV, want %q: %s", e.Name, got, want, line)
			}
		}
	}
}
