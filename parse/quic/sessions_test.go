package quic

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// A labelled is a datagram of a connection that has a number.
type labelled struct {
	datagram
	of int
}

// A shape is how the connections of a test look.
type shape struct {
	client, server int  // length of the connection IDs
	retry          bool // the server sends a Retry
	negotiation    bool // and a Version Negotiation
	early          bool // the client sends 0-RTT packets, before its Initial
}

// connect makes the datagrams of connection n in order.
func (s shape) connect(t testing.TB, n int) (list []labelled) {
	id := func(what string, size int) string {
		return (string(what[0]+byte(n)) + strings.Repeat("-", maxCID))[:size]
	}
	orig, client, server := id("\x10", 8+n%4), id("\x20", s.client), id("\x30", s.server)
	put := func(d datagram) { list = append(list, labelled{d, n}) }
	hello := message(msgClientHello, 300+n)
	c := long{version: Version1, kind: kindInitial, dcid: orig, scid: client, frames: cryptoFrame(hello, 0, len(hello)), size: minDatagram}
	if s.early {
		z := long{version: Version1, kind: kindZeroRTT, dcid: orig, scid: client, frames: strings.Repeat("z", 100)}
		put(datagram{toServer, z.seal(t) + c.seal(t)})
	}
	if s.negotiation {
		v2 := c
		v2.version = Version2
		put(up(t, v2))
		b := "\x80\x00\x00\x00\x00" + string(rune(len(client))) + client + string(rune(len(orig))) + orig + "\x00\x00\x00\x01"
		put(datagram{toClient, b})
	}
	put(up(t, c))
	put(up(t, c))
	if s.retry {
		server2 := id("\x40", 12)
		put(down(t, long{version: Version1, kind: kindRetry, dcid: client, scid: id("\x50", 12), token: "another token"}))
		put(down(t, long{version: Version1, kind: kindRetry, dcid: client, scid: server2, token: "a token of it"}))
		c.dcid, c.token, c.number = server2, "a token of it", 1
		put(up(t, c))
		orig = server2
	}
	a := long{version: Version1, kind: kindInitial, key: orig, dcid: client, scid: server, frames: ackFrame + cryptoFrame(helloS, 0, 90), size: minDatagram}
	h := long{version: Version1, kind: kindHandshake, dcid: client, scid: server, frames: strings.Repeat("h", 200)}
	put(down(t, a, h))
	put(down(t, h))
	put(short(toClient, client))
	ack := c
	ack.dcid, ack.key, ack.frames, ack.number, ack.token = server, orig, ackFrame, 5, ""
	h.dcid, h.scid = server, client
	d := up(t, ack)
	d.b += h.seal(t)
	put(d)
	put(short(toServer, server))
	put(short(toClient, client))
	return list
}

// sessionsOf splits datagrams and fails where two of one connection, or of
// several, get the wrong session.
func sessionsOf(t *testing.T, list []labelled) {
	t.Helper()
	s := NewSessions()
	var of [16]uint32
	var seen [16]bool
	for i, x := range list {
		n, dir, lost := s.Split(&stream.Datagram{Transport: stream.UDP, Flow: 9, From: uint8(x.from), Data: []byte(x.b)})
		if dir != 0 || lost {
			t.Fatalf("datagram %d: direction %d, lost %v", i, dir, lost)
		}
		if seen[x.of] && of[x.of] != n {
			t.Fatalf("datagram %d, of connection %d in direction %d: session %d, the others have %d", i, x.of, x.from, n, of[x.of])
		}
		of[x.of], seen[x.of] = n, true
		for o := range of {
			if o != x.of && seen[o] && of[o] == n {
				t.Fatalf("datagram %d, of connection %d in direction %d: session %d is that of connection %d", i, x.of, x.from, n, o)
			}
		}
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
		if x.from == d {
			late, due = append(late, x), append(due, i+by)
		} else {
			out = append(out, x)
		}
	}
	return append(out, late...)
}

// TestSplitSequence splits connections that follow each other, with each
// direction late by up to a whole connection.
func TestSplitSequence(t *testing.T) {
	for _, client := range []int{0, 3, 8, 20} {
		for _, server := range []int{1, 4, 8, 20} {
			for kind := range 8 {
				s := shape{client, server, kind&1 != 0, kind&2 != 0, kind&4 != 0}
				t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
					var list []labelled
					for n := range 4 {
						list = append(list, s.connect(t, n)...)
					}
					sessionsOf(t, list)
					if s.negotiation && s.early {
						return // 0-RTT of one version before an Initial of another: no client does so
					}
					for by := range 7 {
						sessionsOf(t, lag(list, toClient, by))
						sessionsOf(t, lag(list, toServer, by))
					}
				})
			}
		}
	}
}

// TestSplitRetryLost splits a connection whose Retry packets were not captured,
// in which the server's first datagrams come before the second Initial.
func TestSplitRetryLost(t *testing.T) {
	for _, client := range []int{0, 3, 8, 20} {
		for _, server := range []int{1, 4, 8, 20} {
			s := shape{client: client, server: server, retry: true}
			list := slices.DeleteFunc(s.connect(t, 0), func(x labelled) bool {
				p, ok := nextPacket([]byte(x.b), 0)
				return ok && p.kind == kindRetry
			})
			for by := range 4 {
				sessionsOf(t, lag(list, toClient, by))
				sessionsOf(t, lag(list, toServer, by))
			}
			// Only a copy of the first Initial was captured, late.
			list = s.connect(t, 0)
			first := list[0]
			list = list[2:]
			for at := range 5 {
				sessionsOf(t, slices.Insert(slices.Clone(list), at, first))
			}
		}
	}
}

// TestSplitAtOnce splits connections that are open at the same time, which
// takes a client with connection IDs.
func TestSplitAtOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, client := range []int{3, 8, 20} {
		for kind := range 2 {
			s := shape{client: client, server: 8, retry: kind == 1}
			for range 100 {
				var rest [4][]labelled
				for n := range rest {
					rest[n] = s.connect(t, n)
				}
				var list []labelled
				for {
					left := slices.DeleteFunc([]int{0, 1, 2, 3}, func(n int) bool { return len(rest[n]) == 0 })
					if len(left) == 0 {
						break
					}
					n := left[rng.IntN(len(left))]
					list = append(list, rest[n][0])
					rest[n] = rest[n][1:]
				}
				sessionsOf(t, list)
				sessionsOf(t, lag(list, toClient, rng.IntN(12)))
				sessionsOf(t, lag(list, toServer, rng.IntN(12)))
			}
		}
	}
}

// TestSplitOthers gives what is none of QUIC to none of its connections, and
// bounds what is remembered.
func TestSplitOthers(t *testing.T) {
	s := NewSessions()
	split := func(flow uint64, from stream.Dir, b string) uint32 {
		n, _, _ := s.Split(&stream.Datagram{Transport: stream.UDP, Flow: flow, From: uint8(from), Data: []byte(b)})
		return n
	}
	x := shape{client: 8, server: 8}
	for n := range 2 {
		for _, d := range x.connect(t, n) {
			split(1, d.from, d.b)
		}
	}
	for _, b := range []string{"", "\xc0", "\x16\xfe\xfd\x00\x00\x00\x00\x00\x00", "\x00\x01\x00\x00\x21\x12\xa4\x42", "\xc0\x12\x34\x56\x78\x00\x00", "\x80\x60\x00\x01\x00\x00\x00\x01"} {
		if n := split(1, toServer, b); n != 0 {
			t.Errorf("%q: session %d", b, n)
		}
	}
	many := shape{client: 4, server: 4}
	seen := map[uint32]bool{}
	for n := range 100 {
		seen[split(2, toServer, many.connect(t, n)[0].b)] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d sessions of 100", len(seen))
	}
	if p, _ := s.pairs.Get(2); len(p.attempts) != maxAttempts {
		t.Errorf("%d connections are remembered", len(p.attempts))
	}
}

// FuzzSplit holds that no datagram takes more than its share of memory.
func FuzzSplit(f *testing.F) {
	for _, x := range (shape{client: 4, server: 8, retry: true}).connect(f, 1) {
		f.Add([]byte(x.b), []byte(x.b), uint8(x.from))
	}
	f.Fuzz(func(t *testing.T, a, b []byte, from uint8) {
		s := NewSessions()
		for i := range 20 {
			data := a
			if i%3 == 1 {
				data = b
			}
			n, dir, _ := s.Split(&stream.Datagram{Transport: stream.UDP, Flow: 5, From: from >> (i % 8), Data: data})
			if n > stream.MaxSession || dir > stream.ToClient {
				t.Fatalf("session %d, direction %d", n, dir)
			}
		}
		if x, _ := s.pairs.Get(5); x != nil {
			for _, a := range x.attempts {
				if len(a.names[0]) > maxNames || len(a.names[1]) > maxNames {
					t.Fatal("too many names")
				}
			}
		}
	})
}
