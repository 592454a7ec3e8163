package starttls

import "pfsight/capture/stream"

// Bits of stream.Note.State: what the records in WebSocket frames showed.
const (
	followCCS   = 1 << (iota + 16) // ChangeCipherSpec
	followAlert                    // a plaintext alert that ends the handshake
	followHello                    // a plaintext handshake record
	followAfter                    // client: encrypted data after the ServerHello
	followShort                    // client: these may be only a Finished
	followReply                    // server: encrypted data after those of the client
	followFits                     // the current record may be only a Finished, by its length
	followShift = 23               // position of the number of encrypted records, 7 bits
)

// The numbers of encrypted records that are followed. A client's may be early data
// before the ServerHello; a server's are its flight in TLS 1.3.
const (
	maxEarlyData = 64
	maxFlight    = 16
)

// Positions of a follower's other fields in State.
const (
	followGot  = 7  // 3 bits
	followKind = 10 // 3 bits
)

// The kinds of records. The first five are the record type minus recordTypes. The
// others depend on the first two bytes of the body.
const (
	kindCCS = iota
	kindAlert
	kindHandshake
	kindData
	kindOther
	kindHello   // after ChangeCipherSpec: maybe a hello; the next byte decides
	kindWarning // an alert of level warning; the next byte decides
	kindLast    // the last record to be followed
)

const recordTypes = 20 // the lowest record type, ChangeCipherSpec

// A follower reads the TLS records in the WebSocket frames of one half. It is done
// after the encrypted Finished of TLS <= 1.2, an alert, or a limit of records or
// bytes. Its state is in the Note of the half.
type follower struct {
	at    int    // index of the next byte
	frame int    // index of the header of the frame; equal to at if not read
	left  int    // bytes left of the record's body; in the header, its length so far
	got   int    // bytes of the record that take has read; the first 5 are the header
	kind  int    // kind of the record
	seen  uint32 // the bits follow*
}

// follows reports whether n is the state of a follower.
func follows(n *stream.Note) bool { return n.Kind == noteFollow }

// following returns the follower whose state is n.
func following(n *stream.Note) follower {
	s := n.State
	return follower{
		at: n.Offset, frame: int(n.Aux & (1<<17 - 1)), left: int(n.Aux >> 17),
		got: int(s >> followGot & 7), kind: int(s >> followKind & 7), seen: s &^ (followCCS - 1),
	}
}

// note returns the state of f.
func (f *follower) note() stream.Note {
	return stream.Note{
		Kind: noteFollow, Offset: f.at, State: uint32(f.got)<<followGot | uint32(f.kind)<<followKind | f.seen,
		Aux: uint32(f.frame) | uint32(f.left)<<17,
	}
}

// data returns the number of encrypted records.
func (f *follower) data() int { return int(f.seen >> followShift) }

// limitFramed is the index in Data at which following ends.
const limitFramed = maxPreamble + maxFramed

// run follows b, the data of direction d, and returns the length of b that it needs
// to continue, or done. peer is the State of the other half's follower.
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

// peeks reports whether take needs the next byte of the body.
func (f *follower) peeks() bool {
	switch f.got {
	case recordStart:
		return f.kind == kindAlert && f.left == 2 || f.kind == kindHandshake && f.seen&followCCS != 0 && f.left > 2
	case recordStart + 1:
		return f.kind == kindHello || f.kind == kindWarning
	}
	return false
}

// take reads one byte of a record's header or one of the first two of its body. It
// reports false if this is not a record.
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

// last ends the handshake at an alert.
func (f *follower) last() {
	f.kind = kindLast
	if f.seen&followCCS == 0 {
		f.seen |= followAlert
	}
}

// ends updates the state after a record and reports whether it is the last one.
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

// maxRecord is the maximum length of a record's body, RFC 5246 section 6.2.3.
const maxRecord = 1<<14 + 2048

// mayFinish reports whether an encrypted TLS 1.3 record of n bytes may contain only
// a Finished or an alert.
func mayFinish(n int) bool {
	return n == 4+32+1+16 || n == 4+48+1+16 || n == 4+32+1+8 || n == 2+1+16
}

// follow runs the follower of Half[d].
func follow(c *stream.Conversation, d stream.Dir, f follower) {
	h, other := &c.Half[d], &c.Half[d.Opposite()]
	peer := uint32(0)
	if follows(&other.Note) {
		peer = other.Note.State
	}
	h.Want, h.Done = f.run(h.Data[:h.Contiguous()], d, peer)
	h.Note = f.note()
}

// followed reports whether both halves together show the end of the handshake: an
// alert, or in TLS 1.3 encrypted data of the client after the ServerHello and of
// the server. If the client's data are more than a Finished, the server's have to
// follow them.
func followed(c *stream.Conversation) bool {
	client, server := &c.Half[stream.ToServer], &c.Half[stream.ToClient]
	if !follows(&client.Note) || !follows(&server.Note) {
		return false
	}
	cl, sv := client.Note.State, server.Note.State
	switch {
	case cl&followAlert != 0 && server.Holds(client.Completed(client.Note.Offset-1, client.Note.Offset)),
		sv&followAlert != 0 && client.Holds(server.Completed(server.Note.Offset-1, server.Note.Offset)):
		return true // and everything before the alert was captured
	case cl&followAfter == 0:
		return false
	}
	return server.Done || sv&followReply != 0 || cl&followShort != 0 && sv>>followShift != 0
}
