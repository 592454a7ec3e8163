package capture

import (
	"encoding/binary"
	"testing"
)

// A flood makes the n-th segment of traffic that fills a table.
type flood func(n int) segment

// floodSegment is a segment of connection n with nothing else set.
func floodSegment(n int) segment {
	s := segment{time: int64(n) * 1000, packet: uint64(n + 1)}
	s.setEndpoints(0, v4Mapped|uint64(n), 0, v4Mapped|0x0a000001, 40000, 443, protoTCP)
	s.hash = s.key.hash(1)
	return s
}

var floods = map[string]flood{
	"half_open": func(n int) segment {
		s := floodSegment(n)
		s.flags = flagSYN
		return s
	},
	"flows": func(n int) segment { // a hello without a SYN, complete at once
		s := floodSegment(n)
		s.payload = []byte("C.")
		s.wire = len(s.payload)
		return s
	},
	"openings": func(n int) segment { // a hello that goes on
		s := floodSegment(n)
		s.payload = []byte("C and more")
		s.wire = len(s.payload)
		return s
	},
	"far": func(n int) segment { // the first byte is missing
		s := floodSegment(n / 2)
		s.time, s.packet = int64(n)*1000, uint64(n+1)
		if n%2 == 0 {
			s.flags = flagSYN
			return s
		}
		s.seq = 40000
		s.payload = binary.BigEndian.AppendUint64(nil, 1)
		s.wire = len(s.payload)
		return s
	},
}

func BenchmarkFull(b *testing.B) {
	for name, f := range floods {
		for _, m := range []struct {
			name   string
			memory int64
		}{{"small", 1 << 20}, {"64M", 64 << 20}, {"default", 0}} {
			b.Run(name+"/"+m.name, func(b *testing.B) {
				w := newWatch(b, m.memory)
				n := 0
				step := func() {
					s := f(n)
					w.tr.segment(&s)
					n++
					if len(w.box.events) > 512 {
						w.tr.recycle(&w.box)
					}
				}
				for range 1_200_000 {
					step()
				}
				b.ReportAllocs()
				for b.Loop() {
					step()
				}
				b.ReportMetric(float64(w.drops[SYNEvict]+w.drops[FlowEvict])/float64(n), "evicted/op")
			})
		}
	}
}
