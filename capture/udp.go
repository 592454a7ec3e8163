package capture

import (
	"encoding/binary"

	"pfsight/capture/stream"
)

// setSessionOf determines the session of a datagram and makes it a part of the
// key. It reports whether the datagram is followed.
func (t *tracker) setSessionOf(s *segment) bool {
	eapol := s.key.protocol() == protoEAPOL
	if t.opt.Split == nil {
		if eapol {
			t.drops[NotIP]++
		}
		return !eapol
	}
	d := &t.datagram
	d.Time, d.Data = t.now, s.payload
	if eapol {
		d.Transport = stream.EAPOL
		d.Flow, d.From, d.Src, d.Dst = 0, 0, macOf(s.key.aHi), macOf(s.key.bHi)
	} else {
		d.Transport, d.Flow, d.From = stream.UDP, s.hash, s.fromB
	}
	session, dir, lost := t.opt.Split(d)
	if lost {
		t.drops[SessionLimit]++
	}
	session &= 1<<(32-sessionShift) - 1
	if session == 0 {
		if eapol {
			t.drops[NotIP]++
		}
		return !eapol
	}
	if eapol {
		// A frame to the group address and one to the station itself belong to
		// the same session, so the key has no addresses.
		s.key.aHi, s.key.bHi, s.hash = 0, 0, 0
		s.fromB = uint8(dir)
	}
	s.setSession(session)
	return true
}

// macOf returns the MAC address in the low 48 bits of x.
func macOf(x uint64) (m stream.MAC) {
	binary.BigEndian.PutUint32(m[2:], uint32(x))
	m[0], m[1] = byte(x>>40), byte(x>>32)
	return m
}

// setMACs sets the addresses of c from the current EAPOL frame.
func (t *tracker) setMACs(c *stream.Conversation, d stream.Dir) {
	from, to := &c.ClientMAC, &c.ServerMAC
	if d == stream.ToClient {
		from, to = to, from
	}
	if src := t.datagram.Src; src != (stream.MAC{}) {
		*from = src
	}
	if dst := t.datagram.Dst; !dst.IsGroup() && dst != (stream.MAC{}) {
		*to = dst
	}
}

// sameHello is the time in nanoseconds after the delivery of an opening in
// which a hello may be a copy of that opening's hello.
const sameHello = 5e9

// leastDatagram is the number of bytes of a datagram that suffice to see
// whether a handshake may begin in it. The headers of a DTLS record and of its
// handshake message have 25 bytes. Those of QUIC are shorter, or slightly
// longer with long connection IDs.
const leastDatagram = 32

// newUDP handles a datagram of a conversation that is not followed.
func (t *tracker) newUDP(s *segment) {
	var client uint8 // EAPOL: setSessionOf sets fromB so that the client is 0
	if s.key.protocol() == protoUDP {
		if t.opt.SniffUDP == nil || s.wire == 0 {
			return
		}
		sniffed := stream.SniffNone
		if len(s.payload) > 0 {
			sniffed = t.opt.SniffUDP(s.payload)
		}
		if sniffed == stream.SniffNone && len(s.payload) < min(s.wire, leastDatagram) {
			t.drops[CutShort]++
			t.cuts.note(s)
		}
		if sniffed == stream.SniffNone || t.connIDs.n > 0 && s.key.proto == protoUDP && t.onRebound(s) || sniffed < leastSniff {
			return
		}
		client = s.fromB
		if sniffed == stream.SniffServer {
			client ^= 1
		}
	}
	ref, f := t.newFlow(s, true)
	f.client = client
	o := t.opens[f.opening-1]
	o.conv.Start = s.time
	t.setEndpoints(o, f)
	t.cuts.mark(s, f, &o.conv)
	t.onUDP(s, ref, f, s.fromB)
}

// onDatagram handles a datagram between endpoints that have an entry.
func (t *tracker) onDatagram(s *segment, ref uint32, f *flow) {
	e := s.fromB
	if f.bits&moved != 0 {
		d := dirOf(f, e)
		ref = *f.movedFrom()
		f = t.flows.get(ref)
		e = f.client ^ uint8(d)
	}
	if t.idle(f, t.now) {
		t.end(ref, f, stream.EndIdle)
		t.onNew(s)
		return
	}
	t.onUDP(s, ref, f, e)
}

// onUDP handles a datagram from endpoint e of a conversation that is followed.
func (t *tracker) onUDP(s *segment, ref uint32, f *flow, e uint8) {
	f.last, f.clock = t.last, t.clocks.active
	f.packets++
	f.bytes[e] += uint64(s.wire)
	if f.opening == 0 {
		// A new connection with the same ports, unless the hello is a late
		// copy of the first one.
		if s.key.proto == protoUDP && t.now-f.delivered() > sameHello && t.opt.SniffUDP(s.payload) == stream.SniffClient {
			f.packets--
			f.bytes[e] -= uint64(s.wire)
			t.end(ref, f, stream.EndReused)
			t.newUDP(s)
		}
		return
	}
	o := t.opens[f.opening-1]
	o.last = t.last
	if s.key.proto == protoUDP && o.conv.Half[dirOf(f, e)].Packets == 0 && t.opt.Rebind != nil && t.wasSentFirst(o, dirOf(f, e), s.payload) {
		t.swapRoles(ref, f, o)
	}
	d := dirOf(f, e)
	hs, h := &o.half[d], &o.conv.Half[d]
	h.Packets++
	if f.key.protocol() == protoEAPOL {
		t.setMACs(&o.conv, d)
	}
	if len(s.payload) == 0 || hs.stop || h.Done {
		return
	}
	if s.key.proto == protoUDP && t.opt.SniffUDP(s.payload) == stream.SniffNone {
		// Another protocol on the same ports, such as STUN or SRTP, or too
		// little of the datagram to see.
		if len(s.payload) < min(s.wire, leastDatagram) {
			h.Cut = true
			t.drops[CutShort]++
		}
		return
	}
	end := len(h.Data) + len(s.payload)
	if end > maxPrefix || len(h.Marks) >= stream.MaxMarks {
		h.Full, hs.stop = true, true
		if o.half[d.Opposite()].stop || o.conv.Half[d.Opposite()].Done {
			t.deliver(f, true)
		}
		return
	}
	if len(s.payload) < s.wire {
		h.Cut = true
		t.drops[CutPayload]++
	}
	from, lists := len(h.Data), extraBytes(h)
	if end > cap(h.Data) {
		h.Data = t.pool.grow(h.Data, end)
	}
	h.Data = append(h.Data, s.payload...)
	mark(h, from, end, s, 0, 0)
	t.pool.held += extraBytes(h) - lists
	if t.opt.Rebind != nil && s.key.proto == protoUDP {
		t.addConnIDs(ref, f, o, d, s.payload)
	}
	t.noteSilence(f.opening, o)
	if len(h.Data) < h.Want {
		return
	}
	switch t.opt.Ask(&o.conv, d) {
	case stream.Enough:
		t.deliver(f, true)
	case stream.Refuse:
		t.discard(ref, f)
	}
}
