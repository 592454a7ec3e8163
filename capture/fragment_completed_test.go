package capture

import (
	"bytes"
	"math/rand"
	"testing"
)

// TestFragmentCopies repeats fragments after their datagrams were completed,
// which is no loss. A new datagram with a reused identification is still
// reassembled, and its loss is counted.
func TestFragmentCopies(t *testing.T) {
	rng := rand.New(rand.NewSource(3))
	for range 300 {
		f := newFragments(0)
		var drops Counters
		k := fragKey{id: uint32(rng.Intn(2))}
		n := 2 + rng.Intn(8)
		send := func(data []byte, from, to int) (whole []byte) {
			for i := from; i < to; i++ {
				if w, _, ok := f.add(k, 800*i, i < n-1, data[800*i:800*i+800], 800, 1, &drops); ok {
					whole = bytes.Clone(w)
				}
			}
			return whole
		}
		one, two := make([]byte, 800*n), make([]byte, 800*n)
		rng.Read(one)
		rng.Read(two)
		if !bytes.Equal(send(one, 0, n), one) {
			t.Fatal("the first datagram is not complete")
		}
		from := rng.Intn(n)
		send(one, from, min(from+1+rng.Intn(n), n))
		if rng.Intn(2) == 0 {
			if !bytes.Equal(send(two, 0, n), two) {
				t.Fatal("the second datagram differs")
			}
		}
		if f.end(&drops); drops != (Counters{}) {
			t.Fatalf("got drops %v, want none", drops.List())
		}
		rng.Read(two)
		send(two, 0, n-1)
		if f.end(&drops); drops[FragmentLost] != 1 {
			t.Fatalf("got drops %v, want one lost datagram", drops.List())
		}
	}
}

// TestFragmentsCut cuts every fragment. The payload ends at the first missing
// byte, and the length on the wire is known.
func TestFragmentsCut(t *testing.T) {
	rng := rand.New(rand.NewSource(4))
	for range 300 {
		f := newFragments(0)
		var drops Counters
		snap := 1 + rng.Intn(1000)
		data := make([]byte, 2000+rng.Intn(5000))
		rng.Read(data)
		want := len(data)
		var list []span
		for off := 0; off < len(data); {
			end := min(off+8*(1+rng.Intn(150)), len(data))
			list = append(list, span{off, end})
			if end-off > snap {
				want = min(want, off+snap)
			}
			off = end
		}
		rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for i, p := range list {
			b := data[p.from:min(p.to, p.from+snap)]
			whole, wire, ok := f.add(fragKey{}, p.from, p.to < len(data), b, p.to-p.from, 1, &drops)
			if ok != (i == len(list)-1) {
				t.Fatalf("got complete %v after %d of %d fragments", ok, i+1, len(list))
			}
			if ok && (wire != len(data) || !bytes.Equal(whole, data[:want])) {
				t.Fatalf("got %d of %d bytes, want %d of %d", len(whole), wire, want, len(data))
			}
		}
		if f.end(&drops); drops != (Counters{}) {
			t.Fatalf("got drops %v", drops.List())
		}
	}
}

// TestCompletedTable checks the limit of the table.
func TestCompletedTable(t *testing.T) {
	f := newFragments(0)
	var drops Counters
	b := make([]byte, 8)
	for i := range 3 * maxWhole {
		f.add(fragKey{id: uint32(i)}, 0, true, b, 8, 1, &drops)
		f.add(fragKey{id: uint32(i)}, 8, false, b, 8, 1, &drops)
	}
	if len(f.completed.list) != maxWhole || len(f.completed.at) != maxWhole {
		t.Errorf("got %d and %d remembered datagrams, want %d", len(f.completed.list), len(f.completed.at), maxWhole)
	}
	for i := range 3 * maxWhole {
		f.add(fragKey{id: uint32(i)}, 0, true, b, 8, 1, &drops)
	}
	if f.end(&drops); drops[FragmentLost] != 2*maxWhole {
		t.Errorf("got %d lost, want %d", drops[FragmentLost], 2*maxWhole)
	}
}
