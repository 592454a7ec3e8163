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

// TestDialog follows complete dialogs, with sequence numbers that wrap.
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

// TestShapes follows dialogs with missing, late or changed packets.
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

// TestNoHandshake checks that connections without a handshake make no flow.
func TestNoHandshake(t *testing.T) {
	w := newWatch(t, 0)
	w.feed(dialog(1, "GET / HTTP/1.1", "HTTP/1.1 200", 1, 2)...)
	w.feed(dialog(2, "Xrefused", "Xrefused", 1, 2)...)
	if got := w.finish(); len(got) != 0 || w.tr.flows.used != 0 {
		t.Errorf("got %d connections, %d flows", len(got), w.tr.flows.used)
	}
}

// TestPortReuse follows three connections with the same addresses and ports.
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
