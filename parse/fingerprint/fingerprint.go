package fingerprint

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
)

// A Client holds the fields of a ClientHello that JA3 and JA4 use. The lists may
// contain GREASE values (RFC 8701); the fingerprints ignore them.
type Client struct {
	Transport        byte   // 't' for TCP, 'q' for QUIC, 'd' for DTLS
	LegacyVersion    uint16 // the field legacy_version
	Versions         []uint16
	CipherSuites     []uint16
	Extensions       []uint16 // in the order sent
	Groups           []uint16
	PointFormats     []byte
	SignatureSchemes []uint16
	HasServerName    bool
	ALPN             []byte // the first protocol offered; nil if none
}

// A Server holds the fields of a ServerHello that JA3S uses.
type Server struct {
	LegacyVersion uint16
	CipherSuite   uint16
	Extensions    []uint16 // in the order sent
}

// A Hasher computes fingerprints. The zero value is ready to use. A Hasher
// caches results, reuses its memory, and is not safe for concurrent use.
type Hasher struct {
	b     []byte
	list  []uint16
	cache cache
}

// isGREASE reports whether v is a reserved value of RFC 8701.
func isGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// ja3 returns the MD5, in hex, of the version, cipher suites, extensions, groups
// and point formats in decimal.
func (h *Hasher) ja3(c *Client) string {
	h.b = strconv.AppendUint(h.b[:0], uint64(c.LegacyVersion), 10)
	for _, list := range [][]uint16{c.CipherSuites, c.Extensions, c.Groups} {
		h.b = append(h.b, ',')
		h.decimals(list, true)
	}
	h.b = append(h.b, ',')
	for i, f := range c.PointFormats {
		if i > 0 {
			h.b = append(h.b, '-')
		}
		h.b = strconv.AppendUint(h.b, uint64(f), 10)
	}
	return h.md5()
}

// ja3s returns the MD5, in hex, of the version, cipher suite and extensions in
// decimal.
func (h *Hasher) ja3s(s *Server) string {
	h.b = strconv.AppendUint(h.b[:0], uint64(s.LegacyVersion), 10)
	h.b = append(h.b, ',')
	h.b = strconv.AppendUint(h.b, uint64(s.CipherSuite), 10)
	h.b = append(h.b, ',')
	h.decimals(s.Extensions, false)
	return h.md5()
}

func (h *Hasher) md5() string {
	sum := md5.Sum(h.b)
	return hex.EncodeToString(sum[:])
}

// decimals appends list to h.b in decimal, separated by dashes.
func (h *Hasher) decimals(list []uint16, skipGREASE bool) {
	first := true
	for _, v := range list {
		if skipGREASE && isGREASE(v) {
			continue
		}
		if !first {
			h.b = append(h.b, '-')
		}
		first = false
		h.b = strconv.AppendUint(h.b, uint64(v), 10)
	}
}

// Extensions that JA4 represents in its first part and leaves out of its list.
const (
	extServerName = 0
	extALPN       = 16
)

// ja4 returns the JA4 fingerprint: three parts, 36 characters.
func (h *Hasher) ja4(c *Client) string {
	var out [36]byte
	b := append(out[:0], c.Transport)
	b = append(b, version(c)...)
	if c.HasServerName {
		b = append(b, 'd')
	} else {
		b = append(b, 'i')
	}
	b = twoDigits(b, count(c.CipherSuites))
	b = twoDigits(b, count(c.Extensions))
	b = append(b, alpn(c.ALPN)...)
	b = append(b, '_')
	h.b = h.b[:0]
	h.sorted(c.CipherSuites, nil)
	b = h.sha(b)
	b = append(b, '_')
	h.b = h.b[:0]
	h.sorted(c.Extensions, []uint16{extServerName, extALPN})
	if count(c.SignatureSchemes) > 0 && count(c.Extensions) > 0 {
		h.b = append(h.b, '_')
		h.list = append(h.list[:0], c.SignatureSchemes...)
		h.hexes()
	}
	return string(h.sha(b))
}

// sorted appends the sorted values of list to h.b in hex, without GREASE values
// and without those in exclude.
func (h *Hasher) sorted(list, exclude []uint16) {
	h.list = h.list[:0]
	for _, v := range list {
		if !isGREASE(v) && !slices.Contains(exclude, v) {
			h.list = append(h.list, v)
		}
	}
	slices.Sort(h.list)
	h.hexes()
}

// hexes appends h.list to h.b in hex, separated by commas, without GREASE values.
func (h *Hasher) hexes() {
	const digits = "0123456789abcdef"
	first := true
	for _, v := range h.list {
		if isGREASE(v) {
			continue
		}
		if !first {
			h.b = append(h.b, ',')
		}
		first = false
		h.b = append(h.b, digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15])
	}
}

// sha appends the first 12 hex digits of the SHA-256 of h.b to b, or zeros if h.b
// is empty.
func (h *Hasher) sha(b []byte) []byte {
	if len(h.b) == 0 {
		return append(b, "000000000000"...)
	}
	sum := sha256.Sum256(h.b)
	return hex.AppendEncode(b, sum[:6])
}

// count returns the number of values in list without GREASE, at most 99.
func count(list []uint16) int {
	n := 0
	for _, v := range list {
		if !isGREASE(v) {
			n++
		}
	}
	return min(n, 99)
}

func twoDigits(b []byte, n int) []byte { return append(b, '0'+byte(n/10), '0'+byte(n%10)) }

// version returns JA4's name of the highest version offered.
func version(c *Client) string {
	v := uint16(0)
	for _, x := range c.Versions {
		switch {
		case isGREASE(x):
		case c.Transport == 'd' && x>>8 == 0xfe: // newer versions of DTLS have lower numbers
			if v == 0 || x < v {
				v = x
			}
		case x > v:
			v = x
		}
	}
	if v == 0 {
		v = c.LegacyVersion
	}
	switch v {
	case 0x0304:
		return "13"
	case 0x0303:
		return "12"
	case 0x0302:
		return "11"
	case 0x0301:
		return "10"
	case 0x0300:
		return "s3"
	case 0x0002:
		return "s2"
	case 0xfeff:
		return "d1"
	case 0xfefd:
		return "d2"
	case 0xfefc:
		return "d3"
	}
	return "00"
}

// alpn returns the first and the last character of a protocol name. If one of
// them is not a letter or digit, it returns those of the name in hex.
func alpn(p []byte) string {
	if len(p) == 0 {
		return "00"
	}
	first, last := p[0], p[len(p)-1]
	if alnum(first) && alnum(last) {
		return string([]byte{first, last})
	}
	const digits = "0123456789abcdef"
	return string([]byte{digits[first>>4], digits[last&15]})
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
