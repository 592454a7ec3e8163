package dtls

import (
	"fmt"
	"slices"
	"testing"

	"pfsight/capture/stream"
)

// sent returns the types of the messages in a datagram.
func sent(b []byte) (types []uint8) {
	for off := 0; off < len(b); {
		r, st := nextRecord(b, off, -1)
		if st != have || r.epoch != 0 || r.typ == RecordUnified {
			return types
		}
		if r.typ == RecordHandshake {
			f, _ := readFragment(b[r.from:])
			types = append(types, f.typ)
		}
		off = r.to
	}
	return types
}

// TestSplitBurst splits two connections of which some datagrams in a row were
// lost: no session has ClientHellos and ServerHellos of both. The limit is where
// the ClientHello of one has no answer and that of the other is lost, and where
// the client continued after an answer that was lost: it may be late.
func TestSplitBurst(t *testing.T) {
	type half struct{ hello, answer, server, later bool }
	s := NewSessions() // to look with
	for _, a := range courses {
		for _, b := range courses {
			t.Run(a.name+", "+b.name, func(t *testing.T) {
				whole := append(a.connect(0), b.connect(1)...)
				for from := range whole {
					for to := from + 1; to <= len(whole); to++ {
						list := slices.Delete(slices.Clone(whole), from, to)
						var of [2]half
						for _, x := range list {
							h := &of[x.of]
							h.hello = h.hello || slices.Contains(sent(x.b), TypeClientHello)
							l, _ := s.look(x.b)
							h.answer = h.answer || l.answer != 0
							h.server = h.server || x.d == stream.ToClient
							h.later = h.later || x.d == stream.ToServer && (l.later || l.protected)
						}
						if of[0].hello && !of[0].answer && (!of[1].hello || of[0].later) || !of[0].hello && of[0].server && of[1].hello {
							continue
						}
						by := map[uint32]int{}
						s := NewSessions()
						for i, x := range list {
							n, _, _ := s.Split(&stream.Datagram{Transport: stream.UDP, Flow: 9, From: uint8(x.d), Data: x.b})
							if l, _ := s.look(x.b); l.hello == 0 && l.answer == 0 {
								continue
							}
							if o, ok := by[n]; ok && o != x.of {
								t.Errorf("without [%d:%d]: datagram %d, of connection %d, is in session %d of connection %d", from, to, i, x.of, n, o)
							}
							by[n] = x.of
						}
					}
				}
			})
		}
	}
}

// TestSplitCapwap has a connection in CAPWAP behind one without it, and the
// other way round.
func TestSplitCapwap(t *testing.T) {
	in := func(list []labelled) []labelled {
		list = slices.Clone(list)
		for i := range list {
			list[i].b = append([]byte{1, 0, 0, 0}, list[i].b...)
		}
		return list
	}
	for _, a := range courses {
		// The same handshake with and without the header at once.
		var both []labelled
		for i, x := range in(a.connect(0)) {
			x.of = 1
			both = append(both, a.connect(0)[i], x)
		}
		sessionsOf(t, both)
		for _, b := range courses {
			sessionsOf(t, append(a.connect(0), in(b.connect(1))...))
			sessionsOf(t, append(in(a.connect(0)), b.connect(1)...))
		}
	}
}

// TestFlight lets any datagram of a server's flight come first, behind nothing and
// behind another connection: it begins a conversation, belongs to the same session
// as the others, and the same is read.
func TestFlight(t *testing.T) {
	var first, second Reader
	for _, c := range courses[:2] {
		for before := range 2 {
			list := c.connect(0)
			if before == 1 {
				list = append(courses[0].connect(1), list...)
			}
			at := slices.IndexFunc(list, func(x labelled) bool { return x.of == 0 && slices.Contains(sent(x.b), TypeServerHello) })
			end := at
			for list[end].d == stream.ToClient {
				end++
			}
			var in []said
			for _, x := range list {
				if x.of == 0 {
					in = append(in, x.said)
				}
			}
			want := first.Read(conversation(in))
			for i := at; i < end; i++ {
				t.Run(fmt.Sprintf("%s, %d before, %d first", c.name, before, i-at), func(t *testing.T) {
					moved := slices.Clone(list)
					x := moved[i]
					moved = slices.Insert(slices.Delete(moved, i, i+1), at, x)
					sessionsOf(t, moved)
					if s := Sniff(x.b); s != stream.SniffServer {
						t.Errorf("got sniff %d", s)
					}
					var in []said
					for _, x := range moved {
						if x.of == 0 {
							in = append(in, x.said)
						}
					}
					got := second.Read(conversation(in))
					if len(got.Said[1].Messages) != len(want.Said[1].Messages) || got.Swapped || got.Said[1].Missing {
						t.Errorf("%d messages of the server, want %d; swapped %v, missing %v", len(got.Said[1].Messages), len(want.Said[1].Messages), got.Swapped, got.Said[1].Missing)
					}
				})
			}
		}
	}
}

// TestMissing loses each of the server's datagrams, and several in a row: that
// something is missing between its hello and its ChangeCipherSpec shows in the
// record numbers.
func TestMissing(t *testing.T) {
	var r Reader
	for _, c := range courses[:2] {
		list := c.connect(0)
		hello := slices.IndexFunc(list, func(x labelled) bool { return slices.Contains(sent(x.b), TypeServerHello) })
		for from := range list {
			for to := from; to <= len(list); to++ {
				var in []said
				lost, seen, changed := false, false, false
				for i, x := range list {
					if i >= from && i < to {
						lost = lost || i > hello && x.d == stream.ToClient && len(sent(x.b)) > 0
						continue
					}
					in = append(in, x.said)
					if x.d == stream.ToClient && len(sent(x.b)) == 0 {
						changed = true
					}
					seen = seen || i == hello
				}
				o := r.Read(conversation(in))
				if o == nil {
					continue
				}
				ccs := o.Said[1].CCS.Count > 0
				if got, want := o.Said[1].Missing, seen && changed && (lost || !ccs); got != want {
					t.Errorf("%s without [%d:%d]: missing %v, want %v", c.name, from, to, got, want)
				}
			}
		}
	}
}

// TestRole reads Certificates without the hellos: a message of one side only
// shows whose they are, and without one they are of neither.
func TestRole(t *testing.T) {
	cert := messageOf(11, 1, certificate)
	for _, x := range []struct {
		name    string
		in      []said
		swapped bool
		n       [2]int // messages by role
	}{
		{"the server's", []said{server(plain(cert)), server(plain(messageOf(14, 2, "")))}, false, [2]int{0, 2}},
		{"the server's, taken for the client", []said{client(plain(cert)), client(plain(messageOf(12, 2, "00")))}, true, [2]int{0, 2}},
		{"the client's", []said{client(plain(cert)), client(plain(messageOf(16, 2, "04 05060708")))}, false, [2]int{2, 0}},
		{"the client's, taken for the server", []said{server(plain(cert)), server(plain(messageOf(15, 2, "00")))}, true, [2]int{2, 0}},
		{"that of the other side", []said{server(plain(cert)), client(plain(messageOf(16, 2, "04 05060708")))}, false, [2]int{1, 1}},
		{"of neither", []said{server(plain(cert)), client(ccs + finished)}, false, [2]int{}},
	} {
		var r Reader
		o := r.Read(conversation(x.in))
		if got := [2]int{len(o.Said[0].Messages), len(o.Said[1].Messages)}; o.Swapped != x.swapped || got != x.n {
			t.Errorf("%s: swapped %v, messages %v, want %v, %v", x.name, o.Swapped, got, x.swapped, x.n)
		}
	}
}
