package quic

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"

	"pfsight/capture/stream"
)

// HKDF-Expand-Label of RFC 8446 section 7.1 with an empty context: the HkdfLabel,
// and the counter of HKDF-Expand. No key here is longer than one hash.
const (
	labelClient = "\x00\x20\x0ftls13 client in\x00\x01"
	labelServer = "\x00\x20\x0ftls13 server in\x00\x01"
	labelKey    = "\x00\x10\x0etls13 quic key\x00\x01"
	labelIV     = "\x00\x0c\x0dtls13 quic iv\x00\x01"
	labelHP     = "\x00\x10\x0dtls13 quic hp\x00\x01"
	labelKey2   = "\x00\x10\x10tls13 quicv2 key\x00\x01"
	labelIV2    = "\x00\x0c\x0ftls13 quicv2 iv\x00\x01"
	labelHP2    = "\x00\x10\x0ftls13 quicv2 hp\x00\x01"
)

// hmac256 is HMAC-SHA256 for a key and a message of at most 64 bytes each. Unlike
// crypto/hmac and crypto/hkdf it does not allocate; each direction of a
// connection needs it five times.
func hmac256(key, message []byte) [sha256.Size]byte {
	var in [2 * sha256.BlockSize]byte
	var out [sha256.BlockSize + sha256.Size]byte
	copy(in[:sha256.BlockSize], key)
	for i := range sha256.BlockSize {
		out[i] = in[i] ^ 0x5c
		in[i] ^= 0x36
	}
	n := copy(in[sha256.BlockSize:], message)
	h := sha256.Sum256(in[:sha256.BlockSize+n])
	copy(out[sha256.BlockSize:], h[:])
	return sha256.Sum256(out[:])
}

// expand is hmac256 with a label.
func expand(secret *[sha256.Size]byte, label string) [sha256.Size]byte {
	var b [32]byte
	return hmac256(secret[:], b[:copy(b[:], label)])
}

// keys are the keys for the Initial packets of one sender, RFC 9001 section 5.
type keys struct {
	block   cipher.Block // of aead
	aead    cipher.AEAD
	hp      cipher.Block
	iv      [12]byte
	made    bool
	largest int64 // packet number seen, -1 for none
}

// A pair is the keys of both senders. They follow from a version and a
// Destination Connection ID of the client.
type pair struct {
	version Version
	n       uint8
	cid     [maxCID]byte
	initial [sha256.Size]byte // the Initial secret
	keys    [2]keys           // by the role of the sender
}

func (k *pair) is(v Version, cid []byte) bool {
	return k.version == v && bytes.Equal(k.cid[:k.n], cid)
}

// start derives the Initial secret. The keys are derived when they are needed.
func (k *pair) start(v Version, cid []byte) {
	*k = pair{version: v, n: uint8(copy(k.cid[:], cid))}
	copy(k.cid[:], cid)
	k.initial = hmac256(v.dialect().salt[:], cid)
}

func (k *pair) of(role stream.Dir) *keys {
	s := &k.keys[role]
	if s.made {
		return s
	}
	label, key, iv, hp := labelClient, labelKey, labelIV, labelHP
	if role == stream.ToClient {
		label = labelServer
	}
	if k.version.dialect().v2 {
		key, iv, hp = labelKey2, labelIV2, labelHP2
	}
	secret := expand(&k.initial, label)
	// Neither fails for a key of 16 bytes and a cipher of 128 bits.
	a, b := expand(&secret, key), expand(&secret, hp)
	s.block, _ = aes.NewCipher(a[:16])
	s.aead, _ = cipher.NewGCM(s.block)
	s.hp, _ = aes.NewCipher(b[:16])
	a = expand(&secret, iv)
	copy(s.iv[:], a[:])
	s.made, s.largest = true, -1
	return s
}

// An opener removes the protection of packets. It keeps the memory that this
// needs.
type opener struct {
	plain []byte
	aad   []byte
	block [16]byte
	nonce [12]byte
	input [16]byte
	// number is the packet number of the last packet that was opened.
	number int64
}

// open returns the frames of the Initial p of b, nil if s is not its key. It does
// not change b. A packet that the snaplen cut cannot be authenticated: then whole
// is false, and the caller checks whether the frames are plausible.
func (o *opener) open(s *keys, b []byte, p *packet) (frames []byte, whole bool) {
	if p.number+minProtected > p.to {
		return nil, false
	}
	copy(o.input[:], b[p.number+4:])
	s.hp.Encrypt(o.block[:], o.input[:])
	first := b[p.from] ^ o.block[0]&0x0f
	n := int(first&3) + 1
	o.aad = append(o.aad[:0], b[p.from:p.number+n]...)
	o.aad[0] = first
	var short int64
	for i := range n {
		c := &o.aad[len(o.aad)-n+i]
		*c ^= o.block[1+i]
		short = short<<8 | int64(*c)
	}
	number := fullNumber(s.largest, short, 8*n)
	o.number = number
	o.nonce = s.iv
	for i := range 8 {
		o.nonce[4+i] ^= byte(number >> (56 - 8*i))
	}
	body := b[p.number+n : p.to]
	if p.cut {
		return o.decrypt(s, body[:max(0, min(len(body), p.length-n-s.aead.Overhead()))]), false
	}
	plain, err := s.aead.Open(o.plain[:0], o.nonce[:], body, o.aad)
	if err != nil {
		return nil, false
	}
	o.plain = plain
	s.largest = max(s.largest, number)
	return plain, true
}

// decrypt is the counter mode of GCM, NIST SP 800-38D section 6.5.
func (o *opener) decrypt(s *keys, body []byte) []byte {
	o.plain = append(o.plain[:0], body...)
	copy(o.input[:], o.nonce[:])
	for i := 0; i < len(o.plain); i += len(o.block) {
		binary.BigEndian.PutUint32(o.input[12:], uint32(i/len(o.block)+2))
		s.block.Encrypt(o.block[:], o.input[:])
		part := o.plain[i:]
		for j := range min(len(part), len(o.block)) {
			part[j] ^= o.block[j]
		}
	}
	return o.plain
}

// fullNumber returns the packet number with these low bits that is nearest to the
// expected one, RFC 9000 appendix A.3.
func fullNumber(largest, short int64, bits int) int64 {
	expected, window := largest+1, int64(1)<<bits
	n := expected&^(window-1) | short
	switch {
	case n <= expected-window/2 && n < 1<<62-window:
		return n + window
	case n > expected+window/2 && n >= window:
		return n - window
	}
	return n
}
