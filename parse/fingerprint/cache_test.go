package fingerprint

import (
	"math/rand/v2"
	"testing"
)

// TestCache compares cached fingerprints with computed ones. The hellos have few
// different values, so many of them differ in one field only.
func TestCache(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	list := func(most int) []uint16 {
		out := make([]uint16, r.IntN(most))
		for i := range out {
			out[i] = []uint16{0, 1, 16, 0x0a0a, 0x1a1a, 0x1301, 0x0304, 0x0303}[r.IntN(8)]
		}
		return out
	}
	var cached Hasher
	clients, servers := map[string]bool{}, map[string]bool{}
	for i := range 60000 {
		c := &Client{
			Transport: "tqd"[r.IntN(3)], LegacyVersion: 0x0303, Versions: list(3), CipherSuites: list(3), Extensions: list(3),
			Groups: list(2), SignatureSchemes: list(2), HasServerName: r.IntN(2) == 0,
			PointFormats: []byte{0, 1}[:r.IntN(3)], ALPN: [][]byte{nil, []byte("h2"), []byte("h3"), {0}}[r.IntN(4)],
		}
		if i%100 == 0 {
			c.CipherSuites = make([]uint16, 200+r.IntN(200)) // some of them too long to cache
		}
		var fresh Hasher
		ja3, ja4 := cached.Client(c)
		if ja3 != fresh.ja3(c) || ja4 != fresh.ja4(c) {
			t.Fatalf("%+v: got %s %s, want %s %s", c, ja3, ja4, fresh.ja3(c), fresh.ja4(c))
		}
		clients[ja3+ja4] = true
		s := &Server{LegacyVersion: 0x0303, CipherSuite: uint16(r.IntN(3)), Extensions: list(4)}
		ja3s := cached.Server(s)
		if ja3s != fresh.ja3s(s) {
			t.Fatalf("%+v: got %s, want %s", s, ja3s, fresh.ja3s(s))
		}
		servers[ja3s] = true
	}
	if len(clients) < 2*cacheSlots || len(servers) < 100 {
		t.Errorf("got %d different clients and %d servers, want at least %d and 100", len(clients), len(servers), 2*cacheSlots)
	}
}

func hello() *Client {
	c := &Client{Transport: 't', LegacyVersion: 0x0303, Versions: []uint16{0x1a1a, 0x0304, 0x0303}, Groups: []uint16{0x2a2a, 29, 23, 24}, HasServerName: true, ALPN: []byte("h2"), PointFormats: []byte{0}}
	for i := range uint16(16) {
		c.CipherSuites = append(c.CipherSuites, 0x1301+i)
		c.Extensions = append(c.Extensions, (i*7)%16+1)
		c.SignatureSchemes = append(c.SignatureSchemes, 0x0403+i)
	}
	return c
}

func TestCacheDoesNotAllocate(t *testing.T) {
	var h Hasher
	c := hello()
	h.Client(c)
	if n := testing.AllocsPerRun(100, func() { h.Client(c) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func BenchmarkClient(b *testing.B) {
	c := hello()
	b.Run("cached", func(b *testing.B) {
		var h Hasher
		b.ReportAllocs()
		for b.Loop() {
			h.Client(c)
		}
	})
	b.Run("new", func(b *testing.B) {
		var h Hasher
		b.ReportAllocs()
		for i := uint16(0); b.Loop(); i++ {
			c.Extensions[0], c.Extensions[1] = i, i>>3
			h.Client(c)
		}
	})
}
