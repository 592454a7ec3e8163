package starttls

import (
	"testing"

	"pfsight/capture/stream"
)

// FuzzSniff checks that what Sniff accepts is classified as a layer in one of the
// directions.
func FuzzSniff(f *testing.F) {
	for _, d := range append(dialogs(), refusals()...) {
		f.Add([]byte(d.sent[0]))
		f.Add([]byte(d.sent[1]))
	}
	for _, x := range framedDialogs() {
		f.Add([]byte(x.sent[0]))
		f.Add([]byte(x.sent[1]))
	}
	for _, o := range ordinary {
		f.Add([]byte(o.data))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		switch Sniff(b) {
		case stream.SniffNone:
			return
		case stream.SniffMaybe, stream.SniffClient:
		default:
			t.Fatalf("Sniff(%q) = %v, want at most SniffClient", b, Sniff(b))
		}
		_, cl := classify(b, stream.ToServer)
		_, sv := classify(b, stream.ToClient)
		if cl == no && (sv == no || Sniff(b) == stream.SniffClient) {
			t.Errorf("Sniff(%q) = %v, but classify finds no layer", b, Sniff(b))
		}
	})
}

// FuzzAskFind checks that Ask does not depend on the segmentation, and that Ask and
// Find agree.
func FuzzAskFind(f *testing.F) {
	for _, d := range dialogs() {
		sent := d.withTLS()
		f.Add([]byte(sent[0]), []byte(sent[1]), []byte{1, 2, 3})
	}
	for _, d := range refusals() {
		f.Add([]byte(d.sent[0]), []byte(d.sent[1]), []byte{200, 7})
	}
	for _, x := range framedDialogs() {
		f.Add([]byte(x.sent[0]), []byte(x.sent[1]), []byte{5, 90})
	}
	f.Fuzz(func(t *testing.T, client, server, cuts []byte) {
		sent := both(string(client), string(server))
		want := feed(sent, whole)
		if got := feed(sent, bytewise); got != want {
			t.Fatalf("byte by byte: got %+v, want %+v", got, want)
		}
		i := 0
		if got := feed(sent, func(left [2]int) (int, int) {
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
			t.Fatalf("in pieces: got %+v, want %+v", got, want)
		}
		c := conversation(sent, 25)
		u, ok := Find(c)
		refused := want[0].verdict == stream.Refuse || want[1].verdict == stream.Refuse
		if refused && ok {
			t.Fatalf("Ask refused, but Find = %+v", u)
		}
		if !ok {
			return
		}
		if u.Protocol == "" || len(u.Chain) > maxDepth+1 {
			t.Fatalf("Find = %+v, want a protocol and at most %d in the chain", u, maxDepth+1)
		}
		for d, o := range want {
			switch {
			case u.From[d] < 0 || u.From[d] > len(sent[d]):
				t.Fatalf("Find = %+v, From out of range", u)
			case o.ready && u.From[d] != o.at:
				t.Fatalf("half %d: Ask ready at %d, Find from %d", d, o.at, u.From[d])
			case !o.ready && !u.Framed && u.From[d] != len(sent[d]):
				t.Fatalf("half %d: Ask not ready, Find from %d", d, u.From[d])
			}
			if u.Framed {
				var out stream.Half
				u.Unframe(stream.Dir(d), &c.Half[d], &out)
				if len(out.Data) > len(sent[d]) {
					t.Fatalf("Unframe returned %d bytes from %d", len(out.Data), len(sent[d]))
				}
				if string(c.Half[d].Data) != sent[d] {
					t.Fatal("Unframe changed its input")
				}
				if i, n := len(cuts), len(sent[d]); i > 0 && n > 0 {
					from := int(cuts[0]) % n
					c.Half[d].Gaps = []stream.Gap{{From: from, To: min(n, from+i)}}
					u.Unframe(stream.Dir(d), &c.Half[d], &out)
					for _, g := range out.Gaps {
						if g.From < 0 || g.From >= g.To || g.To > len(out.Data) {
							t.Fatalf("invalid gap %+v in %d bytes", g, len(out.Data))
						}
					}
				}
				for _, m := range out.Marks {
					if m.From >= m.To || int(m.To) > len(out.Data) {
						t.Fatalf("invalid mark %+v in %d bytes", m, len(out.Data))
					}
				}
			}
		}
	})
}
