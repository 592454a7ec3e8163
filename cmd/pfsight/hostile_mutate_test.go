package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// mostHostile is the maximum size of a mutated file, bytes.
const mostHostile = 1 << 20

// A mutator turns good files into hostile ones.
type mutator struct {
	r    *rand.Rand
	like [][]byte // files of the same kind, a source of pieces
}

// mutate makes a few changes to b.
func (m *mutator) mutate(b []byte) []byte {
	b = slices.Clone(b)
	for range 1 + m.r.IntN(1<<m.r.IntN(5)) {
		b = m.change(b)
	}
	return b[:min(len(b), mostHostile)]
}

// numbers are values at which arithmetic overflows.
var numbers = []uint64{0, 1, 2, 3, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<53 + 1, 1<<63 - 1, 1 << 63, 1<<64 - 1}

// words are inserted into text.
var words = []string{
	"{", "}", "[", "]", "\"", "\\", ",", ":", "null", "true", "1e999", "-0", "18446744073709551616", "\\u0000", "\\ud800", "\n", "\r\n", "\x00", "\xff", "\u202e", "\u3164", "\x1b[2J",
	"*", "&a", "*a", "<<", "!!binary", "---", "|", ">", "#", "%", "include /*/*/*;", "include *;", "server {", "<VirtualHost", "bind :443 ssl", "ssl_ciphers ", "@SECLEVEL=0", ":!", "+", "ALL:COMPLEMENTOFALL",
	"(", ")", "not ", "and ", "or ", "in ", "matches '(a*)*b'", "==", "tcp[", "]&0xff", "len", "ether proto ", "2026-11-24T17:35:15Z", "9999-12-31T23:59:59Z", "0x", "::", "/128", "PAR1",
	`"offered":`, `"certificate":`, `"reasons":["`, `"time":`, `"server_name":"`,
}

func (m *mutator) change(b []byte) []byte {
	r := m.r
	at := func() int { return r.IntN(len(b) + 1) }
	if len(b) == 0 {
		return append(b, m.piece()...)
	}
	switch r.IntN(13) {
	case 0: // a bit
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	case 1: // some bytes
		for i, n := r.IntN(len(b)), 1+r.IntN(8); i < len(b) && n > 0; i, n = i+1, n-1 {
			b[i] = byte(r.Uint32())
		}
	case 2, 3: // a number
		n, size := numbers[r.IntN(len(numbers))], 1<<r.IntN(4)
		if r.IntN(4) == 0 {
			n = uint64(len(b)) + uint64(r.IntN(9)) - 4
		}
		var le, be [8]byte
		binary.LittleEndian.PutUint64(le[:], n)
		binary.BigEndian.PutUint64(be[:], n)
		v := le[:size]
		if r.IntN(2) == 0 {
			v = be[8-size:]
		}
		copy(b[r.IntN(len(b)):], v)
	case 4: // an existing number, changed a little
		b[r.IntN(len(b))] += byte(r.IntN(7)) - 3
	case 5: // cut
		b = b[:at()]
	case 6: // removed
		i := at()
		b = slices.Delete(b, i, min(len(b), i+1+r.IntN(1<<r.IntN(12))))
	case 7: // repeated, perhaps often
		i := at()
		part := b[i:min(len(b), i+1+r.IntN(1<<r.IntN(12)))]
		again := 1 + r.IntN(1<<r.IntN(12))
		if len(part) > 0 {
			again = min(again, max(1, (mostHostile-len(b))/len(part)))
			b = slices.Concat(b[:i], bytes.Repeat(part, again), b[i:])
		}
	case 8: // a piece of another file inserted
		b = slices.Insert(b, at(), m.piece()...)
	case 9: // replaced by a piece of another file
		copy(b[r.IntN(len(b)):], m.piece())
	case 10: // a word
		b = slices.Insert(b, at(), []byte(words[r.IntN(len(words))])...)
	case 11: // a long word
		i := at()
		b = slices.Insert(b, i, bytes.Repeat([]byte(words[r.IntN(len(words))]), 1+r.IntN(1<<r.IntN(14)))...)
	case 12: // swapped
		i, j := at(), at()
		if i > j {
			i, j = j, i
		}
		b = slices.Concat(b[j:], b[i:j], b[:i])
	}
	if len(b) > mostHostile {
		b = b[:mostHostile]
	}
	return b
}

// piece returns a piece of a file of the same kind.
func (m *mutator) piece() []byte {
	other := m.like[m.r.IntN(len(m.like))]
	i := m.r.IntN(len(other) + 1)
	return other[i:min(len(other), i+1+m.r.IntN(1<<m.r.IntN(12)))]
}

// packets changes the packets of a little-endian pcap capture. The record headers
// stay valid.
func (m *mutator) packets(b []byte) []byte {
	if len(b) < 24 {
		return b
	}
	out := slices.Clone(b[:24])
	var records [][]byte
	for rest := b[24:]; len(rest) >= 16; {
		n := int(binary.LittleEndian.Uint32(rest[8:]))
		if n < 0 || n > len(rest)-16 {
			break
		}
		records = append(records, rest[:16+n])
		rest = rest[16+n:]
	}
	for i := 0; i < len(records); i++ {
		rec := slices.Clone(records[i])
		switch m.r.IntN(1 + len(records)*2) {
		case 0:
			rec = append(rec[:16], m.change(rec[16:])...)
		case 1: // headers
			if h := min(len(rec), 16+80); h > 16 {
				copy(rec[16:h], m.change(slices.Clone(rec[16:h])))
			}
		case 2: // out of order
			j := m.r.IntN(len(records))
			records[i], records[j] = records[j], records[i]
		case 3: // twice
			out = append(out, rec...)
		case 4: // lost
			continue
		case 5: // cut by a snaplen
			rec = rec[:16+m.r.IntN(len(rec)-15)]
		case 6: // at another time
			binary.LittleEndian.PutUint32(rec, m.r.Uint32())
		}
		n := min(len(rec)-16, 1<<18)
		rec = rec[:16+n]
		binary.LittleEndian.PutUint32(rec[8:], uint32(n))
		binary.LittleEndian.PutUint32(rec[12:], max(binary.LittleEndian.Uint32(rec[12:]), uint32(n)))
		if out = append(out, rec...); len(out) > mostHostile {
			break
		}
	}
	return out
}

// pcapng converts a pcap capture (little endian, microseconds) to pcapng.
func pcapng(b []byte) []byte {
	block := func(kind uint32, body []byte) []byte {
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		out := binary.LittleEndian.AppendUint32(nil, kind)
		out = binary.LittleEndian.AppendUint32(out, uint32(12+len(body)))
		out = append(out, body...)
		return binary.LittleEndian.AppendUint32(out, uint32(12+len(body)))
	}
	u32 := binary.LittleEndian.Uint32
	out := block(0x0a0d0d0a, []byte{0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	out = append(out, block(1, append([]byte{b[20], b[21], 0, 0}, b[16:20]...))...)
	for b = b[24:]; len(b) >= 16 && int(u32(b[8:])) <= len(b)-16; {
		n := u32(b[8:])
		at := uint64(u32(b))*1e6 + uint64(u32(b[4:]))
		body := binary.LittleEndian.AppendUint32(nil, 0)
		body = binary.LittleEndian.AppendUint32(body, uint32(at>>32))
		body = binary.LittleEndian.AppendUint32(body, uint32(at))
		body = append(append(body, b[8:16]...), b[16:16+n]...)
		out = append(out, block(6, body)...)
		b = b[16+n:]
	}
	return out
}
