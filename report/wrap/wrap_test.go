package wrap

import (
	"slices"
	"testing"
)

func TestWords(t *testing.T) {
	for _, c := range []struct {
		name, text string
		width      int
		want       []string
	}{
		{"empty", "", 10, []string{""}},
		{"one line", "a  b\nc", 5, []string{"a b c"}},
		{"exact width", "abc def ghi", 7, []string{"abc def", "ghi"}},
		{"long word", "a abcdefgh b", 4, []string{"a", "abcdefgh", "b"}},
		{"characters, not bytes", "äöü äöü", 7, []string{"äöü äöü"}},
		{"no width", "a b", 0, []string{"a", "b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Words(c.text, c.width); !slices.Equal(got, c.want) {
				t.Errorf("Words(%q, %d) = %q, want %q", c.text, c.width, got, c.want)
			}
		})
	}
}
