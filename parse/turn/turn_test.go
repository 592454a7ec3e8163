package turn

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// stun makes a message of a type and attributes.
func stun(typ uint16, attrs ...string) string {
	body := strings.Join(attrs, "")
	b := binary.BigEndian.AppendUint16(nil, typ)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return string(binary.BigEndian.AppendUint32(b, magicCookie)) + "transaction." + body
}

func attr(typ uint16, v string) string {
	b := binary.BigEndian.AppendUint16(nil, typ)
	b = binary.BigEndian.AppendUint16(b, uint16(len(v)))
	return string(b) + v + strings.Repeat("\x00", -len(v)&3)
}

// peerAddress makes the XOR-PEER-ADDRESS of a message that stun makes.
func peerAddress(s string) string {
	a := netip.MustParseAddrPort(s)
	key := "\x21\x12\xa4\x42transaction."
	b := []byte{0, 2}
	if a.Addr().Is4() {
		b[1] = 1
	}
	b = binary.BigEndian.AppendUint16(b, a.Port()^0x2112)
	for i, x := range a.Addr().AsSlice() {
		b = append(b, x^key[i])
	}
	return attr(attrXORPeerAddress, string(b))
}

func channel(n uint16, data string) string {
	b := binary.BigEndian.AppendUint16(nil, n)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(data)))) + data
}

func bind(n uint16, peer string) string {
	return stun(typeChannelBind, attr(attrChannelNumber, string([]byte{byte(n >> 8), byte(n), 0, 0})), peerAddress(peer))
}

const (
	peerA = "192.0.2.7:5000"
	peerB = "[2001:db8::7]:5000"
)

// TestUnwrap finds what is carried.
func TestUnwrap(t *testing.T) {
	const none = "none"
	for _, x := range []struct{ name, b, want string }{
		{"channel", channel(0x4001, "hello"), "hello"},
		{"channel, padded", channel(0x4fff, "hello") + "\x00\x00\x00", "hello"},
		{"channel, cut by the snaplen", channel(0x4001, "hello")[:7], "hel"},
		{"channel, more behind it", channel(0x4001, "hello") + "1234", none},
		{"channel without data", channel(0x4001, "") + "\x00\x00\x00", none},
		{"a number that is reserved", channel(0x5000, "hello"), none},
		{"Send", stun(typeSend, peerAddress(peerA), attr(attrData, "hello")), "hello"},
		{"Data", stun(typeData, attr(0x8022, "software"), attr(attrData, "hell"), peerAddress(peerB)), "hell"},
		{"Send, cut", stun(typeSend, peerAddress(peerA), attr(attrData, "hello"))[:20+12+4+2], "he"},
		{"Send without data", stun(typeSend, peerAddress(peerA)), none},
		{"Send with empty data", stun(typeSend, attr(attrData, "")), none},
		{"an attribute that is too long", stun(typeSend, "\x00\x13\xff\xffhello..."), "hello..."},
		{"another cookie", strings.Replace(stun(typeSend, attr(attrData, "hello")), "\x21\x12", "\x21\x13", 1), none},
		{"a length that is none", strings.Replace(stun(typeSend, attr(attrData, "hello")), "\x00\x0c", "\x00\x0b", 1), none},
		{"a Binding request", stun(1, attr(attrData, "hello")), none},
		{"nothing", "", none},
	} {
		got := none
		if from, to, ok := Unwrap([]byte(x.b)); ok {
			got = x.b[from:to]
		}
		if got != x.want {
			t.Errorf("%s: %q, want %q", x.name, got, x.want)
		}
	}
}

// hello makes the beginning of a ClientHello of DTLS with this random.
func hello(random byte) string {
	return "C" + strings.Repeat("\x00", 12) + "\x01" + strings.Repeat("\x00", 13) + strings.Repeat(string(rune(random)), 32)
}

// sniff takes what begins with C for a client's and with S for a server's.
func sniff(b []byte) stream.Sniff {
	switch b[0] {
	case 'C':
		return stream.SniffClient
	case 'S':
		return stream.SniffServer
	}
	return stream.SniffMaybe
}

// TestSplit splits the datagrams of several peers.
func TestSplit(t *testing.T) {
	type step struct {
		flow uint64
		b    string
		want uint32
	}
	send := func(peer, data string) string { return stun(typeSend, peerAddress(peer), attr(attrData, data)) }
	recv := func(peer, data string) string { return stun(typeData, peerAddress(peer), attr(attrData, data)) }
	for _, x := range []struct {
		name string
		list []step
	}{
		{"two channels", []step{{1, channel(0x4000, hello(1)), 1}, {1, channel(0x4001, hello(2)), 2}, {1, channel(0x4000, "S"), 1}, {1, channel(0x4001, "x"), 2}, {1, channel(0x4002, "x"), 0}}},
		{"an indication and the channel behind it", []step{{1, send(peerA, hello(1)), 1}, {1, bind(0x4000, peerA), 0}, {1, recv(peerA, "S"), 1}, {1, channel(0x4000, "x"), 1}, {1, recv(peerB, "x"), 0}, {1, send(peerB, hello(2)), 2}}},
		{"the channel first", []step{{1, bind(0x4000, peerB), 0}, {1, channel(0x4000, hello(1)), 1}, {1, recv(peerB, "x"), 1}}},
		{"bound before the capture", []step{{1, channel(0x4000, hello(1)), 1}, {1, bind(0x4000, peerA), 0}, {1, recv(peerA, "x"), 1}}},
		{"bound to another", []step{{1, bind(0x4000, peerA), 0}, {1, channel(0x4000, hello(1)), 1}, {1, bind(0x4000, peerB), 0}, {1, channel(0x4000, "x"), 0}, {1, channel(0x4000, hello(2)), 2}, {1, recv(peerA, "x"), 1}}},
		{"two clients", []step{{1, channel(0x4000, hello(1)), 1}, {2, channel(0x4000, hello(1)), 2}, {1, channel(0x4000, "x"), 1}, {3, channel(0x4000, "x"), 0}}},
		{"again", []step{{1, channel(0x4000, hello(1)), 1}, {1, channel(0x4000, "S"), 1}, {1, channel(0x4000, hello(1)), 1}, {1, channel(0x4000, hello(2)), 2}, {1, channel(0x4000, "x"), 2}}},
		{"the server's hello first", []step{{1, channel(0x4000, "S"), 1}, {1, channel(0x4000, hello(1)), 1}}},
		{"nothing of TURN", []step{{1, hello(1), 0}, {1, "", 0}, {1, "\x00\x16", 0}, {1, stun(typeSend, attr(attrData, hello(1))), 0}, {1, bind(0x5000, peerA), 0}, {1, stun(1, peerAddress(peerA)), 0}}},
	} {
		s := NewSessions(sniff)
		for i, st := range x.list {
			session, _, lost := s.Split(&stream.Datagram{Transport: stream.UDP, Flow: st.flow, Data: []byte(st.b)})
			if session != st.want || lost {
				t.Errorf("%s, %d: session %d, want %d; lost %v", x.name, i, session, st.want, lost)
			}
		}
	}
}

// TestSplitBindLost loses the ChannelBind request, or the address of a peer:
// the session is that of the same ClientHello, or of the only peer that waits
// for this answer.
func TestSplitBindLost(t *testing.T) {
	type step struct {
		from uint8
		b    string
		want uint32
	}
	send := func(peer, data string) string { return stun(typeSend, peerAddress(peer), attr(attrData, data)) }
	recv := func(peer, data string) string { return stun(typeData, peerAddress(peer), attr(attrData, data)) }
	cut := func(data string) string {
		b := stun(typeSend, attr(attrData, data), peerAddress(peerA))
		return b[:len(b)-len(peerAddress(peerA))]
	}
	for _, x := range []struct {
		name string
		list []step
	}{
		{"an answer in a channel", []step{{0, send(peerA, hello(1)), 1}, {1, channel(0x4000, "S"), 1}, {0, channel(0x4000, "x"), 1}, {1, recv(peerA, "x"), 1}}},
		{"an answer in an indication", []step{{0, channel(0x4000, hello(1)), 1}, {1, recv(peerA, "S"), 1}, {0, channel(0x4000, "x"), 1}}},
		{"an answer to the relay's client", []step{{1, recv(peerA, hello(1)), 1}, {0, channel(0x4000, "S"), 1}}},
		{"the ClientHello again", []step{{0, send(peerA, hello(1)), 1}, {0, send(peerB, hello(2)), 2}, {0, channel(0x4001, hello(2)), 2}, {1, channel(0x4000, "S"), 1}}},
		{"two that wait", []step{{0, send(peerA, hello(1)), 1}, {0, send(peerB, hello(2)), 2}, {1, channel(0x4000, "S"), 3}}},
		{"one that has its answer", []step{{0, send(peerA, hello(1)), 1}, {1, recv(peerA, "S"), 1}, {1, channel(0x4000, "S"), 2}}},
		{"a server's hello of the same side", []step{{0, send(peerA, hello(1)), 1}, {0, channel(0x4000, "S"), 2}}},
		{"the address is cut off", []step{{0, cut(hello(1)), 1}, {1, channel(0x4000, "S"), 1}, {0, channel(0x4000, "x"), 1}}},
		{"the address is cut off, a channel is bound", []step{{0, cut(hello(1)), 1}, {0, bind(0x4000, peerA), 0}, {1, channel(0x4000, "S"), 1}, {1, recv(peerA, "x"), 1}}},
	} {
		s := NewSessions(sniff)
		for i, st := range x.list {
			session, _, lost := s.Split(&stream.Datagram{Transport: stream.UDP, Flow: 1, From: st.from, Data: []byte(st.b)})
			if session != st.want || lost {
				t.Errorf("%s, %d: session %d, want %d; lost %v", x.name, i, session, st.want, lost)
			}
		}
	}
}

// TestLimits holds that memory is bounded, and that forgotten sessions are reported.
func TestLimits(t *testing.T) {
	s := NewSessions(sniff)
	split := func(flow uint64, b string) (uint32, bool) {
		session, _, lost := s.Split(&stream.Datagram{Transport: stream.UDP, Flow: flow, Data: []byte(b)})
		return session, lost
	}
	for i := range maxPeers + 1 {
		if _, lost := split(1, channel(0x4000+uint16(i), hello(1))); lost != (i == maxPeers) {
			t.Errorf("peer %d: lost %v", i, lost)
		}
	}
	if n, _ := split(1, channel(0x4000, "x")); n != 0 {
		t.Error("the first peer is remembered")
	}
	for i := range uint64(maxAllocations) {
		if _, lost := split(2+i, bind(0x4000, peerA)); lost != (i == maxAllocations-1) {
			t.Fatalf("allocation %d: lost %v", i, lost)
		}
	}
	if _, lost := split(1<<20, bind(0x4000, peerA)); lost {
		t.Error("a channel without a session was lost")
	}
	if s.allocations.Len() != maxAllocations {
		t.Errorf("%d allocations", s.allocations.Len())
	}
}

// FuzzUnwrap holds that what is carried lies inside.
func FuzzUnwrap(f *testing.F) {
	for _, s := range []string{channel(0x4001, "hello"), stun(typeSend, peerAddress(peerA), attr(attrData, hello(1))), stun(typeData, attr(attrData, "S"), peerAddress(peerB)), bind(0x4000, peerB)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		from, to, ok := Unwrap(b)
		if ok && (from < channelHeader || to <= from || to > len(b)) || !ok && (from != 0 || to != 0) && b[0]>>4 != 4 {
			t.Errorf("[%d:%d] of %d, %v", from, to, len(b), ok)
		}
	})
}

// FuzzSplit gives datagrams, each behind its length, to one Sessions.
func FuzzSplit(f *testing.F) {
	seed := ""
	for _, s := range []string{channel(0x4001, hello(1)), stun(typeSend, peerAddress(peerA), attr(attrData, hello(2))), bind(0x4000, peerA), channel(0x4000, "x"), bind(0x4000, peerB), channel(0x4000, hello(3))} {
		seed += string([]byte{byte(len(s))}) + s
	}
	f.Add([]byte(seed))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := NewSessions(func(b []byte) stream.Sniff { return sniff(append(b, 0)) })
		for len(b) > 1 {
			n := min(int(b[0]), len(b)-1)
			session, _, _ := s.Split(&stream.Datagram{Transport: stream.UDP, Flow: uint64(n % 3), Data: b[1 : 1+n]})
			if session > s.last {
				t.Fatalf("session %d of %d", session, s.last)
			}
			b = b[1+n:]
		}
	})
}
