package quic

import (
	"bytes"

	"pfsight/capture/stream"
)

// An initial is an Initial packet of a half.
type initial struct {
	half stream.Dir
	from int // in Data
	end  int // of its datagram
	mark int
	done bool
}

// A cid is a connection ID.
type cid struct {
	b [maxCID]byte
	n uint8
	v Version
}

// flags are what the packet headers of a half show.
type flags struct {
	initial, zero, handshake, finished, one Packets
	strange                                 Packets // short headers with a connection ID that no long header had
	retry, negotiation                      bool
	cut                                     bool // the snaplen cut an Initial
	quic                                    bool
}

// earlier returns the first mark of two kinds of packets.
func earlier(a, b Packets) stream.Mark {
	if a.N == 0 || b.N > 0 && b.First.From < a.First.From {
		return b.First
	}
	return a.First
}

// datagrams calls do for each datagram of h. A half without marks is one
// datagram.
func datagrams(h *stream.Half, do func(m stream.Mark, i int)) {
	at := 0
	for i, m := range h.Marks {
		if int(m.From) < at || m.To <= m.From || int(m.To) > len(h.Data) {
			continue
		}
		at = int(m.To)
		do(m, i)
	}
	if len(h.Marks) == 0 && len(h.Data) > 0 {
		do(stream.Mark{To: uint32(len(h.Data))}, -1)
	}
}

// scan reads the headers of all packets of a half.
func (r *Reader) scan(h *stream.Half, d stream.Dir) {
	f := &r.flags[d]
	var known, last []byte // connection ID of the last long header, and of the last one in the datagram
	any := false           // a long header was seen
	datagrams(h, func(m stream.Mark, i int) {
		b := h.Data[:m.To]
		long := false
		for at := int(m.From); at < len(b); {
			p, ok := nextPacket(b, at)
			if !ok {
				if f.quic && !zeros(b[at:]) {
					r.problem(d, at, "packet header is malformed")
				}
				return
			}
			if p.kind == kindShort {
				n := len(b) - at
				switch {
				case n < minShort:
				case long && (b[at]&0x40 == 0 && len(last) == 0 || !bytes.HasPrefix(b[at+1:], last)):
				case long, any && len(known) > 0 && bytes.HasPrefix(b[at+1:], known), any && len(known) == 0 && b[at]&0x40 != 0:
					f.one.add(m)
				case b[at]&0x40 != 0:
					f.strange.add(m)
				}
				return
			}
			switch {
			case p.kind == kindNegotiation:
				if p.negotiates(b) {
					f.negotiation, f.quic = true, true
				}
				return
			case r.first[d] == 0:
				r.first[d] = p.version
			}
			if p.kind == kindUnknown {
				f.quic = f.quic || p.version.IsReserved()
				return
			}
			f.quic = true
			long, any, known, last = true, true, p.dcid, p.dcid
			r.version[d] = p.version
			switch p.kind {
			case kindInitial:
				f.initial.add(m)
				f.cut = f.cut || p.cut
				if len(r.initials) < maxInitials && (!p.cut || h.Cut) {
					r.initials = append(r.initials, initial{half: d, from: at, end: len(b), mark: i})
				}
			case kindZeroRTT:
				f.zero.add(m)
				r.early = keep(r.early, &p, p.dcid)
			case kindHandshake:
				f.handshake.add(m)
				if p.length >= minFinished {
					f.finished.add(m)
				}
			case kindRetry:
				f.retry = true
				r.retries = keep(r.retries, &p, p.scid)
				return
			}
			switch {
			case p.cut && !h.Cut:
				r.problem(d, at, "packet is longer than its datagram")
			case p.length < minProtected:
				r.problem(d, at, "packet is too short to be protected")
			}
			at = p.to
		}
	})
}

// minFinished is the least length of a Handshake packet that holds a Finished: a
// packet number, the header of a CRYPTO frame, the message of 36 bytes, and the
// tag. A packet with only acknowledgments is shorter.
const minFinished = 1 + 3 + 36 + 16

// keep adds a connection ID to a list of at most four.
func keep(list []cid, p *packet, id []byte) []cid {
	if len(id) == 0 || len(list) >= 4 || has(list, p.version, id) {
		return list
	}
	return append(list, newCID(p.version, id))
}

func newCID(v Version, id []byte) cid {
	c := cid{v: v}
	c.n = uint8(copy(c.b[:], id))
	return c
}

func has(list []cid, v Version, id []byte) bool {
	for i := range list {
		if c := &list[i]; c.v == v && bytes.Equal(c.b[:c.n], id) {
			return true
		}
	}
	return false
}

// zeros reports whether b is padding behind the last packet of a datagram.
func zeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// packet reads the header of an Initial again.
func (i *initial) packet(c *stream.Conversation) (b []byte, p packet) {
	b = c.Half[i.half].Data[:i.end]
	p, _ = nextPacket(b, i.from)
	return b, p
}

func (i *initial) markOf(c *stream.Conversation) stream.Mark {
	if i.mark < 0 {
		return stream.Mark{To: uint32(i.end)}
	}
	return c.Half[i.half].Marks[i.mark]
}
