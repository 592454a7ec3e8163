package eap

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// A step is a datagram and the name of the session that it is of, "" for none.
type step struct {
	of string
	d  stream.Datagram
}

const flow = 12345

func udp(of string, b []byte) step {
	return step{of, stream.Datagram{Transport: stream.UDP, Flow: flow, Data: b}}
}

// play holds a Sessions against the names: equal names have equal numbers,
// different ones different.
func play(t *testing.T, s *Sessions, steps []step) {
	t.Helper()
	names := map[uint32]string{}
	numbers := map[string]uint32{}
	for i, x := range steps {
		if x.d.Time == 0 {
			x.d.Time = int64(i+1) * 1e6
		}
		n, dir, lost := s.Split(&x.d)
		if lost {
			t.Errorf("step %d: a session was forgotten", i)
		}
		if x.of == "" {
			if n != 0 {
				t.Errorf("step %d: session %d, want none", i, n)
			}
			continue
		}
		if n == 0 {
			t.Errorf("step %d: no session, want %s", i, x.of)
			continue
		}
		if is, ok := names[n]; ok && is != x.of {
			t.Errorf("step %d: the session of %s, want %s", i, is, x.of)
		}
		if was, ok := numbers[x.of]; ok && was != n {
			t.Errorf("step %d: another session than that of %s before", i, x.of)
		}
		names[n], numbers[x.of] = x.of, n
		if x.d.Transport == stream.UDP && (dir == stream.ToServer) != (x.d.Data[0] == accessRequest) {
			t.Errorf("step %d: direction %d", i, dir)
		}
	}
}

// request and challenge are packets of RADIUS of a session.
func request(of string, id uint8, eapID uint8, state string) step {
	body := []byte{typeTLS, 0}
	if state == "" {
		body = []byte{typeIdentity, 'x'}
	}
	attrs := [][]byte{attribute(attrUserName, of), attribute(attrCallingStationID, "02-00-"+of)}
	if state != "" {
		attrs = append(attrs, attribute(attrState, state))
	}
	return udp(of, radiusPacket(accessRequest, id, of+string(rune('0'+eapID))+state, eapPacket(codeResponse, eapID, body...), attrs...))
}

func challenge(of string, id uint8, eapID uint8, state string) step {
	return udp(of, radiusPacket(accessChallenge, id, "", eapPacket(codeRequest, eapID, typeTLS, 0), attribute(attrState, state)))
}

func accept(of string, id uint8, eapID uint8) step {
	return udp(of, radiusPacket(accessAccept, id, "", eapPacket(Success, eapID)))
}

// of is one whole session; the identifiers of RADIUS begin with id.
func of(name string, id, eapID uint8) []step {
	return []step{
		request(name, id, eapID, ""), challenge(name, id, eapID+1, name+"s1"),
		request(name, id+1, eapID+1, name+"s1"), challenge(name, id+1, eapID+2, name+"s2"),
		request(name, id+2, eapID+2, name+"s2"), challenge(name, id+2, eapID+3, name+"s3"),
		request(name, id+3, eapID+3, name+"s3"), accept(name, id+3, eapID+3),
	}
}

func lose(list []step, at ...int) []step {
	var out []step
	for i, x := range list {
		if !slices.Contains(at, i) {
			out = append(out, x)
		}
	}
	return out
}

// weave deals the lists out in turn.
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
	a, b, c := of("a", 0, 1), of("b", 100, 1), of("c", 200, 1)
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
		"one":                                    a,
		"one after the other":                    slices.Concat(a, of("b", 0, 1), of("c", 0, 1)),
		"beside each other":                      weave(a, b, c),
		"retransmitted":                          twice(weave(a, b)),
		"a user who waits":                       late(a, 4, 90),
		"a request is lost":                      lose(a, 2),
		"a challenge is lost":                    lose(a, 3),
		"a challenge of one of two":              lose(weave(a, of("b", 100, 40)), 6),
		"a request and a challenge are lost":     lose(a, 4, 5),
		"the last request is lost":               lose(a, 6),
		"only the server":                        lose(a, 0, 2, 4, 6),
		"only the client":                        lose(a, 1, 3, 5, 7),
		"only the clients of several":            weave(lose(a, 1, 3, 5, 7), lose(of("b", 100, 2), 1, 3, 5, 7), lose(c, 1, 3, 5, 7)),
		"begun before":                           a[3:],
		"without EAP":                            {udp("", radiusPacket(accessRequest, 1, "x", nil, attribute(attrUserName, "u"))), udp("", radiusPacket(accessAccept, 1, "", nil, attribute(25, "class")))},
		"an identifier that EAP had used before": {a[0], a[1], udp("", radiusPacket(accessRequest, 0, "y", nil, attribute(attrUserName, "u"))), udp("", radiusPacket(accessAccept, 0, "", nil, attribute(25, "class")))},
		"a reject without EAP":                   {a[0], a[1], a[2], udp("a", radiusPacket(accessReject, 1, "", nil, attribute(18, "no")))},
		"EAP-Start":                              {udp("a", radiusPacket(accessRequest, 9, "z", []byte{}, attribute(attrUserName, "a"))), challenge("a", 9, 1, "as0"), request("a", 10, 1, "as0")},
		"accounting":                             {udp("", append([]byte{4}, a[0].d.Data[1:]...))},
		"not RADIUS":                             {udp("", []byte("\x01\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"))},
	} {
		t.Run(name, func(t *testing.T) { play(t, NewSessions(), steps) })
	}
}

// TestSplitFlows has the same identifiers and States on two pairs of endpoints.
func TestSplitFlows(t *testing.T) {
	a, b := of("a", 0, 1), of("a", 0, 1)
	for i := range b {
		b[i].of, b[i].d.Flow = "b", flow+1
	}
	play(t, NewSessions(), weave(a, b))
}

// TestSplitRandom plays many sessions at once, in a random order that keeps
// each one's.
func TestSplitRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var lists [][]step
	for i := range 60 {
		lists = append(lists, of("n"+strings.Repeat("x", i), uint8(i*4), uint8(i%3)))
	}
	var steps []step
	for len(lists) > 0 {
		i := rnd.IntN(len(lists))
		steps = append(steps, lists[i][0])
		if lists[i] = lists[i][1:]; len(lists[i]) == 0 {
			lists = slices.Delete(lists, i, i+1)
		}
	}
	play(t, NewSessions(), steps)
}

// Stations of a LAN.
var (
	station  = stream.MAC{2, 0, 0, 0, 0, 5}
	station2 = stream.MAC{2, 0, 0, 0, 0, 6}
	switch1  = stream.MAC{2, 0, 0, 0, 0, 0xa}
	switch2  = stream.MAC{2, 0, 0, 0, 0, 0xb}
	group    = stream.MAC{1, 0x80, 0xc2, 0, 0, 3}
	nobody   = stream.MAC{}
)

func lan(of string, src, dst stream.MAC, eap []byte) step {
	return step{of, stream.Datagram{Transport: stream.EAPOL, Src: src, Dst: dst, Data: eapolPDU(eap)}}
}

// onLAN is a session of a station; to and from are where its frames go and where
// those to it go. No two sessions have the same hellos.
func onLAN(of string, who, auth, to, from stream.MAC, id uint8) []step {
	return []step{
		lan(of, auth, from, eapPacket(codeRequest, id, typeIdentity)), lan(of, who, to, eapPacket(codeResponse, id, typeIdentity, 'x')),
		lan(of, auth, from, tlsPacket(codeRequest, id+1, typeTLS, flagStart, -1, "")), lan(of, who, to, tlsPacket(codeResponse, id+1, typeTLS, 0, -1, hello+of)),
		lan(of, auth, from, tlsPacket(codeRequest, id+2, typeTLS, 0, -1, flight+of)), lan(of, who, to, tlsPacket(codeResponse, id+2, typeTLS, 0, -1, answer+of)),
		lan(of, auth, from, eapPacket(Success, id+2)),
	}
}

func TestSplitLAN(t *testing.T) {
	a, g := onLAN("a", station, switch1, group, station, 1), onLAN("a", station, switch1, group, group, 1)
	later := onLAN("b", station, switch1, group, station, 1)
	for i := range later {
		later[i].d.Time = 30e9
	}
	for name, steps := range map[string][]step{
		"to the group one way":         a,
		"to the group both ways":       onLAN("a", station, switch1, group, group, 1),
		"to each other":                onLAN("a", station, switch1, switch1, station, 1),
		"a cooked capture":             onLAN("a", station, switch1, nobody, nobody, 1),
		"the first one to the group":   append([]step{lan("a", switch1, group, eapPacket(codeRequest, 1, typeIdentity))}, a[1:]...),
		"again":                        slices.Concat(a, onLAN("b", station, switch1, group, station, 1)),
		"copies behind the end":        slices.Concat(a, lose(a, 0, 1)),
		"behind that of the first":     slices.Concat(a, []step{{"c", a[0].d}}, lose(a, 0, 1, 2, 6)),
		"a Request lost, to the group": lose(g, 2),
		"a round lost, to the group":   lose(g, 1, 2),
		"again, to the group":          slices.Concat(onLAN("a", station, switch1, group, group, 1), onLAN("b", station, switch1, group, group, 50)),
		"again without an end":         slices.Concat(a[:6], onLAN("b", station, switch1, group, station, 9)),
		"two stations":                 weave(a, onLAN("b", station2, switch1, group, station2, 1)),
		"two switches, to the group":   weave(onLAN("a", station, switch1, group, group, 1), onLAN("b", station2, switch2, group, group, 50)),
		"the end twice":                append(slices.Clone(a), a[6]),
		"identity asked for thrice":    append([]step{a[0], a[0], a[0]}, a[1:]...),
		"a copy of what began it":      slices.Concat(a[:3], a[:1], a[3:4], a[:1], a[4:]),
		"such a copy, to the group":    slices.Concat(g[:3], g[:1], g[3:4], g[:1], g[4:]),
		"again with its identifier":    slices.Concat(a[:6], later),
		"an end of nothing":            {lan("", switch1, station, eapPacket(Success, 9))},
		"begun before":                 a[3:],
		"a key frame":                  {{"", stream.Datagram{Transport: stream.EAPOL, Src: switch1, Dst: station, Data: []byte{2, 3, 0, 4, 1, 2, 0, 4}}}},
		"only what the station says":   lose(a, 0, 2, 4, 6),
		"only what the station hears":  lose(a, 1, 3, 5),
	} {
		t.Run(name, func(t *testing.T) { play(t, NewSessions(), steps) })
	}
}

// TestSplitBounds floods a Sessions, which tells of what it forgets and goes
// on.
func TestSplitBounds(t *testing.T) {
	s := NewSessions()
	losses := 0
	for i := range 150_000 {
		d := stream.Datagram{Transport: stream.UDP, Flow: uint64(i), Time: int64(i) * 1000, Data: request("a", uint8(i), 1, "").d.Data}
		if i%2 == 1 {
			d = stream.Datagram{Transport: stream.EAPOL, Src: stream.MAC{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}, Dst: group, Time: int64(i) * 1000, Data: eapolPDU(eapPacket(codeResponse, 1, typeIdentity))}
		}
		if _, _, lost := s.Split(&d); lost {
			losses++
		}
	}
	if len(s.traces) > maxTraces || len(s.ring) > maxTraces || s.over.Len() > maxTraces {
		t.Errorf("%d traces, %d sessions", len(s.traces), s.over.Len())
	}
	if losses == 0 {
		t.Error("nothing was said to be lost")
	}
	for i := range 3 {
		d := of("a", 7, 1)[i].d
		d.Time = 1e15 + int64(i)
		if n, _, _ := s.Split(&d); n == 0 {
			t.Error("it does not go on")
		}
	}
}

func TestSign(t *testing.T) {
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
		{"longer than it says", append(radiusPacket(accessRequest, 1, "a", eap), 0), stream.SniffNone},
		{"an attribute of length 0", append(radiusPacket(accessRequest, 1, "a", nil), 79, 0), stream.SniffNone},
		{"EAP of another code", radiusPacket(accessRequest, 1, "a", []byte{9, 1, 0, 4}), stream.SniffNone},
		{"nothing", nil, stream.SniffNone},
	} {
		if got := Sniff(c.b); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		for n := range c.b {
			if c.want == stream.SniffNone {
				break
			}
			if got := Sniff(c.b[:n]); got != stream.SniffNone {
				t.Errorf("%s, the first %d bytes: %v", c.name, n, got)
			}
		}
	}
}

// TestAsk asks after each datagram, as capture does.
func TestAsk(t *testing.T) {
	whole := exchange(typePEAP)
	for _, c := range []struct {
		name    string
		packets [][]byte
		want    stream.Decision // after the last one; before it always More
	}{
		{"success", whole, stream.Enough},
		{"failure", append(without(whole, 14), eapPacket(Failure, 7)), stream.Enough},
		{"unfinished", whole[:9], stream.More},
		{"no TLS", [][]byte{eapPacket(codeRequest, 1, 4, 1), eapPacket(codeResponse, 1, 4, 1), eapPacket(Success, 1)}, stream.Refuse},
		{"only the server", [][]byte{whole[2], whole[4], whole[14]}, stream.More}, // the peer may be late
		{"the server first", append(slices.Clone(at(whole, codeRequest, Success)), at(whole, codeResponse)...), stream.Enough},
	} {
		for _, over := range []func(...[]byte) *stream.Conversation{hear, overRADIUS} {
			full := over(c.packets...)
			got := asked(t, full)
			for i, v := range got {
				if last := i == len(got)-1; !last && v != stream.More || last && v != c.want {
					t.Errorf("%s, %v, datagram %d: %v", c.name, full.Transport, i, v)
				}
			}
		}
	}
}

// asked returns the answers of Ask as the datagrams of a conversation come.
func asked(t *testing.T, full *stream.Conversation) []stream.Decision {
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
			t.Fatalf("it does not want the next datagram: %d of %d", len(h.Data), h.Want)
		}
		out = append(out, Ask(c, d))
	}
}

func FuzzSign(f *testing.F) {
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
	f.Add(false, of("a", 0, 1)[0].d.Data, of("a", 0, 1)[1].d.Data, of("a", 0, 1)[2].d.Data)
	l := onLAN("a", station, switch1, group, station, 1)
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
				t.Fatalf("session %d, direction %d", n, dir)
			}
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	l := of("a", 0, 1)
	b.Run("radius", func(b *testing.B) {
		s := NewSessions()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			s.Split(&l[i%len(l)].d)
		}
	})
	b.Run("other", func(b *testing.B) { // of UDP
		s := NewSessions()
		d := stream.Datagram{Transport: stream.UDP, Data: append([]byte{0x40}, make([]byte, 1200)...)}
		b.ReportAllocs()
		for b.Loop() {
			s.Split(&d)
		}
	})
}

// earlier returns the half whose next datagram was captured first.
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
