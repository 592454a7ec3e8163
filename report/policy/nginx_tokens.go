package policy

import (
	"errors"
	"fmt"
	"strings"
)

const (
	tokSemicolon = iota
	tokOpen
	tokClose
	tokEOF
)

// nginxTokens splits an nginx configuration into directives.
type nginxTokens struct {
	text     string
	at       int
	line     int
	included bool // the text is part of a block that ends elsewhere
	closed   bool // the text ends with the brace that closes it
}

// next returns the words of a directive and the character that ends it.
func (t *nginxTokens) next() (words []string, line, end int, err error) {
	line = t.line
	for {
		word, kind, err := t.word()
		if err != nil {
			return nil, t.line, 0, err
		}
		switch kind {
		case 'w':
			if len(words) == 0 {
				line = t.line
			}
			if len(words) < maxWords {
				words = append(words, word)
			}
		case ';':
			if len(words) == 0 {
				continue
			}
			return words, line, tokSemicolon, nil
		case '{':
			return words, line, tokOpen, nil
		case '}':
			if len(words) > 0 {
				return nil, t.line, 0, fmt.Errorf("%q has no terminating semicolon", words[0])
			}
			return nil, t.line, tokClose, nil
		default:
			if len(words) > 0 {
				return nil, t.line, 0, fmt.Errorf("%q has no terminating semicolon", words[0])
			}
			return nil, t.line, tokEOF, nil
		}
	}
}

// body returns the tokens of the block that was just opened, including its
// closing brace, and skips the block.
func (t *nginxTokens) body() (*nginxTokens, error) {
	start, line := t.at, t.line
	for depth := 1; ; {
		_, kind, err := t.word()
		if err != nil {
			return nil, err
		}
		switch kind {
		case '{':
			depth++
		case '}':
			depth--
		case 0:
			return nil, errors.New("a block is not closed")
		}
		if depth == 0 {
			return &nginxTokens{text: t.text[start:t.at], line: line, closed: true}, nil
		}
	}
}

// word returns the next word with 'w', or the next punctuation with its byte,
// or 0 at the end.
func (t *nginxTokens) word() (string, byte, error) {
	for t.at < len(t.text) {
		switch c := t.text[t.at]; c {
		case '\n':
			t.line++
			t.at++
		case ' ', '\t', '\r':
			t.at++
		case '#':
			if i := strings.IndexByte(t.text[t.at:], '\n'); i >= 0 {
				t.at += i
			} else {
				t.at = len(t.text)
			}
		case ';', '{', '}':
			t.at++
			return "", c, nil
		case '"', '\'':
			return t.quoted(c)
		default:
			start := t.at
			for t.at < len(t.text) {
				c := t.text[t.at]
				if c == '\\' && t.at+1 < len(t.text) {
					t.at += 2
					continue
				}
				if c == '$' && t.at+1 < len(t.text) && t.text[t.at+1] == '{' { // a variable
					if i := strings.IndexByte(t.text[t.at:], '}'); i >= 0 {
						t.at += i + 1
						continue
					}
				}
				if strings.IndexByte(" \t\r\n;{", c) >= 0 {
					break
				}
				t.at++
			}
			return unescape(t.text[start:t.at]), 'w', nil
		}
	}
	return "", 0, nil
}

func (t *nginxTokens) quoted(q byte) (string, byte, error) {
	for i := t.at + 1; i < len(t.text); i++ {
		switch c := t.text[i]; {
		case c == '\\' && i+1 < len(t.text):
			i++
		case c == q:
			word := t.text[t.at+1 : i]
			t.line += strings.Count(word, "\n")
			t.at = i + 1
			return unescape(word), 'w', nil
		}
	}
	return "", 0, errors.New("unterminated quote")
}

// unescape replaces the escapes of quotes, backslashes and white space. Other
// backslashes, as in regular expressions, stay.
func unescape(word string) string {
	if strings.IndexByte(word, '\\') < 0 {
		return word
	}
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		if word[i] == '\\' && i+1 < len(word) {
			if at := strings.IndexByte("\"'\\trn", word[i+1]); at >= 0 {
				b.WriteByte("\"'\\\t\r\n"[at])
				i++
				continue
			}
		}
		b.WriteByte(word[i])
	}
	return b.String()
}
