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
	askProgress  = askHandshake | askOne
)

// Limits of what is waited for, in datagrams of either side, after the packets
// of one side or both have shown that the ServerHello was sent.
const (
	askLate    = 4  // after a Handshake packet of the client, for a 1-RTT packet
	askReorder = 16 // for a hello that is not complete, as after reordering
	askOneSide = 8  // where the other direction is not captured
	askSilence = 32 // for Handshake packets of the other side
)

// Ask is the stream.Asker of QUIC. It reads the headers of the packets in
// Half[d], each once. When both sides have shown that the ServerHello was
// sent and read, it looks whether both hellos are there, which means to
// decrypt the Initials; that is done at most five times in a conversation,
// and nearly always once. It waits for a 1-RTT packet of the client, for that
// alone shows that the handshake succeeded, but not for long.
//
// The verdict is Refuse where the first datagrams are none of QUIC's.
func Ask(c *stream.Conversation, d stream.Dir) stream.Verdict {
	h, other := &c.Half[d], &c.Half[d.Opposite()]
	walk(h)
	h.Want = len(h.Data) + 1
	if h.Note.State == 0 && other.Note.State == 0 {
		return stream.Refuse
	}
	client, server := &c.Half[stream.ToServer], &c.Half[stream.ToClient]
	if client.Note.State&askServer != 0 {
		client, server = server, client
	}
	cl, sv := client.Note.State&askProgress != 0, server.Note.State&askProgress != 0
	if !cl && !sv {
		return stream.More
	}
	n := &c.Half[stream.ToServer].Note.Aux // datagrams since there was progress
	*n++
	limit := uint32(askSilence)
	switch {
	case cl && sv:
		limit = askReorder
	case !client.Seen() || !server.Seen():
		limit = askOneSide
	}
	if *n >= limit {
		return stream.Enough
	}
	// At a power of two, or when what was waited for has come.
	came := client.Note.State&askOne != 0 || client.Full || client.Done
	if !cl || !sv || !came && *n < askLate || *n&(*n-1) != 0 && c.Half[stream.ToClient].Note.Aux != 0 {
		return stream.More
	}
	c.Half[stream.ToClient].Note.Aux = 1
	var r Reader
	if o := r.Read(c); o != nil && (o.Close.Seen || o.complete()) {
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
