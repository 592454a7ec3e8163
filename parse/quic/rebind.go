package quic

import (
	"bytes"
	"slices"

	"pfsight/capture/stream"
)

// Limits of the work for one datagram.
const (
	maxNumbers = 16 // Initials of the client: a ClientHello and its retransmissions have fewer
	maxChosen  = 4  // connection IDs that keys may follow from
	maxKeys    = 12 // connection IDs that they are derived from
	maxOpened  = 96 // decryptions, of which nearly all succeed
)

// A Rebinder is a stream.Rebinder: the names of a connection are its connection
// IDs. A client may not migrate before the handshake is confirmed, but a NAT
// may give it another port or address at any time, RFC 9000 section 9. The
// zero value is ready.
type Rebinder struct {
	opener   opener
	keys     pair
	ids      []cid // see chosen
	crypto   crypto
	numbers  []int64
	repeated bool // a packet number came twice, or there are too many
	repeats  bool // a part of the ClientHello came twice, and was the same
	derived  int
	opened   int
}

// ConnIDs returns the connection IDs of a packet with a long header of a known
// version. A short header has no length of its connection ID.
func (*Rebinder) ConnIDs(b []byte) (to, from []byte, ok bool) {
	if len(b) < 7 || b[0]&0x80 == 0 {
		return nil, nil, false
	}
	p, ok := nextPacket(b, 0)
	if !ok || p.kind > kindRetry || p.kind != kindRetry && p.length < minProtected {
		return nil, nil, false
	}
	return p.dcid, p.scid, true
}

// Same reports whether a datagram with the client's connection ID in c was sent
// by this client from another address, or by the server to it. A datagram that c
// holds already is not: then both sides of a NAT are captured. A connection ID
// that the server chose in c belongs to this connection only. Any other
// connection ID may belong to another one: that of the client's first Initials if
// a client chooses all alike, and a later one of the server, which is sent
// encrypted. Then an Initial has to prove it. It is protected with keys of c; and
// one of the client has a packet number that is new in c, as RFC 9000 section
// 12.3 demands, and agrees with the ClientHello in c.
func (l *Rebinder) Same(c *stream.Conversation, d stream.Dir, b []byte) bool {
	if copied(&c.Half[d], b) {
		return false
	}
	p, ok := nextPacket(b, 0)
	if !ok || p.kind > kindRetry {
		return false
	}
	l.derived, l.opened = 0, 0
	its, clients := p.dcid, p.scid
	if d == stream.ToClient {
		its, clients = clients, its
	}
	l.chosen(&c.Half[stream.ToServer])
	if !has(l.ids, p.version, its) && holds(&c.Half[stream.ToClient], clients, its) {
		return true
	}
	for i := range l.ids {
		if id := &l.ids[i]; id.v == p.version {
			l.keys.start(id.v, id.b[:id.n])
			if l.reset(); l.add(d, b, 0) > 0 {
				return d == stream.ToClient || l.more(&c.Half[stream.ToServer], b, id)
			}
		}
	}
	if d == stream.ToServer && p.kind == kindInitial && len(p.token) > 0 && len(l.ids) > 0 {
		// After a Retry that was not captured the hello is the same, RFC 9000
		// section 17.2.5.3.
		first := l.ids[0]
		id := newCID(p.version, p.dcid)
		l.keys.start(first.v, first.b[:first.n])
		return first.v == p.version && l.more(&c.Half[stream.ToServer], b, &id) && l.repeats
	}
	return false
}

// chosen finds the connection IDs that keys of Initials follow from: those that
// the client made up or received in a Retry, in its first datagrams.
func (l *Rebinder) chosen(client *stream.Half) {
	l.ids = l.ids[:0]
	datagrams(client, func(m stream.Mark, _ int) {
		if p, ok := nextPacket(client.Data[:m.To], int(m.From)); ok && p.kind <= kindZeroRTT && !has(l.ids, p.version, p.dcid) && len(l.ids) < maxChosen {
			if len(l.ids) > 0 && p.kind == kindInitial {
				if l.derived++; l.derived > maxKeys {
					return
				}
				l.keys.start(p.version, p.dcid)
				if l.reset(); l.add(stream.ToServer, client.Data[:m.To], int(m.From)) == 0 {
					return
				}
			}
			l.ids = keep(l.ids, &p, p.dcid)
		}
	})
}

// more reports whether the Initials in b are new, and agree with the ClientHello.
// Those in b are protected with the keys that follow from id, and those in client
// with l's keys.
func (l *Rebinder) more(client *stream.Half, b []byte, id *cid) bool {
	l.reset()
	datagrams(client, func(m stream.Mark, _ int) { l.add(stream.ToServer, client.Data[:m.To], int(m.From)) })
	if len(l.numbers) == 0 {
		return false
	}
	l.repeated, l.repeats = false, false
	if !l.keys.is(id.v, id.b[:id.n]) {
		l.keys.start(id.v, id.b[:id.n])
	}
	return l.add(stream.ToServer, b, 0) > 0 && !l.repeated && !l.crypto.conflict
}

func (l *Rebinder) reset() {
	l.crypto.reset()
	l.numbers, l.repeated = l.numbers[:0], false
}

// copied reports whether b equals a datagram of h.
func copied(h *stream.Half, b []byte) (yes bool) {
	datagrams(h, func(m stream.Mark, _ int) {
		yes = yes || bytes.Equal(h.Data[m.From:m.To], b)
	})
	return yes
}

// holds reports whether h holds a datagram to the connection ID to, from the
// connection ID from.
func holds(h *stream.Half, to, from []byte) (yes bool) {
	datagrams(h, func(m stream.Mark, _ int) {
		if !yes {
			p, ok := nextPacket(h.Data[:m.To], int(m.From))
			yes = ok && p.kind <= kindRetry && bytes.Equal(p.dcid, to) && bytes.Equal(p.scid, from)
		}
	})
	return yes
}

// add reads the Initials of the datagram b[from:] of direction d that are
// protected with l's keys, and returns their number. It sets repeated if a packet
// number came before, or if there are too many.
func (l *Rebinder) add(d stream.Dir, b []byte, from int) (n int) {
	for from < len(b) {
		p, ok := nextPacket(b, from)
		if !ok || p.kind >= kindRetry {
			break
		}
		from = p.to
		if p.kind != kindInitial || p.version != l.keys.version {
			continue
		}
		if l.opened++; len(l.numbers) == maxNumbers || l.opened > maxOpened {
			l.repeated = true
			break
		}
		frames, whole := l.opener.open(l.keys.of(d), b, &p)
		if len(frames) == 0 || !whole && !plausible(frames, d, p.version.dialect()) {
			continue
		}
		n++
		if slices.Contains(l.numbers, l.opener.number) {
			l.repeated = true
			continue
		}
		l.numbers = append(l.numbers, l.opener.number)
		l.repeats = l.repeats || l.crypto.repeats(frames, p.version.dialect())
		for at := 0; ; {
			f, next, _, ok := nextFrame(frames, at, p.version.dialect())
			if !ok {
				break
			}
			if at = next; f.typ == frameCrypto {
				l.crypto.add(int(min(f.off, maxCrypto)), f.data)
			}
		}
	}
	return n
}
