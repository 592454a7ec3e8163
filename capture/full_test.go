package capture

import (
	"encoding/binary"
	"math"
	"testing"
	"time"
)

// A flood returns the n-th segment of traffic that fills a table.
type flood func(n int) segment

// floodSegment returns a segment of connection n with all other fields zero.
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
	"flows": func(n int) segment { // a complete hello without a SYN
		s := floodSegment(n)
		s.payload = []byte("C.")
		s.wire = len(s.payload)
		return s
	},
	"openings": func(n int) segment { // an incomplete hello
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

// TestFull fills small tables, and tables of 64 times their size. A segment
// must cost about the same with both.
func TestFull(t *testing.T) {
	for name, f := range floods {
		t.Run(name, func(t *testing.T) {
			per := func(memory int64) time.Duration {
				w := newWatch(t, memory)
				n := 0
				run := func(count int) {
					for range count {
						s := f(n)
						w.tr.segment(&s)
						if n++; len(w.box.events) > 512 {
							w.tr.recycle(&w.box)
						}
					}
				}
				run(2 * w.tr.maxFlows)
				if w.drops[HalfOpenEvict]+w.drops[FlowEvict] == 0 {
					t.Fatalf("the tables are not full")
				}
				best := time.Duration(math.MaxInt64)
				for range 5 {
					const some = 4000
					began := time.Now()
					run(some)
					best = min(best, time.Since(began)/some)
				}
				return best
			}
			small, large := per(1<<20), per(64<<20)
			t.Logf("%v with small tables, %v with large ones", small, large)
			if large > 8*small+2*time.Microsecond {
				t.Errorf("got %v per segment with large tables, %v with small ones", large, small)
			}
		})
	}
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
				b.ReportMetric(float64(w.drops[HalfOpenEvict]+w.drops[FlowEvict])/float64(n), "evicted/op")
			})
		}
	}
}
