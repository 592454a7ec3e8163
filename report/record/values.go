package record

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"net/netip"
	"time"

	"pfsight/capture/stream"
	"pfsight/report"
	"pfsight/report/secrecy"
)

// text reads a string.
func (p *Parser) text(to *string) bool {
	raw, escaped := p.raw()
	if escaped {
		*to = report.Untext(unescape(raw))
		return !p.bad
	}
	*to = p.strings.of(raw)
	return !p.bad
}

// address reads an IP address, and keeps the port. An empty string is no
// address.
func (p *Parser) address(to *netip.AddrPort) bool {
	raw, escaped := p.raw()
	a, ok := addr4(raw)
	if !ok && !p.bad && !escaped {
		var err error
		a, err = netip.ParseAddr(p.strings.of(raw))
		ok = err == nil || len(raw) == 0
	}
	*to = netip.AddrPortFrom(a, to.Port())
	return ok && !p.bad
}

func (p *Parser) addrPort(to *netip.AddrPort) bool {
	raw, escaped := p.raw()
	if p.bad || escaped {
		return false
	}
	var err error
	*to, err = netip.ParseAddrPort(p.strings.of(raw))
	return err == nil
}

func (p *Parser) mac(to *stream.MAC) bool {
	raw, escaped := p.raw()
	if p.bad || escaped || len(raw) != 6*3-1 {
		return false
	}
	for i := range to {
		if i > 0 && raw[3*i-1] != ':' {
			return false
		}
		if _, err := hex.Decode(to[i:i+1], raw[3*i:3*i+2]); err != nil {
			return false
		}
	}
	return true
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
	start int64 // of the day, seconds since 1970 UTC
}

// time reads a time in nanoseconds since 1970 UTC.
func (p *Parser) time() (int64, bool) {
	const most = math.MaxInt64 / int64(1e9) // seconds; a capture may hold the latest time that is possible
	raw, _ := p.raw()
	sec, nano, ok := p.clock.parse(raw)
	if sec > most || sec == most && nano > math.MaxInt64%int64(1e9) || sec < -most {
		return 0, false
	}
	return sec*1e9 + nano, ok
}

// parse reads RFC 3339: seconds since 1970 UTC, and nanoseconds.
func (c *clock) parse(b []byte) (sec, nano int64, ok bool) {
	// 2006-01-02T15:04:05Z, or the same with a fraction
	if n := len(b); n >= 20 && n <= 30 && b[10] == 'T' && b[13] == ':' && b[16] == ':' && b[n-1] == 'Z' && (n == 20 || b[19] == '.' && n > 21) {
		h, m, s := twoDigits(b[11:]), twoDigits(b[14:]), twoDigits(b[17:])
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

// twoDigits reads two digits. Anything else gives 100 or more.
func twoDigits(b []byte) int {
	d, e := b[0]-'0', b[1]-'0'
	if d > 9 || e > 9 {
		return 100
	}
	return int(d)*10 + int(e)
}

// interned shares equal strings. It is a cache of pairs: a new string takes the
// place of the older of the two with its hash.
type interned [1 << 12]string

// maxInterned is the longest string that is shared, bytes.
const maxInterned = 255

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
	if len(b) <= maxInterned {
		s[h], s[h^1] = t, s[h]
	}
	return t
}

// list reads a list of strings, or finds it by its JSON.
func (p *Parser) list(to *[]string) bool {
	start := p.i
	if end := p.closing(']'); end > 0 {
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

// reasonSet reads a list of reasons, or finds it by its JSON. It leaves out
// codes that are not known, with a note.
func (p *Parser) reasonSet(to *secrecy.Reasons) bool {
	start := p.i
	if end := p.closing(']'); end > 0 {
		if r, ok := p.reasons[string(p.b[start:end])]; ok {
			*to, p.i = r.v, end
			p.note(r.note)
			return true
		}
	}
	list, ok := p.texts()
	if !ok {
		return false
	}
	var r made[secrecy.Reasons]
	for _, code := range list {
		if x, ok := secrecy.LookupReason(code); ok {
			r.v.Add(x)
		} else if r.note == "" {
			r.note = "reasons: " + clip([]byte(code)) + " is not a code"
		}
	}
	*to = r.v
	p.note(r.note)
	if key := p.b[start:p.i]; len(p.reasons) < maxLists && p.room(len(key)) {
		p.reasons[string(key)] = r
	}
	return true
}
