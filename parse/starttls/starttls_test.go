package starttls

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

func portOf(p uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), p)
}

// withTLS adds the beginning of TLS to both directions of a dialog.
func (d *dialog) withTLS() [2]string { return both(d.said[0]+clientTLS, d.said[1]+serverTLS) }

func TestFind(t *testing.T) {
	for _, d := range dialogs() {
		t.Run(d.name, func(t *testing.T) {
			said := d.withTLS()
			want := d.want
			want.From = [2]int{len(d.said[0]), len(d.said[1])}
			got, ok := Find(conversation(said, d.port))
			if !ok || !reflect.DeepEqual(got, want) {
				t.Errorf("both directions: %+v, %v; want %+v", got, ok, want)
			}
			for dir := range said {
				alone := said
				alone[1-dir] = ""
				p := d.single[dir]
				if p == "" {
					p = d.want.Protocol
				}
				got, ok := Find(conversation(alone, d.port))
				if p == "-" {
					if ok {
						t.Errorf("direction %d alone: %+v", dir, got)
					}
					continue
				}
				if !ok || got.Protocol != p || got.From[dir] != len(d.said[dir]) || got.From[1-dir] != 0 {
					t.Errorf("direction %d alone: %+v, %v; want %s", dir, got, ok, p)
				}
				if dir == 0 && got.Target != want.Target {
					t.Errorf("the client alone: target %q, want %q", got.Target, want.Target)
				}
			}
		})
	}
}

// TestFindNone holds dialogs that do not lead to TLS against Find, and Ask
// must refuse them.
func TestFindNone(t *testing.T) {
	for _, d := range refusals() {
		c := conversation(d.said, 0)
		if u, ok := Find(c); ok {
			t.Errorf("%s: %+v", d.name, u)
		}
		if o := feed(d.said, whole); o[0].verdict != stream.Refuse && o[1].verdict != stream.Refuse {
			t.Errorf("%s: not refused: %+v", d.name, o)
		}
	}
	for _, d := range dialogs() {
		if u, ok := Find(conversation(d.said, 0)); ok {
			t.Errorf("%s without TLS: %+v", d.name, u)
		}
	}
	if u, ok := Find(conversation(both(clientTLS, serverTLS), 0)); ok {
		t.Errorf("TLS from the first byte: %+v", u)
	}
}

// TestContradiction: a client that begins with TLS is in no dialog.
func TestContradiction(t *testing.T) {
	c := conversation(both(clientTLS, smtpDialog[1]+serverTLS), 25)
	if u, ok := Find(c); ok {
		t.Errorf("%+v", u)
	}
	c.Half[0].Midstream = true // its beginning was not seen
	if u, ok := Find(c); !ok || u.Protocol != "smtp" || u.From != [2]int{0, len(smtpDialog[1])} {
		t.Errorf("midstream: %+v, %v", u, ok)
	}
}

// TestPort: what one direction leaves open the port decides, if it is of one of
// the protocols that are left.
func TestPort(t *testing.T) {
	for port, want := range map[uint16]string{0: "", 25: "smtp", 119: "nntp", 4190: "sieve", 6667: "irc", 110: "", 24: "lmtp"} {
		u, ok := Find(conversation(both("STARTTLS\r\n"+clientTLS, ""), port))
		if !ok || u.Protocol != want {
			t.Errorf("port %d: %+v, %v; want %s", port, u, ok, want)
		}
	}
	// What the other direction says decides before that.
	u, _ := Find(conversation(both("STARTTLS\r\n"+clientTLS, "200 news\r\n382 go\r\n"), 25))
	if u.Protocol != "nntp" {
		t.Errorf("%+v", u)
	}
}

// TestAlert: a server may answer the hello with an alert only.
func TestAlert(t *testing.T) {
	u, ok := Find(conversation(both(connectDialog[0]+clientTLS, connectDialog[1]+"\x15\x03\x03\x00\x02\x02\x28"), 0))
	if !ok || u.From[1] != len(connectDialog[1]) {
		t.Errorf("%+v, %v", u, ok)
	}
}

// TestSSL2Hello: old clients say hello in SSL 2.0's form.
func TestSSL2Hello(t *testing.T) {
	u, ok := Find(conversation(both(smtpDialog[0]+"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10", smtpDialog[1]+serverTLS), 0))
	if !ok || u.From[0] != len(smtpDialog[0]) {
		t.Errorf("%+v, %v", u, ok)
	}
}

func TestGaps(t *testing.T) {
	said := both(smtpDialog[0]+clientTLS, smtpDialog[1]+serverTLS)
	c := conversation(said, 25)
	c.Half[1].Gaps = []stream.Gap{{From: 10, To: 20}}
	if u, ok := Find(c); !ok || u.Protocol != "smtp" || u.From != [2]int{len(smtpDialog[0]), len(said[1])} {
		t.Errorf("server's gap: %+v, %v", u, ok)
	}
	c.Half[0].Gaps = []stream.Gap{{From: 1, To: 3}}
	if u, ok := Find(c); ok {
		t.Errorf("gaps in both: %+v", u)
	}
	c = conversation(said, 25)
	c.Half[0].Gaps = []stream.Gap{{From: len(smtpDialog[0]) + 10, To: len(said[0])}}
	if u, ok := Find(c); !ok || u.From[0] != len(smtpDialog[0]) {
		t.Errorf("gap in TLS: %+v, %v", u, ok)
	}
}

// An outcome is what Ask came to for a half.
type outcome struct {
	verdict stream.Verdict
	ready   bool
	done    bool
	at      int // where TLS begins, or how far its frames were followed
}

// A cut says how many bytes of which half come next.
type cut func(left [2]int) (d, n int)

func whole(left [2]int) (int, int) {
	if left[0] > 0 {
		return 0, left[0]
	}
	return 1, left[1]
}

// feed gives a conversation to Ask in pieces, as capture does, and goes on
// with a half where the other one is refused.
func feed(said [2]string, next cut) (o [2]outcome) {
	c := conversation(said, 0)
	for d := range c.Half {
		c.Half[d].Data = c.Half[d].Data[:0]
	}
	for {
		left := [2]int{}
		for d := range left {
			left[d] = len(said[d]) - len(c.Half[d].Data)
		}
		if left == [2]int{} {
			return o
		}
		d, n := next(left)
		h := &c.Half[d]
		h.Data = h.Data[:len(h.Data)+min(n, left[d])]
		if len(h.Data) < h.Want || o[d].ready || o[d].verdict == stream.Refuse || h.Done {
			continue
		}
		v, ready := Ask(c, stream.Dir(d))
		o[d] = outcome{v, ready, h.Done, 0}
		if v == stream.Enough {
			o[d].verdict = stream.More // it depends on which half came last
		}
		if ready || h.Done {
			o[d].at = h.Note.Offset
		}
	}
}

func bytewise(left [2]int) (int, int) {
	if left[0] > 0 && (left[1] == 0 || (left[0]+left[1])%2 == 0) {
		return 0, 1
	}
	return 1, 1
}

// TestAskCuts: however the bytes are cut, Ask comes to the same, and to what
// Find says.
func TestAskCuts(t *testing.T) {
	all := append(dialogs(), refusals()...)
	for _, x := range framedDialogs() {
		all = append(all, dialog{name: x.name, said: x.said})
	}
	for _, d := range all {
		said := d.said
		if d.want.Protocol != "" {
			said = d.withTLS()
		}
		want := feed(said, whole)
		if d.want.Protocol != "" {
			for i, o := range want {
				if !o.ready || o.at != len(d.said[i]) {
					t.Errorf("%s: half %d: %+v, want TLS at %d", d.name, i, o, len(d.said[i]))
				}
			}
		}
		if got := feed(said, bytewise); got != want {
			t.Errorf("%s, byte by byte: %+v, want %+v", d.name, got, want)
		}
		for i := range said {
			step := 1 + len(said[i])/300
			for k := 1; k < len(said[i]); k += step {
				calls := 0
				got := feed(said, func(left [2]int) (int, int) {
					if calls++; calls == 1 {
						return i, k
					}
					return whole(left)
				})
				if got != want {
					t.Fatalf("%s, half %d cut at %d: %+v, want %+v", d.name, i, k, got, want)
				}
			}
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		for range 20 {
			if got := feed(said, func(left [2]int) (int, int) {
				i := rnd.IntN(2)
				if left[i] == 0 {
					i = 1 - i
				}
				return i, 1 + rnd.IntN(30)
			}); got != want {
				t.Errorf("%s, in pieces: %+v, want %+v", d.name, got, want)
			}
		}
	}
}

// TestPrefixes: whatever part of a dialog there is, where Find says that TLS
// begins it does.
func TestPrefixes(t *testing.T) {
	for _, d := range dialogs() {
		said := d.withTLS()
		for i := range said {
			for k := range len(said[i]) {
				part := said
				part[i] = part[i][:k]
				u, ok := Find(conversation(part, 0))
				if !ok {
					continue
				}
				if u.From[i] != min(k, len(d.said[i])) && u.From[i] != k {
					t.Errorf("%s: the first %d of half %d: %+v", d.name, k, i, u)
				}
				if u.From[i] < k && !strings.HasPrefix(clientTLS, part[i][u.From[i]:]) && !strings.HasPrefix(serverTLS, part[i][u.From[i]:]) {
					t.Errorf("%s: the first %d of half %d: no TLS at %d", d.name, k, i, u.From[i])
				}
			}
		}
	}
}

// TestAskAllocations: Ask remembers all in the Note.
func TestAskAllocations(t *testing.T) {
	for _, d := range dialogs() {
		c := conversation(d.withTLS(), 0)
		if n := testing.AllocsPerRun(10, func() {
			for i := range c.Half {
				c.Half[i].Note = stream.Note{}
				Ask(c, stream.Dir(i))
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", d.name, n)
		}
	}
}

// TestAskOften: with one-byte segments a known length is waited for.
func TestAskOften(t *testing.T) {
	c := conversation(both(mysqlRequest+clientTLS, ""), 0)
	h := &c.Half[0]
	data, asked := h.Data, 0
	for n := range len(data) {
		if h.Data = data[:n+1]; len(h.Data) >= h.Want {
			asked++
			if _, ready := Ask(c, 0); ready {
				break
			}
		}
	}
	if asked > 12 {
		t.Errorf("asked %d times", asked)
	}
}
