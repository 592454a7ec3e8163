package dtls

import (
	"pfsight/capture/stream"
	"pfsight/parse/turn"
)

// Bits of stream.Note.State. Note.Offset is the end of the datagrams that were
// read.
const (
	askSeen      = 1 << iota // a record of DTLS
	askClient                // a ClientHello
	askServer                // a ServerHello or HelloVerifyRequest
	askFlight                // the end of a server's flight: ServerHelloDone
	askProtected             // what follows the hellos under new keys
	askAlert                 // an alert in the clear that ends the half
	askChanged               // the end of epoch 0: a ChangeCipherSpec, or a unified header, which needs none
	askAnswer                // a ServerHello that is no HelloRetryRequest
	askShift     = 8         // from here on: how many datagrams
)

// Parts of stream.Note.Aux: the number of protected records, the number of
// records of epoch 0, and one more than the highest sequence number of the
// latter. Each part stops at its largest value. stream.Note.Window has the latest
// sequence numbers, so that copies of a record do not count.
const (
	auxPlain   = 1 << 8
	auxHighest = 1 << 20
	auxMax     = 1<<12 - 1
)

const (
	// maxStrange is how many datagrams of a half may be of other protocols before
	// a conversation without a DTLS record is refused.
	maxStrange = 8
	// maxSilent is how many datagrams of a half may pass before a conversation
	// without a hello is refused.
	maxSilent = 48
	// maxData is the number of protected records of a half after which a missing
	// record of epoch 0 is taken to be lost, and after which application data
	// prove a Finished or a ChangeCipherSpec that was not seen. The first
	// application data may overtake them.
	maxData = 8
	// minFinished is the least length of a protected record of the client in
	// epoch 2 that is neither an alert nor an ACK of a record or two: the message
	// header, 32 bytes, the content type, and the shortest tag.
	minFinished = messageHeader + 32 + 1 + 8
)

// Ask is the stream.Asker of DTLS. It reads the records of each datagram once. A
// handshake is complete when both sides have used new keys: in DTLS <= 1.2 for
// the encrypted Finished, in DTLS 1.3 for the first records with a unified
// header, except early data and ACKs of the client. The side that sends its
// Finished second has received all messages of the other side by then. Ask waits
// a little longer if records of epoch 0 may still come: if there is a hole in
// their sequence numbers, or a Finished without its ChangeCipherSpec. An alert
// ends its half. It ends the other half too, if that has shown what the alert
// refuses, because either may arrive late.
func Ask(c *stream.Conversation, d stream.Dir) stream.Decision {
	h, other := &c.Half[d], &c.Half[d.Opposite()]
	n := &h.Note
	for !h.Done && n.Offset < len(h.Data) {
		i, end := int(n.State>>askShift), len(h.Data)
		if i < len(h.Marks) && int(h.Marks[i].From) == n.Offset && int(h.Marks[i].To) > n.Offset {
			end = min(end, int(h.Marks[i].To))
		}
		askDatagram(n, h.Data[n.Offset:end])
		n.Offset = end
		n.State += 1 << askShift
		if n.Aux%auxPlain >= maxRecords {
			h.Done = true
		}
	}
	h.Want = len(h.Data) + 1
	either := n.State | other.Note.State
	switch seen := int(n.State >> askShift); {
	case over(n, &other.Note) && over(&other.Note, n):
		h.Done, other.Done = true, true
	case either&askSeen == 0 && seen >= maxStrange, either&(askClient|askServer) == 0 && seen >= maxSilent:
		return stream.Refuse
	}
	if h.Done && other.Done {
		return stream.Enough
	}
	return stream.More
}

// over reports whether nothing more is expected of the half with the note n.
func over(n, peer *stream.Note) bool {
	switch {
	case n.State&askAlert != 0, n.State&askProtected != 0 && gapless(n, peer):
		return true
	case peer.State&askAlert == 0:
		return false
	case peer.State&askServer != 0:
		return n.State&askClient != 0 // the server refuses after its hello
	case peer.State&askClient != 0:
		return n.State&askFlight != 0 && holes(n) == 0 // the client refuses the server's flight
	}
	return n.State&askClient != 0 // the server refuses the ClientHello
}

// holes returns the number of records of epoch 0 that were overtaken or lost.
func holes(n *stream.Note) int {
	return max(int(n.Aux/auxHighest)-int(n.Aux/auxPlain%(auxMax+1)), 0)
}

// gapless reports whether no record of epoch 0 is missing. Records at the end of
// epoch 0 that are late leave no hole, so the hellos are checked too.
func gapless(n, peer *stream.Note) bool {
	hellos := n.State&(askClient|askAnswer) != 0 && (n.State|peer.State)&askAnswer != 0
	return hellos && n.State&askChanged != 0 && holes(n) == 0 || n.Aux%auxPlain >= maxData
}

// askDatagram reads the records of one datagram.
func askDatagram(n *stream.Note, b []byte) {
	off := 0
	if isCapwap(b) {
		off = capwapHeader
	} else if from, to, ok := turn.Unwrap(b); ok {
		b, off = b[:to], from
	}
	for off < len(b) {
		r, s := nextRecord(b, off, -1)
		if s != have {
			return
		}
		n.State |= askSeen
		if r.hasCID {
			askProtectedRecord(n, r, len(b)-off)
			return // its end is not known here
		}
		if r.epoch != 0 || r.typ == RecordUnified {
			askProtectedRecord(n, r, r.to-r.from)
		} else {
			number(n, min(r.seq, auxMax-1)+1)
			askPlain(n, r.typ, b[min(r.from, len(b)):min(r.to, len(b))])
		}
		off = r.to
	}
}

// number counts a record of epoch 0 with a sequence number of seq-1, unless it is
// a copy. It remembers the latest 32 numbers, as in RFC 6347 section 4.1.2.6.
func number(n *stream.Note, seq uint32) {
	count, highest := n.Aux/auxPlain%(auxMax+1), n.Aux/auxHighest
	if seq > highest {
		n.Window = n.Window<<(seq-highest) | 1
		highest = seq
	} else if back := highest - seq; n.Window&(1<<back) != 0 {
		return
	} else {
		n.Window |= 1 << back
	}
	n.Aux = n.Aux%auxPlain + min(count+1, auxMax)*auxPlain + highest*auxHighest
}

// askProtectedRecord notes a record of a later epoch that has length bytes.
func askProtectedRecord(n *stream.Note, r record, length int) {
	if n.Aux%auxPlain < auxPlain-1 {
		n.Aux++
	}
	if r.typ == RecordUnified {
		n.State |= askChanged
	}
	if r.typ == RecordUnified && n.State&askServer == 0 {
		if r.epoch == 1 || r.epoch == 2 && length < minFinished {
			return // early data, an ACK, or an alert
		}
	}
	switch {
	case r.typ == RecordAlert:
		return // the Finished was sent before it, but may be late
	case r.typ == RecordApplicationData && n.Aux%auxPlain < maxData:
		return
	}
	n.State |= askProtected
}

func askPlain(n *stream.Note, typ uint8, b []byte) {
	switch typ {
	case RecordChangeCipherSpec:
		n.State |= askChanged
	case RecordAlert:
		// Fatal, or close_notify. Other warnings end nothing.
		if len(b) == 2 && (b[0] == 2 || b[1] == 0) {
			n.State |= askAlert
		}
	case RecordHandshake:
		for len(b) >= messageHeader {
			f, ok := readFragment(b)
			if !ok {
				return
			}
			switch f.typ {
			case TypeClientHello:
				n.State |= askClient
			case TypeServerHello:
				n.State |= askServer
				if body := b[messageHeader:]; f.off == 0 && len(body) >= helloHead && string(body[2:helloHead]) != retryRandom {
					n.State |= askAnswer
				}
			case TypeHelloVerifyRequest:
				n.State |= askServer
			case typeServerHelloDone:
				n.State |= askFlight
			}
			b = b[min(messageHeader+f.len, len(b)):]
		}
	}
}
