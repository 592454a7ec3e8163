package starttls

import (
	"testing"

	"pfsight/capture/stream"
)

// FuzzSniff: what passes is not refused for its first bytes in both
// directions.
func FuzzSniff(f *testing.F) {
	for _, d := range append(dialogs(), refusals()...) {
		f.Add([]byte(d.said[0]))
		f.Add([]byte(d.said[1]))
	}
	for _, x := range framedDialogs() {
		f.Add([]byte(x.said[0]))
		f.Add([]byte(x.said[1]))
	}
	for _, o := range ordinary {
		f.Add([]byte(o.data))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		switch Sniff(b) {
		case stream.NoSign:
			return
		case stream.MaybeSign, stream.ClientSign:
		default:
			t.Fatal("a sign that says more than it knows")
		}
		_, cl := classify(b, stream.ToServer)
		_, sv := classify(b, stream.ToClient)
		if cl == no && (sv == no || Sniff(b) == stream.ClientSign) {
			t.Errorf("%q passes, and nothing begins like it", b)
		}
	})
}

// FuzzAskFind: the cuts do not matter, and Ask and Find agree.
func FuzzAskFind(f *testing.F) {
	for _, d := range dialogs() {
		said := d.withTLS()
		f.Add([]byte(said[0]), []byte(said[1]), []byte{1, 2, 3})
	}
	for _, d := range refusals() {
		f.Add([]byte(d.said[0]), []byte(d.said[1]), []byte{200, 7})
	}
	for _, x := range framedDialogs() {
		f.Add([]byte(x.said[0]), []byte(x.said[1]), []byte{5, 90})
	}
	f.Fuzz(func(t *testing.T, client, server, cuts []byte) {
		said := both(string(client), string(server))
		want := feed(said, whole)
		if got := feed(said, bytewise); got != want {
			t.Fatalf("byte by byte: %+v, want %+v", got, want)
		}
		i := 0
		if got := feed(said, func(left [2]int) (int, int) {
			d, n := 0, 1
			if len(cuts) > 0 {
				c := cuts[i%len(cuts)]
				i++
				d, n = int(c&1), 1+int(c>>1)
			}
			if left[d] == 0 {
				d = 1 - d
			}
			return d, n
		}); got != want {
			t.Fatalf("in pieces: %+v, want %+v", got, want)
		}
		c := conversation(said, 25)
		u, ok := Find(c)
		refused := want[0].verdict == stream.Refuse || want[1].verdict == stream.Refuse
		if refused && ok {
			t.Fatalf("refused, and found: %+v", u)
		}
		if !ok {
			return
		}
		if u.Protocol == "" || len(u.Chain) > maxDepth+1 {
			t.Fatalf("%+v", u)
		}
		for d, o := range want {
			switch {
			case u.From[d] < 0 || u.From[d] > len(said[d]):
				t.Fatalf("%+v", u)
			case o.ready && u.From[d] != o.at:
				t.Fatalf("half %d: ready at %d, found at %d", d, o.at, u.From[d])
			case !o.ready && !u.Framed && u.From[d] != len(said[d]):
				t.Fatalf("half %d: not ready, found at %d", d, u.From[d])
			}
			if u.Framed {
				var out stream.Half
				u.Unframe(stream.Dir(d), &c.Half[d], &out)
				if len(out.Data) > len(said[d]) {
					t.Fatal("longer without frames")
				}
				if string(c.Half[d].Data) != said[d] {
					t.Fatal("the half was changed")
				}
				if i, n := len(cuts), len(said[d]); i > 0 && n > 0 {
					from := int(cuts[0]) % n
					c.Half[d].Gaps = []stream.Gap{{From: from, To: min(n, from+i)}}
					u.Unframe(stream.Dir(d), &c.Half[d], &out)
					for _, g := range out.Gaps {
						if g.From < 0 || g.From >= g.To || g.To > len(out.Data) {
							t.Fatalf("gap %+v of %d bytes", g, len(out.Data))
						}
					}
				}
				for _, m := range out.Marks {
					if m.From >= m.To || int(m.To) > len(out.Data) {
						t.Fatalf("mark %+v of %d bytes", m, len(out.Data))
					}
				}
			}
		}
	})
}
