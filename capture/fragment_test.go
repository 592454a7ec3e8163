package capture

import (
	"bytes"
	"math/rand"
	"testing"
	"time"
)

// TestFragments splits datagrams at random, shuffles the fragments, repeats
// some, and expects each datagram to be restored.
func TestFragments(t *testing.T) {
	type piece struct {
		k    fragKey
		off  int
		more bool
		b    []byte
	}
	rng := rand.New(rand.NewSource(1))
	for range 300 {
		f := newFragments(0)
		var drops Counters
		want := map[fragKey][]byte{}
		var list []piece
		for i := range 1 + rng.Intn(20) {
			k := fragKey{srcLo: uint64(i), id: uint32(rng.Intn(3)), proto: protoUDP}
			data := make([]byte, 9+rng.Intn(6000))
			rng.Read(data)
			want[k] = data
			for off := 0; off < len(data); {
				end := min(off+8*(1+rng.Intn(200)), len(data))
				list = append(list, piece{k, off, end < len(data), data[off:end]})
				off = end
			}
		}
		rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for _, p := range list {
			if rng.Intn(10) == 0 && p.more {
				// Of overlapping bytes the first are kept.
				if whole, _, ok := f.add(p.k, p.off, p.more, p.b, len(p.b), 1, &drops); ok {
					if !bytes.Equal(whole, want[p.k]) {
						t.Fatal("the datagram differs")
					}
					delete(want, p.k)
					continue
				}
				p.b = make([]byte, len(p.b))
			}
			if whole, _, ok := f.add(p.k, p.off, p.more, p.b, len(p.b), 1, &drops); ok {
				if !bytes.Equal(whole, want[p.k]) {
					t.Fatal("the datagram differs")
				}
				delete(want, p.k)
			}
		}
		if len(want) > 0 || drops[FragmentLimit] > 0 {
			t.Fatalf("%d datagrams are incomplete, %d fragments dropped", len(want), drops[FragmentLimit])
		}
	}
}

// TestNestedFragments reassembles a fragment inside a datagram that was itself
// reassembled: its bytes alias the buffer returned last.
func TestNestedFragments(t *testing.T) {
	f := newFragments(0)
	var drops Counters
	inner := bytes.Repeat([]byte("0123456789abcdef"), 100)
	outer := append(make([]byte, 24), inner[:800]...)
	f.add(fragKey{id: 1}, 0, true, outer[:400], 400, 1, &drops)
	whole, _, ok := f.add(fragKey{id: 1}, 400, false, outer[400:], len(outer)-400, 1, &drops)
	if !ok {
		t.Fatal("the outer datagram is not complete")
	}
	if _, _, ok := f.add(fragKey{id: 2}, 0, true, whole[24:], 800, 1, &drops); ok {
		t.Fatal("the inner datagram is complete after its first half")
	}
	// This reuses the buffer that is free now.
	f.add(fragKey{id: 3}, 0, true, make([]byte, 800), 800, 1, &drops)
	if whole, _, ok = f.add(fragKey{id: 2}, 800, false, inner[800:], len(inner)-800, 1, &drops); !ok || !bytes.Equal(whole, inner) {
		t.Error("the inner datagram differs")
	}
}

// TestFragmentFloods fills the table in several ways. It must stay within its
// limits, count everything that it drops, and not take longer per fragment
// than an empty one.
func TestFragmentFloods(t *testing.T) {
	rng := rand.New(rand.NewSource(2))
	big := make([]byte, 65535)
	floods := map[string]func(i int) (k fragKey, off, size int, more bool){
		"first": func(i int) (fragKey, int, int, bool) { return fragKey{id: uint32(i)}, 0, 1400, true },
		"small": func(i int) (fragKey, int, int, bool) { return fragKey{id: uint32(i)}, 0, 8, true },
		"far":   func(i int) (fragKey, int, int, bool) { return fragKey{id: uint32(i)}, 65480, 8, true },
		"last":  func(i int) (fragKey, int, int, bool) { return fragKey{id: uint32(i)}, 8000, 1000, false },
		"holes": func(i int) (fragKey, int, int, bool) { return fragKey{id: uint32(i >> 7)}, 16 * (i & 127), 8, true },
		"sizes": func(i int) (fragKey, int, int, bool) { return fragKey{id: uint32(i)}, 0, 8 << rng.Intn(13), true },
		"grow":  func(i int) (fragKey, int, int, bool) { return fragKey{id: uint32(i >> 4)}, 4000 * (i & 15), 3992, true },
		"random": func(int) (fragKey, int, int, bool) {
			return fragKey{id: rng.Uint32() % 9000}, 8 * rng.Intn(8000), 8 * (1 + rng.Intn(60)), rng.Intn(3) > 0
		},
	}
	for name, next := range floods {
		for _, memory := range []int64{1 << 20, 64 << 20, 0} {
			f := newFragments(memory)
			var drops Counters
			n := 0
			run := func(count int) time.Duration {
				began := time.Now()
				for range count {
					k, off, size, more := next(n)
					f.add(k, off, more, big[:size], size, int64(n)*25_000, &drops)
					n++
				}
				return time.Since(began)
			}
			const some = 5_000
			var empty, full time.Duration
			for try := 0; ; try++ {
				if try == 0 {
					empty = run(some)
				}
				run(30_000)
				full = run(some)
				if full < 4*empty+5*time.Millisecond {
					break
				}
				if try == 5 {
					t.Errorf("%s, %d: got %v for %d fragments in a full table, %v in an empty one", name, memory, full, some, empty)
					break
				}
			}
			lists := maxFragmented * freeRanges
			if f.mem > f.room+lists || f.kept > f.mem || len(f.open) > maxFragmented {
				t.Errorf("%s, %d: got %d of %d bytes, %d of them spare, %d datagrams", name, memory, f.mem, f.room, f.kept, len(f.open))
			}
			sum, spare, count := 0, 0, 0
			for g := f.ring.next; g != &f.ring; g = g.next {
				sum += len(g.data) + g.extraBytes()
				count++
			}
			for _, list := range f.spare {
				for _, b := range list {
					spare += len(b)
				}
			}
			if sum+spare+len(f.last) != f.mem || spare != f.kept || count != len(f.open) {
				t.Errorf("%s, %d: got %d bytes in %d datagrams, %d spare; want %d, %d spare, %d datagrams", name, memory, sum, count, spare, f.mem, f.kept, len(f.open))
			}
			if f.end(&drops); drops[FragmentLost] == 0 {
				t.Errorf("%s, %d: got no drops", name, memory)
			}
		}
	}
}

func BenchmarkFragmentsFull(b *testing.B) {
	f := newFragments(0)
	var drops Counters
	p := make([]byte, 1400)
	for i := range 2 * maxFragmented {
		f.add(fragKey{id: uint32(i)}, 0, true, p, len(p), int64(i), &drops)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		f.add(fragKey{srcLo: 1, id: uint32(i)}, 0, true, p, len(p), int64(i), &drops)
	}
}
