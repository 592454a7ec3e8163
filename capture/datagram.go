package capture

import "pfsight/capture/stream"

// newUDP takes a datagram of a conversation that is not followed.
func (t *tracker) newUDP(s *segment) {
	if t.opt.SignUDP == nil || len(s.payload) == 0 {
		return
	}
	sign := t.opt.SignUDP(s.payload)
	if sign < ClientSignOrServer {
		return
	}
	ref, f := t.newFlow(s, tagOf(s.hash))
	f.client = s.fromB
	if sign == stream.ServerSign {
		f.client = s.fromB ^ 1
	}
	o := t.opens[f.opening-1]
	o.conv.Start = s.time
	t.setEndpoints(o, f)
	t.onUDP(s, ref, f)
}

// onUDP takes a datagram of a conversation that is followed.
func (t *tracker) onUDP(s *segment, ref uint32, f *flow) {
	if s.time-f.last > idleTime(f) {
		t.end(ref, f, stream.EndIdle)
		t.onNew(s)
		return
	}
	f.last = s.time
	f.packets++
	f.bytes[s.fromB] += uint64(s.wire)
	if f.opening == 0 {
		return
	}
	o := t.opens[f.opening-1]
	o.last = s.time
	d := dirOf(f, s.fromB)
	hs, h := &o.half[d], &o.conv.Half[d]
	h.Packets++
	if len(s.payload) == 0 || hs.stop || h.Done || t.opt.SignUDP(s.payload) == stream.NoSign {
		return // other protocols share the ports: STUN, SRTP
	}
	end := len(h.Data) + len(s.payload)
	if end > maxPrefix || len(h.Marks) >= stream.MaxMarks {
		h.Full, hs.stop = true, true
		if o.half[d.Opposite()].stop || o.conv.Half[d.Opposite()].Done {
			t.deliver(f)
		}
		return
	}
	if len(s.payload) < s.wire {
		h.Cut = true
		t.drops[CutPayload]++
	}
	from := len(h.Data)
	if end > cap(h.Data) {
		h.Data = t.pool.grow(h.Data, end)
	}
	h.Data = append(h.Data, s.payload...)
	mark(h, from, end, s)
	if len(h.Data) < h.Want {
		return
	}
	switch t.opt.Ask(&o.conv, d) {
	case stream.Enough:
		t.deliver(f)
	case stream.Refuse:
		t.forget(ref, f)
	}
}
