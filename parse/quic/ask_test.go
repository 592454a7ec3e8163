package quic

import (
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// TestAsk asks datagram by datagram.
func TestAsk(t *testing.T) {
	c := up(t, first(t, cryptoFrame(helloC, 0, 300)))
	s := answer(ackFrame + cryptoFrame(helloS, 0, 90))
	hs := long{version: Version1, kind: kindHandshake, dcid: cscid, scid: sscid, frames: strings.Repeat("h", 200)}
	chs := long{version: Version1, kind: kindHandshake, dcid: sscid, scid: cscid, frames: strings.Repeat("h", 60)}
	zero := long{version: Version1, kind: kindZeroRTT, dcid: odcid, scid: cscid, frames: strings.Repeat("z", 200)}
	achs := long{version: Version1, kind: kindHandshake, dcid: sscid, scid: cscid, frames: strings.Repeat("a", 8)}
	sh, fin, ack := down(t, s, hs), up(t, chs), up(t, achs)
	more := func(n int, d datagram) (list []datagram) {
		for range n {
			list = append(list, d)
		}
		return list
	}
	join := func(lists ...[]datagram) (all []datagram) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	one := func(d ...datagram) []datagram { return d }
	up1, down1 := short(toServer, sscid), short(toClient, cscid)

	for _, x := range []struct {
		name string
		list []datagram
		want stream.Decision
		n    int // datagrams that it takes
	}{
		{"the Finished of the client", one(c, sh, fin, up1), stream.Enough, 3},
		{"a 1-RTT packet of the client", one(c, sh, ack, up1, up1), stream.Enough, 4},
		{"a 1-RTT packet of the client to a new ID, its Finished behind it", one(c, down(t, s), down1, short(toServer, "a new name"), down(t, hs), fin), stream.Enough, 5},
		{"in one datagram", one(c, sh, datagram{toServer, fin.b + up1.b}, up1), stream.Enough, 3},
		{"acknowledgments alone", join(one(c, sh), more(20, ack)), stream.Enough, 2 + askLate},
		{"the server goes on", join(one(c, sh, ack), more(20, down1)), stream.Enough, 2 + askLate},
		{"the ServerHello comes late", one(c, down(t, hs), fin, up1, up1, down(t, s), up1, up1), stream.Enough, 6},
		{"the ServerHello never comes", join(one(c, down(t, hs), fin), more(40, up1)), stream.Enough, 2 + askReorder},
		{"the client alone", join(one(c, fin), more(60, up1)), stream.Enough, 1 + askOneSide},
		{"the server alone", join(one(sh), more(60, down1)), stream.Enough, askOneSide},
		{"the client is silent after it", join(one(c, sh), more(60, down1)), stream.Enough, 1 + askSilence},
		{"early data, no answer", join(one(c), more(60, up(t, zero))), stream.More, 61},
		{"no answer", more(4, c), stream.More, 4},
		{"a Version Negotiation", one(c, negotiation(Version1)), stream.More, 2},
		{"endpoints swapped", one(datagram{toClient, c.b}, datagram{toServer, sh.b}, datagram{toClient, ack.b}, datagram{toClient, up1.b}, datagram{toServer, down1.b}), stream.Enough, 4},
		{"nothing of QUIC", one(datagram{toServer, "hello"}), stream.Refuse, 1},
		{"a 1-RTT packet first", one(up1, sh), stream.More, 2},
		{"noise in between", one(c, datagram{toServer, "\x00\x01stun"}, sh, ack, datagram{toClient, ""}, up1), stream.Enough, 6},
	} {
		t.Run(x.name, func(t *testing.T) {
			v, n, conv := ask(x.list...)
			if v != x.want || n != x.n {
				t.Errorf("verdict %d after %d datagrams, want %d after %d", v, n, x.want, x.n)
			}
			for d := range conv.Half {
				if h := &conv.Half[d]; h.Note.Offset != 0 && h.Want != len(h.Data)+1 {
					t.Errorf("want %d of %d", h.Want, len(h.Data))
				}
			}
		})
	}

	// The client's half is full of early data.
	_, _, conv := ask(join(one(c), more(20, up(t, zero)))...)
	conv.Half[toServer].Full = true
	add(conv, sh, 30)
	if v := new(Asker).Ask(conv, toClient); v != stream.Enough {
		t.Errorf("verdict %d of a ServerHello when the client's half is full", v)
	}
}
