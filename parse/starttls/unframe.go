package starttls

import (
	"encoding/binary"
	"slices"

	"pfsight/capture/stream"
)

// Unframe writes to out the TLS stream of h, the half of direction d, without the
// TDS packets around its beginning, the WebSocket frames around all of it, or
// GridFTP's base64. The stream ends at the last frame, or where TDS continues
// without TLS.
//
// Marks and gaps are mapped to the new stream. A gap that hides the start of a
// frame ends the stream, and sets Cut. Unframe reuses the memory of out's Data,
// Gaps and Marks, which must not be h's.
func (u *Upgrade) Unframe(d stream.Dir, h, out *stream.Half) {
	x := unframer{h: h, data: out.Data[:0], gaps: out.Gaps[:0]}
	marks := out.Marks[:0]
	*out = *h
	out.Want, out.Done, out.Note = 0, false, stream.Note{}
	switch at := max(u.From[d], 0); u.Protocol {
	case layerWebSocket.String():
		x.websocket(at)
	case layerTDS.String():
		x.tds(at)
	default:
		x.adat(at, d)
	}
	for _, m := range h.Marks {
		f, t := x.where(int(m.From)), x.where(int(m.To))
		if f < t {
			m.From, m.To = uint32(f), uint32(t)
			marks = append(marks, m)
		}
	}
	out.Data, out.Gaps, out.Marks, out.Cut = x.data, x.gaps, marks, h.Cut || x.lost
}

// An unframer extracts the contents of frames.
type unframer struct {
	h      *stream.Half
	data   []byte
	pieces []piece
	gaps   []stream.Gap
	lost   bool // a gap hides the start of a frame
	gap    int  // index in h.Gaps of the first gap that is not before the current position
}

// A piece maps the bytes [from, to) of the half to n bytes at out in the result.
type piece struct{ from, to, out, n int }

// add appends the bytes [from, to) of the half.
func (x *unframer) add(from, to int) {
	if from < to {
		x.pieces = append(x.pieces, piece{from, to, len(x.data), to - from})
		x.data = append(x.data, x.h.Data[from:to]...)
	}
}

// where returns the number of bytes in the result that are from before at.
func (x *unframer) where(at int) int {
	i, found := slices.BinarySearchFunc(x.pieces, at, func(p piece, at int) int { return p.from - at })
	if found {
		return x.pieces[i].out
	}
	if i == 0 {
		return 0
	}
	p := x.pieces[i-1]
	if at >= p.to {
		return p.out + p.n
	}
	return p.out + (at-p.from)*p.n/(p.to-p.from)
}

// missing reports whether a byte of [from, to) is in a gap. from must not decrease
// from call to call.
func (x *unframer) missing(from, to int) bool {
	g := x.h.Gaps
	for x.gap < len(g) && g[x.gap].To <= from {
		x.gap++
	}
	return x.gap < len(g) && g[x.gap].From < to
}

// websocket extracts and unmasks the payloads of WebSocket frames.
func (x *unframer) websocket(at int) {
	b := x.h.Data
	for at < len(b) {
		if x.missing(at, at+2) {
			x.lost = true
			return
		}
		f, _, r := readFrame(b[at:])
		if r == no {
			return
		}
		if x.missing(at, at+f.head) {
			x.lost = true
			return
		}
		if r == more {
			return
		}
		from, to := at+f.head, min(at+f.head+f.n, len(b))
		if !f.control() && from < to {
			out := len(x.data)
			x.add(from, to)
			f.unmask(x.data[out:], x.data[out:], 0)
			for x.missing(from, to) {
				g := x.h.Gaps[x.gap]
				x.gaps = append(x.gaps, stream.Gap{From: max(g.From, from) - from + out, To: min(g.To, to) - from + out})
				if g.To > to {
					break
				}
				x.gap++
			}
		}
		at += f.head + f.n
	}
}

// tds extracts the handshake from TDS packets. After it TLS continues without them.
func (x *unframer) tds(at int) {
	b := x.h.Data[:x.h.Contiguous()]
	x.lost = len(b) < len(x.h.Data)
	for at < len(b) {
		if len(b)-at < tdsHeader+2 && (b[at] == tdsPrelogin || b[at] == tdsTabular) {
			return
		}
		n, ok := 0, false
		if len(b)-at >= tdsHeader+2 {
			n, ok = frame(b[at:])
		}
		if !ok {
			x.add(at, endOfTLS(b, at))
			return
		}
		x.add(at+tdsHeader, min(at+n, len(b)))
		at += n
	}
}

// endOfTLS returns the index after the TLS records that begin at at. TDS follows if
// only the login is encrypted (MS-TDS section 2.2.6.5). Bytes that are neither
// count as TLS.
func endOfTLS(b []byte, at int) int {
	for at < len(b) {
		r := b[at:]
		if r[0] < recordTypes || r[0] > recordTypes+kindOther || len(r) > 1 && r[1] != 3 {
			if isTDS(r) {
				return at
			}
			break
		}
		if len(r) < recordStart {
			break
		}
		at += recordStart + int(binary.BigEndian.Uint16(r[3:]))
	}
	return len(b)
}

// isTDS reports whether b begins like a TDS packet or like an SMP packet, which
// carries one of several sessions (MC-SMP section 2.2.1).
func isTDS(b []byte) bool {
	switch b[0] {
	case 0x01, 0x02, 0x03, tdsTabular, 0x06, 0x07, 0x08, 0x0e, 0x10, 0x11, tdsPrelogin:
		return (len(b) < 2 || b[1] < 0x20) && (len(b) < 4 || binary.BigEndian.Uint16(b[2:]) >= tdsHeader)
	case 0x53:
		return len(b) < 2 || b[1] < 0x10
	}
	return false
}
