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

// withTLS returns the dialog followed by the first TLS record of each side.
func (d *dialog) withTLS() [2]string { return both(d.sent[0]+clientTLS, d.sent[1]+serverTLS) }

func TestFind(t *testing.T) {
	t.Parallel()
	for _, d := range dialogs() {
		t.Run(d.name, func(t *testing.T) {
			sent := d.withTLS()
			want := d.want
			want.From = [2]int{len(d.sent[0]), len(d.sent[1])}
			got, ok := Find(conversation(sent, d.port))
			if !ok || !reflect.DeepEqual(got, want) {
				t.Errorf("both directions: Find = %+v, %v; want %+v, true", got, ok, want)
			}
			for dir := range sent {
				alone := sent
				alone[1-dir] = ""
				p := d.single[dir]
				if p == "" {
					p = d.want.Protocol
				}
				got, ok := Find(conversation(alone, d.port))
				if p == "-" {
					if ok {
						t.Errorf("direction %d alone: Find = %+v, want none", dir, got)
					}
					continue
				}
				if !ok || got.Protocol != p || got.From[dir] != len(d.sent[dir]) || got.From[1-dir] != 0 {
					t.Errorf("direction %d alone: Find = %+v, %v; want %s", dir, got, ok, p)
				}
				if dir == 0 && got.Target != want.Target {
					t.Errorf("client alone: got target %q, want %q", got.Target, want.Target)
				}
			}
		})
	}
}

// TestFindNone checks that Find and Ask reject dialogs that do not lead to TLS.
func TestFindNone(t *testing.T) {
	t.Parallel()
	for _, d := range refusals() {
		t.Run(d.name, func(t *testing.T) {
			if u, ok := Find(conversation(d.sent, 0)); ok {
				t.Errorf("Find = %+v, want none", u)
			}
			if o := feed(d.sent, whole); o[0].verdict != stream.Refuse && o[1].verdict != stream.Refuse {
				t.Errorf("Ask: got %+v, want %v for one half", o, stream.Refuse)
			}
		})
	}
	for _, d := range dialogs() {
		t.Run(d.name+" without TLS", func(t *testing.T) {
			if u, ok := Find(conversation(d.sent, 0)); ok {
				t.Errorf("Find = %+v, want none", u)
			}
		})
	}
	if u, ok := Find(conversation(both(clientTLS, serverTLS), 0)); ok {
		t.Errorf("TLS from the first byte: Find = %+v, want none", u)
	}
}

// TestFindContradiction combines a client that begins with TLS with a server that
// does not.
func TestFindContradiction(t *testing.T) {
	t.Parallel()
	c := conversation(both(clientTLS, smtpDialog[1]+serverTLS), 25)
	if u, ok := Find(c); ok {
		t.Errorf("Find = %+v, want none", u)
	}
	c.Half[0].Midstream = true // the start of the stream is missing
	if u, ok := Find(c); !ok || u.Protocol != "smtp" || u.From != [2]int{0, len(smtpDialog[1])} {
		t.Errorf("midstream: Find = %+v, %v; want smtp", u, ok)
	}
}

// TestFindPort checks that the port decides between several possible protocols, if it
// belongs to one of them.
func TestFindPort(t *testing.T) {
	t.Parallel()
	for port, want := range map[uint16]string{0: "", 25: "smtp", 119: "nntp", 4190: "sieve", 6667: "irc", 110: "", 24: "lmtp"} {
		u, ok := Find(conversation(both("STARTTLS\r\n"+clientTLS, ""), port))
		if !ok || u.Protocol != want {
			t.Errorf("port %d: Find = %+v, %v; want %q", port, u, ok, want)
		}
	}
	// The other direction has precedence over the port.
	u, _ := Find(conversation(both("STARTTLS\r\n"+clientTLS, "200 news\r\n382 go\r\n"), 25))
	if u.Protocol != "nntp" {
		t.Errorf("both directions: Find = %+v, want nntp", u)
	}
}

// TestFindAlert reads a server that responds with an alert only.
func TestFindAlert(t *testing.T) {
	t.Parallel()
	u, ok := Find(conversation(both(connectDialog[0]+clientTLS, connectDialog[1]+"\x15\x03\x03\x00\x02\x02\x28"), 0))
	if !ok || u.From[1] != len(connectDialog[1]) {
		t.Errorf("Find = %+v, %v; want the server's TLS from %d", u, ok, len(connectDialog[1]))
	}
}

// TestFindSSLv2Hello reads a ClientHello in SSL 2.0 format.
func TestFindSSLv2Hello(t *testing.T) {
	t.Parallel()
	u, ok := Find(conversation(both(smtpDialog[0]+"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10", smtpDialog[1]+serverTLS), 0))
	if !ok || u.From[0] != len(smtpDialog[0]) {
		t.Errorf("Find = %+v, %v; want the client's TLS from %d", u, ok, len(smtpDialog[0]))
	}
}

func TestFindGaps(t *testing.T) {
	t.Parallel()
	sent := both(smtpDialog[0]+clientTLS, smtpDialog[1]+serverTLS)
	c := conversation(sent, 25)
	c.Half[1].Gaps = []stream.Gap{{From: 10, To: 20}}
	if u, ok := Find(c); !ok || u.Protocol != "smtp" || u.From != [2]int{len(smtpDialog[0]), len(sent[1])} {
		t.Errorf("gap of the server: Find = %+v, %v; want smtp", u, ok)
	}
	c.Half[0].Gaps = []stream.Gap{{From: 1, To: 3}}
	if u, ok := Find(c); ok {
		t.Errorf("gaps in both: Find = %+v, want none", u)
	}
	c = conversation(sent, 25)
	c.Half[0].Gaps = []stream.Gap{{From: len(smtpDialog[0]) + 10, To: len(sent[0])}}
	if u, ok := Find(c); !ok || u.From[0] != len(smtpDialog[0]) {
		t.Errorf("gap in TLS: Find = %+v, %v; want the client's TLS from %d", u, ok, len(smtpDialog[0]))
	}
}

// An outcome is the last result of Ask for a half.
type outcome struct {
	verdict stream.Decision
	ready   bool
	done    bool
	at      int // where TLS begins, or how far Ask followed its frames
}

// A segmenter returns the half and the size of the next segment.
type segmenter func(left [2]int) (d, n int)

// whole returns each half in one segment.
func whole(left [2]int) (int, int) {
	if left[0] > 0 {
		return 0, left[0]
	}
	return 1, left[1]
}

// feed passes a conversation to Ask in segments, as package capture does. It
// continues with one half if the other one is refused.
func feed(sent [2]string, next segmenter) (o [2]outcome) {
	c := conversation(sent, 0)
	for d := range c.Half {
		c.Half[d].Data = c.Half[d].Data[:0]
	}
	for {
		left := [2]int{}
		for d := range left {
			left[d] = len(sent[d]) - len(c.Half[d].Data)
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
			o[d].verdict = stream.More // which half gets it depends on the order
		}
		if ready || h.Done {
			o[d].at = h.Note.Offset
		}
	}
}

// bytewise returns segments of one byte, alternating between the halves.
func bytewise(left [2]int) (int, int) {
	if left[0] > 0 && (left[1] == 0 || (left[0]+left[1])%2 == 0) {
		return 0, 1
	}
	return 1, 1
}

// TestAskSegments checks that Ask does not depend on the segmentation and agrees with
// Find.
func TestAskSegments(t *testing.T) {
	t.Parallel()
	all := append(dialogs(), refusals()...)
	for _, x := range framedDialogs() {
		all = append(all, dialog{name: x.name, sent: x.sent})
	}
	for _, d := range all {
		sent := d.sent
		if d.want.Protocol != "" {
			sent = d.withTLS()
		}
		want := feed(sent, whole)
		if d.want.Protocol != "" {
			for i, o := range want {
				if !o.ready || o.at != len(d.sent[i]) {
					t.Errorf("%s, half %d: got %+v, want TLS at %d", d.name, i, o, len(d.sent[i]))
				}
			}
		}
		if got := feed(sent, bytewise); got != want {
			t.Errorf("%s, byte by byte: got %+v, want %+v", d.name, got, want)
		}
		for i := range sent {
			step := 1 + len(sent[i])/300
			for k := 1; k < len(sent[i]); k += step {
				calls := 0
				got := feed(sent, func(left [2]int) (int, int) {
					if calls++; calls == 1 {
						return i, k
					}
					return whole(left)
				})
				if got != want {
					t.Fatalf("%s, half %d cut at %d: got %+v, want %+v", d.name, i, k, got, want)
				}
			}
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		for range 20 {
			if got := feed(sent, func(left [2]int) (int, int) {
				i := rnd.IntN(2)
				if left[i] == 0 {
					i = 1 - i
				}
				return i, 1 + rnd.IntN(30)
			}); got != want {
				t.Errorf("%s, random segments: got %+v, want %+v", d.name, got, want)
			}
		}
	}
}

// TestFindPrefix checks for every prefix of one direction that TLS begins where Find
// returns.
func TestFindPrefix(t *testing.T) {
	t.Parallel()
	for _, d := range dialogs() {
		sent := d.withTLS()
		for i := range sent {
			for k := range len(sent[i]) {
				part := sent
				part[i] = part[i][:k]
				u, ok := Find(conversation(part, 0))
				if !ok {
					continue
				}
				if u.From[i] != min(k, len(d.sent[i])) && u.From[i] != k {
					t.Errorf("%s, first %d bytes of half %d: Find = %+v, want From %d", d.name, k, i, u, min(k, len(d.sent[i])))
				}
				if u.From[i] < k && !strings.HasPrefix(clientTLS, part[i][u.From[i]:]) && !strings.HasPrefix(serverTLS, part[i][u.From[i]:]) {
					t.Errorf("%s, first %d bytes of half %d: no TLS at From %d", d.name, k, i, u.From[i])
				}
			}
		}
	}
}

func TestAskDoesNotAllocate(t *testing.T) {
	for _, d := range dialogs() {
		c := conversation(d.withTLS(), 0)
		if n := testing.AllocsPerRun(10, func() {
			for i := range c.Half {
				c.Half[i].Note = stream.Note{}
				Ask(c, stream.Dir(i))
			}
		}); n != 0 {
			t.Errorf("%s: got %v allocations, want 0", d.name, n)
		}
	}
}

// TestAskWant checks that Ask waits for a known length.
func TestAskWant(t *testing.T) {
	t.Parallel()
	c := conversation(both(mysqlRequest+clientTLS, ""), 0)
	h := &c.Half[0]
	data, calls := h.Data, 0
	for n := range len(data) {
		if h.Data = data[:n+1]; len(h.Data) >= h.Want {
			calls++
			if _, ready := Ask(c, 0); ready {
				break
			}
		}
	}
	if calls > 12 {
		t.Errorf("got %d calls, want at most 12", calls)
	}
}
