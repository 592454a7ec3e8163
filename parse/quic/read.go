package quic

import "pfsight/capture/stream"

// Limits of what one conversation may make a Reader do.
const (
	maxInitials = 256 // Initials of both directions that are read
	maxPairs    = 12  // connection IDs that keys are derived from
	maxTrials   = 512 // decryptions, of which nearly all succeed
	maxMissed   = 48  // decryptions that fail
	maxOthers   = 8   // further connections that are counted
	roleTries   = 3   // Initials of a half that may show that it is the client
)

// A Reader turns conversations into Openings. It keeps its memory between
// calls. The zero value is ready; one goroutine uses it.
type Reader struct {
	o      Opening
	opener opener
	crypto [2]crypto // by role

	initials []initial
	early    []cid // Destination Connection IDs of 0-RTT packets
	retries  []cid // Source Connection IDs of Retry packets
	others   []cid // Destination Connection IDs of further connections
	chosen   []cid // Destination Connection IDs whose keys opened the client's Initials
	hints    []cid // connection IDs that the server's keys may follow from
	pairs    [maxPairs]pair
	nPairs   int
	refused  Version // version that a Version Negotiation refused, 0 for none
	trials   int
	missed   int

	flags   [2]flags // by half
	version [2]Version
	first   [2]Version // of the long headers of a half, known or not
}

// Read reads a conversation. It returns nil where nothing of QUIC is in it.
// The result is valid until the next call.
func (r *Reader) Read(c *stream.Conversation) *Opening {
	r.reset()
	for d := range c.Half {
		r.scan(&c.Half[d], stream.Dir(d))
	}
	f := &r.flags
	if !f[0].quic && !f[1].quic {
		return nil
	}
	o := &r.o
	scanned := len(o.Problems)
	client, k := r.client(c)
	o.Swapped = client != stream.ToServer
	for i := range o.Problems[:scanned] { // these are by half
		o.Problems[i].From ^= client
	}
	if k != nil {
		r.chosen = append(r.chosen, newCID(k.version, k.cid[:k.n]))
	}
	r.clients(c, client, k)
	r.servers(c, client)
	for half := range c.Half {
		role := stream.Dir(half) ^ client
		h := &c.Half[half]
		o.Finished[role] = f[half].finished
		o.Initial[role], o.ZeroRTT[role], o.Handshake[role], o.OneRTT[role] = f[half].initial, f[half].zero, f[half].handshake, f[half].one
		if f[half].strange.N > 0 && (f[0].handshake.N > 0 || f[1].handshake.N > 0) {
			o.OneRTT[role].N += f[half].strange.N
			o.OneRTT[role].First = earlier(f[half].one, f[half].strange)
		}
		o.Retry = o.Retry || f[half].retry
		o.VersionNegotiation = o.VersionNegotiation || f[half].negotiation
		x := r.crypto[role].half()
		x.Packets, x.SYN = h.Packets, o.Opened[role] > 0
		x.Cut = h.Cut && f[half].cut
		x.Full = x.Full || h.Full
		o.Hello[role] = x
		r.crypto[role].gaps = x.Gaps
	}
	r.versions(client)
	return o
}

func (r *Reader) reset() {
	r.o = Opening{Problems: r.o.Problems[:0]}
	for i := range r.crypto {
		r.crypto[i].reset()
	}
	r.initials, r.early, r.retries, r.others, r.chosen = r.initials[:0], r.early[:0], r.retries[:0], r.others[:0], r.chosen[:0]
	r.nPairs, r.trials, r.missed, r.refused = 0, 0, 0, 0
	r.flags, r.version, r.first = [2]flags{}, [2]Version{}, [2]Version{}
}

// pair returns the keys that follow from a connection ID, nil if there are
// too many.
func (r *Reader) pair(v Version, id []byte) *pair {
	for i := range r.nPairs {
		if r.pairs[i].is(v, id) {
			return &r.pairs[i]
		}
	}
	if r.nPairs == maxPairs || len(id) == 0 || len(id) > maxCID || !v.Known() {
		return nil
	}
	k := &r.pairs[r.nPairs]
	k.start(v, id)
	r.nPairs++
	return k
}

// try opens an Initial that role would have sent with the keys k. What it
// returns is valid until the next call.
func (r *Reader) try(k *pair, role stream.Dir, b []byte, p *packet) (frames []byte, ok bool) {
	if k == nil || r.trials >= maxTrials || r.missed >= maxMissed {
		return nil, false
	}
	r.trials++
	frames, whole := r.opener.open(k.of(role), b, p)
	if len(frames) > 0 && (whole || p.cut && plausible(frames, role, k.version.dialect())) {
		return frames, true
	}
	r.missed++
	return nil, false
}

// client returns the half of the client, and its keys if these showed it. Then
// the Initial that they opened was read.
func (r *Reader) client(c *stream.Conversation) (half stream.Dir, k *pair) {
	for d, f := range r.flags {
		if f.negotiation || f.retry {
			return stream.Dir(d).Opposite(), nil
		}
	}
	for d := range r.flags {
		tried := 0
		for i := range r.initials {
			x := &r.initials[i]
			if x.half != stream.Dir(d) || tried == roleTries {
				continue
			}
			tried++
			b, p := x.packet(c)
			k := r.pair(p.version, p.dcid)
			if frames, ok := r.try(k, stream.ToServer, b, &p); ok {
				r.take(c, x, stream.ToServer, &p, frames)
				return stream.Dir(d), k
			}
		}
	}
	if r.flags[1].zero.N > 0 && r.flags[0].zero.N == 0 {
		return stream.ToClient, nil // only clients send 0-RTT packets
	}
	return stream.ToServer, nil
}

// clients reads the client's Initials.
func (r *Reader) clients(c *stream.Conversation, half stream.Dir, cur *pair) {
	again := false
	for i := 0; i < len(r.initials); i++ {
		x := &r.initials[i]
		if x.half == half && !x.done {
			before := cur
			cur = r.clientInitial(c, x, cur)
			again = again || cur == nil
			if before == nil && cur != nil && again {
				i, again = -1, false // those before it may have these keys
			}
		}
	}
	r.settle(cur)
}

// clientInitial reads an Initial of the client. cur are the keys of the
// connection so far, nil for none. It returns the keys after the Initial.
func (r *Reader) clientInitial(c *stream.Conversation, x *initial, cur *pair) *pair {
	const role = stream.ToServer
	b, p := x.packet(c)
	if has(r.others, p.version, p.dcid) || r.refused != 0 && p.version == r.refused {
		x.done = true
		return cur
	}
	m := x.markOf(c)
	// After a Version Negotiation the client starts again with another version,
	// RFC 9000 section 6.2. The server's datagrams may be late, so the order in
	// the capture decides nothing.
	renewed := cur != nil && p.version != cur.version && (r.flags[0].negotiation || r.flags[1].negotiation)
	if cur != nil {
		k := r.pair(p.version, cur.cid[:cur.n])
		if frames, ok := r.try(k, role, b, &p); ok {
			if renewed {
				r.refused = cur.version
				r.renew()
				cur = k
			}
			r.take(c, x, role, &p, frames)
			return cur
		}
		if cur.is(p.version, p.dcid) {
			return cur
		}
	}
	own := r.pair(p.version, p.dcid)
	frames, ok := r.try(own, role, b, &p)
	if !ok && cur == nil {
		own, frames = r.hinted(role, b, &p, r.early)
		ok = own != nil
	}
	if !ok {
		return cur
	}
	switch {
	case cur == nil, has(r.retries, p.version, p.dcid):
	case renewed, p.version != cur.version && r.first[x.half.Opposite()] == p.version:
		r.refused = cur.version
		r.renew() // the server's version shows a Version Negotiation that was not captured
	case r.crypto[role].repeats(frames, p.version.dialect()): // after a Retry that was not captured, RFC 9000 section 17.2.5.3
	default:
		x.done = true
		if r.o.Others == 0 {
			r.o.Other = m
		}
		if len(r.others) < maxOthers {
			r.o.Others++
			r.others = append(r.others, newCID(p.version, p.dcid))
		}
		return cur
	}
	r.take(c, x, role, &p, frames)
	r.chosen = keep(r.chosen, &p, own.cid[:own.n])
	return own
}

// renew drops the attempt that a Version Negotiation ended.
func (r *Reader) renew() {
	r.crypto[stream.ToServer].reset()
	r.o.Opened[stream.ToServer] = 0
	r.o.FirstVersion, r.o.Version = r.o.Version, 0
}

// hinted tries the keys that follow from a list of connection IDs.
func (r *Reader) hinted(role stream.Dir, b []byte, p *packet, list []cid) (*pair, []byte) {
	for i := range list {
		k := r.pair(p.version, list[i].b[:list[i].n])
		if frames, ok := r.try(k, role, b, p); ok {
			return k, frames
		}
	}
	return nil, nil
}

// settle moves the keys of the connection to the front.
func (r *Reader) settle(cur *pair) {
	for i := range r.nPairs {
		if &r.pairs[i] == cur {
			r.pairs[0], r.pairs[i] = r.pairs[i], r.pairs[0]
			return
		}
	}
	r.nPairs = 0 // none of them opened anything
}

// servers reads the server's Initials, with the keys of the client's Initials, or
// with those that follow from connection IDs in other headers.
func (r *Reader) servers(c *stream.Conversation, client stream.Dir) {
	const role = stream.ToClient
	r.missed = 0 // the server's Initials have their own limit
	hints := r.retries
	if r.nPairs > 0 {
		r.hints = append(append(r.hints[:0], newCID(0, r.pairs[0].cid[:r.pairs[0].n])), r.retries...)
		r.hints = append(r.hints, r.chosen...)
		hints = r.hints
	} else if len(hints) == 0 {
		hints = r.early
	}
	for i := range r.initials {
		x := &r.initials[i]
		if x.half == client {
			continue
		}
		b, p := x.packet(c)
		k, frames := r.hinted(role, b, &p, hints)
		if k == nil {
			continue
		}
		r.take(c, x, role, &p, frames)
		if len(hints) > 1 { // the others are not needed
			r.hints = append(r.hints[:0], newCID(0, k.cid[:k.n]))
			hints = r.hints
		}
	}
}

// take reads the frames of an Initial.
func (r *Reader) take(c *stream.Conversation, x *initial, role stream.Dir, p *packet, frames []byte) {
	x.done = true
	o, v := &r.o, p.version
	o.Opened[role]++
	switch {
	case o.Version == 0:
		o.Version = v
	case v != o.Version:
		if o.FirstVersion == 0 {
			o.FirstVersion = o.Version
		}
		o.Version = v
	}
	m := x.markOf(c)
	s := &r.crypto[role]
	s.datagram(m)
	for at := 0; ; {
		f, next, bad, ok := nextFrame(frames, at, v.dialect())
		if bad != "" && !p.cut {
			r.problem(role, x.from, bad)
		}
		if !ok {
			return
		}
		at = next
		if f.typ == frameCrypto {
			s.add(int(min(f.off, maxCrypto)), f.data)
			continue
		}
		if !o.Close.Seen || m.Time < o.Close.Mark.Time {
			o.Close = Close{Seen: true, From: role, Code: f.code, Frame: f.cause, Mark: m}
		}
	}
}

// versions sets the versions if no Initial showed them.
func (r *Reader) versions(client stream.Dir) {
	o := &r.o
	server := client.Opposite()
	if o.Version == 0 {
		o.Version = r.version[client]
		if o.Version == 0 {
			o.Version = r.version[server]
		}
		if o.Version == 0 {
			o.Version = r.first[client]
		}
	}
	if o.FirstVersion == 0 && r.first[client] != 0 && r.first[client] != o.Version {
		o.FirstVersion = r.first[client]
	}
}
