package eap

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// A step is a datagram and the name of its session, "" for none.
type step struct {
	session string
	d       stream.Datagram
}

const flow = 12345

func udp(session string, b []byte) step {
	return step{session, stream.Datagram{Transport: stream.UDP, Flow: flow, Data: b}}
}

// testSplit checks that s gives datagrams with the same session name the same
// number, and those with different names different numbers.
func testSplit(t *testing.T, s *Sessions, steps []step) {
	t.Helper()
	names := map[uint32]string{}
	numbers := map[string]uint32{}
	for i, x := range steps {
		if x.d.Time == 0 {
			x.d.Time = int64(i+1) * 1e6
		}
		n, dir, lost := s.Split(&x.d)
		if lost {
			t.Errorf("step %d: got lost, want no session lost", i)
		}
		if x.session == "" {
			if n != 0 {
				t.Errorf("step %d: got session %d, want none", i, n)
			}
			continue
		}
		if n == 0 {
			t.Errorf("step %d: got no session, want %s", i, x.session)
			continue
		}
		if is, ok := names[n]; ok && is != x.session {
			t.Errorf("step %d: got the session of %s, want %s", i, is, x.session)
		}
		if was, ok := numbers[x.session]; ok && was != n {
			t.Errorf("step %d: got session %d, want %d of %s", i, n, was, x.session)
		}
		names[n], numbers[x.session] = x.session, n
		if x.d.Transport == stream.UDP && (dir == stream.ToServer) != (x.d.Data[0] == accessRequest) {
			t.Errorf("step %d: got direction %d", i, dir)
		}
	}
}

// request returns an Access-Request of a session.
func request(session string, id uint8, eapID uint8, state string) step {
	body := []byte{typeTLS, 0}
	if state == "" {
		body = []byte{typeIdentity, 'x'}
	}
	attrs := [][]byte{attribute(attrUserName, session), attribute(attrCallingStationID, "02-00-"+session)}
	if state != "" {
		attrs = append(attrs, attribute(attrState, state))
	}
	return udp(session, radiusPacket(accessRequest, id, session+string(rune('0'+eapID))+state, eapPacket(codeResponse, eapID, body...), attrs...))
}

// challenge returns an Access-Challenge of a session.
func challenge(session string, id uint8, eapID uint8, state string) step {
	return udp(session, radiusPacket(accessChallenge, id, "", eapPacket(codeRequest, eapID, typeTLS, 0), attribute(attrState, state)))
}

// accept returns an Access-Accept of a session.
func accept(session string, id uint8, eapID uint8) step {
	return udp(session, radiusPacket(accessAccept, id, "", eapPacket(Success, eapID)))
}

// radiusSession returns a complete session over RADIUS, with RADIUS identifiers from
// id on and EAP identifiers from eapID on.
func radiusSession(name string, id, eapID uint8) []step {
	return []step{
		request(name, id, eapID, ""), challenge(name, id, eapID+1, name+"s1"),
		request(name, id+1, eapID+1, name+"s1"), challenge(name, id+1, eapID+2, name+"s2"),
		request(name, id+2, eapID+2, name+"s2"), challenge(name, id+2, eapID+3, name+"s3"),
		request(name, id+3, eapID+3, name+"s3"), accept(name, id+3, eapID+3),
	}
}

// lose returns list without the steps at these indices.
func lose(list []step, at ...int) []step {
	var out []step
	for i, x := range list {
		if !slices.Contains(at, i) {
			out = append(out, x)
		}
	}
	return out
}

// weave returns the steps of the lists by turns.
func weave(lists ...[]step) []step {
	var out []step
	for i := 0; ; i++ {
		n := len(out)
		for _, l := range lists {
			if i < len(l) {
				out = append(out, l[i])
			}
		}
		if len(out) == n {
			return out
		}
	}
}

func TestSplitRADIUS(t *testing.T) {
	t.Parallel()
	a, b, c := radiusSession("a", 0, 1), radiusSession("b", 100, 1), radiusSession("c", 200, 1)
	twice := func(l []step) (out []step) {
		for _, x := range l {
			out = append(out, x, x)
		}
		return out
	}
	late := func(l []step, from int, seconds int64) []step {
		l = slices.Clone(l)
		for i := from; i < len(l); i++ {
			l[i].d.Time = seconds*1e9 + int64(i)
		}
		return l
	}
	for name, steps := range map[string][]step{
		"one session":                   a,
		"sequential":                    slices.Concat(a, radiusSession("b", 0, 1), radiusSession("c", 0, 1)),
		"concurrent":                    weave(a, b, c),
		"retransmitted":                 twice(weave(a, b)),
		"slow user":                     late(a, 4, 90),
		"request lost":                  lose(a, 2),
		"challenge lost":                lose(a, 3),
		"challenge of one of two lost":  lose(weave(a, radiusSession("b", 100, 40)), 6),
		"request and challenge lost":    lose(a, 4, 5),
		"last request lost":             lose(a, 6),
		"only the server":               lose(a, 0, 2, 4, 6),
		"only the client":               lose(a, 1, 3, 5, 7),
		"only the clients of three":     weave(lose(a, 1, 3, 5, 7), lose(radiusSession("b", 100, 2), 1, 3, 5, 7), lose(c, 1, 3, 5, 7)),
		"capture starts late":           a[3:],
		"without EAP":                   {udp("", radiusPacket(accessRequest, 1, "x", nil, attribute(attrUserName, "u"))), udp("", radiusPacket(accessAccept, 1, "", nil, attribute(25, "class")))},
		"identifier reused without EAP": {a[0], a[1], udp("", radiusPacket(accessRequest, 0, "y", nil, attribute(attrUserName, "u"))), udp("", radiusPacket(accessAccept, 0, "", nil, attribute(25, "class")))},
		"reject without EAP":            {a[0], a[1], a[2], udp("a", radiusPacket(accessReject, 1, "", nil, attribute(18, "no")))},
		"EAP-Start":                     {udp("a", radiusPacket(accessRequest, 9, "z", []byte{}, attribute(attrUserName, "a"))), challenge("a", 9, 1, "as0"), request("a", 10, 1, "as0")},
		"accounting":                    {udp("", append([]byte{4}, a[0].d.Data[1:]...))},
		"not RADIUS":                    {udp("", []byte("\x01\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"))},
	} {
		t.Run(name, func(t *testing.T) { testSplit(t, NewSessions(), steps) })
	}
}

// TestSplitFlows uses the same identifiers and States on two pairs of endpoints.
func TestSplitFlows(t *testing.T) {
	t.Parallel()
	a, b := radiusSession("a", 0, 1), radiusSession("a", 0, 1)
	for i := range b {
		b[i].session, b[i].d.Flow = "b", flow+1
	}
	testSplit(t, NewSessions(), weave(a, b))
}

// TestSplitRandom interleaves many sessions at random.
func TestSplitRandom(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	var lists [][]step
	for i := range 60 {
		lists = append(lists, radiusSession("n"+strings.Repeat("x", i), uint8(i*4), uint8(i%3)))
	}
	var steps []step
	for len(lists) > 0 {
		i := rnd.IntN(len(lists))
		steps = append(steps, lists[i][0])
		if lists[i] = lists[i][1:]; len(lists[i]) == 0 {
			lists = slices.Delete(lists, i, i+1)
		}
	}
	testSplit(t, NewSessions(), steps)
}

// Stations of a LAN.
var (
	station  = stream.MAC{2, 0, 0, 0, 0, 5}
	station2 = stream.MAC{2, 0, 0, 0, 0, 6}
	switch1  = stream.MAC{2, 0, 0, 0, 0, 0xa}
	switch2  = stream.MAC{2, 0, 0, 0, 0, 0xb}
	group    = stream.MAC{1, 0x80, 0xc2, 0, 0, 3}
	noMAC    = stream.MAC{}
)

func lan(session string, src, dst stream.MAC, eap []byte) step {
	return step{session, stream.Datagram{Transport: stream.EAPOL, Src: src, Dst: dst, Data: eapolPDU(eap)}}
}

// lanSession returns a complete session over EAPOL between a station and an
// authenticator. The station sends to to, and the authenticator to from. The
// TLS data contain the session's name, so that they are unique.
func lanSession(session string, who, auth, to, from stream.MAC, id uint8) []step {
	return []step{
		lan(session, auth, from, eapPacket(codeRequest, id, typeIdentity)), lan(session, who, to, eapPacket(codeResponse, id, typeIdentity, 'x')),
		lan(session, auth, from, tlsPacket(codeRequest, id+1, typeTLS, flagStart, -1, "")), lan(session, who, to, tlsPacket(codeResponse, id+1, typeTLS, 0, -1, hello+session)),
		lan(session, auth, from, tlsPacket(codeRequest, id+2, typeTLS, 0, -1, flight+session)), lan(session, who, to, tlsPacket(codeResponse, id+2, typeTLS, 0, -1, answer+session)),
		lan(session, auth, from, eapPacket(Success, id+2)),
	}
}

func TestSplitLAN(t *testing.T) {
	t.Parallel()
	a, g := lanSession("a", station, switch1, group, station, 1), lanSession("a", station, switch1, group, group, 1)
	later := lanSession("b", station, switch1, group, station, 1)
	for i := range later {
		later[i].d.Time = 30e9
	}
	for name, steps := range map[string][]step{
		"to the group one way":                    a,
		"to the group both ways":                  lanSession("a", station, switch1, group, group, 1),
		"to each other":                           lanSession("a", station, switch1, switch1, station, 1),
		"no addresses":                            lanSession("a", station, switch1, noMAC, noMAC, 1),
		"first Request to the group":              append([]step{lan("a", switch1, group, eapPacket(codeRequest, 1, typeIdentity))}, a[1:]...),
		"second session":                          slices.Concat(a, lanSession("b", station, switch1, group, station, 1)),
		"copies after the end":                    slices.Concat(a, lose(a, 0, 1)),
		"copies after the next session begins":    slices.Concat(a, []step{{"c", a[0].d}}, lose(a, 0, 1, 2, 6)),
		"Request to the group lost":               lose(g, 2),
		"round to the group lost":                 lose(g, 1, 2),
		"second session to the group":             slices.Concat(lanSession("a", station, switch1, group, group, 1), lanSession("b", station, switch1, group, group, 50)),
		"second session without an end":           slices.Concat(a[:6], lanSession("b", station, switch1, group, station, 9)),
		"two stations":                            weave(a, lanSession("b", station2, switch1, group, station2, 1)),
		"two switches, to the group":              weave(lanSession("a", station, switch1, group, group, 1), lanSession("b", station2, switch2, group, group, 50)),
		"end twice":                               append(slices.Clone(a), a[6]),
		"identity requested three times":          append([]step{a[0], a[0], a[0]}, a[1:]...),
		"copy of the first Request":               slices.Concat(a[:3], a[:1], a[3:4], a[:1], a[4:]),
		"copy of the first Request to the group":  slices.Concat(g[:3], g[:1], g[3:4], g[:1], g[4:]),
		"second session with the same identifier": slices.Concat(a[:6], later),
		"only the end":                            {lan("", switch1, station, eapPacket(Success, 9))},
		"capture starts late":                     a[3:],
		"key frame":                               {{"", stream.Datagram{Transport: stream.EAPOL, Src: switch1, Dst: station, Data: []byte{2, 3, 0, 4, 1, 2, 0, 4}}}},
		"only from the station":                   lose(a, 0, 2, 4, 6),
		"only to the station":                     lose(a, 1, 3, 5),
	} {
		t.Run(name, func(t *testing.T) { testSplit(t, NewSessions(), steps) })
	}
}

// TestSplitLimit checks that a Sessions with more sessions than it can remember
// reports lost sessions and continues.
func TestSplitLimit(t *testing.T) {
	t.Parallel()
	s := NewSessions()
	lostSessions := 0
	for i := range 150_000 {
		d := stream.Datagram{Transport: stream.UDP, Flow: uint64(i), Time: int64(i) * 1000, Data: request("a", uint8(i), 1, "").d.Data}
		if i%2 == 1 {
			d = stream.Datagram{Transport: stream.EAPOL, Src: stream.MAC{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}, Dst: group, Time: int64(i) * 1000, Data: eapolPDU(eapPacket(codeResponse, 1, typeIdentity))}
		}
		if _, _, lost := s.Split(&d); lost {
			lostSessions++
		}
	}
	if len(s.keys) > maxKeys || len(s.ring) > maxKeys || s.lan.Len() > maxKeys {
		t.Errorf("got %d keys and %d sessions, want at most %d", len(s.keys), s.lan.Len(), maxKeys)
	}
	if lostSessions == 0 {
		t.Error("got no lost sessions")
	}
	for i := range 3 {
		d := radiusSession("a", 7, 1)[i].d
		d.Time = 1e15 + int64(i)
		if n, _, _ := s.Split(&d); n == 0 {
			t.Errorf("step %d after the limit: got no session", i)
		}
	}
}

func TestSniff(t *testing.T) {
	t.Parallel()
	eap := eapPacket(codeResponse, 1, typeIdentity, 'x')
	long := tlsPacket(codeRequest, 2, typeTLS, flagMore, 3000, strings.Repeat("x", 1000))
	for _, c := range []struct {
		name string
		b    []byte
		want stream.Sniff
	}{
		{"request", radiusPacket(accessRequest, 1, "a", eap, attribute(attrUserName, "x")), stream.SniffClient},
		{"challenge", radiusPacket(accessChallenge, 1, "a", long, attribute(attrState, "x")), stream.SniffServer},
		{"accept", radiusPacket(accessAccept, 1, "a", eapPacket(Success, 1)), stream.SniffMaybe},
		{"reject", radiusPacket(accessReject, 1, "a", eapPacket(Failure, 1)), stream.SniffMaybe},
		{"EAP-Start", radiusPacket(accessRequest, 1, "a", []byte{}), stream.SniffClient},
		{"no EAP", radiusPacket(accessRequest, 1, "a", nil, attribute(attrUserName, "x")), stream.SniffNone},
		{"accounting", append([]byte{4}, radiusPacket(accessRequest, 1, "a", eap)[1:]...), stream.SniffNone},
		{"longer than its length", append(radiusPacket(accessRequest, 1, "a", eap), 0), stream.SniffNone},
		{"attribute of length 0", append(radiusPacket(accessRequest, 1, "a", nil), 79, 0), stream.SniffNone},
		{"unknown EAP code", radiusPacket(accessRequest, 1, "a", []byte{9, 1, 0, 4}), stream.SniffNone},
		{"empty", nil, stream.SniffNone},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Sniff(c.b); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if c.want == stream.SniffNone {
				return
			}
			for n := range c.b {
				if got := Sniff(c.b[:n]); got != stream.SniffNone {
					t.Errorf("first %d bytes: got %v, want %v", n, got, stream.SniffNone)
				}
			}
		})
	}
}

// TestAsk calls Ask after each datagram.
func TestAsk(t *testing.T) {
	t.Parallel()
	whole := exchange(typePEAP)
	for _, c := range []struct {
		name    string
		packets [][]byte
		want    stream.Decision // after the last datagram; More before
	}{
		{"success", whole, stream.Enough},
		{"failure", append(without(whole, 14), eapPacket(Failure, 7)), stream.Enough},
		{"unfinished", whole[:9], stream.More},
		{"no TLS", [][]byte{eapPacket(codeRequest, 1, 4, 1), eapPacket(codeResponse, 1, 4, 1), eapPacket(Success, 1)}, stream.Refuse},
		{"only the server", [][]byte{whole[2], whole[4], whole[14]}, stream.More}, // the peer's packets may be late
		{"server first", append(slices.Clone(at(whole, codeRequest, Success)), at(whole, codeResponse)...), stream.Enough},
	} {
		for _, over := range []func(...[]byte) *stream.Conversation{overEAPOL, overRADIUS} {
			full := over(c.packets...)
			t.Run(c.name+"/"+full.Transport.String(), func(t *testing.T) {
				got := verdicts(t, full)
				for i, v := range got {
					want := stream.More
					if i == len(got)-1 {
						want = c.want
					}
					if v != want {
						t.Errorf("datagram %d: got %v, want %v", i, v, want)
					}
				}
			})
		}
	}
}

// verdicts returns the results of Ask after each datagram of a conversation.
func verdicts(t *testing.T, full *stream.Conversation) []stream.Decision {
	t.Helper()
	c := &stream.Conversation{Transport: full.Transport}
	var out []stream.Decision
	var at [2]int
	for d := range c.Half {
		c.Half[d].Want = 1
	}
	for {
		d, ok := earlier(full, &at)
		if !ok {
			return out
		}
		m := full.Half[d].Marks[at[d]]
		at[d]++
		h := &c.Half[d]
		h.Data, h.Marks = full.Half[d].Data[:m.To], full.Half[d].Marks[:at[d]]
		if len(h.Data) < h.Want {
			t.Fatalf("got Want %d, want at most %d", h.Want, len(h.Data))
		}
		out = append(out, Ask(c, d))
	}
}

func FuzzSniff(f *testing.F) {
	f.Add(radiusPacket(accessRequest, 1, "a", eapPacket(codeResponse, 1, typeIdentity, 'x')))
	f.Add(radiusPacket(accessChallenge, 1, "a", tlsPacket(codeRequest, 2, typeTLS, flagMore, 3000, "x"), attribute(attrState, "s")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if Sniff(b) > stream.SniffMaybe {
			if _, ok := joinEAP(nil, b); !ok {
				t.Fatal("Sniff accepts a datagram without EAP")
			}
		}
	})
}

func FuzzSplit(f *testing.F) {
	f.Add(false, radiusSession("a", 0, 1)[0].d.Data, radiusSession("a", 0, 1)[1].d.Data, radiusSession("a", 0, 1)[2].d.Data)
	l := lanSession("a", station, switch1, group, station, 1)
	f.Add(true, l[0].d.Data, l[1].d.Data, l[2].d.Data)
	f.Fuzz(func(t *testing.T, lan bool, a, b, c []byte) {
		s := NewSessions()
		for i, data := range [][]byte{a, b, c, a, b} {
			d := stream.Datagram{Transport: stream.UDP, Flow: flow, Time: int64(i), Data: data}
			if lan {
				d.Transport, d.Src, d.Dst = stream.EAPOL, station, group
				if i%2 == 1 {
					d.Src, d.Dst = switch1, station
				}
			}
			if n, dir, _ := s.Split(&d); n > stream.MaxSession || dir > stream.ToClient {
				t.Fatalf("got session %d, direction %d", n, dir)
			}
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	l := radiusSession("a", 0, 1)
	b.Run("radius", func(b *testing.B) {
		s := NewSessions()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			s.Split(&l[i%len(l)].d)
		}
	})
	b.Run("other", func(b *testing.B) { // not RADIUS
		s := NewSessions()
		d := stream.Datagram{Transport: stream.UDP, Data: append([]byte{0x40}, make([]byte, 1200)...)}
		b.ReportAllocs()
		for b.Loop() {
			s.Split(&d)
		}
	})
}

// earlier returns the direction of the datagram that was captured next.
func earlier(c *stream.Conversation, at *[2]int) (stream.Dir, bool) {
	a, b := c.Half[0].Marks[at[0]:], c.Half[1].Marks[at[1]:]
	switch {
	case len(a) == 0 && len(b) == 0:
		return 0, false
	case len(a) == 0, len(b) > 0 && (b[0].Time < a[0].Time || b[0].Time == a[0].Time && b[0].Packet < a[0].Packet):
		return 1, true
	}
	return 0, true
}

// at returns the packets with these codes.
func at(packets [][]byte, codes ...byte) (out [][]byte) {
	for _, p := range packets {
		if slices.Contains(codes, p[0]) {
			out = append(out, p)
		}
	}
	return out
}
