package quic

import "pfsight/capture/stream"

// Bits of stream.Note.State: the packets that a half has shown.
const (
	askInitial   = 1 << iota
	askZero      // 0-RTT
	askHandshake // Handshake
	askOne       // what looks like 1-RTT
	askServer    // Version Negotiation or Retry
	askOther     // a long header of another version
	askLooked    // in both halves: the Initials were decrypted when the client's Finished came
	askFinished  // a Handshake packet that is long enough for a Finished
	askProgress  = askHandshake | askOne
)

// Limits of waiting, in datagrams of either side, after one side or both have
// shown that the ServerHello was sent.
const (
	askLate    = 16 // after a Handshake packet of the client, for its Finished: long chains of certificates are acknowledged part by part
	askReorder = 24 // for the rest of a hello, after reordering
	askOneSide = 48 // for the other direction, if nothing of it was captured so far
	askSilence = 48 // for Handshake packets of the other side
)

// An Asker keeps the memory that its method Ask needs. The zero value is ready;
// one goroutine uses it.
type Asker struct{ reader Reader }

// Ask is the stream.Asker of QUIC. It reads the headers of the packets in
// Half[d] once. When both sides have shown that the ServerHello was sent and
// read, it decrypts the Initials to see whether both hellos are complete. It does
// so at most five times in a conversation, and nearly always once. It waits a
// little for a packet of the client that may hold its Finished, or for a 1-RTT
// packet, which show that the handshake succeeded.
//
// The verdict is Refuse if the first datagrams are not QUIC.
func (a *Asker) Ask(c *stream.Conversation, d stream.Dir) stream.Decision {
	h, other := &c.Half[d], &c.Half[d.Opposite()]
	walk(h)
	h.Want = len(h.Data) + 1
	if h.Note.State|other.Note.State == 0 {
		return stream.Refuse
	}
	client, server := &c.Half[stream.ToServer], &c.Half[stream.ToClient]
	if client.Note.State&askServer != 0 {
		client, server = server, client
	}
	last := client.Full || client.Done // nothing more of it is kept
	cl, sv := last || client.Note.State&askProgress != 0, server.Note.State&askProgress != 0
	one, both := &c.Half[stream.ToServer].Note.Aux, &c.Half[stream.ToClient].Note.Aux // datagrams since one side, and since both, have shown that the ServerHello was sent
	switch {
	case !cl && !sv:
		return stream.More
	case !cl || !sv:
		*one++
		if *one >= askSilence || *one >= askOneSide && !(client.Seen() && server.Seen()) {
			return stream.Enough
		}
		return stream.More
	}
	*both++
	// Both sides count, because the server's datagrams may have come first, so
	// that either may be the client.
	came := last || client.Note.State&(askOne|askFinished) != 0 && server.Note.State&(askOne|askFinished) != 0
	switch {
	case *both >= askReorder:
		return stream.Enough
	case came && h.Note.State&other.Note.State&askLooked == 0: // for the first time
		h.Note.State |= askLooked
		other.Note.State |= askLooked
	case !came && *both < askLate, *both&(*both-1) != 0:
		return stream.More
	}
	o := a.reader.Read(c)
	if o == nil {
		return stream.More
	}
	finished := o.OneRTT[stream.ToServer].N+o.Finished[stream.ToServer].N > 0
	if o.Close.Seen || o.complete() && (finished || last || *both >= askLate) {
		return stream.Enough
	}
	return stream.More
}

// walk reads the headers of the datagrams of a half that are new.
func walk(h *stream.Half) {
	i := len(h.Marks)
	for i > 0 && int(h.Marks[i-1].From) >= h.Note.Offset {
		i--
	}
	for _, m := range h.Marks[i:] {
		if int(m.To) > len(h.Data) {
			break
		}
		b, long := h.Data[:m.To], false
		for at := int(m.From); at < len(b); {
			p, ok := nextPacket(b, at)
			if !ok {
				break
			}
			h.Note.State |= bits(b, at, &p, long)
			at, long = p.to, true
		}
	}
	h.Note.Offset = len(h.Data)
}

func bits(b []byte, at int, p *packet, long bool) uint32 {
	switch p.kind {
	case kindInitial:
		return askInitial
	case kindZeroRTT:
		return askZero
	case kindHandshake:
		if p.length >= minFinished {
			return askHandshake | askFinished
		}
		return askHandshake
	case kindRetry:
		return askServer
	case kindNegotiation:
		if p.negotiates(b) {
			return askServer
		}
	case kindUnknown:
		if p.version.IsReserved() {
			return askOther
		}
	case kindShort:
		if b[at]&0x40 != 0 && len(b)-at >= minShort {
			return askOne
		}
	}
	return 0
}
