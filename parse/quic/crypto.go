package quic

import (
	"bytes"
	"slices"

	"pfsight/capture/stream"
)

// Limits of the CRYPTO stream of one direction.
const (
	// maxCrypto is the number of bytes that are kept. RFC 9000 section 7.5 asks
	// endpoints to buffer 4096; ClientHellos with post-quantum key shares and
	// Encrypted Client Hello have about 2 KiB.
	maxCrypto = 64 << 10
	// maxRanges is the number of separate pieces that may wait for the bytes
	// between them.
	maxRanges = 512
)

// A span is a range of bytes [from, to).
type span struct{ from, to int }

// A crypto assembles the CRYPTO stream of one direction.
type crypto struct {
	data     []byte
	seen     []span // ascending, disjoint, not touching
	marks    []stream.Mark
	current  stream.Mark // of the current datagram
	dated    int         // index of its first mark
	gaps     []stream.Gap
	full     bool
	conflict bool
}

func (c *crypto) reset() {
	*c = crypto{data: c.data[:0], seen: c.seen[:0], marks: c.marks[:0], gaps: c.gaps[:0]}
}

// datagram sets the datagram of the frames that are added next.
func (c *crypto) datagram(m stream.Mark) {
	if m != c.current || len(c.marks) == 0 {
		c.current, c.dated = m, len(c.marks)
	}
}

// add adds the bytes of a frame. Bytes that were there before are kept.
func (c *crypto) add(off int, b []byte) {
	if off+len(b) > maxCrypto {
		c.full = true
		b = b[:max(0, maxCrypto-off)]
	}
	to := off + len(b)
	if len(b) == 0 {
		return
	}
	if n := len(c.data); to > n {
		c.data = slices.Grow(c.data, to-n)[:to]
		clear(c.data[n:])
	}
	// The spans that this one overlaps or touches are [i, j).
	i, _ := slices.BinarySearchFunc(c.seen, off, func(s span, off int) int {
		if s.to < off {
			return -1
		}
		return 1
	})
	j, at, merged := i, off, span{off, to}
	for ; j < len(c.seen) && c.seen[j].from <= to; j++ {
		s := c.seen[j]
		c.fill(at, min(s.from, to), b[at-off:])
		from, end := max(s.from, off), min(s.to, to)
		if from < end && !bytes.Equal(c.data[from:end], b[from-off:end-off]) {
			c.conflict = true
		}
		at = min(max(at, s.to), to)
		merged.from, merged.to = min(merged.from, s.from), max(merged.to, s.to)
	}
	if i == j && len(c.seen) >= maxRanges {
		c.full = true
		return
	}
	c.fill(at, to, b[at-off:])
	c.seen = slices.Replace(c.seen, i, j, merged)
}

// repeats reports whether the CRYPTO frames among frames repeat bytes of the
// stream, and none of them differs.
func (c *crypto) repeats(frames []byte, d *dialect) (yes bool) {
	for at := 0; ; {
		f, next, _, ok := nextFrame(frames, at, d)
		if !ok {
			return yes
		}
		at = next
		if f.typ != frameCrypto {
			continue
		}
		off := int(min(f.off, maxCrypto))
		for _, s := range c.seen {
			from, to := max(s.from, off), min(s.to, off+len(f.data))
			if from >= to {
				continue
			}
			if !bytes.Equal(c.data[from:to], f.data[from-off:to-off]) {
				return false
			}
			yes = true
		}
	}
}

// fill writes b to [from, to), which is empty, and marks it.
func (c *crypto) fill(from, to int, b []byte) {
	if from >= to {
		return
	}
	copy(c.data[from:to], b)
	m := c.current
	m.From, m.To = uint32(from), uint32(to)
	// One mark for what one datagram brought: Half.Split counts marks.
	for i := c.dated; i < len(c.marks); {
		o := c.marks[i]
		if o.From > m.To || o.To < m.From {
			i++
			continue
		}
		m.From, m.To = min(m.From, o.From), max(m.To, o.To)
		c.marks = slices.Delete(c.marks, i, i+1)
	}
	if len(c.marks) >= stream.MaxMarks {
		last := &c.marks[len(c.marks)-1]
		m.From, m.To = min(m.From, last.From), max(m.To, last.To)
		*last = m
		c.dated = min(c.dated, len(c.marks)-1)
		return
	}
	c.marks = append(c.marks, m)
}

// half returns the stream. It aliases c.
func (c *crypto) half() stream.Half {
	n := len(c.data)
	at := 0
	for _, s := range c.seen {
		if s.from > at {
			c.gaps = append(c.gaps, stream.Gap{From: at, To: s.from})
		}
		at = s.to
	}
	if at < n { // a piece was dropped
		n = at
	}
	return stream.Half{Data: c.data[:n], Gaps: c.gaps, Marks: c.marks, Full: c.full, Conflict: c.conflict}
}

// Handshake message types, RFC 8446 section 4.
const (
	msgClientHello = 1
	msgServerHello = 2
)

// retryRandom is the Random of a HelloRetryRequest, RFC 8446 section 4.1.3.
const retryRandom = "\xCF\x21\xAD\x74\xE5\x9A\x61\x11\xBE\x1D\x8C\x02\x1E\x65\xB8\x91" +
	"\xC2\xA2\x11\x16\x7A\xBB\x8C\x5E\x07\x9E\x09\xE2\xC8\xA8\x33\x9C"

// messages counts the complete messages of a type in a stream, and the
// HelloRetryRequests among them.
func messages(h *stream.Half, typ byte) (n, retries int) {
	b := h.Data[:h.Contiguous()]
	for len(b) >= 4 {
		size := 4 + (int(b[1])<<16 | int(b[2])<<8 | int(b[3]))
		if size > len(b) {
			break
		}
		if b[0] == typ {
			n++
			if size >= 38 && string(b[6:38]) == retryRandom {
				retries++
			}
		}
		b = b[size:]
	}
	return n, retries
}

// complete reports whether both hellos are complete, with the second ClientHello
// if a HelloRetryRequest asked for it.
func (o *Opening) complete() bool {
	client, _ := messages(&o.Hello[stream.ToServer], msgClientHello)
	server, retries := messages(&o.Hello[stream.ToClient], msgServerHello)
	return server > retries && client > retries
}
