package starttls

import (
	"encoding/binary"

	"pfsight/capture/stream"
)

// Opcodes of WebSocket frames, RFC 6455 section 5.2. Those from 8 on are of
// control frames.
const (
	wsContinuation = 0x0
	wsBinary       = 0x2
	wsClose        = 0x8
	wsPing         = 0x9
	wsPong         = 0xa
)

const (
	// maxControl is the longest payload of a control frame, RFC 6455 section
	// 5.5.
	maxControl = 125
	// maxFirstFrames is over how many frames the first bytes of TLS may be
	// spread. All send a record's header in one.
	maxFirstFrames = 16
	// maxFrame is the length that stands for all that are longer: of frames of
	// which no more than a part is looked at.
	maxFrame = 1 << 30
)

// A wsFrame is the header of a frame. Its payload follows it, each byte in
// turn masked with one of the four of key (RFC 6455 section 5.3), which is
// zero where there is none: of servers, and of clients that trust those
// between.
type wsFrame struct {
	opcode byte
	fin    bool // the message ends with it
	head   int  // bytes of the header
	n      int  // bytes of the payload, maxFrame if there are more
	key    [4]byte
}

func (f *wsFrame) control() bool { return f.opcode >= wsClose }

// unmask writes into out the bytes of the payload from the one at i on, which
// are b.
func (f *wsFrame) unmask(out, b []byte, i int) {
	for j := range b {
		out[j] = b[j] ^ f.key[(i+j)&3]
	}
}

// readFrame reads the header at the start of b. It returns next, more with the
// length of b that it needs, or no where that is no frame, one of an extension
// (its payload may be compressed), of text, or the last one.
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

// websocket reads a frame: control frames and empty ones until the first that
// brings data, with which TLS must begin.
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
		return no // RFC 6455 section 5.4: only what was begun is continued
	case f.n > 0:
		return w.firstData()
	}
	w.flags &^= flagCont
	if !f.fin {
		w.flags |= flagCont
	}
	return w.pass(f.head)
}

// firstData looks whether TLS begins with the payload of the frame at the
// unit, and of those after it if that is too short to tell.
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

// What the records in WebSocket frames have shown, in the Note of a half
// behind its status and layer.
const (
	followCCS   = 1 << (iota + 16) // ChangeCipherSpec
	followAlert                    // an alert in the clear that ends the handshake
	followHello                    // a handshake record in the clear
	followAfter                    // of the client: encrypted data after the server's hello
	followShort                    // and that may be a Finished alone
	followReply                    // of the server: encrypted data after that of the client
	followFits                     // the record that is being read may be a Finished alone, by its length
	followShift = 23               // from here on: how many records of encrypted data, 7 bits
)

// How many encrypted records of a half are passed over: those of a client are
// early data as long as the server has not said hello, those of a server are
// its flight in TLS 1.3.
const (
	maxEarlyData = 64
	maxFlight    = 16
)

// The bits of a follower's step in a Note.
const (
	followGot  = 7  // 3 bits
	followKind = 10 // 3 bits
)

// The kinds of a record; those of TLS are its type less 20. Of the others the
// first two bytes of the body decide.
const (
	kindCCS = iota
	kindAlert
	kindHandshake
	kindData
	kindOther
	kindHello   // after ChangeCipherSpec: a hello if its length begins with zero
	kindWarning // an alert, of the level warning
	kindLast    // ends what is to be followed
)

const recordTypes = 20 // of which kindCCS is the first

// A follower goes through the TLS records of one half that come in WebSocket
// frames, and says when no more of the handshake is expected: after the
// encrypted Finished of TLS <= 1.2, at an alert, or at a number of records or
// bytes. It lives in the Note of the half.
type follower struct {
	at    int    // the next byte to look at
	frame int    // where the header of its frame is; at, if it was not read
	left  int    // of the record's body; in its header, what is known of that
	got   int    // how many bytes of the record were read one by one: 5 are its header
	kind  int    // of the record
	seen  uint32 // the bits above
}

// follows reports whether the note is that of a follower.
func follows(n *stream.Note) bool { return n.Kind == noteFollow }

func following(n *stream.Note) follower {
	s := n.State
	return follower{
		at: n.Offset, frame: int(n.Aux & (1<<17 - 1)), left: int(n.Aux >> 17),
		got: int(s >> followGot & 7), kind: int(s >> followKind & 7), seen: s &^ (followCCS - 1),
	}
}

func (f *follower) note() stream.Note {
	return stream.Note{
		Kind: noteFollow, Offset: f.at, State: uint32(f.got)<<followGot | uint32(f.kind)<<followKind | f.seen,
		Aux: uint32(f.frame) | uint32(f.left)<<17,
	}
}

func (f *follower) data() int { return int(f.seen >> followShift) }

// limitFramed is where frames are followed no more.
const limitFramed = maxPreamble + maxFramed

// run goes on as far as b allows, of direction d, and returns the length of b
// that is needed for more, or that no more is wanted. Peer is what the other
// half has shown.
func (f *follower) run(b []byte, d stream.Dir, peer uint32) (want int, done bool) {
	for {
		h, need, r := readFrame(b[min(f.frame, len(b)):])
		switch {
		case f.frame >= limitFramed || r == no:
			return f.at, true
		case r == more:
			return f.frame + need, false
		}
		from := f.frame + h.head
		end := from + h.n
		if h.control() {
			f.at = end
		}
		for f.at = max(f.at, from); f.at < end; {
			if f.got >= recordStart && !f.peeks() {
				to := min(f.at+f.left, end)
				if to > limitFramed {
					return f.at, true
				}
				if to > len(b) {
					return to, false
				}
				f.left -= to - f.at
				f.at = to
			} else {
				if f.at >= len(b) {
					return f.at + 1, false
				}
				if !f.take(b[f.at] ^ h.key[(f.at-from)&3]) {
					return f.at, true
				}
				f.at++
			}
			if f.got >= recordStart && f.left == 0 && f.ends(d, peer) {
				return f.at, true
			}
		}
		f.frame = end
	}
}

// peeks reports whether the next byte of the record's body is wanted.
func (f *follower) peeks() bool {
	switch f.got {
	case recordStart:
		return f.kind == kindAlert && f.left == 2 || f.kind == kindHandshake && f.seen&followCCS != 0 && f.left > 2
	case recordStart + 1:
		return f.kind == kindHello || f.kind == kindWarning
	}
	return false
}

// take reads one byte of a record's header, or one of the first two of its
// body, and reports whether this is still a record.
func (f *follower) take(c byte) bool {
	switch f.got {
	case 0:
		f.kind = int(c) - recordTypes
		if f.kind < kindCCS || f.kind > kindOther {
			return false
		}
	case 1:
		f.left = int(c)
		if c != 3 && c != 1 {
			return false
		}
	case 2:
		if f.left == 3 && c > 4 || f.left == 1 && c != 1 {
			return false
		}
	case 3:
		f.left = int(c)
		if f.left > maxRecord>>8 {
			return false
		}
	case 4:
		if f.left = f.left<<8 | int(c); f.left > maxRecord {
			return false
		}
		f.seen &^= followFits
		if mayFinish(f.left) {
			f.seen |= followFits
		}
		if f.kind == kindAlert && f.left != 2 {
			f.kind = kindLast // encrypted
		}
	case 5:
		f.left--
		switch {
		case f.kind == kindAlert && c == 1:
			f.kind = kindWarning
		case f.kind == kindAlert:
			f.last()
		case c == 1 || c == 2:
			f.kind = kindHello
		default:
			f.kind = kindLast // Finished
		}
	case 6:
		f.left--
		switch {
		case f.kind == kindHello && c == 0:
			f.kind = kindHandshake // after a HelloRetryRequest
		case f.kind == kindHello:
			f.kind = kindLast
		case c == 0:
			f.last() // close_notify
		default:
			f.kind = kindOther
		}
	}
	f.got++
	return true
}

func (f *follower) last() {
	f.kind = kindLast
	if f.seen&followCCS == 0 {
		f.seen |= followAlert
	}
}

// ends takes the record that was read, and reports whether it is the last one.
func (f *follower) ends(d stream.Dir, peer uint32) bool {
	f.got = 0
	switch f.kind {
	case kindLast:
		return true
	case kindCCS:
		f.seen |= followCCS
	case kindHandshake:
		f.seen |= followHello
	case kindData:
		f.seen += 1 << followShift
		if d == stream.ToClient {
			if peer&followAfter != 0 {
				f.seen |= followReply
			}
			return f.data() >= maxFlight
		}
		if peer&followHello != 0 && f.seen&followAfter == 0 {
			f.seen |= followAfter
			if f.seen&followFits != 0 {
				f.seen |= followShort
			}
		}
		return f.data() >= maxEarlyData
	}
	return false
}

// maxRecord is the longest body of a record, RFC 5246 section 6.2.3.
const maxRecord = 1<<14 + 2048

// mayFinish reports whether an encrypted record of n bytes is as long as one
// of TLS 1.3 with a Finished or an alert alone.
func mayFinish(n int) bool {
	return n == 4+32+1+16 || n == 4+48+1+16 || n == 4+32+1+8 || n == 2+1+16
}

// follow goes on with the frames of Half[d].
func follow(c *stream.Conversation, d stream.Dir, f follower) {
	h, other := &c.Half[d], &c.Half[d.Opposite()]
	peer := uint32(0)
	if follows(&other.Note) {
		peer = other.Note.State
	}
	h.Want, h.Done = f.run(h.Data[:h.Contiguous()], d, peer)
	h.Note = f.note()
}

// followed reports whether what both halves have shown together is a whole
// handshake: an alert that was no monologue, or in TLS 1.3 encrypted data of
// the client after the server's hello, and of the server; where the client's
// is more than a Finished, after that.
func followed(c *stream.Conversation) bool {
	client, server := &c.Half[stream.ToServer], &c.Half[stream.ToClient]
	if !follows(&client.Note) || !follows(&server.Note) {
		return false
	}
	cl, sv := client.Note.State, server.Note.State
	switch {
	case cl&followAlert != 0 && server.Holds(client.Completed(client.Note.Offset-1, client.Note.Offset)),
		sv&followAlert != 0 && client.Holds(server.Completed(server.Note.Offset-1, server.Note.Offset)):
		return true // and what was refused is there
	case cl&followAfter == 0:
		return false
	}
	return server.Done || sv&followReply != 0 || cl&followShort != 0 && sv>>followShift != 0
}
