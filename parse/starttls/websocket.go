package starttls

import "encoding/binary"

// Opcodes of WebSocket frames, RFC 6455 section 5.2. From 8 on they are control
// frames.
const (
	wsContinuation = 0x0
	wsBinary       = 0x2
	wsClose        = 0x8
	wsPing         = 0x9
	wsPong         = 0xa
)

const (
	// maxControl is the maximum payload of a control frame, RFC 6455 section 5.5.
	maxControl = 125
	// maxFirstFrames is the number of frames that may carry the first record
	// header. Known implementations use one.
	maxFirstFrames = 16
	// maxFrame is used as the length of frames that are longer. Only their start
	// is read.
	maxFrame = 1 << 30
)

// A wsFrame is the header of a frame. The payload follows, masked with key (RFC 6455
// section 5.3). key is zero in frames without a mask: those of servers and of some
// clients.
type wsFrame struct {
	opcode byte
	fin    bool // the last frame of a message
	head   int  // length of the header
	n      int  // length of the payload, at most maxFrame
	key    [4]byte
}

func (f *wsFrame) control() bool { return f.opcode >= wsClose }

// unmask writes b, the payload from index i on, to out without the mask.
func (f *wsFrame) unmask(out, b []byte, i int) {
	for j := range b {
		out[j] = b[j] ^ f.key[(i+j)&3]
	}
}

// readFrame reads the header at the start of b. The result is more if it needs need
// bytes, and no if b is not a frame, or a frame that does not carry TLS: text, close,
// or with an extension, which may compress the payload.
func readFrame(b []byte) (f wsFrame, need int, r result) {
	if len(b) < 1 {
		return f, 1, more
	}
	f.opcode, f.fin = b[0]&0x0f, b[0]&0x80 != 0
	switch {
	case b[0]&0x70 != 0, f.control() && !f.fin:
		return f, 0, no
	case f.opcode != wsContinuation && f.opcode != wsBinary && f.opcode != wsPing && f.opcode != wsPong:
		return f, 0, no
	case len(b) < 2:
		return f, 2, more
	}
	f.head, f.n = 2, int(b[1]&0x7f)
	if f.n > maxControl && f.control() {
		return f, 0, no
	}
	masked := b[1]&0x80 != 0
	switch f.n {
	case 126:
		f.head = 4
	case 127:
		f.head = 10
	}
	at := f.head
	if masked {
		f.head += len(f.key)
	}
	if len(b) < f.head {
		return f, f.head, more
	}
	switch at {
	case 4:
		f.n = int(binary.BigEndian.Uint16(b[2:]))
	case 10:
		n := binary.BigEndian.Uint64(b[2:])
		if n>>63 != 0 {
			return f, 0, no
		}
		f.n = int(min(n, maxFrame))
	}
	if masked {
		copy(f.key[:], b[at:])
	}
	return f, 0, next
}

// websocket reads one frame. Control frames and empty frames may precede the first
// one with data, with which TLS must begin.
func (w *walker) websocket() result {
	f, need, r := readFrame(w.rest())
	switch {
	case r == more:
		return w.need(need)
	case r == no:
		return no
	case f.control():
		return w.pass(f.head + f.n)
	case (f.opcode == wsContinuation) != (w.flags&flagCont != 0):
		return no // RFC 6455 section 5.4: an unexpected or missing continuation
	case f.n > 0:
		return w.firstData()
	}
	w.flags &^= flagCont
	if !f.fin {
		w.flags |= flagCont
	}
	return w.pass(f.head)
}

// firstData returns tls if TLS begins with the payload of the frame at the unit. If
// the payload is short, it uses those of the next frames too.
func (w *walker) firstData() result {
	var data [recordStart]byte
	got, at := 0, w.unit
	for range maxFirstFrames {
		f, need, r := readFrame(w.b[min(at, len(w.b)):])
		if r == more {
			return w.need(at - w.unit + need)
		}
		if r == no {
			return no
		}
		if !f.control() {
			n := min(f.n, len(data)-got)
			b := w.b[at+f.head:]
			b = b[:min(n, len(b))]
			f.unmask(data[got:], b, 0)
			got += len(b)
			switch r := recordAt(data[:got], w.dir); {
			case r == next:
				return no
			case r == tls:
				return tls
			case len(b) < n:
				return w.need(at - w.unit + f.head + len(b) + 1)
			}
		}
		at += f.head + f.n
	}
	return no
}
