package record

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"

	"pfsight/report/secrecy"
)

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
	const most = math.MaxInt64 / int64(1e9) // seconds; a capture may announce the latest time that there is
	raw, _ := p.raw()
	sec, nano, ok := p.clock.parse(raw)
	if sec > most || sec == most && nano > math.MaxInt64%int64(1e9) || sec < -most {
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

// list reads a list of strings.
func (p *Parser) list(to *[]string) bool {
	start := p.i
	if end := p.bracket(); end > 0 {
		if l, ok := p.lists[string(p.b[start:end])]; ok {
			*to, p.i = l, end
			return true
		}
	}
	list, ok := p.texts()
	*to = list
	if key := p.b[start:p.i]; ok && len(p.lists) < maxLists && p.room(len(key)) {
		p.lists[string(key)] = list
	}
	return ok
}

func (p *Parser) texts() (list []string, ok bool) {
	if !p.open('[') {
		return nil, false
	}
	for more := p.more(']'); more; more = p.next(']') {
		var s string
		if !p.text(&s) {
			return nil, false
		}
		list = append(list, s)
	}
	return list, !p.bad
}

func (p *Parser) reasonList(to *secrecy.Reasons) bool {
	start := p.i
	if end := p.bracket(); end > 0 {
		if r, ok := p.reasons[string(p.b[start:end])]; ok {
			*to, p.i = r.v, end
			p.tell(r.note)
			return true
		}
	}
	list, ok := p.texts()
	if !ok {
		return false
	}
	var r shared[secrecy.Reasons]
	for _, code := range list {
		if x, ok := secrecy.LookupReason(code); ok {
			r.v.Add(x)
		} else if r.note == "" {
			r.note = "reasons: " + clip([]byte(code)) + " is not a code"
		}
	}
	*to = r.v
	p.tell(r.note)
	if key := p.b[start:p.i]; len(p.reasons) < maxLists && p.room(len(key)) {
		p.reasons[string(key)] = r
	}
	return true
}
