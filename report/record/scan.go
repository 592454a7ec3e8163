package record

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// A scanner reads JSON. After the first byte that is not JSON it is bad, and
// every loop over it ends.
type scanner struct {
	b   []byte
	i   int
	bad bool
}

// maxDepth is how deep skipped values may be nested. A record needs 3 levels.
const maxDepth = 64

// blank skips white space. Records that this program writes have none.
func (s *scanner) blank() {
	for s.i < len(s.b) && s.b[s.i] <= ' ' {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

func (s *scanner) fail() bool {
	s.bad = true
	return false
}

// at reports whether the next byte is c.
func (s *scanner) at(c byte) bool { return s.i < len(s.b) && s.b[s.i] == c }

// open takes the bracket c.
func (s *scanner) open(c byte) bool {
	s.blank()
	if !s.at(c) {
		return s.fail()
	}
	s.i++
	return true
}

// more reports whether the list or object that was opened has an element; if
// not, it takes the bracket that closes it.
func (s *scanner) more(end byte) bool {
	s.blank()
	if s.at(end) {
		s.i++
		return false
	}
	return true
}

// next reports whether another element follows; if not, it takes the bracket
// that closes the list or object.
func (s *scanner) next(end byte) bool {
	if s.bad || s.i >= len(s.b) {
		return s.fail()
	}
	if s.b[s.i] <= ' ' {
		if s.blank(); s.i >= len(s.b) {
			return s.fail()
		}
	}
	c := s.b[s.i]
	s.i++
	if c == ',' {
		if s.i < len(s.b) && s.b[s.i] <= ' ' {
			s.blank()
		}
		return true
	}
	if c != end {
		s.bad = true
	}
	return false
}

// key takes a name and its colon. It does not resolve escapes: no name of a
// record has one.
func (s *scanner) key() ([]byte, bool) {
	raw, _ := s.raw()
	if s.bad {
		return nil, false
	}
	if !s.at(':') {
		if s.blank(); !s.at(':') {
			return nil, s.fail()
		}
	}
	s.i++
	if s.i < len(s.b) && s.b[s.i] <= ' ' {
		s.blank()
	}
	return raw, true
}

// raw takes a string and returns the bytes between its quotes, with escapes
// unresolved.
func (s *scanner) raw() (text []byte, escaped bool) {
	if !s.at('"') {
		s.bad = true
		return nil, false
	}
	b := s.b[s.i+1:]
	for i := 0; i < len(b); i++ {
		if i+8 <= len(b) {
			const ones = 0x0101010101010101
			x := binary.LittleEndian.Uint64(b[i:])
			quote, slash := x^'"'*ones, x^'\\'*ones
			m := ((quote-ones)&^quote | (slash-ones)&^slash | (x-' '*ones)&^x) & (0x80 * ones)
			if m == 0 {
				i += 7
				continue
			}
			i += bits.TrailingZeros64(m) / 8 // only a byte after a true match can match falsely
		}
		switch c := b[i]; {
		case c == '"':
			s.i += i + 2
			return b[:i], escaped
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			s.bad = true
			return nil, false
		}
	}
	s.bad = true
	return nil, false
}

// null takes null and reports whether it was next.
func (s *scanner) null() bool {
	if s.at('n') && bytes.HasPrefix(s.b[s.i:], []byte("null")) {
		s.i += 4
		return true
	}
	return false
}

func (s *scanner) boolean(to *bool) bool {
	b := s.b[s.i:]
	switch {
	case len(b) >= 4 && string(b[:4]) == "true":
		s.i += 4
		*to = true
		return true
	case len(b) >= 5 && string(b[:5]) == "false":
		s.i += 5
		*to = false
		return true
	}
	return s.fail()
}

// number takes an integer of 64 bits without a sign. Fractions and exponents are
// not accepted.
func (s *scanner) number(to *uint64) bool {
	var n uint64
	i := s.i
	for ; i < len(s.b); i++ {
		d := s.b[i] - '0'
		if d > 9 {
			break
		}
		if n > (1<<64-1)/10 || n*10 > 1<<64-1-uint64(d) {
			return s.fail()
		}
		n = n*10 + uint64(d)
	}
	if i == s.i || i < len(s.b) && (s.b[i] == '.' || s.b[i] == 'e' || s.b[i] == 'E') {
		return s.fail()
	}
	s.i = i
	*to = n
	return true
}

// hex takes a string of as many hex digits as to holds.
func (s *scanner) hex(to []byte) bool {
	raw, _ := s.raw()
	if len(raw) != hex.EncodedLen(len(to)) {
		return false
	}
	_, err := hex.Decode(to, raw)
	return err == nil
}

// closing returns the offset after the first c, or 0 if there is none within
// maxShared bytes. It may be in a string.
func (s *scanner) closing(c byte) int {
	b := s.b[s.i:]
	if len(b) > maxShared {
		b = b[:maxShared]
	}
	if i := bytes.IndexByte(b, c); i >= 0 {
		return s.i + i + 1
	}
	return 0
}

// skip skips a value of any type.
func (s *scanner) skip() bool {
	var ends [maxDepth]byte
	depth := 0
	for {
		s.blank()
		if s.i >= len(s.b) {
			return s.fail()
		}
		switch c := s.b[s.i]; c {
		case '"':
			if s.raw(); s.bad {
				return false
			}
		case '{', '[':
			if depth == maxDepth {
				return s.fail()
			}
			ends[depth] = c + 2 // in ASCII, '}' is '{'+2 and ']' is '['+2
			depth++
			s.i++
			continue
		case '}', ']':
			if depth == 0 || ends[depth-1] != c {
				return s.fail()
			}
			depth--
			s.i++
		case ',', ':':
			if depth == 0 {
				return s.fail()
			}
			s.i++
			continue
		default:
			start := s.i
			for s.i < len(s.b) && literal(s.b[s.i]) {
				s.i++
			}
			if s.i == start {
				return s.fail()
			}
		}
		if depth == 0 {
			return true
		}
	}
}

// literal reports whether c may be in a number, true, false or null.
func literal(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '-' || c == '+' || c == '.' || c == 'E'
}

// unescape resolves the escapes of a JSON string. It keeps invalid ones as they
// are.
func unescape(raw []byte) string {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' || i+1 == len(raw) {
			out = append(out, raw[i])
			continue
		}
		i++
		switch c := raw[i]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := unit(raw[i+1:])
			if !ok {
				out = append(out, '\\', 'u')
				continue
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(utf8.RuneError)
				if bytes.HasPrefix(raw[i+1:], []byte(`\u`)) {
					low, _ = unit(raw[i+3:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		case '"', '\\', '/':
			out = append(out, c)
		default:
			out = append(out, '\\', c)
		}
	}
	return string(out)
}

// unit reads four hex digits.
func unit(b []byte) (rune, bool) {
	var v [2]byte
	if len(b) < 4 {
		return 0, false
	}
	if _, err := hex.Decode(v[:], b[:4]); err != nil {
		return 0, false
	}
	return rune(binary.BigEndian.Uint16(v[:])), true
}
