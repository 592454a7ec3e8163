package fingerprint

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// Most hellos are of few kinds, and to tell that one is of a kind that was seen
// costs a fraction of its digests. So the last ones are kept, each in the place
// that its kind's hash names: what never comes again, such as the orders in
// which some clients shuffle their extensions, costs another only its place.
const (
	memoSize = 1 << 10
	memoKey  = 512 // bytes that a kind may have to be kept
)

type memo struct {
	seed  maphash.Seed
	slots *[memoSize]kind // nil before the first
	key   []byte
}

// A kind is all that names are made of, and they.
type kind struct {
	key   []byte
	names [2]string
}

// Client returns the JA3 and the JA4 of a ClientHello.
func (h *Hasher) Client(c *Client) (ja3, ja4 string) {
	m := &h.memo
	b := append(m.key[:0], c.Transport, bit(c.HasServerName))
	b = binary.BigEndian.AppendUint16(b, c.LegacyVersion)
	for _, list := range [...][]uint16{c.Versions, c.CipherSuites, c.Extensions, c.Groups, c.SignatureSchemes} {
		b = appendKind(b, list, true)
	}
	b = appendBytes(appendBytes(b, c.PointFormats), c.ALPN)
	m.key = b
	k := m.find('c')
	if k == nil {
		return h.ja3(c), h.ja4(c)
	}
	if k.names[0] == "" {
		k.names = [2]string{h.ja3(c), h.ja4(c)}
	}
	return k.names[0], k.names[1]
}

// Server returns the JA3S of a ServerHello.
func (h *Hasher) Server(s *Server) string {
	m := &h.memo
	b := binary.BigEndian.AppendUint16(m.key[:0], s.LegacyVersion)
	b = binary.BigEndian.AppendUint16(b, s.CipherSuite)
	m.key = appendKind(b, s.Extensions, false)
	k := m.find('s')
	if k == nil {
		return h.ja3s(s)
	}
	if k.names[0] == "" {
		k.names[0] = h.ja3s(s)
	}
	return k.names[0]
}

// find returns the place of the kind in m.key, without names if these are not
// known; nil if the kind is not to be kept.
func (m *memo) find(of byte) *kind {
	m.key = append(m.key, of)
	if len(m.key) > memoKey {
		return nil
	}
	if m.slots == nil {
		m.seed, m.slots = maphash.MakeSeed(), new([memoSize]kind)
	}
	k := &m.slots[maphash.Bytes(m.seed, m.key)%memoSize]
	if !bytes.Equal(k.key, m.key) {
		*k = kind{key: append(k.key[:0], m.key...)}
	}
	return k
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// appendKind appends a list and, behind it, its length.
func appendKind(b []byte, list []uint16, skipGrease bool) []byte {
	n := 0
	for _, v := range list {
		if !skipGrease || !grease(v) {
			b = binary.BigEndian.AppendUint16(b, v)
			n++
		}
	}
	return binary.BigEndian.AppendUint16(b, uint16(n))
}

func appendBytes(b, s []byte) []byte {
	return binary.BigEndian.AppendUint16(append(b, s...), uint16(len(s)))
}
