package quic

import (
	"math/rand/v2"
	"testing"

	"pfsight/capture/stream"
)

var benchScenes = []string{"quic-v1", "quic-chromium", "quic-mlkem-hrr"}

// BenchmarkRead reads whole openings; a conversation is some datagrams of both
// sides.
func BenchmarkRead(b *testing.B) {
	for _, name := range benchScenes {
		b.Run(name, func(b *testing.B) {
			c := follow(b, captures+"/"+name+".pcap", new(Asker).Ask)[0]
			var r Reader
			b.SetBytes(int64(len(c.Half[0].Data) + len(c.Half[1].Data)))
			b.ReportAllocs()
			for b.Loop() {
				if o := r.Read(c); o.Opened[1] == 0 {
					b.Fatal("no ServerHello")
				}
			}
		})
	}
}

// BenchmarkReadHostile reads what costs most, in the most bytes that there may
// be.
func BenchmarkReadHostile(b *testing.B) {
	c := hostile(b)
	var r Reader
	b.SetBytes(int64(len(c.Half[0].Data) + len(c.Half[1].Data)))
	b.ReportAllocs()
	for b.Loop() {
		r.Read(c)
	}
}

// BenchmarkAsk asks for each datagram of a conversation until it is enough.
func BenchmarkAsk(b *testing.B) {
	for _, name := range benchScenes {
		b.Run(name, func(b *testing.B) {
			list := datagramsOf(follow(b, captures+"/"+name+".pcap", more)[0])
			full := conversation(list...)
			n := 0
			for _, d := range list {
				n += len(d.b)
			}
			b.SetBytes(int64(n))
			b.ReportAllocs()
			var asker Asker
			for b.Loop() {
				var c stream.Conversation
				var seen [2]int
				v := stream.More
				for _, d := range list {
					h, f := &c.Half[d.from], &full.Half[d.from]
					seen[d.from]++
					h.Marks = f.Marks[:seen[d.from]]
					h.Data = f.Data[:h.Marks[len(h.Marks)-1].To]
					h.Packets++
					if v = asker.Ask(&c, d.from); v != stream.More {
						break
					}
				}
				if v != stream.Enough {
					b.Fatal(v)
				}
			}
		})
	}
}

func BenchmarkSniff(b *testing.B) {
	v := vectors(b)
	rtp := append([]byte("\x80\x00\x12\x34\x00\x01\x02\x03"), make([]byte, 164)...)
	random := make([]byte, 1200)
	for i := range random {
		random[i] = byte(rand.N(256))
	}
	random[0] |= 0xc0
	for _, x := range []struct {
		name string
		b    []byte
	}{
		{"client", v["v1 client packet"]}, {"server", v["v2 server packet"]}, {"random", random}, {"dns", dnsQuery}, {"rtp", rtp},
	} {
		b.Run(x.name, func(b *testing.B) {
			b.ReportAllocs()
			var s stream.Sniff
			for b.Loop() {
				s = Sniff(x.b)
			}
			_ = s
		})
	}
}

var dnsQuery = []byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01")
