package quic

import (
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// seeds are conversations of all kinds, as one half each.
func seeds(t testing.TB) (list [][2]string) {
	v := vectors(t)
	c := first(t, cryptoFrame(helloC, 0, 300)+pingFrame+closeFrame)
	retry := long{version: Version1, kind: kindRetry, dcid: cscid, scid: sscid, token: "token"}
	zero := long{version: Version1, kind: kindZeroRTT, dcid: odcid, scid: cscid, frames: strings.Repeat("z", 60)}
	s := answer(ackFrame + cryptoFrame(helloS, 0, 90))
	return [][2]string{
		{string(v["v1 client packet"]), string(v["v1 server packet"])},
		{string(v["v2 client packet"]), string(v["v2 server packet"]) + string(v["v2 retry packet"])},
		{c.seal(t) + zero.seal(t), s.seal(t) + short(toClient, cscid).b},
		{c.seal(t), negotiation(Version1, Version2).b},
		{c.seal(t), retry.seal(t)},
		{"", s.seal(t)},
	}
}

// split makes a conversation of two halves, cut into datagrams of this size.
func split(client, server []byte, size int) *stream.Conversation {
	c := conversation()
	n := 0
	for d, b := range [2][]byte{client, server} {
		b = b[:min(len(b), 128<<10)] // what a half may hold
		for len(b) > 0 && len(c.Half[d].Marks) < stream.MaxMarks {
			k := min(size, len(b))
			add(c, datagram{stream.Dir(d), string(b[:k])}, n)
			b = b[k:]
			n++
		}
	}
	return c
}

// FuzzRead reads any two halves, cut into datagrams.
func FuzzRead(f *testing.F) {
	for _, x := range seeds(f) {
		f.Add([]byte(x[0]), []byte(x[1]), uint16(1500), false)
		f.Add([]byte(x[1]), []byte(x[0]), uint16(600), true)
	}
	var r Reader
	f.Fuzz(func(t *testing.T, client, server []byte, size uint16, cut bool) {
		c := split(client, server, max(1, int(size)))
		c.Half[0].Cut, c.Half[1].Cut = cut, cut
		check(t, r.Read(c))
	})
}

// FuzzFrames puts any bytes into Initials that can be opened.
func FuzzFrames(f *testing.F) {
	for _, s := range []string{
		cryptoFrame(helloC, 0, 300), cryptoFrame(helloC, 100, 200) + cryptoFrame(helloC, 0, 120), ackFrame + ecnFrame + pingFrame, closeFrame, longClose, "\x08\x00", "\x40\x01\x00\x00\x01\x00",
	} {
		f.Add([]byte(s), []byte(s), uint32(Version1))
		f.Add([]byte(s+s), []byte(s), uint32(googleT051))
		f.Add([]byte(s), []byte(s+s), uint32(Version2))
	}
	var r Reader
	f.Fuzz(func(t *testing.T, client, server []byte, version uint32) {
		v := Version(version)
		if !v.Known() || len(client) > 1<<14-100 || len(server) > 1<<14-100 {
			return
		}
		p, q := first(t, string(client)), answer(string(server))
		p.version, q.version = v, v
		o := r.Read(conversation(up(t, p), down(t, q)))
		check(t, o)
		if len(client) > 0 && len(server) > 0 && o.Opened != [2]int{1, 1} { // an empty packet is none
			t.Errorf("opened %v", o.Opened)
		}
	})
}

// FuzzAsk asks datagram by datagram. What was refused must be nothing.
func FuzzAsk(f *testing.F) {
	for _, x := range seeds(f) {
		f.Add([]byte(x[0]), []byte(x[1]), uint16(1500))
		f.Add([]byte(x[1]), []byte(x[0]), uint16(400))
	}
	var r Reader
	f.Fuzz(func(t *testing.T, client, server []byte, size uint16) {
		v, n, c := ask(datagramsOf(split(client, server, max(1, int(size))))...)
		if o := r.Read(c); v == stream.Refuse && n == 1 && o != nil {
			t.Errorf("refused: %+v", o)
		}
	})
}

// FuzzSniff holds the cheap look at a datagram against the Reader: what it
// opens by itself must have been worth following.
func FuzzSniff(f *testing.F) {
	for _, x := range seeds(f) {
		f.Add([]byte(x[0]))
		f.Add([]byte(x[1]))
	}
	var r Reader
	f.Fuzz(func(t *testing.T, b []byte) {
		s := Sniff(b)
		if s > stream.SniffServer {
			t.Fatalf("sniff %d", s)
		}
		if o := r.Read(conversation(datagram{toServer, string(b)})); o != nil && o.Opened[0] > 0 && s == stream.SniffNone {
			t.Errorf("an Initial was opened that Sniff does not see: %x", b)
		}
	})
}
