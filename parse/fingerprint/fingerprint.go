// Package fingerprint makes JA3, JA3S and JA4 of hellos: names under which
// the same software is recognized.
package fingerprint

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
)

// A Client is what the fingerprints of a ClientHello are made of. GREASE
// values (RFC 8701) may be in the lists; they are left out.
type Client struct {
	Transport        byte   // 't' for TCP, 'q' for QUIC, 'd' for DTLS
	LegacyVersion    uint16 // of the ClientHello itself
	Versions         []uint16
	CipherSuites     []uint16
	Extensions       []uint16 // in wire order
	Groups           []uint16
	PointFormats     []byte
	SignatureSchemes []uint16
	HasServerName    bool
	ALPN             []byte // the first protocol offered; nil for none
}

// A Server is what JA3S is made of.
type Server struct {
	LegacyVersion uint16
	CipherSuite   uint16
	Extensions    []uint16 // in wire order
}

// A Hasher makes fingerprints. It keeps its memory between calls, and some of
// what it made; one goroutine uses it.
type Hasher struct {
	b    []byte
	list []uint16
	memo memo
}

// grease reports whether v is one of RFC 8701's reserved values.
func grease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// ja3 returns the MD5 of version, cipher suites, extensions, groups and point
// formats in decimal, in hex.
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

// ja3s returns the MD5 of version, cipher suite and extensions.
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

func (h *Hasher) decimals(list []uint16, skipGrease bool) {
	first := true
	for _, v := range list {
		if skipGrease && grease(v) {
			continue
		}
		if !first {
			h.b = append(h.b, '-')
		}
		first = false
		h.b = strconv.AppendUint(h.b, uint64(v), 10)
	}
}

// Extensions that have a place of their own in JA4.
const (
	extServerName = 0
	extALPN       = 16
)

// ja4 returns the fingerprint of FoxIO's specification, 36 characters.
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

// sorted appends a list in order, without GREASE and some others.
func (h *Hasher) sorted(list, without []uint16) {
	h.list = h.list[:0]
	for _, v := range list {
		if !grease(v) && !slices.Contains(without, v) {
			h.list = append(h.list, v)
		}
	}
	slices.Sort(h.list)
	h.hexes()
}

func (h *Hasher) hexes() {
	const digits = "0123456789abcdef"
	first := true
	for _, v := range h.list {
		if grease(v) {
			continue
		}
		if !first {
			h.b = append(h.b, ',')
		}
		first = false
		h.b = append(h.b, digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15])
	}
}

// sha appends the first 12 hex digits of the SHA-256 of h.b; of nothing they
// are zeros.
func (h *Hasher) sha(b []byte) []byte {
	if len(h.b) == 0 {
		return append(b, "000000000000"...)
	}
	sum := sha256.Sum256(h.b)
	return hex.AppendEncode(b, sum[:6])
}

func count(list []uint16) int {
	n := 0
	for _, v := range list {
		if !grease(v) {
			n++
		}
	}
	return min(n, 99)
}

func twoDigits(b []byte, n int) []byte { return append(b, '0'+byte(n/10), '0'+byte(n%10)) }

// version names the highest version offered.
func version(c *Client) string {
	v := uint16(0)
	for _, x := range c.Versions {
		switch {
		case grease(x):
		case c.Transport == 'd' && x>>8 == 0xfe: // DTLS counts down
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

// alpn returns the first and the last character of a protocol name; of one
// that begins or ends with another byte than a letter or digit, of its hex.
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
