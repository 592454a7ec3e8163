package capture

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"pfsight/capture/stream"
)

// An account has the events of one connection.
type account struct {
	conv   stream.Conversation
	data   [2][]byte
	gaps   [2][]stream.Gap
	closed int
	totals stream.Totals
}

// A watch drives a tracker and records its events. Its handshakes begin with
// 'C' (client) or 'S' (server), and end with '.' in each direction.
type watch struct {
	t     testing.TB
	tr    *tracker
	box   outbox
	drops Counters
	conns map[uint64]*account
	order []uint64
}

func sniff(b []byte) stream.Sniff {
	switch {
	case len(b) == 0:
		return stream.SniffNone
	case b[0] == 'C':
		return stream.SniffClient
	case b[0] == 'S':
		return stream.SniffServer
	case b[0] == 'M':
		return stream.SniffMaybe
	}
	return stream.SniffNone
}

// helloID identifies a hello by its second to fifth bytes.
func helloID(b []byte) uint32 {
	if sniff(b) < stream.SniffClient || len(b) < 5 {
		return 0
	}
	return binary.BigEndian.Uint32(b[1:])
}

func askDot(c *stream.Conversation, d stream.Dir) stream.Decision {
	h := &c.Half[d]
	b := h.Data[:h.Contiguous()]
	if len(b) > 0 && b[0] == 'X' {
		return stream.Refuse
	}
	h.Want = len(b) + 1
	h.Done = bytes.IndexByte(b, '.') >= 0
	if h.Done && c.Half[d.Opposite()].Done {
		return stream.Enough
	}
	return stream.More
}

func newWatch(t testing.TB, memory int64) *watch {
	w := &watch{t: t, conns: map[uint64]*account{}}
	w.tr = newTracker(&Options{Inspector: stream.Inspector{Ask: askDot, SniffTCP: sniff, HelloID: helloID}, Memory: memory}, &w.drops)
	w.tr.out = &w.box
	return w
}

func (w *watch) take() {
	for _, e := range w.box.events {
		if e.Opening != nil {
			if w.conns[e.ID] != nil {
				w.t.Fatalf("connection %d is delivered twice", e.ID)
			}
			x := &account{conv: *e.Opening}
			for d := range x.data {
				h := &e.Opening.Half[d]
				x.data[d], x.gaps[d] = bytes.Clone(h.Data), slices.Clone(h.Gaps)
				last := 0
				for _, g := range h.Gaps {
					if g.From >= g.To || g.From < last || g.To > len(h.Data) {
						w.t.Fatalf("gaps %v of %d bytes", h.Gaps, len(h.Data))
					}
					last = g.To
				}
			}
			w.conns[e.ID] = x
			w.order = append(w.order, e.ID)
			continue
		}
		x := w.conns[e.ID]
		if x == nil {
			w.t.Fatalf("connection %d ends before its delivery", e.ID)
		}
		x.closed++
		x.totals = e.Totals
		if x.closed > 1 {
			w.t.Fatalf("connection %d ends twice", e.ID)
		}
	}
	w.tr.recycle(&w.box)
}

func (w *watch) feed(segs ...tseg) {
	for i := range segs {
		s := segs[i].segment()
		w.tr.segment(&s)
		w.take()
	}
}

func (w *watch) finish() []*account {
	w.tr.finish(&w.box, w.take)
	var out []*account
	for _, id := range w.order {
		if w.conns[id].closed != 1 {
			w.t.Fatalf("connection %d ends %d times", id, w.conns[id].closed)
		}
		out = append(out, w.conns[id])
	}
	if w.tr.pool.held != 0 {
		w.t.Fatalf("%d bytes are left", w.tr.pool.held)
	}
	if w.tr.flows.n != 0 {
		w.t.Fatalf("%d flows are left", w.tr.flows.n)
	}
	return out
}

// A tseg is a segment of connection conn, sent by the client or the server.
type tseg struct {
	conn   int
	server bool
	time   int64
	seq    uint32
	ack    uint32
	flags  uint8
	data   string
	wire   int // 0: len(data); headCut
	domain uint16
}

func (x tseg) segment() segment {
	s := segment{time: x.time, packet: uint64(x.time) + 1, payload: []byte(x.data), wire: max(x.wire, len(x.data)), seq: x.seq, ack: x.ack, flags: x.flags, domain: x.domain}
	if x.wire == headCut {
		s.wire, s.payload, s.ack, s.flags = headCut, nil, 0, 0
	}
	c, d := v4Mapped|uint64(0x0a000000+x.conn), v4Mapped|uint64(0xc0a80001)
	if x.server {
		s.setEndpoints(0, d, 0, c, 443, 40000, protoTCP)
	} else {
		s.setEndpoints(0, c, 0, d, 40000, 443, protoTCP)
	}
	s.hash = s.key.hash(42)
	return s
}

const (
	client = false
	server = true
)

// dialog returns a connection with these openings, from SYN to FIN.
func dialog(conn int, c, s string, isnC, isnS uint32) []tseg {
	return []tseg{
		{conn: conn, server: client, seq: isnC, flags: flagSYN},
		{conn: conn, server: server, seq: isnS, ack: isnC + 1, flags: flagSYN | flagACK},
		{conn: conn, server: client, seq: isnC + 1, ack: isnS + 1, flags: flagACK, data: c},
		{conn: conn, server: server, seq: isnS + 1, ack: isnC + 1 + uint32(len(c)), flags: flagACK, data: s},
		{conn: conn, server: client, seq: isnC + 1 + uint32(len(c)), ack: isnS + 1 + uint32(len(s)), flags: flagACK | flagFIN},
		{conn: conn, server: server, seq: isnS + 1 + uint32(len(s)), ack: isnC + 2 + uint32(len(c)), flags: flagACK | flagFIN},
	}
}

func one(t *testing.T, got []*account, c, s string) *account {
	t.Helper()
	if len(got) != 1 {
		t.Fatalf("got %d connections", len(got))
	}
	if string(got[0].data[0]) != c || string(got[0].data[1]) != s {
		t.Fatalf("client: got %q, want %q; server: got %q, want %q", got[0].data[0], c, got[0].data[1], s)
	}
	return got[0]
}
