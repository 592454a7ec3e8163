package visible

import "testing"

func TestRune(t *testing.T) {
	for _, c := range []struct {
		name string
		r    rune
		want bool
	}{
		{"letter", 'a', true},
		{"space", ' ', true},
		{"umlaut", 'ä', true},
		{"Han", '漢', true},
		{"newline", '\n', false},
		{"escape", 0x1b, false},
		{"C1 control", 0x9b, false},
		{"right-to-left override", 0x202e, false},
		{"zero width space", 0x200b, false},
		{"Hangul filler", 0x3164, false},
		{"Hangul Choseong filler", 0x115f, false},
		{"empty Braille pattern", 0x2800, false},
		{"variation selector", 0xfe0f, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Rune(c.r); got != c.want {
				t.Errorf("Rune(%U) = %v, want %v", c.r, got, c.want)
			}
		})
	}
}
