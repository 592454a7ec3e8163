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

// Session IDs in the tests.
const (
	clientID = 0x1111111122222222
	serverID = 0x3333333344444444
)

// A builder builds packets of the control channel.
type builder struct {
	digest int // length of the HMAC; 0 for none
}

func (m builder) packet(op, key uint8, session uint64, remote uint64, acks []uint32, id int, payload string) []byte {
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

// The TLS bytes of the two sides, by packet.
const (
	hello   = "\x16\x03\x01\x00\x20\x01client hello"
	flight1 = "\x16\x03\x03\x00\x40\x02server hello"
	flight2 = ", certificate"
	flight3 = ", done"
	answer1 = "\x16\x03\x03\x00\x08\x0bcert"
	answer2 = "key exchange"
)

// A sent is one packet and its direction.
type sent struct {
	dir stream.Dir
	b   []byte
}

// exchange returns a complete key exchange and two data packets after it.
func (m builder) exchange() []sent {
	c, s := stream.ToServer, stream.ToClient
	return []sent{
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

// conversation returns the Conversation that package capture makes of list.
func conversation(t stream.Transport, list []sent) *stream.Conversation {
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

// shown returns the data of h with an underscore for each byte in a gap.
func shown(h *stream.Half) string {
	b := slices.Clone(h.Data)
	for _, g := range h.Gaps {
		for i := g.From; i < g.To; i++ {
			b[i] = '_'
		}
	}
	return string(b)
}

// without returns list without the packets at these indices.
func without(list []sent, at ...int) []sent {
	var out []sent
	for i, p := range list {
		if !slices.Contains(at, i) {
			out = append(out, p)
		}
	}
	return out
}

func TestRead(t *testing.T) {
	t.Parallel()
	for _, n := range digests {
		m := builder{int(n)}
		whole := m.exchange()
		client, server := hello+answer1+answer2, flight1+flight2+flight3
		swap := func(i, j int) []sent {
			l := slices.Clone(whole)
			l[i], l[j] = l[j], l[i]
			return l
		}
		// A client that gives up and starts again with another session ID.
		other := []sent{
			{stream.ToServer, m.packet(hardResetClientV2, 0, 99, 0, nil, 0, "")},
			{stream.ToServer, m.packet(controlV1, 0, 99, 0, nil, 1, hello+"of before")},
		}
		v1 := slices.Clone(whole)
		v1[0].b = m.packet(hardResetClientV1, 0, clientID, 0, nil, 0, "")
		v1[1].b = m.packet(hardResetServerV1, 0, serverID, clientID, []uint32{0}, 0, "")
		for _, c := range []struct {
			name           string
			list           []sent
			client, server string
		}{
			{"complete", whole, client, server},
			{"resets of version 1", v1, client, server},
			{"without the resets", whole[3:], client, server},
			{"out of order", swap(5, 6), client, server},
			{"first after second", swap(4, 5), client, server},
			{"client out of order", swap(8, 9), client, server},
			{"everything twice", slices.Concat(whole, whole), client, server},
			{"one lost", without(whole, 5), client, flight1 + "_"},
			{"first one lost", without(whole, 4), client, "_"},
			{"client's lost", without(whole, 8), hello + "_", server},
			{"last one lost", without(whole, 6), client, flight1 + flight2 + "_"},
			{"only the client", slices.DeleteFunc(slices.Clone(whole), func(s sent) bool { return s.dir == stream.ToClient }), client, ""},
			{"only the server", slices.DeleteFunc(slices.Clone(whole), func(s sent) bool { return s.dir == stream.ToServer }), "", server},
			{"client starts again", slices.Concat(other, whole), client, server},
			{"renewed key", slices.Concat(whole, []sent{
				{stream.ToServer, m.packet(softResetV1, 1, clientID, 0, nil, 0, "")}, {stream.ToServer, m.packet(controlV1, 1, clientID, 0, nil, 1, hello+"again")}}), client, server},
			{"foreign datagram in between", slices.Concat(whole[:5], []sent{{stream.ToServer, []byte("\xf8\x01\x02")}}, whole[5:]), client, server},
		} {
			for _, tr := range []stream.Transport{stream.UDP, stream.TCP} {
				t.Run(fmt.Sprintf("digest %d/%s/%s", n, c.name, tr), func(t *testing.T) {
					var r Reader
					o := r.Read(conversation(tr, c.list))
					if o == nil {
						t.Fatal("Read = nil, want an Opening")
					}
					if o.Swapped {
						t.Error("Swapped = true, want false")
					}
					for role, want := range []string{c.client, c.server} {
						h := &o.TLS[role]
						if got := shown(h); got != want {
							t.Errorf("side %d: got %q, want %q", role, got, want)
						}
						last := uint64(0)
						for _, m := range h.Marks {
							p := c.list[m.Packet-1].b
							if m.Packet < last || m.Time != int64(m.Packet) || !bytes.HasSuffix(p, h.Data[m.From:m.To]) {
								t.Errorf("side %d: mark %v does not match its packet %q", role, m, p)
							}
							last = m.Packet
						}
						if h.Conflict {
							t.Errorf("side %d: Conflict = true, want false", role)
						}
					}
				})
			}
		}
	}
}

func TestReadSwapped(t *testing.T) {
	t.Parallel()
	c := conversation(stream.UDP, builder{20}.exchange())
	c.Half[0], c.Half[1] = c.Half[1], c.Half[0]
	var r Reader
	o := r.Read(c)
	if o == nil || !o.Swapped || shown(&o.TLS[0]) != hello+answer1+answer2 || shown(&o.TLS[1]) != flight1+flight2+flight3 {
		t.Errorf("got %+v, want a swapped Opening with all TLS bytes", o)
	}
}

// TestReadConflict sends one message twice with different bytes; the first ones
// are kept.
func TestReadConflict(t *testing.T) {
	t.Parallel()
	m := builder{}
	l := m.exchange()
	l = slices.Insert(l, 6, sent{stream.ToClient, m.packet(controlV1, 0, serverID, 0, nil, 2, ", other bytes")})
	var r Reader
	o := r.Read(conversation(stream.UDP, l))
	if o == nil || !o.TLS[1].Conflict || o.TLS[0].Conflict || shown(&o.TLS[1]) != flight1+flight2+flight3 {
		t.Errorf("got %+v, want a conflict in the server's half and its first bytes", o)
	}
}

// TestReadCut cuts the longest datagram, as a snaplen does: the bytes after its
// end have no known place.
func TestReadCut(t *testing.T) {
	t.Parallel()
	m := builder{32}
	long := strings.Repeat("x", 400)
	l := m.exchange()
	l[5].b = m.packet(controlV1, 0, serverID, 0, nil, 2, long)[:300]
	c := conversation(stream.UDP, l)
	c.Half[1].Cut = true
	var r Reader
	o := r.Read(c)
	if o == nil {
		t.Fatal("Read = nil, want an Opening")
	}
	want := flight1 + long[:300-len(m.packet(controlV1, 0, serverID, 0, nil, 2, ""))] + "_"
	if got := shown(&o.TLS[1]); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if o.TLS[0].Cut || !o.TLS[1].Cut {
		t.Errorf("Cut = %v and %v, want false and true", o.TLS[0].Cut, o.TLS[1].Cut)
	}
}

func TestReadNothing(t *testing.T) {
	t.Parallel()
	m := builder{}
	for name, l := range map[string][]sent{
		"empty":                 nil,
		"resets only":           m.exchange()[:3],
		"HTTP":                  {{stream.ToServer, []byte("GET / HTTP/1.1\r\nHost: example\r\n\r\n")}},
		"tls-crypt":             {{stream.ToServer, append([]byte{hardResetClientV2 << 3}, bytes.Repeat([]byte{0x5a}, 53)...)}},
		"data packets only":     m.exchange()[11:],
		"control without hello": {{stream.ToServer, m.packet(controlV1, 0, clientID, 0, nil, 5, "\x17\x03\x03\x00\x05hello")}},
	} {
		for _, tr := range []stream.Transport{stream.UDP, stream.TCP} {
			t.Run(name+"/"+tr.String(), func(t *testing.T) {
				var r Reader
				if o := r.Read(conversation(tr, l)); o != nil {
					t.Errorf("got %q and %q, want nil", o.TLS[0].Data, o.TLS[1].Data)
				}
			})
		}
	}
}

func TestSniff(t *testing.T) {
	t.Parallel()
	for _, n := range digests {
		m := builder{int(n)}
		for _, c := range []struct {
			name string
			b    []byte
			want stream.Sniff
		}{
			{"client reset", m.packet(hardResetClientV2, 0, clientID, 0, nil, 0, ""), stream.SniffClient},
			{"client reset, version 1", m.packet(hardResetClientV1, 0, clientID, 0, nil, 0, ""), stream.SniffClient},
			{"server reset", m.packet(hardResetServerV2, 0, serverID, clientID, []uint32{0}, 0, ""), stream.SniffServer},
			{"server reset, version 1", m.packet(hardResetServerV1, 0, serverID, clientID, []uint32{0}, 0, ""), stream.SniffServer},
			{"soft reset", m.packet(softResetV1, 3, clientID, 0, nil, 0, ""), stream.SniffClient},
			{"client hello", m.packet(controlV1, 0, clientID, 0, nil, 1, hello), stream.SniffClient},
			{"server hello", m.packet(controlV1, 0, serverID, clientID, []uint32{1, 2}, 1, flight1), stream.SniffServer},
			{"later packet", m.packet(controlV1, 0, serverID, 0, nil, 2, flight2), stream.SniffNone},
			{"acknowledgment", m.packet(ackV1, 0, serverID, clientID, []uint32{2}, 0, ""), stream.SniffNone},
			{"reset of key 1", m.packet(hardResetClientV2, 1, clientID, 0, nil, 0, ""), stream.SniffNone},
			{"reset with message ID 1", m.packet(hardResetClientV2, 0, clientID, 0, nil, 1, ""), stream.SniffNone},
			{"reset with payload", m.packet(hardResetClientV2, 0, clientID, 0, nil, 0, "x"), stream.SniffNone},
		} {
			t.Run(fmt.Sprintf("digest %d/%s", n, c.name), func(t *testing.T) {
				framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(c.b))), c.b...)
				for _, b := range [][]byte{c.b, framed} {
					if got := Sniff(b); got != c.want {
						t.Errorf("%d bytes: got %v, want %v", len(b), got, c.want)
					}
				}
				if c.want == stream.SniffNone || strings.Contains(c.name, "hello") {
					return
				}
				for k := range c.b {
					if got := Sniff(c.b[:k]); got != stream.SniffNone {
						t.Errorf("first %d bytes: got %v, want %v", k, got, stream.SniffNone)
					}
					want := stream.SniffNone
					if k >= 1 && (k < 3 || !strings.Contains(c.name, "soft")) {
						want = stream.SniffMaybe // over TCP the length shows that more follows
					}
					if got := Sniff(framed[:k]); got != want {
						t.Errorf("first %d bytes over TCP: got %v, want %v", k, got, want)
					}
				}
			})
		}
	}
	for _, b := range []string{"", "\x38", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "\x80\x60" + strings.Repeat("\x00", 80)} {
		if got := Sniff([]byte(b)); got != stream.SniffNone {
			t.Errorf("%q: got %v, want %v", b, got, stream.SniffNone)
		}
	}
}

// TestAsk calls Ask after each packet over UDP and after each byte over TCP.
func TestAsk(t *testing.T) {
	t.Parallel()
	for _, n := range digests {
		whole := builder{int(n)}.exchange()[:12]
		last := whole[11] // a data packet, which ends its half
		last.dir = last.dir.Opposite()
		whole = append(whole, last)
		c := &stream.Conversation{Transport: stream.UDP}
		for i, s := range whole {
			h := &c.Half[s.dir]
			from := len(h.Data)
			h.Data = append(h.Data, s.b...)
			h.Marks = append(h.Marks, stream.Mark{From: uint32(from), To: uint32(len(h.Data))})
			if len(h.Data) < h.Want {
				t.Fatalf("packet %d: got Want %d, want at most %d", i, h.Want, len(h.Data))
			}
			want := stream.More
			if i == 12 {
				want = stream.Enough // data in both directions
			}
			if v := Ask(c, s.dir); v != want {
				t.Errorf("digest %d, packet %d: got %v, want %v", n, i, v, want)
			}
		}
		c = &stream.Conversation{}
		calls := 0
		for i, s := range whole {
			h := &c.Half[s.dir]
			framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(s.b))), s.b...)
			for k, x := range framed {
				h.Data = append(h.Data, x)
				if len(h.Data) < h.Want || h.Done {
					continue
				}
				calls++
				want := stream.More
				if i == 12 && k >= 2 {
					want = stream.Enough
				}
				if v := Ask(c, s.dir); v != want {
					t.Errorf("digest %d, packet %d, byte %d: got %v, want %v", n, i, k, v, want)
				}
				if want == stream.Enough {
					break
				}
			}
		}
		if calls > 4*len(whole) {
			t.Errorf("got %d calls for %d packets, want at most %d", calls, len(whole), 4*len(whole))
		}
	}
	c := &stream.Conversation{}
	c.Half[0].Data = []byte("GET / HTTP/1.1\r\n")
	if v := Ask(c, 0); v != stream.Refuse {
		t.Errorf("HTTP: got %v, want %v", v, stream.Refuse)
	}
}

func TestReadDoesNotAllocate(t *testing.T) {
	for _, tr := range []stream.Transport{stream.UDP, stream.TCP} {
		c := conversation(tr, builder{32}.exchange())
		var r Reader
		r.Read(c)
		if n := testing.AllocsPerRun(100, func() { r.Read(c) }); n > 0 {
			t.Errorf("%s: got %v allocations, want 0", tr, n)
		}
	}
}

// TestReadPrefix reads every prefix of one half next to the whole other half.
func TestReadPrefix(t *testing.T) {
	t.Parallel()
	var r Reader
	for _, n := range []int{0, 20, 64} {
		for _, tr := range []stream.Transport{stream.UDP, stream.TCP} {
			full := conversation(tr, builder{n}.exchange())
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
						t.Fatalf("got more bytes than were sent: %q %q", o.TLS[0].Data, o.TLS[1].Data)
					}
				}
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, n := range []int{0, 20, 32} {
		for _, tr := range []stream.Transport{stream.UDP, stream.TCP} {
			c := conversation(tr, builder{n}.exchange())
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
		Sniff(a)
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
						t.Fatalf("invalid gaps %v in %d bytes", h.Gaps, len(h.Data))
					}
				}
				for _, m := range h.Marks {
					if m.From >= m.To || int(m.To) > len(h.Data) {
						t.Fatalf("invalid marks %v in %d bytes", h.Marks, len(h.Data))
					}
				}
			}
			if total > len(a)+len(b) {
				t.Fatalf("got %d bytes from %d", total, len(a)+len(b))
			}
		}
	})
}

// split fills h with b in datagrams of these lengths, each plus 1.
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
			c := conversation(tr, builder{20}.exchange())
			b.SetBytes(int64(len(c.Half[0].Data) + len(c.Half[1].Data)))
			b.ReportAllocs()
			var r Reader
			for b.Loop() {
				if r.Read(c) == nil {
					b.Fatal("Read = nil")
				}
			}
		})
	}
}

func BenchmarkSniff(b *testing.B) {
	for name, p := range map[string][]byte{"reset": builder{20}.packet(hardResetClientV2, 0, clientID, 0, nil, 0, ""), "other": append([]byte{0x50}, make([]byte, 1200)...), "control": append([]byte{0x20}, bytes.Repeat([]byte{0x77}, 1200)...)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Sniff(p)
			}
		})
	}
}
