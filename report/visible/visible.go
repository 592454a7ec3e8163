// Package visible says which characters are safe to show.
package visible

import "unicode"

// Rune reports whether a terminal shows r, and as a reader expects. It is false
// for characters that control the terminal or the direction of text, and for
// those that look like a space or like nothing.
func Rune(r rune) bool {
	return r < 0x7f && r >= ' ' || unicode.IsPrint(r) && !unicode.In(r, unicode.Bidi_Control, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, blank)
}

// blank are characters that Unicode calls printable and that look like a space
// or like nothing: the empty Braille pattern, a filler of the Khitan small
// script and an empty note of music.
var blank = &unicode.RangeTable{
	R16: []unicode.Range16{{Lo: 0x2800, Hi: 0x2800, Stride: 1}},
	R32: []unicode.Range32{{Lo: 0x16fe4, Hi: 0x16fe4, Stride: 1}, {Lo: 0x1d159, Hi: 0x1d159, Stride: 1}},
}
