package capture

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"slices"
	"strings"
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

func TestDialog(t *testing.T) {
	for _, isn := range []uint32{0, 1000, 0xfffffffe, 0x7ffffff0} {
		w := newWatch(t, 0)
		w.feed(dialog(1, "Chello.", "Shello.", isn, isn+77)...)
		x := one(t, w.finish(), "Chello.", "Shello.")
		if !x.conv.ClientKnown || x.conv.Client.Port() != 40000 || x.totals.Bytes != [2]uint64{7, 7} || x.totals.Packets != 6 || x.totals.End != stream.EndFIN {
			t.Errorf("got %+v", x)
		}
	}
}

// TestAnyOrder splits, repeats, overlaps and shuffles a dialog. The tracker
// must restore the bytes.
func TestAnyOrder(t *testing.T) {
	r := rand.New(rand.NewSource(7))
	for range 2000 {
		c, s := "C"+letters(r, 3000)+".", "S"+letters(r, 6000)+"."
		d := dialog(1, c, s, r.Uint32(), r.Uint32())
		var middle []tseg
		for _, x := range d[2:4] {
			middle = append(middle, pieces(r, x)...)
		}
		r.Shuffle(len(middle), func(i, j int) { middle[i], middle[j] = middle[j], middle[i] })
		if r.Intn(3) == 0 {
			r.Shuffle(2, func(i, j int) { d[i], d[j] = d[j], d[i] }) // the SYNs are reordered too
		}
		w := newWatch(t, 0)
		w.feed(d[:2]...)
		w.feed(middle...)
		w.feed(d[4:]...)
		x := one(t, w.finish(), c, s)
		if x.conv.Half[0].Conflict || x.conv.Half[1].Conflict || x.totals.Bytes != [2]uint64{uint64(len(c)), uint64(len(s))} {
			t.Fatalf("got %+v", x.totals)
		}
	}
}

func letters(r *rand.Rand, n int) string {
	b := make([]byte, 1+r.Intn(n))
	for i := range b {
		b[i] = 'a' + byte(r.Intn(26))
	}
	return string(b)
}

// pieces splits a segment at random places, with repetition and overlap.
func pieces(r *rand.Rand, x tseg) []tseg {
	var out []tseg
	most := 1 + r.Intn(1500)
	for at := 0; at < len(x.data); {
		n := min(1+r.Intn(most), len(x.data)-at)
		from := max(0, at-r.Intn(50))
		y := x
		y.seq += uint32(from)
		y.data = x.data[from : at+n]
		out = append(out, y)
		if r.Intn(10) == 0 {
			out = append(out, y)
		}
		at += n
	}
	return out
}

func TestShapes(t *testing.T) {
	full := func() []tseg { return dialog(1, "Chello.", "Shello.", 100, 500) }
	drop := func(which ...int) []tseg {
		var out []tseg
		for i, s := range full() {
			if !slices.Contains(which, i) {
				out = append(out, s)
			}
		}
		return out
	}
	for _, c := range []struct {
		name  string
		segs  []tseg
		c, s  string
		check func(x *account) bool
	}{
		{"no SYN", drop(0, 1), "Chello.", "Shello.", func(x *account) bool { return x.conv.Half[0].Midstream && !x.conv.ClientKnown }},
		{"no SYN, server first", []tseg{full()[3], full()[2]}, "Chello.", "Shello.", func(x *account) bool { return x.conv.Client.Port() == 40000 }},
		{"client only", drop(1, 3, 5), "Chello.", "", func(x *account) bool { return !x.conv.Half[1].Seen() }},
		{"server only", drop(0, 2, 4), "", "Shello.", func(x *account) bool { return !x.conv.Half[0].Seen() && x.conv.Client.Port() == 40000 }},
		{"no answer", drop(3, 4, 5), "Chello.", "", func(x *account) bool { return x.totals.End == stream.EndInput }},
		{"reset", append(drop(3, 4, 5), tseg{conn: 1, server: server, seq: 501, flags: flagRST}), "Chello.", "", func(x *account) bool { return x.totals.End == stream.EndRST && x.conv.Half[1].RST }},
		{"cut by snaplen", func() []tseg {
			d := full()
			d[3].data, d[3].wire = "She", 7
			return d
		}(), "Chello.", "She", func(x *account) bool { return x.conv.Half[1].Cut }},
		{"other bytes again", func() []tseg {
			d := full()
			first, other := d[2], d[2]
			first.data, other.data = "Che", "Cxx"
			return slices.Insert(d, 2, first, other)
		}(), "Chello.", "Shello.", func(x *account) bool { return x.conv.Half[0].Conflict }},
		{"data in the SYN", []tseg{{conn: 1, seq: 100, flags: flagSYN, data: "Chello."}, {conn: 1, server: server, seq: 500, ack: 108, flags: flagSYN | flagACK}, full()[3]}, "Chello.", "Shello.", nil},
		{"SYN late", []tseg{full()[2], full()[0], full()[1], full()[3]}, "Chello.", "Shello.", func(x *account) bool { return x.conv.Half[0].SYN }},
		{"time goes back", func() []tseg {
			d := full()
			d[3].time = -5e9
			return d
		}(), "Chello.", "Shello.", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWatch(t, 0)
			w.feed(c.segs...)
			x := one(t, w.finish(), c.c, c.s)
			if c.check != nil && !c.check(x) {
				t.Errorf("got %+v, %+v", x.conv, x.totals)
			}
		})
	}
}

func TestNotOurs(t *testing.T) {
	w := newWatch(t, 0)
	w.feed(dialog(1, "GET / HTTP/1.1", "HTTP/1.1 200", 1, 2)...)
	w.feed(dialog(2, "Xrefused", "Xrefused", 1, 2)...)
	if got := w.finish(); len(got) != 0 || w.tr.flows.used != 0 {
		t.Errorf("got %d connections, %d flows", len(got), w.tr.flows.used)
	}
}

func TestPortReuse(t *testing.T) {
	w := newWatch(t, 0)
	for i := range 3 {
		d := dialog(1, "Chello.", "Shello.", uint32(i*1000), uint32(i*5000))
		if i == 1 {
			d = d[:4] // never closed
		}
		w.feed(d...)
	}
	got := w.finish()
	if len(got) != 3 || got[1].totals.End != stream.EndReused {
		t.Errorf("got %d connections", len(got))
	}
}

func TestIdle(t *testing.T) {
	w := newWatch(t, 0)
	w.feed(dialog(1, "Chello.", "Shello.", 1, 2)[:4]...)
	w.feed(dialog(2, "Chello", "Shello", 1, 2)[:4]...)
	for i := range 3000 { // other packets advance the time
		w.feed(tseg{conn: 100 + i, time: int64(i) * 250e6, data: "nothing", flags: flagACK})
	}
	for _, x := range w.conns {
		if x.closed != 1 || x.totals.End != stream.EndIdle {
			t.Errorf("got %+v", x.totals)
		}
	}
	if len(w.conns) != 2 {
		t.Errorf("got %d connections", len(w.conns))
	}
	w.finish()
}

// TestFloods checks that the tracker stays within its memory while a handshake
// takes place between the packets of floods.
func TestFloods(t *testing.T) {
	w := newWatch(t, 4<<20)
	d := dialog(1, "Chello.", "Shello.", 1000, 2000)
	w.feed(d[:3]...)
	for i := range 30000 {
		w.feed(tseg{conn: 10 + i, seq: 1, flags: flagSYN})
	}
	w.feed(d[3])
	for i := range 20000 {
		w.feed(tseg{conn: 100000 + i, seq: 5, flags: flagACK, data: "C" + string(make([]byte, 900))})
	}
	w.feed(d[4:]...)
	if w.tr.halfOpens.n > w.tr.maxHalfOpens || w.tr.flows.n > w.tr.maxFlows || w.tr.pool.held > w.tr.maxHeld+maxPrefix {
		t.Errorf("got %d half-open, %d flows, %d bytes", w.tr.halfOpens.n, w.tr.flows.n, w.tr.pool.held)
	}
	if w.drops[HalfOpenEvict] == 0 || w.drops[FlowEvict] == 0 {
		t.Errorf("the drops are not counted: %v", w.drops.List())
	}
	good := 0
	for _, x := range w.finish() {
		if string(x.data[0]) == "Chello." && string(x.data[1]) == "Shello." {
			good++
		}
	}
	if good != 1 {
		t.Errorf("got the handshake %d times, want 1", good)
	}
}

// TestNoAllocation checks that segments without news do not allocate: of a
// connection that is not followed, and of one whose opening was delivered.
func TestNoAllocation(t *testing.T) {
	w := newWatch(t, 0)
	w.feed(dialog(1, "Chello.", "Shello.", 1000, 2000)[:4]...)
	known := tseg{conn: 1, server: server, seq: 3000, flags: flagACK, data: "bulk"}.segment()
	other := tseg{conn: 2, server: server, seq: 3000, flags: flagACK, data: "bulk"}.segment()
	if n := testing.AllocsPerRun(1000, func() {
		w.tr.segment(&known)
		w.tr.segment(&other)
	}); n != 0 {
		t.Errorf("got %v allocations per packet, want 0", n)
	}
	w.finish()
}

// FuzzTracker interprets bytes as a sequence of segments.
func FuzzTracker(f *testing.F) {
	enc := func(segs []tseg) []byte {
		var b []byte
		for _, s := range segs {
			dir := byte(s.conn) << 1
			if s.server {
				dir |= 1
			}
			b = append(b, dir, s.flags, byte(len(s.data)), 1)
			b = binary.BigEndian.AppendUint16(b, uint16(s.seq))
			b = binary.BigEndian.AppendUint16(b, uint16(s.ack))
			b = append(b, s.data...)
		}
		return b
	}
	f.Add(enc(dialog(1, "Chello.", "Shello.", 100, 200)))
	f.Add(enc(append(dialog(1, "Chello", "Shello", 0xfff0, 200), dialog(2, "Chello.", "X", 5, 6)...)))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := newWatch(t, 1)
		now := int64(0)
		for len(b) >= 8 {
			n := min(int(b[2]), len(b)-8)
			s := tseg{conn: int(b[0] >> 1), server: b[0]&1 == 1, flags: b[1], data: string(b[8 : 8+n]), wire: int(b[2])}
			// Sequence numbers are close together, or close to the wrap.
			s.seq = uint32(int32(int16(binary.BigEndian.Uint16(b[4:]))))
			s.ack = uint32(int32(int16(binary.BigEndian.Uint16(b[6:]))))
			now += int64(int8(b[3])) * 1e9
			s.time = now
			w.feed(s)
			b = b[8+n:]
		}
		w.finish()
	})
}

func BenchmarkTrack(b *testing.B) {
	for _, name := range []string{"bulk", "handshakes"} {
		b.Run(name, func(b *testing.B) {
			w := newWatch(b, 0)
			var segs []segment
			for i := range 1000 {
				for _, s := range dialog(i, "Chello.", "Shello.", 1000, 2000)[:4] {
					segs = append(segs, s.segment())
				}
			}
			drain := func() {
				for i := range w.box.events {
					w.box.events[i].Opening = nil
				}
				w.tr.recycle(&w.box)
			}
			if name == "bulk" {
				for i := range segs {
					w.tr.segment(&segs[i])
				}
				drain()
				for i := range segs {
					segs[i] = tseg{conn: i % 1000, server: server, seq: 3000, flags: flagACK, data: "bulk"}.segment()
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				s := segs[i%len(segs)]
				s.time = int64(i) * 1000
				w.tr.segment(&s)
				if len(w.box.events) > 100 {
					drain()
				}
			}
		})
	}
}

// TestGapZeroed reuses the buffer of one connection for another one with a
// gap. The gap must not contain bytes of the first.
func TestGapZeroed(t *testing.T) {
	w := newWatch(t, 0)
	secret := "C" + strings.Repeat("secret", 100) + "."
	w.feed(dialog(1, secret, "S"+secret, 1, 2)...)
	w.feed(dialog(2, "", "", 1, 2)[:2]...)
	w.feed(tseg{conn: 2, seq: 2 + 500, flags: flagACK, data: "tail"})
	got := w.finish()
	if len(got) != 2 || len(got[1].gaps[0]) != 1 || !bytes.Equal(got[1].data[0][:500], make([]byte, 500)) {
		t.Errorf("got %d connections, %q", len(got), got[len(got)-1].data[0])
	}
}

// TestCutToHeaders has a capture whose snaplen keeps the headers only. The
// handshakes must be counted as cut.
func TestCutToHeaders(t *testing.T) {
	w := newWatch(t, 0)
	d := dialog(1, "", "", 1, 2)
	w.feed(d[:2]...)
	w.feed(tseg{conn: 1, seq: 2, ack: 3, flags: flagACK, wire: 500})
	w.feed(tseg{conn: 1, server: server, seq: 3, ack: 502, flags: flagACK, wire: 1400})
	got := w.finish()
	if len(got) != 1 || !got[0].conv.Half[0].Cut || !got[0].conv.Half[1].Cut || w.drops[CutPayload] == 0 {
		t.Errorf("got %d connections, %d cut", len(got), w.drops[CutPayload])
	}
}

// TestCutTable sends a packet that was cut too short to examine, and then the
// hello by which the connection is found. The missing bytes of its sender were
// cut.
func TestCutTable(t *testing.T) {
	r := rand.New(rand.NewSource(11))
	for i := range 500 {
		d := dialog(i, "Chello.", "Shello.", r.Uint32(), r.Uint32())
		first, second := d[2], d[3]
		if r.Intn(2) == 0 {
			first, second = second, first
		}
		first.data, first.wire = "", 100
		if r.Intn(2) == 0 {
			first.wire = headCut
		}
		w := newWatch(t, 0)
		w.feed(dialog(9999, "x", "y", 1, 2)[2:4]...)
		w.feed(first, second)
		got := w.finish()
		if len(got) != 1 {
			t.Fatalf("got %d connections", len(got))
		}
		for d, h := range got[0].conv.Half {
			if want := first.server == (d == 1); h.Cut != want || !h.Seen() {
				t.Fatalf("direction %d of %+v, %+v: got %+v", d, first, second, h)
			}
		}
	}
}

// TestLateSYN begins behind the SYN of one endpoint and its data before the
// hello, and delays the other direction. The late SYN belongs to the same
// connection.
func TestLateSYN(t *testing.T) {
	r := rand.New(rand.NewSource(10))
	for range 500 {
		before, answer := letters(r, 500), letters(r, 500)
		c, s := "C"+letters(r, 300)+".", "S"+letters(r, 300)+"."
		isnC, isnS := r.Uint32(), r.Uint32()
		d := dialog(1, before+c, answer+s, isnC, isnS)
		hello, reply := d[2], d[3]
		hello.data, hello.seq, hello.ack = c, hello.seq+uint32(len(before)), hello.ack+uint32(len(answer))
		d[3].data, reply.data, reply.seq = answer, s, reply.seq+uint32(len(answer))
		early, late := []tseg{hello, d[4]}, []tseg{d[1], d[3], reply, d[5]}
		if r.Intn(2) == 0 {
			early, late = []tseg{reply, d[5]}, []tseg{d[0], hello, d[4]}
		}
		w := newWatch(t, 0)
		w.feed(early...)
		w.feed(late...)
		if got := w.finish(); len(got) != 1 || !strings.HasSuffix(string(got[0].data[0]), c) || !strings.HasSuffix(string(got[0].data[1]), s) {
			t.Fatalf("got %d connections of %+v and %+v", len(got), early, late)
		}
	}
}

// TestHeadCut cuts segments of a dialog inside their TCP headers. Their bytes
// are cut, not lost, and both directions were seen.
func TestHeadCut(t *testing.T) {
	r := rand.New(rand.NewSource(9))
	for range 500 {
		c, s := "C"+letters(r, 300)+".", "S"+letters(r, 300)+"."
		d := dialog(1, c, s, r.Uint32(), r.Uint32())
		dir := r.Intn(2)
		all := slices.Concat(d[:2], pieces(r, d[2]), pieces(r, d[3]), d[4:])
		var last tseg
		for i := range all {
			if x := &all[i]; len(x.data) > 0 && x.server == (dir == 1) {
				x.wire = headCut
				last = *x
			}
		}
		w := newWatch(t, 0)
		w.feed(all...)
		w.feed(last) // a copy
		got := w.finish()
		if len(got) != 1 || w.conns[w.order[0]].totals.Packets != uint64(len(all)+1) {
			t.Fatalf("got %d connections of %v", len(got), all)
		}
		if h := &got[0].conv.Half[dir]; !h.Cut || h.Packets == 0 || got[0].conv.Half[1-dir].Cut {
			t.Fatalf("got %+v", got[0].conv)
		}
	}
}

// TestSweepIsSpread alternates the time between packets while many connections
// are open. The sweep must not check all of them for every packet.
func TestSweepIsSpread(t *testing.T) {
	w := newWatch(t, 1<<30)
	const n = 200000
	for i := range n {
		w.feed(tseg{conn: 10 + i, seq: 1, flags: flagSYN})
	}
	swept := 0
	for i := range 20000 {
		at := w.tr.halfOpenAt
		w.feed(tseg{conn: 1, seq: 5, flags: flagACK, time: int64(i%2) * 1e9})
		if w.tr.halfOpenAt != at {
			swept++
		}
	}
	if most := 22000 * sweepSteps * sweepShare / n; swept > most || swept == 0 {
		t.Errorf("got %d sweeps, want at most %d", swept, most)
	}
}

// TestOutlierSweep sends a packet with a wrong time within live connections.
// They must remain, and must be swept when time passes.
func TestOutlierSweep(t *testing.T) {
	const start, year = int64(1500000000e9), int64(365 * 24 * 3600e9)
	for _, off := range []int64{48 * year, -40 * year} {
		w := newWatch(t, 0)
		d := dialog(1, "Chello.", "Shello.", 1000, 2000)
		for i := range d {
			d[i].time = start + int64(i)*300e6
		}
		w.feed(d[0])
		w.feed(tseg{conn: 2, seq: 5, flags: flagACK, time: start + off})
		w.feed(d[1:4]...)
		w.feed(tseg{conn: 2, seq: 5, flags: flagACK, time: start + off})
		w.feed(d[4:]...)
		if len(w.order) != 1 || w.conns[w.order[0]].closed != 0 || w.conns[w.order[0]].conv.Start != start {
			t.Errorf("%d: got %d connections", off, len(w.order))
			continue
		}
		for i := range 3 {
			w.feed(tseg{conn: 2, seq: 5, flags: flagACK, time: start + year + int64(i)*sweepEvery})
		}
		if x := w.conns[w.order[0]]; x.closed != 1 || x.totals.Packets != uint64(len(d)) {
			t.Errorf("%d: got %d ends, %d packets", off, x.closed, x.totals.Packets)
		}
		w.finish()
	}
}
