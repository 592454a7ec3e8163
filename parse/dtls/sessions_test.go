package dtls

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// A labelled is a datagram of a connection that has a number.
type labelled struct {
	said
	of int
}

// A course is how a connection of a test goes.
type course struct {
	name             string
	cookie, hrr      bool
	refused, silence bool
	v13              bool
}

var courses = []course{
	{name: "full"}, {name: "with a cookie", cookie: true}, {name: "refused", refused: true}, {name: "refused after a cookie", cookie: true, refused: true},
	{name: "without an answer", silence: true}, {name: "1.3", v13: true}, {name: "1.3 with a HelloRetryRequest", v13: true, hrr: true},
}

// connect makes the datagrams of connection n in order.
func (c course) connect(n int) (list []labelled) {
	var sent [2]uint16 // records of epoch 0 by direction
	put := func(x said) {
		for off := 0; off < len(x.b); {
			r, st := nextRecord(x.b, off, -1)
			if st != have || r.typ == RecordUnified || r.epoch != 0 {
				break
			}
			binary.BigEndian.PutUint16(x.b[off+9:], sent[x.d])
			sent[x.d]++
			off = r.to
		}
		list = append(list, labelled{x, n})
	}
	own := func(s, random string) string {
		return strings.ReplaceAll(s, random, strings.Repeat(fmt.Sprintf("%02x", n+0x40), 4))
	}
	seq := uint16(0)
	put(client(plain(messageOf(1, 0, own(hello1, "01010101")))))
	put(client(plain(messageOf(1, 0, own(hello1, "01010101")))))
	if c.silence {
		return list
	}
	if c.cookie || c.hrr {
		if c.hrr {
			put(server(plain(messageOf(2, 0, strings.Replace(serverHello1, random2, retry, 1)+fmt.Sprintf("0008 002c 0004 0002 aa%02x", n+0x40)))))
		} else {
			put(server(recordOf(22, version10, 0, 0, messageOf(3, 0, strings.Replace(verify, "aa bb", fmt.Sprintf("aa %02x", n+0x40), 1)))))
		}
		put(client(plain(messageOf(1, 1, own(hello1cookie, "01010101")))))
		seq = 1
	}
	if c.refused {
		put(server(recordOf(21, version12, 0, 1, "02 28")))
		return list
	}
	sh := messageOf(2, seq, own(serverHello1, "02020202"))
	if c.v13 {
		put(server(plain(sh) + unified("2e", "0001", 40)))
		put(server(unified("2e", "0002", 60)))
		put(client(unified("2e", "0003", 60)))
		put(client(unified("2f", "0000", 40)))
		put(server(unified("2f", "0000", 40)))
		return list
	}
	put(server(plain(sh)))
	put(server(plain(messageOf(11, seq+1, certificate))))
	put(server(plain(messageOf(14, seq+2, ""))))
	put(client(plain(messageOf(16, seq+1, "04 05060708")) + ccs + finished))
	put(server(ccs + finished))
	put(client(data))
	put(server(data))
	put(client(recordOf(21, version12, 1, 3, strings.Repeat("00", 26))))
	put(server(recordOf(21, version12, 1, 3, strings.Repeat("00", 26))))
	return list
}

func sessionsOf(t *testing.T, list []labelled) {
	t.Helper()
	s := NewSessions()
	of, by := map[int]uint32{}, map[uint32]int{}
	for i, x := range list {
		n, dir, lost := s.Split(&stream.Datagram{Transport: stream.UDP, Flow: 9, From: uint8(x.d), Data: x.b})
		if dir != 0 || lost {
			t.Fatalf("datagram %d: direction %d, lost %v", i, dir, lost)
		}
		if was, ok := of[x.of]; ok && was != n {
			t.Fatalf("datagram %d, of connection %d in direction %d: session %d, the others have %d", i, x.of, x.d, n, was)
		}
		if o, ok := by[n]; ok && o != x.of {
			t.Fatalf("datagram %d, of connection %d in direction %d: session %d is that of connection %d", i, x.of, x.d, n, o)
		}
		of[x.of], by[n] = n, x.of
	}
}

// lag moves the datagrams of one direction behind as many others at the most,
// and keeps each direction in order.
func lag(list []labelled, d stream.Dir, by int) []labelled {
	out := make([]labelled, 0, len(list))
	var late []labelled
	var due []int
	for i, x := range list {
		for len(late) > 0 && due[0] <= i {
			out, late, due = append(out, late[0]), late[1:], due[1:]
		}
		if x.d == d {
			late, due = append(late, x), append(due, i+by)
		} else {
			out = append(out, x)
		}
	}
	return append(out, late...)
}

// TestSplit splits connections of every kind that follow one another.
func TestSplit(t *testing.T) {
	for _, a := range courses {
		for _, b := range courses {
			t.Run(a.name+", "+b.name, func(t *testing.T) {
				var list []labelled
				for n, c := range []course{a, b, a, b} {
					list = append(list, c.connect(n)...)
				}
				sessionsOf(t, list)
				if a.refused || b.refused || a.silence || b.silence {
					return // which of two hellos a late alert refuses is undetermined
				}
				for by := range 5 {
					sessionsOf(t, lag(list, stream.ToClient, by))
					sessionsOf(t, lag(list, stream.ToServer, by))
				}
			})
		}
	}
}

// TestSplitCopies repeats datagrams of a connection behind its end: they begin
// no other connection.
func TestSplitCopies(t *testing.T) {
	for _, a := range courses {
		for _, b := range courses {
			t.Run(a.name+", "+b.name, func(t *testing.T) {
				one, two := a.connect(0), b.connect(1)
				for i := range one {
					sessionsOf(t, append(append(one[:len(one):len(one)], one[i]), two...))
				}
			})
		}
	}
}

// TestSplitOthers gives what is none of DTLS to none of its connections, and
// bounds what is remembered.
func TestSplitOthers(t *testing.T) {
	s := NewSessions()
	split := func(flow uint64, x said) uint32 {
		n, _, _ := s.Split(&stream.Datagram{Transport: stream.UDP, Flow: flow, From: uint8(x.d), Data: x.b})
		return n
	}
	for n := range 2 {
		for _, x := range courses[0].connect(n) {
			split(1, x.said)
		}
	}
	for _, b := range []string{"", stun, rtp, "16", "16 0303 0000 000000000000 0001 00", "c0 00000001 00 00"} {
		if n := split(1, client(b)); n != 0 {
			t.Errorf("%s: session %d", b, n)
		}
	}
	if n := split(1, client("01000000"+plain(messageOf(1, 0, strings.ReplaceAll(hello1, "01", "77"))))); n == 0 {
		t.Error("another connection in CAPWAP has no session")
	}
	seen := map[uint32]bool{}
	for n := range 100 {
		seen[split(2, courses[0].connect(n)[0].said)] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d sessions of 100", len(seen))
	}
	if x, _ := s.pairs.Get(2); len(x.attempts) != maxAttempts {
		t.Errorf("%d connections are remembered", len(x.attempts))
	}
}

// FuzzSplit holds that a session is a number that the tracker can use.
func FuzzSplit(f *testing.F) {
	for _, c := range courses {
		for _, x := range c.connect(1) {
			f.Add(x.b, x.b, uint8(x.d))
		}
	}
	f.Fuzz(func(t *testing.T, a, b []byte, from uint8) {
		s := NewSessions()
		for i := range 20 {
			data := a
			if i%3 == 1 {
				data = b
			}
			if n, dir, _ := s.Split(&stream.Datagram{Transport: stream.UDP, Flow: 5, From: from >> (i % 8), Data: data}); n > stream.MaxSession || dir > stream.ToClient {
				t.Fatalf("session %d, direction %d", n, dir)
			}
		}
	})
}
