package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Number formats n with separators between thousands.
func Number(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Share formats n/of as a percentage. A value that is not 0 or 100 % is never
// rounded to it.
func Share(n, of uint64) string {
	if of == 0 {
		return "–"
	}
	x := 100 * float64(n) / float64(of)
	switch {
	case n > 0 && x < 0.05:
		return "<0.1 %"
	case n < of && x > 99.95:
		return ">99.9 %"
	}
	return strconv.FormatFloat(x, 'f', 1, 64) + " %"
}

// Size formats a number of bytes with decimal prefixes.
func Size(n uint64) string {
	if n < 1000 {
		return plural(n, "byte")
	}
	x, unit := float64(n), ""
	for _, u := range []string{"kB", "MB", "GB", "TB", "PB"} {
		if x /= 1000; x < 999.5 || u == "PB" {
			unit = u
			break
		}
	}
	prec := 0
	if x < 10 {
		prec = 1
	}
	return strconv.FormatFloat(x, 'f', prec, 64) + " " + unit
}

// Span formats a duration in at most two units.
func Span(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d < 0:
		return "–"
	case d < time.Second:
		return strconv.FormatInt(int64(d.Milliseconds()), 10) + " ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d days %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02 15:04:05") }

func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return Number(n) + " " + what + "s"
}

// cut shortens s to n columns. Each rune of s must take one column.
func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

func (p *printer) bar(n, of uint64, width int) string {
	if p.opt.ASCII {
		return strings.Repeat("#", (eighths(n, of, width)+7)/8)
	}
	return Bar(n, of, width)
}

// eighths returns the length of a bar in eighths of a column.
func eighths(n, of uint64, width int) int {
	if of == 0 || width <= 0 {
		return 0
	}
	e := int(float64(n) / float64(of) * float64(width) * 8)
	if n > 0 && e == 0 {
		return 1
	}
	return e
}

// Bar draws a share as a bar of at most width columns.
func Bar(n, of uint64, width int) string {
	eighths := eighths(n, of, width)
	s := strings.Repeat("█", eighths/8)
	if r := eighths % 8; r > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[r-1])
	}
	return s
}
