package quic

import (
	"bytes"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// TestSame compares datagrams of a client that moved with others.
func TestSame(t *testing.T) {
	with := func(l long, f func(*long)) long { f(&l); return l }
	one, two := cryptoFrame(helloC, 0, 150), cryptoFrame(helloC, 150, 300)
	c := first(t, one)
	number := func(n int64, frames string) long {
		return with(c, func(l *long) { l.number, l.frames = n, frames })
	}
	other := message(msgClientHello, 310)
	later := with(number(7, ackFrame), func(l *long) { l.dcid, l.key = sscid, odcid })
	unseen := with(later, func(l *long) { l.dcid = "a new name" })
	foreign := with(unseen, func(l *long) { l.key = "of others" })
	s := answer(ackFrame + cryptoFrame(helloS, 0, 90))
	unseenServer := with(s, func(l *long) { l.scid, l.number = "a new name", 3 })
	foreignServer := with(unseenServer, func(l *long) { l.key = "of others" })
	hs := long{version: Version1, kind: kindHandshake, dcid: sscid, scid: cscid, frames: strings.Repeat("h", 60)}
	zero := long{version: Version1, kind: kindZeroRTT, dcid: odcid, scid: cscid, frames: strings.Repeat("z", 60)}
	retry := long{version: Version1, kind: kindRetry, dcid: cscid, scid: "retry-scid", token: "a token"}
	again := with(number(1, one+two), func(l *long) { l.dcid, l.token = "retry-scid", "a token" })
	v2 := func(l long) long { l.version = Version2; return l }

	for _, x := range []struct {
		name string
		list []datagram
		next datagram
		same bool
	}{
		{"the other half of the hello", []datagram{up(t, c)}, up(t, number(1, two)), true},
		{"a retransmission", []datagram{up(t, c)}, up(t, number(1, one)), true},
		{"a copy", []datagram{up(t, c)}, up(t, c), false},
		{"the number of another packet", []datagram{up(t, c)}, up(t, number(0, two)), false},
		{"another hello", []datagram{up(t, c)}, up(t, number(1, cryptoFrame(other, 0, 150))), false},
		{"another version", []datagram{up(t, c)}, up(t, v2(number(1, two))), false},
		{"seen twice before", []datagram{up(t, c), up(t, c)}, up(t, number(1, two)), true},
		{"a copy of the second", []datagram{up(t, c), up(t, number(1, two))}, up(t, number(1, two)), false},
		{"cut", []datagram{up(t, c)}, datagram{toServer, up(t, number(1, two)).b[:300]}, true},
		{"cut, of others", []datagram{up(t, c)}, datagram{toServer, up(t, with(c, func(l *long) { l.key, l.number = "of others", 1 })).b[:300]}, false},
		{"cut, another hello", []datagram{up(t, c)}, datagram{toServer, up(t, number(1, cryptoFrame(other, 0, 150))).b[:120]}, false},
		{"after what was cut", []datagram{{toServer, up(t, c).b[:300]}}, up(t, number(1, two)), true},
		{"early data, which prove nothing", []datagram{up(t, c)}, up(t, zero), false},
		{"the server's ID", []datagram{up(t, c), down(t, s)}, up(t, later), true},
		{"the same, a Handshake packet", []datagram{up(t, c), down(t, s)}, up(t, hs), true},
		{"an ID in use that the server was not seen to choose", []datagram{up(t, c), up(t, later)}, up(t, with(later, func(l *long) { l.number = 8 })), true},
		{"the same without proof", []datagram{up(t, c), up(t, later)}, up(t, hs), false},
		{"an ID that was told in secret", []datagram{up(t, c), down(t, s)}, up(t, unseen), true},
		{"the same, the number of another", []datagram{up(t, c), up(t, number(7, two)), down(t, s)}, up(t, unseen), false},
		{"a client with the same ID", []datagram{up(t, c), down(t, s)}, up(t, foreign), false},
		{"the same, without an Initial", []datagram{up(t, c), down(t, s)}, up(t, with(hs, func(l *long) { l.dcid = "a new name" })), false},
		{"a server that takes the client's ID for its own", []datagram{up(t, c), down(t, with(s, func(l *long) { l.scid = odcid }))}, up(t, number(0, two)), false},
		{"after a Retry", []datagram{up(t, c), down(t, retry)}, up(t, again), true},
		{"after a Retry that was lost", []datagram{up(t, c)}, up(t, again), true},
		{"the same, the number of another", []datagram{up(t, c)}, up(t, with(again, func(l *long) { l.number = 0 })), false},
		{"the same, another hello", []datagram{up(t, c)}, up(t, with(again, func(l *long) { l.frames = cryptoFrame(other, 0, 150) })), false},
		{"the same, the rest of a hello", []datagram{up(t, c)}, up(t, with(again, func(l *long) { l.frames = two })), false},
		{"the second after a Retry", []datagram{up(t, c), down(t, retry), up(t, again)}, up(t, with(again, func(l *long) { l.number = 2 })), true},
		{"the server to the new address", []datagram{up(t, c), down(t, s)}, down(t, unseenServer), true},
		{"the same, by its ID", []datagram{up(t, c), down(t, s)}, down(t, with(s, func(l *long) { l.kind = kindHandshake })), true},
		{"a copy of the server's", []datagram{up(t, c), down(t, s)}, down(t, s), false},
		{"the server to another client", []datagram{up(t, c), down(t, s)}, down(t, foreignServer), false},
		{"nothing before it", nil, up(t, c), false},
		{"no packet", []datagram{up(t, c)}, datagram{toServer, "\xc0\x00"}, false},
	} {
		var l Rebinder
		conv := conversation(x.list...)
		for range 2 { // it remembers nothing
			if got := l.Same(conv, x.next.from, []byte(x.next.b)); got != x.same {
				t.Errorf("%s: %v", x.name, got)
			}
		}
	}
}

// TestNames reads connection IDs.
func TestNames(t *testing.T) {
	var l Rebinder
	c := first(t, cryptoFrame(helloC, 0, 300))
	for _, x := range []struct {
		b        string
		to, from string
		ok       bool
	}{
		{up(t, c).b, odcid, cscid, true},
		{down(t, answer(ackFrame)).b, cscid, sscid, true},
		{long{version: Version1, kind: kindRetry, dcid: cscid, scid: sscid, token: "t"}.seal(t), cscid, sscid, true},
		{long{version: Version2, kind: kindHandshake, dcid: sscid, frames: "hhhhhhhh"}.seal(t), sscid, "", true},
		{short(toServer, sscid).b, "", "", false},
		{negotiation(Version1).b, "", "", false},
		{"\xc0\x00\x00\x00\x01\x08", "", "", false},
		{"\xc0\x12\x34\x56\x78\x08aaaaaaaa\x08bbbbbbbb", "", "", false},
		{"\x16\xfe\xfd\x00\x00\x00\x00\x00", "", "", false},
		{"", "", "", false},
	} {
		if to, from, ok := l.ConnIDs([]byte(x.b)); string(to) != x.to || string(from) != x.from || ok != x.ok {
			t.Errorf("%.20q: to %q, from %q, %v", x.b, to, from, ok)
		}
	}
}

// FuzzRebinder holds that names are short, that no datagram is more of what has it
// already, and that one with other keys belongs to no client.
func FuzzRebinder(f *testing.F) {
	for _, x := range seeds(f) {
		f.Add([]byte(x[0]), []byte(x[1]), []byte(x[0]), uint16(1200))
		f.Add([]byte(x[0]), []byte(x[1]), []byte(x[1]), uint16(500))
	}
	var l Rebinder
	f.Fuzz(func(t *testing.T, client, server, next []byte, size uint16) {
		to, from, ok := l.ConnIDs(next)
		if len(to) > stream.MaxConnID || len(from) > stream.MaxConnID || !ok && (to != nil || from != nil) {
			t.Fatalf("names %x and %x", to, from)
		}
		c := split(client, server, max(1, int(size)))
		before := [2][]byte{bytes.Clone(c.Half[0].Data), bytes.Clone(c.Half[1].Data)}
		for d := range c.Half {
			l.Same(c, stream.Dir(d), next)
			for _, x := range datagramsOf(c) {
				if x.from == stream.Dir(d) && l.Same(c, x.from, []byte(x.b)) {
					t.Error("a copy is more of the same")
				}
			}
			if !bytes.Equal(before[d], c.Half[d].Data) {
				t.Error("the conversation was changed")
			}
		}
	})
}
