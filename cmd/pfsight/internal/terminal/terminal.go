// Package terminal answers questions about the terminal of a stream: whether
// there is one, its width, and which characters and colours it shows.
package terminal

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Widths of an output, columns. Lines wider than MaxWidth are hard to read, and
// a table is padded to its width.
const (
	MinWidth = 40
	MaxWidth = 1000
)

// Is reports whether stream, a reader or a writer, is a terminal.
func Is(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Width returns the width of a terminal, columns, within MinWidth and MaxWidth.
// It returns 0 if the width is not known.
func Width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return min(max(n, MinWidth), MaxWidth)
}

// Color reports whether the environment allows colour on a terminal. See
// https://no-color.org.
func Color() bool { return os.Getenv("NO_COLOR") == "" && !Dumb() }

// Dumb reports whether the terminal cannot move its cursor.
func Dumb() bool { return os.Getenv("TERM") == "dumb" }

// UTF8 reports whether the locale of the environment has UTF-8.
func UTF8() bool {
	for _, v := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if s := os.Getenv(v); s != "" {
			s = strings.ToLower(s)
			return strings.Contains(s, "utf-8") || strings.Contains(s, "utf8")
		}
	}
	return false
}
