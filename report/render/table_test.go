package render

import (
	"strings"
	"testing"
)

func TestColumns(t *testing.T) {
	for _, c := range []struct {
		name  string
		rows  [][]string
		width int
		want  string
	}{
		{"no rows", nil, 20, ""},
		{"aligned", [][]string{{"a", "one"}, {"bcd", "two"}}, 0, "a    one\nbcd  two\n"},
		{"wrapped", [][]string{{"a", "one two three"}, {"bc", "four"}}, 11, "a   one two\n    three\nbc  four\n"},
		{"leading blanks stay", [][]string{{"  a", "x"}, {"", "  y"}}, 0, "  a  x\n       y\n"},
		{"characters, not bytes", [][]string{{"ä", "x"}, {"bc", "y"}}, 0, "ä   x\nbc  y\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			if err := Columns(&b, c.rows, c.width); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != c.want {
				t.Errorf("got:\n%swant:\n%s", got, c.want)
			}
		})
	}
}
