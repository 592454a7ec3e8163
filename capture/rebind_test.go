package capture

import (
	"bytes"
	"fmt"
	"testing"

	"pfsight/capture/stream"
)

// A textRebinder reads datagrams such as "Cto-from/…": the first byte is for
// sniff, then follow the connection IDs of the receiver and the sender. A
// datagram with "not" continues no conversation.
type textRebinder struct{ compared int }

func (l *textRebinder) ConnIDs(b []byte) (to, from []byte, ok bool) {
	head, _, ok := bytes.Cut(b, []byte("/"))
	if !ok || len(head) == 0 {
		return nil, nil, false
	}
	return bytes.Cut(head[1:], []byte("-"))
}

func (l *textRebinder) Same(_ *stream.Conversation, _ stream.Dir, b []byte) bool {
	l.compared++
	return !bytes.Contains(b, []byte("not"))
}

// datagramOf returns a datagram from a client's port, or to it.
func datagramOf(port uint16, toClient bool, text string, time int64) segment {
	s := segment{time: time, payload: []byte(text), wire: len(text)}
	if toClient {
		s.setEndpoints(0, v4Mapped|1, 0, v4Mapped|9, 443, port, protoUDP)
	} else {
		s.setEndpoints(0, v4Mapped|9, 0, v4Mapped|1, port, 443, protoUDP)
	}
	s.hash = s.key.hash(5)
	return s
}

func newRebindWatch(t testing.TB, memory int64) (*watch, *textRebinder) {
	w := newWatch(t, memory)
	l := &textRebinder{}
	w.tr.opt.SniffUDP, w.tr.opt.Rebind = sniff, l
	return w, l
}

func (w *watch) datagrams(list ...segment) {
	for i := range list {
		w.tr.segment(&list[i])
		w.take()
	}
}

// TestRebind follows clients whose address changes.
func TestRebind(t *testing.T) {
	const up, down = false, true
	type said struct {
		port uint16
		down bool
		text string
	}
	type want struct {
		client, server string
		moved          uint16
		packets        uint64
	}
	for _, x := range []struct {
		name string
		list []said
		want []want
	}{
		{"first connection ID of the server", []said{{1, up, "Corig-cl/a"}, {2, up, "Corig-cl/b."}, {2, down, "Mcl-serv/c."}, {2, up, "more"}, {1, down, "more"}},
			[]want{{"Corig-cl/aCorig-cl/b.", "Mcl-serv/c.", 2, 5}}},
		{"connection ID chosen by the server", []said{{1, up, "Corig-cl/a"}, {1, down, "Mcl-serv/c."}, {2, up, "Mserv-cl/b."}},
			[]want{{"Corig-cl/aMserv-cl/b.", "Mcl-serv/c.", 2, 3}}},
		{"server moves first", []said{{1, up, "Corig-/a"}, {1, down, "M-serv/c"}, {2, down, "M-serv/d."}, {2, up, "Mserv-/b."}},
			[]want{{"Corig-/aMserv-/b.", "M-serv/cM-serv/d.", 2, 4}}},
		{"long connection ID of the client alone", []said{{1, up, "Corig-longname/a"}, {2, up, "Mother-longname/b"}, {2, up, "Mother-longname/c."}, {1, down, "Mlongname-serv/d."}},
			[]want{{"Corig-longname/aMother-longname/bMother-longname/c.", "Mlongname-serv/d.", 2, 4}}},
		{"back, and to a third address", []said{{1, up, "Corig-cl/a"}, {2, up, "Morig-cl/b"}, {1, up, "Morig-cl/c"}, {3, up, "Morig-cl/d"}, {3, down, "Mcl-serv/c."}, {2, up, "Morig-cl/e."}},
			[]want{{"Corig-cl/aMorig-cl/bMorig-cl/cMorig-cl/dMorig-cl/e.", "Mcl-serv/c.", 3, 6}}},
		{"other connection IDs", []said{{1, up, "Corig-cl/a"}, {2, up, "Corig-other/b"}, {3, up, "Cwhat-cl/c"}},
			[]want{{"Corig-cl/a", "", 0, 1}, {"Corig-other/b", "", 0, 1}, {"Cwhat-cl/c", "", 0, 1}}},
		{"short connection IDs", []said{{1, up, "Cabc-cl/a"}, {2, up, "Cabc-cl/b"}, {3, up, "C-cl/b"}, {4, up, "C-cl/b"}},
			[]want{{"Cabc-cl/a", "", 0, 1}, {"Cabc-cl/b", "", 0, 1}, {"C-cl/b", "", 0, 1}, {"C-cl/b", "", 0, 1}}},
		{"not the same conversation", []said{{1, up, "Corig-cl/a"}, {2, up, "Corig-cl/not"}, {3, up, "Corig-cl/shared by two"}},
			[]want{{"Corig-cl/a", "", 0, 1}, {"Corig-cl/not", "", 0, 1}, {"Corig-cl/shared by two", "", 0, 1}}},
		{"after the delivery", []said{{1, up, "Corig-cl/a."}, {1, down, "Mcl-serv/b."}, {2, up, "Mserv-cl/c"}, {2, up, "Mdata"}},
			[]want{{"Corig-cl/a.", "Mcl-serv/b.", 0, 2}}},
		{"no connection ID", []said{{1, up, "Corig-cl/a"}, {2, up, "Mdata"}, {2, down, "Mdata"}},
			[]want{{"Corig-cl/a", "", 0, 1}}},
	} {
		t.Run(x.name, func(t *testing.T) {
			w, _ := newRebindWatch(t, 0)
			for i, d := range x.list {
				w.datagrams(datagramOf(d.port, d.down, d.text, int64(i)*1e6))
			}
			list := w.finish()
			if len(list) != len(x.want) {
				t.Fatalf("got %d connections, want %d", len(list), len(x.want))
			}
			for i, want := range x.want {
				a := list[i]
				if string(a.data[0]) != want.client || string(a.data[1]) != want.server || a.conv.Moved.Port() != want.moved || a.totals.Packets != want.packets || a.conv.Client.Port() != x.list[0].port && i == 0 {
					t.Errorf("connection %d: got %q, %q, from %v moved to %v, %d packets", i, a.data[0], a.data[1], a.conv.Client, a.conv.Moved, a.totals.Packets)
				}
			}
			w.empty()
		})
	}
}

// empty checks that ended connections left nothing behind.
func (w *watch) empty() {
	w.t.Helper()
	tr := w.tr
	if n := &tr.connIDs; n.n != 0 || n.slab.n != 0 || tr.flows.n != 0 || tr.table.n != 0 || tr.pool.held != 0 {
		w.t.Errorf("left: %d connection IDs, %d of the slab, %d flows, %d of the table, %d bytes", n.n, n.slab.n, tr.flows.n, tr.table.n, tr.pool.held)
	}
}

// TestRebindLimits checks the limits of following a change of address.
func TestRebindLimits(t *testing.T) {
	w, l := newRebindWatch(t, 0)
	w.datagrams(datagramOf(1, false, "Corig-cl/a", 0))
	for i := range uint16(100) {
		w.datagrams(datagramOf(100+i, false, "Morig-cl/b", int64(i)))
	}
	if l.compared > maxCompared {
		t.Errorf("got %d comparisons with one opening", l.compared)
	}
	for i := range 20 {
		w.datagrams(datagramOf(1, true, fmt.Sprintf("Mcl-serv%d/b", i), int64(200+i)))
	}
	if w.drops[ConnIDLimit] != 20-maxConnIDs+1 {
		t.Errorf("got drops %v", w.drops.List())
	}
	list := w.finish()
	if len(list) != 1 || list[0].totals.Packets != 1+maxMoves+20 {
		t.Errorf("got %d connections, %d packets", len(list), list[0].totals.Packets)
	}
	w.empty()

	// A flood with little memory.
	w, l = newRebindWatch(t, 1<<20)
	for i := range 200000 {
		w.datagrams(datagramOf(uint16(i), false, fmt.Sprintf("Cname%d-client%d/a", i/2, i/2), int64(i)*1e3))
		if n := w.tr.connIDs.slab.n; n > 2*maxPrefix*4/openingCost || w.tr.flows.n > w.tr.maxFlows+maxMoves {
			t.Fatalf("got %d connection IDs, %d flows", n, w.tr.flows.n)
		}
	}
	if l.compared == 0 || w.drops[FlowEvict] == 0 {
		t.Errorf("got %d comparisons, drops %v", l.compared, w.drops.List())
	}
	w.finish()
	w.empty()
}

// FuzzRebind sends datagrams of a few clients in any order to a small tracker.
func FuzzRebind(f *testing.F) {
	f.Add([]byte("\x00\x10\x21\x13\x40\x52"))
	f.Add([]byte("\x01\x91\x22\xb3\x44\xd5\x66\xf7"))
	texts := [16]string{
		"Corig-cl/a", "Morig-cl/b", "Mcl-serv/c", "Mserv-cl/d.", "Mcl-serv/e.", "Corig-longname/f", "Mlongname-serv/g", "Mnew-longname/h.",
		"Corig-cl/not", "Mdata", "Corig-/i", "M-serv/j", "X", "Cother-longname/k", "S-serv/l.", "Corig-cl/m.",
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		w, _ := newRebindWatch(t, 1)
		w.tr.maxFlows, w.tr.maxHeld = 6, 6<<10
		now := int64(0)
		for i, x := range script {
			if i%7 == 6 {
				now += int64(x) * 1e9
			}
			now += 1e6
			w.datagrams(datagramOf(uint16(x>>4&7), x&0x80 != 0, texts[x&15], now))
		}
		w.finish()
		w.empty()
	})
}
