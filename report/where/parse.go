package where

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A tokenKind is a kind of token.
type tokenKind uint8

const (
	end tokenKind = iota
	word
	quoted
	operator // ( ) , and comparisons
)

type token struct {
	kind tokenKind
	text string
	at   int
}

func (t token) show() string {
	if t.kind == end {
		return "the end"
	}
	if r := []rune(t.text); len(r) > 40 {
		return `"` + string(r[:40]) + `…"`
	}
	return `"` + t.text + `"`
}

type parser struct {
	expr  string
	i     int
	tok   token
	depth int
}

func (p *parser) errorf(at int, format string, args ...any) *Error {
	return &Error{p.expr, min(at, len(p.expr)), fmt.Sprintf(format, args...)}
}

// special holds the bytes that end a word.
const special = " \t\r\n()=!<>,\"'&|"

// advance reads the next token.
func (p *parser) advance() error {
	for p.i < len(p.expr) && strings.IndexByte(" \t\r\n", p.expr[p.i]) >= 0 {
		p.i++
	}
	p.tok = token{end, "", p.i}
	if p.i == len(p.expr) {
		return nil
	}
	rest := p.expr[p.i:]
	for _, op := range []string{"==", "!=", "<=", ">=", "&&", "||", "=", "<", ">", "(", ")", ",", "!"} {
		if strings.HasPrefix(rest, op) {
			p.tok = token{operator, op, p.i}
			p.i += len(op)
			return nil
		}
	}
	switch c := rest[0]; c {
	case '"', '\'':
		return p.quoted(c)
	case '&', '|':
		return p.errorf(p.i, "write %c%c", c, c)
	}
	n := strings.IndexAny(rest, special)
	if n < 0 {
		n = len(rest)
	}
	if !utf8.ValidString(rest[:n]) {
		return p.errorf(p.i, "this is not UTF-8")
	}
	p.tok = token{word, rest[:n], p.i}
	p.i += n
	return nil
}

// quoted reads a quoted string. A backslash escapes the quote and itself; before
// any other byte it is an ordinary one.
func (p *parser) quoted(q byte) error {
	var b strings.Builder
	for i := p.i + 1; i < len(p.expr); i++ {
		switch c := p.expr[i]; {
		case c == q:
			p.tok = token{quoted, b.String(), p.i}
			p.i = i + 1
			return nil
		case c == '\\' && i+1 < len(p.expr) && (p.expr[i+1] == q || p.expr[i+1] == '\\'):
			i++
			b.WriteByte(p.expr[i])
		default:
			b.WriteByte(c)
		}
	}
	return p.errorf(p.i, "the quote is not closed")
}

// is reports whether the next token is one of the operators or key words.
func (p *parser) is(texts ...string) bool {
	for _, t := range texts {
		if p.tok.kind == operator && p.tok.text == t || p.tok.kind == word && strings.EqualFold(p.tok.text, t) {
			return true
		}
	}
	return false
}

func (p *parser) or() (node, error) {
	n, err := p.and()
	for err == nil && p.is("or", "||") {
		if err = p.advance(); err != nil {
			break
		}
		var b node
		if b, err = p.and(); err == nil {
			n = or(n, b)
		}
	}
	return n, err
}

func (p *parser) and() (node, error) {
	n, err := p.not()
	for err == nil && p.is("and", "&&") {
		if err = p.advance(); err != nil {
			break
		}
		var b node
		if b, err = p.not(); err == nil {
			n = and(n, b)
		}
	}
	return n, err
}

func (p *parser) not() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.errorf(p.tok.at, "brackets and negations are nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	switch {
	case p.is("not", "!"):
		if err := p.advance(); err != nil {
			return nil, err
		}
		n, err := p.not()
		if err != nil {
			return nil, err
		}
		return not(n), nil
	case p.is("("):
		at := p.tok.at
		if err := p.advance(); err != nil {
			return nil, err
		}
		n, err := p.or()
		if err != nil {
			return nil, err
		}
		if !p.is(")") {
			if p.tok.kind == end {
				return nil, p.errorf(at, "the bracket is not closed")
			}
			return nil, p.errorf(p.tok.at, unexpected, p.tok.show())
		}
		return n, p.advance()
	}
	return p.test()
}

// unexpected is the message on a token after a complete test.
const unexpected = "%s is not expected here; write and or or between two tests"

// test reads a field and what it is compared with.
func (p *parser) test() (node, error) {
	name := p.tok
	if name.kind != word {
		return nil, p.errorf(name.at, "the name of a field is expected here, not %s", name.show())
	}
	f := lookup(strings.ToLower(name.text))
	if f == nil {
		if similar := mostSimilar(name.text, fieldNames()); similar != "" {
			return nil, p.errorf(name.at, "%s is not a field; did you mean %s?", name.show(), similar)
		}
		return nil, p.errorf(name.at, "%s is not a field; see \"pfsight explain fields\"", name.show())
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	op := p.tok
	switch {
	case p.is("not"): // not in
		if err := p.advance(); err != nil {
			return nil, err
		}
		if !p.is("in") {
			return nil, p.errorf(op.at, "after a field, only in can follow not")
		}
		n, err := p.in(f, p.tok)
		if err != nil {
			return nil, err
		}
		return not(n), nil
	case p.is("in"):
		return p.in(f, op)
	case p.is("is"):
		return p.known(f)
	case p.is("==", "=", "!=", "<", "<=", ">", ">=", "contains", "starts_with", "ends_with", "matches", "has"):
		if err := p.advance(); err != nil {
			return nil, err
		}
		text := strings.ToLower(op.text)
		if text == "=" {
			text = "=="
		}
		if v := p.tok; v.kind == word && strings.EqualFold(v.text, "unknown") && !f.takes("unknown") && (text == "==" || text == "!=") {
			n := present(f)
			if text == "==" {
				n = not(n)
			}
			return n, p.advance()
		}
		v, err := p.value(f, text)
		if err != nil {
			return nil, err
		}
		return p.compare(f, op, text, v)
	}
	if f.kind == boolean {
		return f.tri, nil
	}
	return present(f), nil
}

// compare returns the test of a field with an operator and a value. op is the
// operator as it is written in the expression.
func (p *parser) compare(f *field, op token, operator string, v token) (node, error) {
	n, err := f.compare(operator, v.text)
	switch err := err.(type) {
	case operatorError:
		return nil, p.errorf(op.at, "%s", err)
	case valueError:
		return nil, p.errorf(v.at, "%s", err)
	}
	return n, nil
}

// known reads "is known" and "is unknown".
func (p *parser) known(f *field) (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	n := present(f)
	switch {
	case p.is("known"):
	case p.is("unknown"):
		n = not(n)
	default:
		return nil, p.errorf(p.tok.at, "write known or unknown after is")
	}
	return n, p.advance()
}

// value reads a value.
func (p *parser) value(f *field, op string) (token, error) {
	v := p.tok
	if v.kind != word && v.kind != quoted {
		return v, p.errorf(v.at, "%s %s needs a value, not %s", f.name, op, v.show())
	}
	return v, p.advance()
}

// in reads a value, or a list of values in brackets.
func (p *parser) in(f *field, op token) (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	one := func() (node, error) {
		v, err := p.value(f, "in")
		if err != nil {
			return nil, err
		}
		return p.compare(f, op, "in", v)
	}
	if !p.is("(") {
		return one()
	}
	open := p.tok.at
	var all []node
	for {
		if err := p.advance(); err != nil {
			return nil, err
		}
		n, err := one()
		if err != nil {
			return nil, err
		}
		all = append(all, n)
		if p.is(")") {
			break
		}
		if !p.is(",") {
			if p.tok.kind == end {
				return nil, p.errorf(open, "the bracket is not closed")
			}
			return nil, p.errorf(p.tok.at, "a comma is expected between the values of a list, not %s", p.tok.show())
		}
	}
	return anyOf(all), p.advance()
}
