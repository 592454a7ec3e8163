package openvpn

import (
	"fmt"
	"slices"
	"testing"

	"pfsight/capture/stream"
)

// testSplit checks that packets with the same name get the same session number,
// packets with different names different ones, and those named "" none.
func testSplit(t *testing.T, list []sent, names []string, times []int64) {
	t.Helper()
	s := NewSessions()
	byName := map[string]uint32{}
	for i, x := range list {
		d := stream.Datagram{Transport: stream.UDP, Flow: 7, From: uint8(x.dir), Time: times[i], Data: x.b}
		n, _, lost := s.Split(&d)
		if lost {
			t.Errorf("packet %d: got lost, want no tunnel evicted", i)
		}
		if was, ok := byName[names[i]]; ok && was != n {
			t.Errorf("packet %d of %q: got session %d, want %d", i, names[i], n, was)
		}
		for name, was := range byName {
			if name != names[i] && was == n {
				t.Errorf("packet %d of %q: got session %d of %q, want another", i, names[i], n, name)
			}
		}
		if (names[i] == "") != (n == 0) {
			t.Errorf("packet %d of %q: got session %d", i, names[i], n)
		}
		byName[names[i]] = n
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for _, digest := range digests {
		m := builder{int(digest)}
		first := m.exchange()
		renew := func(key uint8, client uint64) []sent {
			return []sent{
				{stream.ToClient, m.packet(softResetV1, key, serverID, 0, nil, 0, "")},
				{stream.ToServer, m.packet(softResetV1, key, client, serverID, []uint32{0}, 0, "")},
				{stream.ToServer, m.packet(controlV1, key, client, 0, nil, 1, hello)},
				{stream.ToClient, m.packet(controlV1, key, serverID, client, []uint32{1}, 1, flight1)},
				{stream.ToServer, []byte{dataV2<<3 | key, 0, 0, 0, 0, 0, 0, 1, 'd', 'a', 't', 'a'}},
			}
		}
		again := m.exchange()
		again[0].b = m.packet(hardResetClientV2, 0, 77, 0, nil, 0, "")
		const hour = 3600 * 1e9
		for name, c := range map[string][]struct {
			list []sent
			name string
			time int64
		}{
			"one exchange":               {{first, "a", 1}},
			"retransmitted":              {{first[:1], "a", 1}, {first, "a", 2}, {first[:1], "a", 3}},
			"renewed":                    {{first, "a", 1}, {renew(1, clientID), "b", hour}, {first[11:], "a", hour + 9}, {renew(2, clientID), "c", 2 * hour}},
			"renewed, key IDs wrap":      {{first, "a", 1}, {renew(1, clientID), "b", hour}, {renew(7, clientID), "c", 7 * hour}, {renew(1, clientID), "d", 8 * hour}},
			"client restarts":            {{first, "a", 1}, {again, "b", 100e9}},
			"data before a restart":      {{first, "a", 1}, {again[:6], "b", 100e9}, {first[11:], "a", 100e9 + 7}, {again[6:], "b", 100e9 + 20}},
			"capture starts after TLS":   {{first[11:], "", 1}, {renew(3, clientID), "a", hour}},
			"capture starts after reset": {{first[3:], "a", 1}},
			"not OpenVPN":                {{[]sent{{0, []byte("\x40other words")}, {1, []byte("\x20")}}, "", 1}},
		} {
			var list []sent
			var names []string
			var times []int64
			for _, part := range c {
				list = append(list, part.list...)
				for i := range part.list {
					names, times = append(names, part.name), append(times, part.time+int64(i))
				}
			}
			t.Run(fmt.Sprintf("digest %d/%s", digest, name), func(t *testing.T) { testSplit(t, list, names, times) })
		}
	}
}

func TestSplitLimit(t *testing.T) {
	t.Parallel()
	s := NewSessions()
	b := builder{}.packet(hardResetClientV2, 0, clientID, 0, nil, 0, "")
	evicted := 0
	for i := range maxTunnels + 100 {
		if _, _, lost := s.Split(&stream.Datagram{Transport: stream.UDP, Flow: uint64(i), Data: slices.Clone(b)}); lost {
			evicted++
		}
	}
	if s.tunnels.Len() != maxTunnels || evicted != 100 {
		t.Errorf("got %d tunnels and %d evicted, want %d and 100", s.tunnels.Len(), evicted, maxTunnels)
	}
}

func FuzzSplit(f *testing.F) {
	l := builder{20}.exchange()
	f.Add(l[0].b, l[1].b, l[4].b)
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		s := NewSessions()
		for i, data := range [][]byte{a, b, c, a, b} {
			if n, dir, _ := s.Split(&stream.Datagram{Transport: stream.UDP, Time: int64(i), Data: data}); n > stream.MaxSession || dir > stream.ToClient {
				t.Fatalf("got session %d, direction %d", n, dir)
			}
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	s := NewSessions()
	l := builder{20}.exchange()
	for i := range l {
		s.Split(&stream.Datagram{Transport: stream.UDP, Flow: 7, Data: l[i].b})
	}
	for name, d := range map[string]*stream.Datagram{
		"data":  {Transport: stream.UDP, Flow: 7, Data: append([]byte{dataV2 << 3}, make([]byte, 1200)...)},
		"other": {Transport: stream.UDP, Flow: 8, Data: append([]byte{0x50}, make([]byte, 1200)...)},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Split(d)
			}
		})
	}
}
