package quic

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// hellosOf are the two hellos that the connections below carry.
var helloC, helloS = message(msgClientHello, 300), message(msgServerHello, 90)

func up(t testing.TB, l long) datagram { return datagram{toServer, l.seal(t)} }

func down(t testing.TB, l ...long) datagram {
	d := datagram{from: toClient}
	for _, x := range l {
		x.role = toClient
		d.b += x.seal(t)
	}
	return d
}

// short makes a 1-RTT packet.
func short(from stream.Dir, dcid string) datagram {
	return datagram{from, "\x41" + dcid + strings.Repeat("s", 40)}
}

func negotiation(versions ...Version) datagram {
	b := "\x80\x00\x00\x00\x00" + string(rune(len(cscid))) + cscid + string(rune(len(odcid))) + odcid
	for _, v := range versions {
		b += string([]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	}
	return datagram{toClient, b}
}

// TestConnections reads whole conversations.
func TestConnections(t *testing.T) {
	c := first(t, cryptoFrame(helloC, 0, 300))
	a, b := first(t, cryptoFrame(helloC, 0, 150)), first(t, cryptoFrame(helloC, 150, 300))
	b.number = 1
	s := answer(ackFrame + cryptoFrame(helloS, 0, 90))
	hs := long{version: Version1, kind: kindHandshake, dcid: cscid, scid: sscid, frames: strings.Repeat("h", 200)}
	chs := long{version: Version1, kind: kindHandshake, dcid: sscid, scid: cscid, frames: strings.Repeat("h", 60)}
	zero := long{version: Version1, kind: kindZeroRTT, dcid: odcid, scid: cscid, frames: strings.Repeat("z", 200)}
	later := c // an Initial with the server's connection ID
	later.dcid, later.key, later.frames, later.number = sscid, odcid, ackFrame, 7
	retry := long{version: Version1, kind: kindRetry, dcid: cscid, scid: "retry-scid", token: "a token"}
	again := c
	again.dcid, again.token, again.number = "retry-scid", "a token", 1
	after := s
	after.key = "retry-scid"
	with := func(l long, f func(*long)) long { f(&l); return l }
	v2 := func(l long) long { l.version = Version2; return l }

	for _, x := range []struct {
		name   string
		list   []datagram
		client string // hello
		server string
		is     func(o *Opening) bool
	}{
		{"plain", []datagram{up(t, c), down(t, s, hs), up(t, later), up(t, chs), short(toServer, sscid), short(toClient, cscid)}, helloC, helloS,
			func(o *Opening) bool {
				return o.Version == Version1 && o.Handshake[0].N == 1 && o.Handshake[1].N == 1 && o.OneRTT[0].N == 1 && o.OneRTT[1].N == 1 &&
					o.OneRTT[0].First.Packet == 5 && o.Handshake[1].First.Packet == 2 && o.Initial == [2]Packets{{2, o.Initial[0].First}, {1, o.Initial[1].First}} &&
					o.Opened == [2]int{2, 1}
			}},
		{"the server's answer first", []datagram{down(t, s, hs), up(t, c)}, helloC, helloS, nil},
		{"two Initials, the second first", []datagram{up(t, b), up(t, a), down(t, s)}, helloC, helloS, nil},
		{"coalesced Initials", []datagram{up(t, c), down(t, with(s, func(l *long) { l.frames = cryptoFrame(helloS, 0, 50) }), with(s, func(l *long) {
			l.frames, l.number = cryptoFrame(helloS, 50, 90), 1
		}), hs)}, helloC, helloS, func(o *Opening) bool {
			return o.Opened[1] == 2 && !o.Hello[1].Split(0, 90) && o.Handshake[1].N == 1
		}},
		{"padding behind the packets", []datagram{up(t, c), {toClient, down(t, s, hs).b + strings.Repeat("\x00", 100)}}, helloC, helloS,
			func(o *Opening) bool { return o.Handshake[1].N == 1 && len(o.Problems) == 0 && o.OneRTT[1].N == 0 }},
		{"noise behind the packets", []datagram{up(t, c), {toClient, down(t, s, hs).b + "\x43" + strings.Repeat("n", 100)}}, helloC, helloS,
			func(o *Opening) bool { return o.OneRTT[1].N == 0 }},
		{"1-RTT behind the packets", []datagram{up(t, c), {toClient, down(t, s, hs).b + short(toClient, cscid).b}}, helloC, helloS,
			func(o *Opening) bool { return o.OneRTT[1].N == 1 }},
		{"no connection IDs but the first", []datagram{up(t, with(c, func(l *long) { l.scid = "" })), down(t, with(s, func(l *long) { l.dcid = "" })), short(toClient, "")}, helloC, helloS,
			func(o *Opening) bool { return o.OneRTT[1].N == 1 }},
		{"the QUIC bit is 0", []datagram{up(t, c), down(t, with(s, func(l *long) { l.loose = true }), with(hs, func(l *long) { l.loose = true })),
			{toServer, "\x01" + sscid + strings.Repeat("s", 40)}, up(t, with(chs, func(l *long) { l.loose = true })), {toServer, "\x01" + sscid + strings.Repeat("s", 40)}},
			helloC, helloS, func(o *Opening) bool { return o.Handshake[1].N == 1 && o.Handshake[0].N == 1 && o.OneRTT[0].N == 1 }},
		{"0-RTT", []datagram{{toServer, c.seal(t) + zero.seal(t)}, up(t, zero), down(t, s)}, helloC, helloS,
			func(o *Opening) bool {
				return o.ZeroRTT[0].N == 2 && o.ZeroRTT[0].First.Packet == 1 && o.ZeroRTT[1].N == 0
			}},
		{"a new connection ID", []datagram{up(t, c), down(t, s, hs), up(t, chs), short(toServer, "another-id")}, helloC, helloS,
			func(o *Opening) bool { return o.OneRTT[0].N == 1 && o.OneRTT[0].First.Packet == 4 }},
		{"a stateless reset", []datagram{up(t, c), {toClient, "\x55" + strings.Repeat("r", 60)}}, helloC, "",
			func(o *Opening) bool { return o.OneRTT[1].N == 0 }},

		{"Retry", []datagram{up(t, c), down(t, retry), up(t, again), down(t, after, hs)}, helloC, helloS,
			func(o *Opening) bool {
				return o.Retry && o.Others == 0 && o.Opened == [2]int{2, 1} && o.FirstVersion == 0 && !o.Hello[0].Conflict
			}},
		{"Retry, the second Initial is missing", []datagram{up(t, c), down(t, retry), down(t, after)}, helloC, helloS, nil},
		{"Retry, the first Initial is missing", []datagram{down(t, retry), up(t, again), down(t, after)}, helloC, helloS, nil},
		{"Retry, the server alone", []datagram{down(t, retry), down(t, after)}, "", helloS, func(o *Opening) bool { return !o.Swapped }},
		{"a Retry that was not captured", []datagram{up(t, c), up(t, again), down(t, after, hs)}, helloC, helloS,
			func(o *Opening) bool { return o.Others == 0 && o.Opened == [2]int{2, 1} && !o.Hello[0].Conflict }},
		{"a Retry that was not captured, the second Initial first", []datagram{up(t, again), up(t, c), down(t, after, hs)}, helloC, helloS,
			func(o *Opening) bool { return o.Others == 0 && o.Opened == [2]int{2, 1} }},
		{"Retry is all", []datagram{down(t, retry)}, "", "", func(o *Opening) bool { return o.Retry && o.Version == Version1 && o.Opened == [2]int{} }},

		{"Version Negotiation", []datagram{up(t, v2(c)), negotiation(Version1, 0x5a6a7a8a), up(t, c), down(t, s)}, helloC, helloS,
			func(o *Opening) bool {
				return o.VersionNegotiation && o.Version == Version1 && o.FirstVersion == Version2 && o.Opened[0] == 1 && o.Others == 0
			}},
		{"Version Negotiation, with another ClientHello", []datagram{up(t, v2(with(c, func(l *long) { l.frames = cryptoFrame(message(msgClientHello, 400), 0, 400) }))),
			negotiation(Version1), up(t, with(c, func(l *long) { l.dcid = "another-one" })), down(t, with(s, func(l *long) { l.key = "another-one" }))}, helloC, helloS,
			func(o *Opening) bool { return !o.Hello[0].Conflict && o.FirstVersion == Version2 }},
		{"a Version Negotiation that was not captured", []datagram{up(t, v2(with(c, func(l *long) { l.frames = cryptoFrame(message(msgClientHello, 400), 0, 400) }))),
			up(t, with(c, func(l *long) { l.dcid = "another-one" })), down(t, with(s, func(l *long) { l.key = "another-one" }))}, helloC, helloS,
			func(o *Opening) bool {
				return !o.Hello[0].Conflict && o.FirstVersion == Version2 && o.Version == Version1 && o.Others == 0
			}},
		{"Version Negotiation, a copy of the first Initial behind the second", []datagram{up(t, v2(a)), negotiation(Version1), up(t, c), up(t, v2(a)), down(t, s)}, helloC, helloS,
			func(o *Opening) bool { return o.FirstVersion == Version2 && o.Version == Version1 && o.Others == 0 }},
		{"Version Negotiation of a reserved version", []datagram{{toServer, "\xc0\x1a\x2a\x3a\x4a" + c.seal(t)[5:]}, negotiation(Version1), up(t, c), down(t, s)}, helloC, helloS,
			func(o *Opening) bool { return o.FirstVersion == 0x1a2a3a4a && o.Version == Version1 }},
		{"Version Negotiation is all", []datagram{negotiation(Version2)}, "", "", func(o *Opening) bool { return o.VersionNegotiation && o.Version == 0 && !o.Swapped }},
		{"a compatible version", []datagram{up(t, c), down(t, v2(s)), up(t, v2(later))}, helloC, helloS,
			func(o *Opening) bool {
				return o.Version == Version2 && o.FirstVersion == Version1 && !o.VersionNegotiation && o.Opened == [2]int{2, 1}
			}},

		{"another connection", []datagram{up(t, c), down(t, s), up(t, with(c, func(l *long) { l.dcid, l.frames = "another-one", cryptoFrame(message(1, 200), 0, 200) })),
			down(t, with(s, func(l *long) { l.key, l.frames = "another-one", cryptoFrame(message(2, 80), 0, 80) }))}, helloC, helloS,
			func(o *Opening) bool {
				return o.Others == 1 && o.Other.Packet == 3 && !o.Hello[0].Conflict && !o.Hello[1].Conflict && o.Opened == [2]int{1, 1}
			}},
		{"endpoints swapped", []datagram{{toClient, c.seal(t)}, {toServer, s.seal(t)}}, helloC, helloS,
			func(o *Opening) bool { return o.Swapped && o.Hello[1].Marks[0].Packet == 2 }},
		{"endpoints swapped, with a Retry", []datagram{{toClient, c.seal(t)}, {toServer, retry.seal(t)}, {toClient, again.seal(t)}, {toServer, after.seal(t)}}, helloC, helloS,
			func(o *Opening) bool { return o.Swapped && o.Retry }},

		{"the first Initial is missing", []datagram{down(t, s, hs), up(t, later), up(t, chs)}, "", "",
			func(o *Opening) bool {
				return o.Version == Version1 && o.Opened == [2]int{} && o.Initial[0].N == 1 && o.Initial[1].N == 1 && o.Handshake[0].N == 1
			}},
		{"the first of two Initials is missing", []datagram{up(t, b), down(t, s)}, strings.Repeat("\x00", 150) + helloC[150:], helloS,
			func(o *Opening) bool { return slices.Equal(o.Hello[0].Gaps, []stream.Gap{{From: 0, To: 150}}) }},
		{"the first Initial is missing, 0-RTT has its connection ID", []datagram{up(t, zero), down(t, s), up(t, later)}, "", helloS,
			func(o *Opening) bool { return o.Opened == [2]int{1, 1} }},
		{"0-RTT alone", []datagram{{toClient, zero.seal(t)}, {toServer, s.seal(t)}}, "", helloS, func(o *Opening) bool { return o.Swapped }},
		{"the client alone", []datagram{up(t, c), up(t, chs)}, helloC, "", nil},
		{"the server alone", []datagram{down(t, s, hs)}, "", "", func(o *Opening) bool { return o.Opened == [2]int{} && o.Initial[1].N == 1 }},
	} {
		t.Run(x.name, func(t *testing.T) {
			var r Reader
			for range 2 { // again, with used memory
				o := r.Read(conversation(x.list...))
				if o == nil {
					t.Fatal("nothing of QUIC")
				}
				check(t, o)
				if string(o.Hello[0].Data) != x.client || string(o.Hello[1].Data) != x.server {
					t.Errorf("hellos of %d and %d bytes, want %d and %d", len(o.Hello[0].Data), len(o.Hello[1].Data), len(x.client), len(x.server))
				}
				if x.is != nil && !x.is(o) {
					t.Errorf("%+v", o)
				}
			}
		})
	}
}

// TestVersions opens a packet of each version, and names it.
func TestVersions(t *testing.T) {
	for _, x := range []struct {
		v    Version
		name string
	}{
		{1, "QUIC v1"}, {0x6b3343cf, "QUIC v2"}, {0x709a50c4, "QUIC v2 (draft)"}, {0xff000016, "QUIC draft-22"}, {0xff000017, "QUIC draft-23"},
		{0xff00001b, "QUIC draft-27"}, {0xff00001c, "QUIC draft-28"}, {0xff00001d, "QUIC draft-29"}, {0xff000020, "QUIC draft-32"},
		{0xff000021, "QUIC draft-33"}, {0xff000022, "QUIC draft-34"}, {0xfaceb001, "QUIC mvfst-1"}, {0xfaceb002, "QUIC mvfst-2"}, {0xfaceb003, "QUIC mvfst-3"}, {0xfaceb00e, "QUIC mvfst-14"},
	} {
		if x.v.String() != x.name || !x.v.Known() {
			t.Errorf("%08x is %v", uint32(x.v), x.v)
		}
		c, s := first(t, cryptoFrame(helloC, 0, 300)), answer(cryptoFrame(helloS, 0, 90))
		c.version, s.version = x.v, x.v
		var r Reader
		o := r.Read(conversation(up(t, c), down(t, s)))
		if o == nil || o.Version != x.v || string(o.Hello[0].Data) != helloC || string(o.Hello[1].Data) != helloS {
			t.Errorf("%v: %+v", x.v, o)
		}
	}
	for v, name := range map[Version]string{0x51303530: "QUIC 0x51303530", 0: "QUIC 0x00000000", 0xff000015: "QUIC draft-21", 0xff000023: "QUIC 0xff000023", 0xfaceb00f: "QUIC mvfst-15"} {
		if v.Known() || v.String() != name {
			t.Errorf("%08x is %v, known %v", uint32(v), v, v.Known())
		}
	}
}

// TestGoogle reads the frames of T051.
func TestGoogle(t *testing.T) {
	frame := func(msg string, from, to int) string { return "\x08" + cryptoFrame(msg, from, to)[1:] }
	c := first(t, "\x07"+frame(helloC, 200, 300)+frame(helloC, 0, 200))
	s := answer("\x40\x01\x00\x00\x01\x00" + "\x6a\x00\x00\x00\x09\x00\x00\x01\x00\x00\x00\x01\x05\x00\x00\x00\x01\x02\x01\x01\x01\x01\x01\x01\x02\x02" + frame(helloS, 0, 90))
	c.version, s.version = googleT051, googleT051
	var r Reader
	o := r.Read(conversation(up(t, c), down(t, s)))
	if string(o.Hello[0].Data) != helloC || string(o.Hello[1].Data) != helloS || len(o.Problems) != 0 {
		t.Errorf("%+v", o)
	}
}

// TestMalformed reads what is no packet, or a bad one, behind a good case.
func TestMalformed(t *testing.T) {
	good := first(t, cryptoFrame(helloC, 0, 300)).seal(t)
	set := func(at int, b string) string { return good[:at] + b + good[at+len(b):] }
	for _, x := range []struct {
		name    string
		b       string
		none    bool   // nothing of QUIC
		problem string // "" none
	}{
		{"good", good, false, ""},
		{"empty", "", true, ""},
		{"one byte", "\xc3", true, ""},
		{"a version alone", good[:5], true, ""},
		{"a connection ID of 21 bytes", set(5, "\x15"), true, ""},
		{"a connection ID longer than the packet", set(5, "\xff")[:200], true, ""},
		{"a source connection ID of 255 bytes", set(14, "\xff"), true, ""},
		{"a token longer than the packet", set(19, "\x7f\xff"), true, ""},
		{"a length of 0", set(20, "\x40\x00"), false, "packet is too short to be protected"},
		{"a length beyond the datagram", set(20, "\x7f\xff"), false, "packet is longer than its datagram"},
		{"a length too short to sample", set(20, "\x40\x10"), false, "packet is too short to be protected"},
		{"another packet is cut", good + good[:40], false, "packet is longer than its datagram"},
		{"no header behind the packet", good + "\xc0\x00\x00", false, "packet header is malformed"},
		{"a length beyond all", set(20, "\xff\xff\xff\xff\xff\xff\xff\xff"), true, ""},
		{"another key", set(600, "?"), false, ""},
		{"another version", set(1, "\xff\x00\x00\x1d"), false, ""},
		{"a version that is not known", set(1, "\x12\x34\x56\x78"), true, ""},
		{"a short header", "\x40" + good[1:], true, ""},
		{"text", "GET / HTTP/1.1\r\n\r\n", true, ""},
		{"a Version Negotiation without versions", negotiation().b, true, ""},
		{"a Version Negotiation with half a version", negotiation(Version1).b + "\x00", true, ""},
		{"a Version Negotiation of no version that is known", negotiation(0x12345678).b, true, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			var r Reader
			o := r.Read(conversation(datagram{toServer, x.b}))
			if (o == nil) != x.none {
				t.Fatalf("%+v", o)
			}
			if o == nil {
				return
			}
			check(t, o)
			if whole := strings.HasPrefix(x.b, good); whole != (len(o.Hello[0].Data) == 300) || !whole && len(o.Hello[0].Data) != 0 {
				t.Errorf("%d bytes of the hello", len(o.Hello[0].Data))
			}
			problem := ""
			if len(o.Problems) > 0 {
				problem = o.Problems[0].What
			}
			if problem != x.problem {
				t.Errorf("problems %v, want %q", o.Problems, x.problem)
			}
		})
	}
}

// hostile is all that a conversation may hold, of what costs most: Initials
// that no key opens, each with its own connection ID, and frames of one
// byte in no order.
func hostile(t testing.TB) *stream.Conversation {
	t.Helper()
	c := conversation()
	rng := rand.New(rand.NewPCG(3, 3))
	for i := range 2 * stream.MaxMarks {
		d := stream.Dir(i % 2)
		b := ""
		for j := range 10 {
			p := first(t, "")
			p.size, p.dcid = 50, "dcid"+string(rune('a'+j))+strings.Repeat("x", i%8+4)
			x := []byte(p.seal(t))
			x[len(x)-1] ^= 1
			b += string(x)
		}
		frames := ""
		for len(frames) < 480 {
			frames += string(append(appendVarint([]byte{frameCrypto}, uint64(rng.IntN(maxCrypto))), 1, 'x'))
		}
		p := first(t, frames)
		p.size, p.number = 0, int64(i)
		p.role, p.key = d, odcid
		b = p.seal(t) + b
		add(c, datagram{d, b[:min(len(b), 1024)]}, i)
	}
	return c
}

func TestBounds(t *testing.T) {
	var r Reader
	o := r.Read(hostile(t))
	check(t, o)
	if r.nPairs > maxPairs || r.trials > maxTrials || len(r.initials) > maxInitials {
		t.Errorf("%d pairs, %d trials, %d Initials", r.nPairs, r.trials, len(r.initials))
	}
}
