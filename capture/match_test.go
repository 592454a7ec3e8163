package capture

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"pfsight/capture/stream"
)

// hellos returns the data of the n-th connection of a test.
func hellos(n int) (client, server string) {
	return fmt.Sprintf("C%04d hello.", n), fmt.Sprintf("S%04d hello.", n)
}

// checkDialogs checks that each of the n connections has the data of hellos,
// once.
func checkDialogs(t *testing.T, got []*account, n int) {
	t.Helper()
	var seen, want []string
	for _, x := range got {
		seen = append(seen, string(x.data[0])+string(x.data[1]))
	}
	for i := range n {
		c, s := hellos(i)
		want = append(want, c+s)
	}
	slices.Sort(seen)
	if !slices.Equal(seen, want) {
		t.Fatalf("got %q, want %q", seen, want)
	}
}

// TestReuse sends connections with the same addresses and ports one after the
// other, with and without their SYNs, FINs and ACKs, and with close and
// distant sequence numbers.
func TestReuse(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	for range 2000 {
		w := newWatch(t, 0)
		const n = 8
		syn, fin, acks := r.Intn(2) == 0, r.Intn(2) == 0, r.Intn(2) == 0
		isn := r.Uint32()
		for i := range n {
			c, s := hellos(i)
			isnS := r.Uint32()
			if r.Intn(2) == 0 {
				isn = r.Uint32()
			} else {
				isn += 1 << 20 // increases with time, RFC 6528
			}
			for j, x := range dialog(1, c, s, isn, isnS) {
				if j < 2 && !syn || j > 3 && !fin {
					continue
				}
				if !acks {
					x.ack, x.flags = 0, x.flags&^flagACK
					if j == 1 {
						continue
					}
				}
				w.feed(x)
				if r.Intn(4) == 0 {
					w.feed(x) // a copy
				}
			}
		}
		checkDialogs(t, w.finish(), n)
	}
}

// TestReuseLag delays one direction, so that the next connection begins before
// that direction of the last one has ended.
func TestReuseLag(t *testing.T) {
	r := rand.New(rand.NewSource(4))
	for i := range 200 {
		w := newWatch(t, 0)
		var all []tseg
		for n := range 4 {
			c, s := hellos(n)
			d := dialog(1, c, s, r.Uint32(), r.Uint32())
			if i%2 == 0 {
				d = d[:4] // no end
			}
			// Everything of the late direction of this connection precedes the
			// next one.
			late := i%4 < 2
			slices.SortStableFunc(d, func(a, b tseg) int {
				if a.server == b.server {
					return 0
				}
				if a.server == late {
					return 1
				}
				return -1
			})
			all = append(all, d...)
		}
		w.feed(all...)
		checkDialogs(t, w.finish(), 4)
	}
}

// TestDomains sends connections with the same addresses and ports in several
// VLANs at once, in any interleaving.
func TestDomains(t *testing.T) {
	r := rand.New(rand.NewSource(5))
	for range 2000 {
		w := newWatch(t, 0)
		n := 2 + r.Intn(4)
		var left [][]tseg
		for i := range n {
			c, s := hellos(i)
			d := dialog(1, c, s, r.Uint32(), r.Uint32())
			if r.Intn(2) == 0 {
				d = d[2:] // no SYN
			}
			for j := range d {
				d[j].domain = uint16(i)
			}
			left = append(left, d)
		}
		for len(left) > 0 {
			i := r.Intn(len(left))
			w.feed(left[i][0])
			if left[i] = left[i][1:]; len(left[i]) == 0 {
				left = slices.Delete(left, i, i+1)
			}
		}
		checkDialogs(t, w.finish(), n)
	}
}

// TestOneDomain sends a connection whose packets have a tag in one direction
// only, or are captured with and without the tag.
func TestOneDomain(t *testing.T) {
	for _, name := range []string{"tagged in one direction", "mirrored with and without a tag", "another tag in each direction"} {
		for from := range 3 {
			t.Run(fmt.Sprintf("%s, from packet %d", name, from), func(t *testing.T) {
				w := newWatch(t, 0)
				c, s := hellos(0)
				for _, x := range dialog(1, c, s, 1000, 5000)[from:] {
					switch name {
					case "tagged in one direction":
						if x.server {
							x.domain = 7
						}
					case "mirrored with and without a tag":
						w.feed(x)
						x.domain = 7
					default:
						x.domain = 7
						if x.server {
							x.domain = 8
						}
					}
					w.feed(x)
				}
				checkDialogs(t, w.finish(), 1)
			})
		}
	}
}

// TestSharedLimit checks that no more than maxShared connections with one key
// are followed.
func TestSharedLimit(t *testing.T) {
	w := newWatch(t, 0)
	for i := range 10 * maxShared {
		x := dialog(1, "Chello", "", uint32(i)<<24, 0)[0]
		x.domain = uint16(i + 1)
		w.feed(x)
		x = dialog(1, fmt.Sprintf("C%04d", i), "", uint32(i)<<24, 0)[2]
		x.domain = uint16(i + 1)
		w.feed(x)
		if n := w.tr.flows.n + w.tr.halfOpens.n; n > maxShared {
			t.Fatalf("got %d connections", n)
		}
	}
	if w.drops[FlowEvict] == 0 {
		t.Error("the eviction is not counted")
	}
	w.finish()
}

// TestMiddlebox captures one connection on both sides of a device that changes
// sequence numbers.
func TestMiddlebox(t *testing.T) {
	w := newWatch(t, 0)
	c, s := hellos(0)
	a, b := dialog(1, c, s, 1000, 5000), dialog(1, c, s, 1<<31, 3<<30)
	for i := range a {
		first, second := a[i], b[i]
		if a[i].server {
			first, second = b[i], a[i]
		}
		w.feed(first, second)
	}
	if got := w.finish(); len(got) != 1 || string(got[0].data[0]) != c || string(got[0].data[1]) != s {
		t.Errorf("got %d connections, the first %q", len(got), got[0].data)
	}
}

// TestLost removes packets of a dialog and checks Lost.
func TestLost(t *testing.T) {
	full := dialog(1, "Chello.", "Shello.", 100, 500)
	for _, c := range []struct {
		name string
		drop []int
		lost [2]bool
	}{
		{"nothing", nil, [2]bool{}},
		{"the answer before its FIN", []int{3}, [2]bool{false, true}},
		{"the answer, which was acknowledged", []int{3, 5}, [2]bool{false, true}},
		{"the answer and everything after it", []int{3, 4, 5}, [2]bool{}},
		{"all packets of the server", []int{1, 3, 5}, [2]bool{}},
		{"the FINs", []int{4, 5}, [2]bool{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWatch(t, 0)
			for i, x := range full {
				if !slices.Contains(c.drop, i) {
					w.feed(x)
				}
			}
			got := w.finish()
			if len(got) != 1 {
				t.Fatalf("got %d connections", len(got))
			}
			if lost := [2]bool{got[0].conv.Half[0].Lost, got[0].conv.Half[1].Lost}; lost != c.lost {
				t.Errorf("got lost %v, want %v", lost, c.lost)
			}
		})
	}
}

// TestLateAfterFIN sends the bytes that are missing before a FIN 7 s after the
// FIN. They belong to the connection.
func TestLateAfterFIN(t *testing.T) {
	w := newWatch(t, 0)
	d := dialog(1, "Chello.", "Shello.", 100, 500)
	late := d[2]
	w.feed(slices.Delete(slices.Clone(d), 2, 3)...)
	for i := range 28 { // other packets advance the time
		w.feed(tseg{conn: 100 + i, time: int64(i) * 250e6, data: "nothing", flags: flagACK})
	}
	late.time = 7e9
	w.feed(late)
	one(t, w.finish(), "Chello.", "Shello.")
}

// TestOutlierTime sends single packets with times that are decades off, in
// several inputs. They must not end connections.
func TestOutlierTime(t *testing.T) {
	const decade = 10 * 365 * 86400 * 1e9
	for _, other := range []string{"", "other"} {
		for _, odd := range []int64{decade, -decade, 60e9, -60e9} {
			t.Run(fmt.Sprintf("input %q, %v", other, time.Duration(odd)), func(t *testing.T) {
				w := newWatch(t, 0)
				base := int64(1700000000e9)
				d := dialog(1, "Chello.", "Shello.", 100, 500)
				for i := range d {
					d[i].time = base + int64(i)*1e9
					w.tr.clocks.use("")
					w.feed(d[i])
					w.tr.clocks.use(other)
					w.feed(tseg{conn: 2 + i, time: d[i].time + odd, data: "nothing", flags: flagACK})
					if other != "" { // an input with only wrong times must not affect others
						w.feed(tseg{conn: 20 + i, time: d[i].time + odd, data: "nothing", flags: flagACK})
					}
				}
				x := one(t, w.finish(), "Chello.", "Shello.")
				if x.totals.End != stream.EndFIN || x.totals.Last != d[5].time {
					t.Errorf("got %+v, want an end by FIN", x.totals)
				}
			})
		}
	}
}

// TestAfterSilence begins a connection with the first packet after a long
// silence, or with a packet that is older than the one before.
func TestAfterSilence(t *testing.T) {
	for _, moves := range []int64{11e9, 3600e9, 100 * 86400e9, -3600e9} {
		for from := range 3 {
			w := newWatch(t, 0)
			base := int64(1700000000e9)
			for i := range 3 {
				w.feed(tseg{conn: 2 + i, time: base, data: "nothing", flags: flagACK})
			}
			d := dialog(1, "Chello.", "Shello.", 100, 500)[from:]
			for i := range d {
				d[i].time = base + moves + int64(i)*1e6
			}
			w.feed(d...)
			for i := range 300 {
				w.feed(tseg{conn: 20 + i, time: base + moves + int64(i)*1e6, data: "nothing", flags: flagACK})
			}
			one(t, w.finish(), "Chello.", "Shello.")
		}
	}
}

// TestTimeJumps moves the time of all packets at once.
func TestTimeJumps(t *testing.T) {
	w := newWatch(t, 0)
	w.feed(dialog(1, "Chello", "", 1, 2)[:3]...)
	for i := range 2000 {
		w.feed(tseg{conn: 100 + i, time: 3600e9 + int64(i)*250e6, data: "nothing", flags: flagACK})
	}
	if len(w.order) != 1 || w.conns[w.order[0]].closed != 1 {
		t.Error("a connection that was silent for an hour is still followed")
	}
	w.finish()
}

// TestAnswerOfNext sends a connection without an answer, and then the answer
// of the next one, whose hello and SYN are missing.
func TestAnswerOfNext(t *testing.T) {
	r := rand.New(rand.NewSource(12))
	for range 500 {
		c, _ := hellos(0)
		_, s := hellos(1)
		isnC, isnS := r.Uint32(), r.Uint32()
		d := dialog(1, c, "", isnC, isnS)
		isnC, isnS = isnC+1<<30+r.Uint32()>>1, isnS+1<<30+r.Uint32()>>1
		next := dialog(1, c, s, isnC, isnS)
		w := newWatch(t, 0)
		w.feed(d[2])
		if r.Intn(2) == 0 {
			w.feed(tseg{conn: 1, server: server, seq: isnS + 1, ack: isnC + 1, flags: flagACK})
		}
		w.feed(next[3], next[5])
		got := w.finish()
		if len(got) != 2 || string(got[0].data[1]) != "" || got[0].totals.Packets != 1 || string(got[1].data[1]) != s {
			t.Fatalf("got %d connections, %q", len(got), got[0].data)
		}
	}
}

// TestACKOfNext sends the first packets of the next connection, without its
// SYN, after a closed connection. They do not count as packets of the closed
// one.
func TestACKOfNext(t *testing.T) {
	r := rand.New(rand.NewSource(8))
	for range 500 {
		w := newWatch(t, 0)
		c, s := hellos(0)
		isnC, isnS := r.Uint32(), r.Uint32()
		d := dialog(1, c, s, isnC, isnS)
		w.feed(d...)
		isnC += 1<<30 + r.Uint32()>>1
		if r.Intn(2) == 0 {
			isnS += 1 << 20
		} else {
			isnS += 1<<30 + r.Uint32()>>1
		}
		w.feed(tseg{conn: 1, seq: isnC + 1, ack: isnS + 1, flags: flagACK})
		if r.Intn(2) == 0 {
			w.feed(tseg{conn: 1, seq: isnC + 1, ack: isnS + 1, flags: flagACK, data: "Maybe"})
			isnC += 5
		}
		c, s = hellos(1)
		w.feed(dialog(1, c, s, isnC, isnS)[2:4]...)
		got := w.finish()
		checkDialogs(t, got, 2)
		if got[0].totals.Packets != uint64(len(d)) {
			t.Fatalf("got %d packets, want %d", got[0].totals.Packets, len(d))
		}
	}
}
