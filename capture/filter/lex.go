package filter

import (
	"fmt"
	"strings"
)

// Limits of an expression.
const (
	maxLength = 8192 // in bytes
	maxDepth  = 64   // nesting of parentheses and nots
)

type kind uint8

const (
	tEnd  kind = iota
	tWord      // keyword, name, number or address
	tOp        // operator or parenthesis
)

type token struct {
	kind    kind
	text    string
	pos     int
	escaped bool // preceded by a backslash: a name, not a keyword
}

// An Error is a syntax error in an expression, with its byte offset.
type Error struct {
	Pos  int
	What string
}

func (e *Error) Error() string { return fmt.Sprintf("at %d: %s", e.Pos, e.What) }

func lex(s string) ([]token, error) {
	if len(s) > maxLength {
		return nil, &Error{0, fmt.Sprintf("the expression is longer than %d bytes", maxLength)}
	}
	var out []token
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case i+1 < len(s) && strings.Contains("&& || == != <= >= << >>", s[i:i+2]) && s[i+1] != ' ' && c != ' ':
			out = append(out, token{tOp, s[i : i+2], i, false})
			i += 2
			continue
		case strings.IndexByte("()[]!=<>+-*/&|^%", c) >= 0:
			out = append(out, token{tOp, s[i : i+1], i, false})
			i++
			continue
		case c == ':' && (i == 0 || !strings.HasPrefix(s[i:], "::")):
			out = append(out, token{tOp, ":", i, false})
			i++
			continue
		}
		start := i
		escaped := c == '\\'
		if escaped {
			i++
			start++
		}
		// A colon belongs to an IPv6 or Ethernet address. Inside [ ] it separates
		// offset and size.
		inside := 0
		for _, t := range out {
			if t.text == "[" {
				inside++
			} else if t.text == "]" {
				inside--
			}
		}
		for i < len(s) && (isWord(s[i]) || s[i] == ':' && inside <= 0 || s[i] == '-' && i > start && joins(s[start:i], s[i+1:])) {
			i++
		}
		if i == start {
			if i == len(s) {
				return nil, &Error{i, "a name is missing after the backslash"}
			}
			return nil, &Error{i, fmt.Sprintf("unexpected %q", s[i:i+1])}
		}
		out = append(out, token{tWord, s[start:i], start, escaped})
	}
	return append(out, token{tEnd, "", len(s), false}), nil
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '.' || c == '_'
}

// joins reports whether a hyphen between before and after belongs to the word,
// as in tcp-syn, in port ranges and in Ethernet addresses. Otherwise it is a
// minus.
func joins(before, after string) bool {
	if before == "tcp" || before == "icmp" || before == "icmp6" {
		return len(after) > 0 && after[0] >= 'a' && after[0] <= 'z'
	}
	for i := range len(before) {
		if c := before[i]; c != '-' && (c < '0' || c > '9') && !(c >= 'a' && c <= 'f') {
			return false
		}
	}
	// A port range has digits on both sides. The parser turns it back into a
	// minus where no range is expected.
	return len(after) > 0 && after[0] >= '0' && after[0] <= '9'
}
