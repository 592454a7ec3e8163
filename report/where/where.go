package where

import (
	"fmt"
	"strings"

	"pfsight/report"
	"pfsight/report/secrecy"
)

// Syntax describes the expressions for users.
const Syntax = `An expression of --where chooses connections by the fields of their records:

  forward_secrecy == no and server_port == 443
  version < "TLS 1.2" or reasons has weak_dh
  server_name ends_with .example.org and not alpn
  client_ip in 10.0.0.0/8 and not (outcome == rejected)
  offered.groups has X25519MLKEM768 and post_quantum == no
  time >= 2026-11-24T12:00:00Z and cipher_suite in (0x002f, 0x0035)

The fields are those of "pfsight explain fields", and bytes, the sum of both
directions. A field of an object has the object's name and a dot before its own:
offered.cipher_suites, certificate.bits. Write values with spaces or brackets in
single or double quotes.

  == = != < <= > >=         numbers, times, versions; == and != of all but lists
  in (A, B), not in         one of; an address also in 10.0.0.0/8
  contains, starts_with, ends_with, matches
                            of text; matches takes a regular expression (RE2)
  has                       of a list: one of its elements is
  is known, is unknown      the field has a value, or has none
  FIELD alone               of a boolean: it is true; else: it has a value
  not, and, or, ( )         not binds closest, then and; or: ! && ||

Text is compared as the JSON record shows it (a byte that is not UTF-8 is \xNN,
in lower case), without regard to case. matches regards case, unless the
expression begins with (?i). yes is the same as true, and no as false. Versions
are ordered by age; a DTLS version equals the TLS version that it is based on.

A comparison with an absent value is undetermined, and so is its negation. An
expression chooses the connections for which it is true. So neither
"version != 'TLS 1.3'" nor "not (version == 'TLS 1.3')" chooses a connection
without a ServerHello; "version is unknown" does.`

// MaxLength is the length of the longest expression, bytes.
const MaxLength = 1 << 16

// maxDepth is how deep brackets and negations can be nested.
const maxDepth = 100

// A Filter is a compiled expression. Any number of goroutines may use it.
type Filter struct {
	expr string
	root node
}

// A node is a test of a connection.
type node func(c *conn) secrecy.Tri

// Match reports whether the expression is true of c. An undetermined expression
// is not.
func (f *Filter) Match(c *report.Connection) bool { return f.root(c) == secrecy.True }

// String returns the expression.
func (f *Filter) String() string { return f.expr }

// An Error says what is wrong with an expression, and where.
type Error struct {
	Expr   string
	Offset int // of the error in Expr, bytes
	What   string
}

// Error returns three lines for any expression: the message, the line of the
// expression with the error, and a mark below the place.
func (e *Error) Error() string {
	start := strings.LastIndexByte(e.Expr[:e.Offset], '\n') + 1
	line, _, _ := strings.Cut(e.Expr[start:], "\n")
	col := len([]rune(e.Expr[start:e.Offset]))
	const most = 70 // columns of the line to show
	if r := []rune(line); len(r) > most {
		from := max(0, min(col-most/2, len(r)-most))
		line, col = string(r[from:from+most]), col-from
	}
	blank := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return ' '
			}
			return r
		}, s)
	}
	return fmt.Sprintf("at column %d: %s\n  %s\n  %s^", len([]rune(e.Expr[start:e.Offset]))+1, blank(e.What), blank(line), strings.Repeat(" ", col))
}

// Compile reads an expression. Its error is an *Error.
func Compile(expr string) (*Filter, error) {
	p := &parser{expr: expr}
	if len(expr) > MaxLength {
		return nil, p.errorf(MaxLength, "an expression is at most %d bytes long", MaxLength)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	n, err := p.or()
	if err == nil && p.tok.kind != end {
		err = p.errorf(p.tok.at, unexpected, p.tok.show())
	}
	if err != nil {
		return nil, err
	}
	return &Filter{expr, n}, nil
}

func not(a node) node {
	return func(c *conn) secrecy.Tri {
		switch a(c) {
		case secrecy.True:
			return secrecy.False
		case secrecy.False:
			return secrecy.True
		}
		return secrecy.Undetermined
	}
}

// and is false where a or b is false, also where the other one is undetermined.
func and(a, b node) node {
	return func(c *conn) secrecy.Tri {
		x := a(c)
		if x == secrecy.False {
			return secrecy.False
		}
		if y := b(c); y != secrecy.True {
			return y
		}
		return x
	}
}

func or(a, b node) node {
	return func(c *conn) secrecy.Tri {
		x := a(c)
		if x == secrecy.True {
			return secrecy.True
		}
		if y := b(c); y != secrecy.False {
			return y
		}
		return x
	}
}
