package fingerprint

import (
	"math/rand/v2"
	"testing"
)

// TestMemo makes hellos of few values, so that many are alike in all but one
// thing, and holds what is kept against what is made anew.
func TestMemo(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	list := func(most int) []uint16 {
		out := make([]uint16, r.IntN(most))
		for i := range out {
			out[i] = []uint16{0, 1, 16, 0x0a0a, 0x1a1a, 0x1301, 0x0304, 0x0303}[r.IntN(8)]
		}
		return out
	}
	var kept Hasher
	clients, servers := map[string]bool{}, map[string]bool{}
	for i := range 60000 {
		c := &Client{
			Transport: "tqd"[r.IntN(3)], LegacyVersion: 0x0303, Versions: list(3), CipherSuites: list(3), Extensions: list(3),
			Groups: list(2), SignatureSchemes: list(2), HasServerName: r.IntN(2) == 0,
			PointFormats: []byte{0, 1}[:r.IntN(3)], ALPN: [][]byte{nil, []byte("h2"), []byte("h3"), {0}}[r.IntN(4)],
		}
		if i%100 == 0 {
			c.CipherSuites = make([]uint16, 200+r.IntN(200)) // too long to be kept, some of them
		}
		var fresh Hasher
		ja3, ja4 := kept.Client(c)
		if ja3 != fresh.ja3(c) || ja4 != fresh.ja4(c) {
			t.Fatalf("%+v: %s %s, made anew %s %s", c, ja3, ja4, fresh.ja3(c), fresh.ja4(c))
		}
		clients[ja3+ja4] = true
		s := &Server{LegacyVersion: 0x0303, CipherSuite: uint16(r.IntN(3)), Extensions: list(4)}
		ja3s := kept.Server(s)
		if ja3s != fresh.ja3s(s) {
			t.Fatalf("%+v: %s, made anew %s", s, ja3s, fresh.ja3s(s))
		}
		servers[ja3s] = true
	}
	if len(clients) < 2*memoSize || len(servers) < 100 {
		t.Errorf("only %d clients and %d servers", len(clients), len(servers))
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

// TestMemoAllocates nothing for a kind that it has.
func TestMemoAllocates(t *testing.T) {
	var h Hasher
	c := hello()
	h.Client(c)
	if n := testing.AllocsPerRun(100, func() { h.Client(c) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkClient(b *testing.B) {
	c := hello()
	b.Run("kept", func(b *testing.B) {
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
