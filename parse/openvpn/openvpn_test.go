package openvpn

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// Session ids of the tables.
const (
	clientID = 0x1111111122222222
	serverID = 0x3333333344444444
)

// A maker makes packets of the control channel with an HMAC of this length.
type maker struct{ digest int }

func (m maker) packet(op, key uint8, session uint64, remote uint64, acks []uint32, id int, payload string) []byte {
	b := binary.BigEndian.AppendUint64([]byte{op<<3 | key}, session)
	if m.digest > 0 {
		b = append(b, bytes.Repeat([]byte{0xd5}, m.digest)...)
		b = append(b, 0, 0, 0, 7, 0x65, 0x10, 0x20, 0x30)
	}
	b = append(b, byte(len(acks)))
	for _, a := range acks {
		b = binary.BigEndian.AppendUint32(b, a)
	}
	if len(acks) > 0 {
		b = binary.BigEndian.AppendUint64(b, remote)
	}
	if op == ackV1 {
		return b
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(id)), payload...)
}

// Parts of what the two sides say.
const (
	hello   = "\x16\x03\x01\x00\x20\x01client hello"
	flight1 = "\x16\x03\x03\x00\x40\x02server hello"
	flight2 = ", certificate"
	flight3 = ", done"
	answer1 = "\x16\x03\x03\x00\x08\x0bcert"
	answer2 = "key exchange"
)

// A said is one packet.
type said struct {
	dir stream.Dir
	b   []byte
}

// exchange is a whole exchange of keys, and data behind it.
func (m maker) exchange() []said {
	c, s := stream.ToServer, stream.ToClient
	return []said{
		{c, m.packet(hardResetClientV2, 0, clientID, 0, nil, 0, "")},
		{s, m.packet(hardResetServerV2, 0, serverID, clientID, []uint32{0}, 0, "")},
		{c, m.packet(ackV1, 0, clientID, serverID, []uint32{0}, 0, "")},
		{c, m.packet(controlV1, 0, clientID, 0, nil, 1, hello)},
		{s, m.packet(controlV1, 0, serverID, clientID, []uint32{1}, 1, flight1)},
		{s, m.packet(controlV1, 0, serverID, 0, nil, 2, flight2)},
		{s, m.packet(controlV1, 0, serverID, 0, nil, 3, flight3)},
		{c, m.packet(ackV1, 0, clientID, serverID, []uint32{1, 2, 3}, 0, "")},
		{c, m.packet(controlV1, 0, clientID, 0, nil, 2, answer1)},
		{c, m.packet(controlV1, 0, clientID, 0, nil, 3, answer2)},
		{s, m.packet(ackV1, 0, serverID, clientID, []uint32{2, 3}, 0, "")},
		{c, []byte("\x48\x00\x00\x00\x00\x00\x00\x01data of the tunnel")},
		{s, []byte("\x48\x00\x00\x00\x00\x00\x00\x01data of the tunnel")},
	}
}

// conversation puts packets together as capture does.
func conversation(t stream.Transport, list []said) *stream.Conversation {
	c := &stream.Conversation{Transport: t}
	for i, s := range list {
		h := &c.Half[s.dir]
		from := len(h.Data)
		if t == stream.TCP {
			h.Data = binary.BigEndian.AppendUint16(h.Data, uint16(len(s.b)))
		}
		h.Data = append(h.Data, s.b...)
		h.Marks = append(h.Marks, stream.Mark{From: uint32(from), To: uint32(len(h.Data)), Packet: uint64(i + 1), Time: int64(i + 1)})
		h.Packets++
	}
	return c
}

func shown(h *stream.Half) string {
	b := slices.Clone(h.Data)
	for _, g := range h.Gaps {
		for i := g.From; i < g.To; i++ {
			b[i] = '_'
		}
	}
	return string(b)
}

func without(list []said, at ...int) []said {
	var out []said
	for i, p := range list {
		if !slices.Contains(at, i) {
			out = append(out, p)
		}
	}
	return out
}

func TestRead(t *testing.T) {
	for _, n := range digests {
		m := maker{int(n)}
		whole := m.exchange()
		client, server := hello+answer1+answer2, flight1+flight2+flight3
		swap := func(i, j int) []said {
			l := slices.Clone(whole)
			l[i], l[j] = l[j], l[i]
			return l
		}
		// A client that gave up and began again, with another session id.
		other := []said{
			{stream.ToServer, m.packet(hardResetClientV2, 0, 99, 0, nil, 0, "")},
			{stream.ToServer, m.packet(controlV1, 0, 99, 0, nil, 1, hello+"of before")},
		}
		v1 := slices.Clone(whole)
		v1[0].b = m.packet(hardResetClientV1, 0, clientID, 0, nil, 0, "")
		v1[1].b = m.packet(hardResetServerV1, 0, serverID, clientID, []uint32{0}, 0, "")
		for _, c := range []struct {
			name           string
			list           []said
			client, server string
		}{
			{"whole", whole, client, server},
			{"resets of version 1", v1, client, server},
			{"without the resets", whole[3:], client, server},
			{"out of order", swap(5, 6), client, server},
			{"the first after the second", swap(4, 5), client, server},
			{"the client out of order", swap(8, 9), client, server},
			{"everything twice", slices.Concat(whole, whole), client, server},
			{"one lost", without(whole, 5), client, flight1 + "_"},
			{"the first lost", without(whole, 4), client, "_"},
			{"the client's lost", without(whole, 8), hello + "_", server},
			{"the last lost", without(whole, 6), client, flight1 + flight2},
			{"only the client", slices.DeleteFunc(slices.Clone(whole), func(s said) bool { return s.dir == stream.ToClient }), client, ""},
			{"only the server", slices.DeleteFunc(slices.Clone(whole), func(s said) bool { return s.dir == stream.ToServer }), "", server},
			{"a client that begins again", slices.Concat(other, whole), client, server},
			{"a renewed key behind", slices.Concat(whole, []said{
				{stream.ToServer, m.packet(softResetV1, 1, clientID, 0, nil, 0, "")}, {stream.ToServer, m.packet(controlV1, 1, clientID, 0, nil, 1, hello+"again")}}), client, server},
			{"what is not of OpenVPN between", slices.Concat(whole[:5], []said{{stream.ToServer, []byte("\xf8\x01\x02")}}, whole[5:]), client, server},
		} {
			for _, tr := range []stream.Transport{stream.UDP, stream.TCP} {
				name := fmt.Sprintf("%d/%s/%s", n, c.name, tr)
				conv := conversation(tr, c.list)
				var r Reader
				o := r.Read(conv)
				if o == nil {
					t.Errorf("%s: nothing", name)
					continue
				}
				if o.Swapped || o.DTLS || o.Protocol != "openvpn" {
					t.Errorf("%s: %+v", name, o)
				}
				for role, want := range []string{c.client, c.server} {
					h := &o.TLS[role]
					if got := shown(h); got != want {
						t.Errorf("%s, %d: %q, want %q", name, role, got, want)
					}
					before := uint64(0)
					for _, m := range h.Marks {
						p := c.list[m.Packet-1].b
						if m.Packet < before || m.Time != int64(m.Packet) || !bytes.HasSuffix(p, h.Data[m.From:m.To]) {
							t.Errorf("%s: mark %v, of %q", name, m, p)
						}
						before = m.Packet
					}
					if h.Conflict {
						t.Errorf("%s: a conflict", name)
					}
				}
			}
		}
	}
}

func TestSwapped(t *testing.T) {
	c := conversation(stream.UDP, maker{20}.exchange())
	c.Half[0], c.Half[1] = c.Half[1], c.Half[0]
	var r Reader
	o := r.Read(c)
	if o == nil || !o.Swapped || shown(&o.TLS[0]) != hello+answer1+answer2 || shown(&o.TLS[1]) != flight1+flight2+flight3 {
		t.Errorf("%+v", o)
	}
}

func TestConflict(t *testing.T) {
	m := maker{}
	l := m.exchange()
	l = slices.Insert(l, 6, said{stream.ToClient, m.packet(controlV1, 0, serverID, 0, nil, 2, ", other bytes")})
	var r Reader
	o := r.Read(conversation(stream.UDP, l))
	if o == nil || !o.TLS[1].Conflict || o.TLS[0].Conflict || shown(&o.TLS[1]) != flight1+flight2+flight3 {
		t.Errorf("%+v", o)
	}
}

// TestCut ends the longest datagrams where the capture's snaplen does: what is
// behind the first of them has no place.
func TestCut(t *testing.T) {
	m := maker{32}
	long := strings.Repeat("x", 400)
	l := m.exchange()
	l[5].b = m.packet(controlV1, 0, serverID, 0, nil, 2, long)[:300]
	c := conversation(stream.UDP, l)
	c.Half[1].Cut = true
	var r Reader
	o := r.Read(c)
	want := flight1 + long[:300-len(m.packet(controlV1, 0, serverID, 0, nil, 2, ""))] + "_"
	if o == nil || shown(&o.TLS[1]) != want || !o.TLS[1].Cut || o.TLS[0].Cut {
		t.Errorf("%q, want %q", shown(&o.TLS[1]), want)
	}
}

func TestNothing(t *testing.T) {
	m := maker{}
	for name, l := range map[string][]said{
		"nothing":       nil,
		"resets":        m.exchange()[:3],
		"other words":   {{stream.ToServer, []byte("GET / HTTP/1.1\r\nHost: example\r\n\r\n")}},
		"--tls-crypt":   {{stream.ToServer, append([]byte{hardResetClientV2 << 3}, bytes.Repeat([]byte{0x5a}, 53)...)}},
		"data":          m.exchange()[11:],
		"control later": {{stream.ToServer, m.packet(controlV1, 0, clientID, 0, nil, 5, "\x17\x03\x03\x00\x05hello")}},
	} {
		for _, tr := range []stream.Transport{stream.UDP, stream.TCP} {
			var r Reader
			if o := r.Read(conversation(tr, l)); o != nil {
				t.Errorf("%s, %s: %q, %q", name, tr, o.TLS[0].Data, o.TLS[1].Data)
			}
		}
	}
}

func TestSign(t *testing.T) {
	for _, n := range digests {
		m := maker{int(n)}
		for _, c := range []struct {
			name string
			b    []byte
			want stream.Sign
		}{
			{"client reset", m.packet(hardResetClientV2, 0, clientID, 0, nil, 0, ""), stream.ClientSign},
			{"client reset, version 1", m.packet(hardResetClientV1, 0, clientID, 0, nil, 0, ""), stream.ClientSign},
			{"server reset", m.packet(hardResetServerV2, 0, serverID, clientID, []uint32{0}, 0, ""), stream.ServerSign},
			{"server reset, version 1", m.packet(hardResetServerV1, 0, serverID, clientID, []uint32{0}, 0, ""), stream.ServerSign},
			{"soft reset", m.packet(softResetV1, 3, clientID, 0, nil, 0, ""), stream.ClientSign},
			{"client hello", m.packet(controlV1, 0, clientID, 0, nil, 1, hello), stream.ClientSign},
			{"server hello", m.packet(controlV1, 0, serverID, clientID, []uint32{1, 2}, 1, flight1), stream.ServerSign},
			{"a later packet", m.packet(controlV1, 0, serverID, 0, nil, 2, flight2), stream.NoSign},
			{"an acknowledgment", m.packet(ackV1, 0, serverID, clientID, []uint32{2}, 0, ""), stream.NoSign},
			{"reset of a key that is not the first", m.packet(hardResetClientV2, 1, clientID, 0, nil, 0, ""), stream.NoSign},
			{"reset with a number", m.packet(hardResetClientV2, 0, clientID, 0, nil, 1, ""), stream.NoSign},
			{"reset with something in it", m.packet(hardResetClientV2, 0, clientID, 0, nil, 0, "x"), stream.NoSign},
		} {
			framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(c.b))), c.b...)
			for _, b := range [][]byte{c.b, framed} {
				if got := Sign(b); got != c.want {
					t.Errorf("%d/%s, %d bytes: %v, want %v", n, c.name, len(b), got, c.want)
				}
			}
			if c.want == stream.NoSign || strings.Contains(c.name, "hello") {
				continue
			}
			for k := range c.b {
				if got := Sign(c.b[:k]); got != stream.NoSign {
					t.Errorf("%d/%s, the first %d bytes: %v", n, c.name, k, got)
				}
				want := stream.NoSign
				if k >= 1 && (k < 3 || !strings.Contains(c.name, "soft")) {
					want = stream.MaybeSign // over TCP more may come: its length says so
				}
				if got := Sign(framed[:k]); got != want {
					t.Errorf("%d/%s, the first %d bytes with its length: %v, want %v", n, c.name, k, got, want)
				}
			}
		}
	}
	for _, b := range []string{"", "\x38", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "\x80\x60" + strings.Repeat("\x00", 80)} {
		if got := Sign([]byte(b)); got != stream.NoSign {
			t.Errorf("%q: %v", b, got)
		}
	}
}

// TestAsk asks after each packet over UDP, and after each byte over TCP.
func TestAsk(t *testing.T) {
	for _, n := range digests {
		whole := maker{int(n)}.exchange()[:12]
		last := whole[11] // data: they end the half that they flow in
		last.dir = last.dir.Opposite()
		whole = append(whole, last)
		c := &stream.Conversation{Transport: stream.UDP}
		for i, s := range whole {
			h := &c.Half[s.dir]
			from := len(h.Data)
			h.Data = append(h.Data, s.b...)
			h.Marks = append(h.Marks, stream.Mark{From: uint32(from), To: uint32(len(h.Data))})
			if len(h.Data) < h.Want {
				t.Fatalf("it does not want packet %d", i)
			}
			want := stream.More
			if i == 12 {
				want = stream.Enough // data flow in both directions
			}
			if v := Ask(c, s.dir); v != want {
				t.Errorf("%d: packet %d: %v", n, i, v)
			}
		}
		c = &stream.Conversation{}
		looked := 0
		for i, s := range whole {
			h := &c.Half[s.dir]
			framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(s.b))), s.b...)
			for k, x := range framed {
				h.Data = append(h.Data, x)
				if len(h.Data) < h.Want || h.Done {
					continue
				}
				looked++
				want := stream.More
				if i == 12 && k >= 2 {
					want = stream.Enough
				}
				if v := Ask(c, s.dir); v != want {
					t.Errorf("%d: packet %d, byte %d: %v", n, i, k, v)
				}
				if want == stream.Enough {
					break
				}
			}
		}
		if looked > 4*len(whole) {
			t.Errorf("asked %d times about %d packets", looked, len(whole))
		}
	}
	c := &stream.Conversation{}
	c.Half[0].Data = []byte("GET / HTTP/1.1\r\n")
	if v := Ask(c, 0); v != stream.Refuse {
		t.Errorf("HTTP: %v", v)
	}
}

func TestReadAllocates(t *testing.T) {
	for _, tr := range []stream.Transport{stream.UDP, stream.TCP} {
		c := conversation(tr, maker{32}.exchange())
		var r Reader
		r.Read(c)
		if n := testing.AllocsPerRun(100, func() { r.Read(c) }); n > 0 {
			t.Errorf("%s: %v allocations", tr, n)
		}
	}
}

func TestEveryPrefix(t *testing.T) {
	var r Reader
	for _, n := range []int{0, 20, 64} {
		for _, tr := range []stream.Transport{stream.UDP, stream.TCP} {
			full := conversation(tr, maker{n}.exchange())
			for d := range full.Half {
				h := full.Half[d]
				for n := range h.Data {
					c := *full
					c.Half[d].Data, c.Half[d].Marks = h.Data[:n], nil
					for _, m := range h.Marks {
						if int(m.From) < n {
							m.To = min(m.To, uint32(n))
							c.Half[d].Marks = append(c.Half[d].Marks, m)
						}
					}
					if o := r.Read(&c); o != nil && (len(o.TLS[0].Data) > len(hello+answer1+answer2) || len(o.TLS[1].Data) > len(flight1+flight2+flight3)) {
						t.Fatalf("longer than all that was said: %q %q", o.TLS[0].Data, o.TLS[1].Data)
					}
				}
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, n := range []int{0, 20, 32} {
		for _, tr := range []stream.Transport{stream.UDP, stream.TCP} {
			c := conversation(tr, maker{n}.exchange())
			var cuts []byte
			for _, m := range c.Half[0].Marks {
				cuts = append(cuts, byte(m.To-m.From-1))
			}
			f.Add(tr == stream.TCP, c.Half[0].Data, c.Half[1].Data, cuts, []byte{80, 60, 40})
		}
	}
	f.Fuzz(func(t *testing.T, tcp bool, a, b, cutsA, cutsB []byte) {
		c := &stream.Conversation{Transport: stream.UDP}
		if tcp {
			c.Transport = stream.TCP
		}
		split(&c.Half[0], a, cutsA)
		split(&c.Half[1], b, cutsB)
		Sign(a)
		var r Reader
		for d := stream.ToServer; d <= stream.ToClient; d++ {
			Ask(c, d)
		}
		for range 2 {
			o := r.Read(c)
			if o == nil {
				continue
			}
			total := 0
			for role := range o.TLS {
				h := &o.TLS[role]
				total += len(h.Data) - len(h.Gaps)
				for _, g := range h.Gaps {
					if g.From+1 != g.To || g.To != len(h.Data) {
						t.Fatalf("gaps %v of %d bytes", h.Gaps, len(h.Data))
					}
				}
				for _, m := range h.Marks {
					if m.From >= m.To || int(m.To) > len(h.Data) {
						t.Fatalf("marks %v of %d bytes", h.Marks, len(h.Data))
					}
				}
			}
			if total > len(a)+len(b) {
				t.Fatalf("%d bytes of %d", total, len(a)+len(b))
			}
		}
	})
}

// split makes datagrams of these lengths.
func split(h *stream.Half, b, cuts []byte) {
	h.Data = b
	for at := 0; at < len(b) && len(h.Marks) < stream.MaxMarks; {
		n := len(b) - at
		if len(cuts) > 0 {
			n, cuts = min(int(cuts[0])+1, n), cuts[1:]
		}
		h.Marks = append(h.Marks, stream.Mark{From: uint32(at), To: uint32(at + n), Packet: uint64(at), Time: int64(at)})
		at += n
	}
}

func BenchmarkRead(b *testing.B) {
	for _, tr := range []stream.Transport{stream.UDP, stream.TCP} {
		b.Run(tr.String(), func(b *testing.B) {
			c := conversation(tr, maker{20}.exchange())
			b.SetBytes(int64(len(c.Half[0].Data) + len(c.Half[1].Data)))
			b.ReportAllocs()
			var r Reader
			for b.Loop() {
				if r.Read(c) == nil {
					b.Fatal("nothing")
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	for name, p := range map[string][]byte{"reset": maker{20}.packet(hardResetClientV2, 0, clientID, 0, nil, 0, ""), "other": append([]byte{0x50}, make([]byte, 1200)...), "control": append([]byte{0x20}, bytes.Repeat([]byte{0x77}, 1200)...)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Sign(p)
			}
		})
	}
}
