package record

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"net/netip"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// A scanner walks over JSON. Once something is not JSON it is bad, and every
// loop over it ends.
type scanner struct {
	b   []byte
	i   int
	bad bool
}

// maxDepth is how deep values that are passed over may be nested; a record
// needs 3.
const maxDepth = 64

// blank passes over white space, of which there is none in what this program
// writes.
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

// key takes a name and the colon behind it. Names with escapes are none of
// the record's.
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

// raw takes a string and returns what is between its quotes, escapes and all.
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
			i += bits.TrailingZeros64(m) / 8 // the first of them is no false one
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

// is takes the string want if it is next.
func (s *scanner) is(want string) bool {
	if b := s.b[s.i:]; len(b) >= len(want)+2 && b[0] == '"' && b[len(want)+1] == '"' && string(b[1:len(want)+1]) == want {
		s.i += len(want) + 2
		return true
	}
	return false
}

// was takes the string that is next and reports whether it is want.
func (s *scanner) was(want string) bool {
	raw, _ := s.raw()
	return string(raw) == want
}

// null takes null if it is next.
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

// number takes a number that is a uint64, written in digits alone.
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

// bracket returns the end of the list that begins here, if it is short and
// nothing in its strings looks like an end; else 0.
func (s *scanner) bracket() int { return s.closing(']') }

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

// skip passes over any value.
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
			ends[depth] = c + 2 // in ASCII both brackets close two behind
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

// unescape resolves the escapes of a JSON string. An escape that is none
// stands for itself.
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

// hexCode reads a code point such as 0x1301.
func hexCode(b []byte) (uint16, bool) {
	if len(b) != 6 || b[0] != '0' || b[1] != 'x' {
		return 0, false
	}
	v := 0
	for _, c := range b[2:] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | int(c)
	}
	return uint16(v), true
}

// addr4 reads an IPv4 address as netip.ParseAddr does.
func addr4(b []byte) (netip.Addr, bool) {
	var a [4]byte
	part, digits, v := 0, 0, 0
	for i := 0; i <= len(b); i++ {
		if i == len(b) || b[i] == '.' {
			if digits == 0 || v > 255 || part == 4 {
				return netip.Addr{}, false
			}
			a[part] = byte(v)
			part, digits, v = part+1, 0, 0
			continue
		}
		d := b[i] - '0'
		if d > 9 || digits == 3 || digits > 0 && v == 0 {
			return netip.Addr{}, false
		}
		v = v*10 + int(d)
		digits++
	}
	if part != 4 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4(a), true
}

// A clock reads times. It remembers the last day.
type clock struct {
	day   [10]byte
	start int64 // of it, seconds since 1970 UTC
}

// time takes a time as nanoseconds since 1970 UTC.
func (p *Parser) time() (int64, bool) {
	raw, _ := p.raw()
	sec, nano, ok := p.clock.parse(raw)
	if const1 := int64(1<<63-1) / 1e9; sec >= const1 || sec <= -const1 {
		return 0, false
	}
	return sec*1e9 + nano, ok
}

// parse reads RFC 3339.
func (c *clock) parse(b []byte) (sec, nano int64, ok bool) {
	// 2006-01-02T15:04:05Z, perhaps with a fraction
	if n := len(b); n >= 20 && n <= 30 && b[10] == 'T' && b[13] == ':' && b[16] == ':' && b[n-1] == 'Z' && (n == 20 || b[19] == '.' && n > 21) {
		h, m, s := two(b[11:]), two(b[14:]), two(b[17:])
		if h < 24 && m < 60 && s < 60 && c.date(b[:10]) {
			for i := 20; i < 29; i++ {
				nano *= 10
				if i < n-1 {
					d := b[i] - '0'
					if d > 9 {
						return 0, 0, false
					}
					nano += int64(d)
				}
			}
			return c.start + int64(h*3600+m*60+s), nano, true
		}
	}
	t, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return 0, 0, false
	}
	return t.Unix(), int64(t.Nanosecond()), true
}

func (c *clock) date(b []byte) bool {
	if string(c.day[:]) == string(b) {
		return true
	}
	t, err := time.Parse(time.DateOnly, string(b))
	if err != nil {
		return false
	}
	copy(c.day[:], b)
	c.start = t.Unix()
	return true
}

// two reads two digits; what is none is 100 or more.
func two(b []byte) int {
	d, e := b[0]-'0', b[1]-'0'
	if d > 9 || e > 9 {
		return 100
	}
	return int(d)*10 + int(e)
}

// interned shares equal strings, most of the time: a string takes the place of
// the elder of two others whose hash is the same.
type interned [1 << 12]string

func (s *interned) of(b []byte) string {
	var first, last uint64
	switch n := len(b); {
	case n == 0:
		return ""
	case n >= 8:
		first, last = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		first, last = uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[n-4:]))
	default:
		first, last = uint64(b[0]), uint64(b[n-1])
	}
	h := ((first+uint64(len(b)))*0x9e3779b97f4a7c15 ^ last*0xc2b2ae3d27d4eb4f) * 0x9e3779b97f4a7c15 >> 52
	if s[h] == string(b) {
		return s[h]
	}
	if s[h^1] == string(b) {
		return s[h^1]
	}
	t := string(b)
	if len(b) <= maxString {
		s[h], s[h^1] = t, s[h]
	}
	return t
}

// maxString is the longest string that is shared, bytes.
const maxString = 255
