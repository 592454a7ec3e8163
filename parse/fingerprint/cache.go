package fingerprint

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// Most hellos differ little, and a lookup costs a fraction of the digests. The
// cache is direct mapped: a hash of the key selects the only slot that it may
// use. A hello that never repeats, as from clients that shuffle their
// extensions, evicts at most one entry.
const (
	cacheSlots  = 1 << 10
	cacheMaxKey = 512 // longest key that is cached, bytes
)

type cache struct {
	seed  maphash.Seed
	slots *[cacheSlots]entry // nil before the first use
	key   []byte             // scratch
}

// An entry holds the fields that fingerprints depend on, and the fingerprints.
type entry struct {
	key          []byte
	fingerprints [2]string
}

// Client returns the JA3 and the JA4 of a ClientHello.
func (h *Hasher) Client(c *Client) (ja3, ja4 string) {
	b := append(h.cache.key[:0], c.Transport, bit(c.HasServerName))
	b = binary.BigEndian.AppendUint16(b, c.LegacyVersion)
	for _, list := range [...][]uint16{c.Versions, c.CipherSuites, c.Extensions, c.Groups, c.SignatureSchemes} {
		b = appendList(b, list, true)
	}
	h.cache.key = appendBytes(appendBytes(b, c.PointFormats), c.ALPN)
	e := h.cache.find('c')
	if e == nil {
		return h.ja3(c), h.ja4(c)
	}
	if e.fingerprints[0] == "" {
		e.fingerprints = [2]string{h.ja3(c), h.ja4(c)}
	}
	return e.fingerprints[0], e.fingerprints[1]
}

// Server returns the JA3S of a ServerHello.
func (h *Hasher) Server(s *Server) string {
	b := binary.BigEndian.AppendUint16(h.cache.key[:0], s.LegacyVersion)
	b = binary.BigEndian.AppendUint16(b, s.CipherSuite)
	h.cache.key = appendList(b, s.Extensions, false)
	e := h.cache.find('s')
	if e == nil {
		return h.ja3s(s)
	}
	if e.fingerprints[0] == "" {
		e.fingerprints[0] = h.ja3s(s)
	}
	return e.fingerprints[0]
}

// find returns the entry of the key c.key followed by kind. Its fingerprints are empty
// if they have to be computed. It returns nil if the key is too long to cache.
func (c *cache) find(kind byte) *entry {
	c.key = append(c.key, kind)
	if len(c.key) > cacheMaxKey {
		return nil
	}
	if c.slots == nil {
		c.seed, c.slots = maphash.MakeSeed(), new([cacheSlots]entry)
	}
	e := &c.slots[maphash.Bytes(c.seed, c.key)%cacheSlots]
	if !bytes.Equal(e.key, c.key) {
		*e = entry{key: append(e.key[:0], c.key...)}
	}
	return e
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// appendList appends list and then its length.
func appendList(b []byte, list []uint16, skipGREASE bool) []byte {
	n := 0
	for _, v := range list {
		if !skipGREASE || !isGREASE(v) {
			b = binary.BigEndian.AppendUint16(b, v)
			n++
		}
	}
	return binary.BigEndian.AppendUint16(b, uint16(n))
}

// appendBytes appends s and then its length.
func appendBytes(b, s []byte) []byte {
	return binary.BigEndian.AppendUint16(append(b, s...), uint16(len(s)))
}
