package quic

import "pfsight/capture/stream"

// Bits of stream.Note.State: what the packets of a half have shown.
const (
	askInitial   = 1 << iota
	askZero      // 0-RTT
	askHandshake // Handshake
	askOne       // what looks like 1-RTT
	askServer    // Version Negotiation or Retry
	askOther     // a long header of another version
	askLooked    // on both: it was looked when the client's Finished came
	askFinished  // a Handshake packet that is long enough for a Finished
	askProgress  = askHandshake | askOne
)

// Limits of what is waited for, in datagrams of either side, after the packets
// of one side or both have shown that the ServerHello was sent.
const (
	askLate    = 16 // after a Handshake packet of the client, for its Finished: long chains of certificates are acknowledged part by part
	askReorder = 24 // for a hello that is not complete, as after reordering
	askOneSide = 48 // where the other direction was not captured so far: it may be late
	askSilence = 48 // for Handshake packets of the other side
)

// An Asker keeps the memory that its method Ask needs. The zero value is ready;
// one goroutine uses it.
type Asker struct{ reader Reader }

// Ask is the stream.Asker of QUIC. It reads the headers of the packets in
// Half[d], each once. When both sides have shown that the ServerHello was
// sent and read, it looks whether both hellos are there, which means to
// decrypt the Initials; that is done at most five times in a conversation,
// and nearly always once. It waits for a packet of the client that may hold its
// Finished, or a 1-RTT one, for that shows that the handshake succeeded, but
// not for long.
//
// The verdict is Refuse where the first datagrams are none of QUIC's.
func (a *Asker) Ask(c *stream.Conversation, d stream.Dir) stream.Verdict {
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
	last := client.Full || client.Done // no more of it will be seen
	cl, sv := last || client.Note.State&askProgress != 0, server.Note.State&askProgress != 0
	one, both := &c.Half[stream.ToServer].Note.Aux, &c.Half[stream.ToClient].Note.Aux // datagrams since
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
	// Of both sides, since either may be the client: the server's datagrams may
	// have come first.
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

// walk reads the headers of the datagrams of a half that were not looked at.
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
