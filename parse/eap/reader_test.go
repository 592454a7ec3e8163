package eap

import (
	"slices"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// The TLS bytes of the two sides. They look like records.
const (
	hello  = "\x16\x03\x01client hello"
	flight = "\x16\x03\x03server hello, certificate, done"
	answer = "\x16\x03\x03client key exchange, finished"
	finish = "\x14\x03\x03change, finished"
)

// exchange returns a complete session of a method. The server's flight has three
// fragments.
func exchange(method uint8) [][]byte {
	n := len(flight)
	return [][]byte{
		eapPacket(codeRequest, 1, typeIdentity),
		eapPacket(codeResponse, 1, typeIdentity, 'm', 'e'),
		tlsPacket(codeRequest, 2, method, flagStart, -1, ""),
		tlsPacket(codeResponse, 2, method, 0, -1, hello),
		tlsPacket(codeRequest, 3, method, flagMore, n, flight[:10]),
		tlsPacket(codeResponse, 3, method, 0, -1, ""),
		tlsPacket(codeRequest, 4, method, flagMore, -1, flight[10:20]),
		tlsPacket(codeResponse, 4, method, 0, -1, ""),
		tlsPacket(codeRequest, 5, method, 0, -1, flight[20:]),
		tlsPacket(codeResponse, 5, method, flagMore, len(answer), answer[:9]),
		tlsPacket(codeRequest, 6, method, 0, -1, ""),
		tlsPacket(codeResponse, 6, method, 0, -1, answer[9:]),
		tlsPacket(codeRequest, 7, method, 0, len(finish), finish),
		tlsPacket(codeResponse, 7, method, 0, -1, ""),
		eapPacket(Success, 7),
	}
}

// without returns list without the packets at these indices.
func without(list [][]byte, at ...int) [][]byte {
	var out [][]byte
	for i, p := range list {
		if !slices.Contains(at, i) {
			out = append(out, p)
		}
	}
	return out
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

func TestRead(t *testing.T) {
	t.Parallel()
	whole := exchange(typeTLS)
	for _, c := range []struct {
		name           string
		packets        [][]byte
		protocol       string
		client, server string
		result         uint8
	}{
		{"eap-tls", whole, "eap-tls", hello + answer, flight + finish, Success},
		{"peap", exchange(typePEAP), "peap", hello + answer, flight + finish, Success},
		{"eap-ttls", exchange(typeTTLS), "eap-ttls", hello + answer, flight + finish, Success},
		{"eap-fast", exchange(typeFAST), "eap-fast", hello + answer, flight + finish, Success},
		{"teap", exchange(typeTEAP), "teap", hello + answer, flight + finish, Success},
		{"failure", append(without(whole, 12, 13, 14), eapPacket(Failure, 6)), "eap-tls", hello + answer, flight, Failure},
		{"unfinished", whole[:7], "eap-tls", hello, flight[:20], 0},
		{"other method first", slices.Concat(whole[:2], [][]byte{
			tlsPacket(codeRequest, 20, typePEAP, flagStart, -1, ""), eapPacket(codeResponse, 20, 3, typeTLS)}, whole[2:]),
			"eap-tls", hello + answer, flight + finish, Success},
		{"requests twice", func() (out [][]byte) {
			for _, p := range whole {
				out = append(out, p)
				if p[0] == codeRequest {
					out = append(out, p)
				}
			}
			return out
		}(), "eap-tls", hello + answer, flight + finish, Success},
		{"everything three times", slices.Concat(func() (out [][]byte) {
			for i := 0; i < len(whole)-1; i += 2 {
				for range 3 {
					out = append(out, whole[i], whole[i+1])
				}
			}
			return out
		}(), whole[14:]), "eap-tls", hello + answer, flight + finish, Success},
		{"middle fragment lost", without(whole, 6), "eap-tls", hello + answer, flight[:10] + strings.Repeat("_", 10) + flight[20:] + finish, Success},
		{"last fragment lost", without(whole, 8), "eap-tls", hello + answer, flight[:20] + strings.Repeat("_", len(flight)-20) + finish, Success},
		{"first fragment lost", without(whole, 4), "eap-tls", hello + answer, "_", Success},
		{"two fragments lost", without(whole, 6, 8), "eap-tls", hello + answer, flight[:10] + strings.Repeat("_", len(flight)-10) + finish, Success},
		{"client fragment lost", without(whole, 9), "eap-tls", hello + "_", flight + finish, Success},
		{"last client fragment lost", without(whole, 11), "eap-tls", hello + answer[:9] + strings.Repeat("_", len(answer)-9), flight + finish, Success},
		{"only the server", slices.DeleteFunc(slices.Clone(whole), func(p []byte) bool { return p[0] == codeResponse }), "eap-tls", "", flight + finish, Success},
		{"only the client", slices.DeleteFunc(slices.Clone(whole), func(p []byte) bool { return p[0] != codeResponse }), "eap-tls", hello + answer, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, conv := range map[string]*stream.Conversation{"eapol": overEAPOL(c.packets...), "radius": overRADIUS(c.packets...)} {
				var r Reader
				o := r.Read(conv)
				if o == nil {
					t.Fatalf("%s: Read = nil, want an Opening", name)
				}
				if o.Protocol != c.protocol || o.Result != c.result || o.Swapped {
					t.Errorf("%s: got protocol %s, result %d, swapped %v; want %s, %d, false", name, o.Protocol, o.Result, o.Swapped, c.protocol, c.result)
				}
				for role, want := range []string{c.client, c.server} {
					h := &o.TLS[role]
					if got := shown(h); got != want {
						t.Errorf("%s, side %d:\ngot  %q\nwant %q", name, role, got, want)
					}
					if h.Conflict || h.Cut || h.Full || h.FIN != (c.result != 0) {
						t.Errorf("%s, side %d: got conflict %v, cut %v, full %v, FIN %v", name, role, h.Conflict, h.Cut, h.Full, h.FIN)
					}
					checkHalf(t, h, conv)
				}
			}
		})
	}
}

// checkHalf checks the invariants of a Half, and compares each of its marks with
// the datagram that the mark names.
func checkHalf(t *testing.T, h *stream.Half, c *stream.Conversation) {
	t.Helper()
	at := 0
	for _, g := range h.Gaps {
		if g.From < at || g.To <= g.From || g.To > len(h.Data) {
			t.Fatalf("invalid gaps %v in %d bytes", h.Gaps, len(h.Data))
		}
		at = g.To
	}
	last := uint64(0)
	for _, m := range h.Marks {
		if m.From >= m.To || int(m.To) > len(h.Data) || m.Packet < last {
			t.Fatalf("invalid marks %v in %d bytes", h.Marks, len(h.Data))
		}
		last = m.Packet
		found := false
		for d := range c.Half {
			for _, o := range c.Half[d].Marks {
				if o.Packet == m.Packet {
					found = o.Time == m.Time
					var r Reader
					p, ok := r.packet(c.Half[d].Data[o.From:o.To], c.Transport)
					if !ok || string(p.data) != string(h.Data[m.From:m.To]) {
						t.Fatalf("mark %v: packet %d contains %q", m, o.Packet, p.data)
					}
				}
			}
		}
		if !found {
			t.Fatalf("mark %v names no datagram", m)
		}
	}
}

func TestReadNothing(t *testing.T) {
	t.Parallel()
	for name, packets := range map[string][][]byte{
		"no packets":      nil,
		"MD5":             {eapPacket(codeRequest, 1, 4, 1, 2, 3), eapPacket(codeResponse, 1, 4, 1, 2, 3), eapPacket(Success, 1)},
		"start":           {tlsPacket(codeRequest, 1, typeTLS, flagStart, -1, "")},
		"acknowledgments": {tlsPacket(codeRequest, 1, typeTLS, 0, -1, ""), tlsPacket(codeResponse, 1, typeTLS, 0, -1, "")},
		"data in a start": {tlsPacket(codeRequest, 1, typeFAST, flagStart, -1, "\x00\x04\x00\x04abcd")},
		"other vendor":    {eapPacket(codeRequest, 1, typeExpanded, 0, 0, 9, 0, 0, 0, typeTLS, 0, 22, 3, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			var r Reader
			if o := r.Read(overEAPOL(packets...)); o != nil {
				t.Errorf("got %q and %q, want nil", o.TLS[0].Data, o.TLS[1].Data)
			}
		})
	}
}

// TestReadFormats reads optional parts of the packet formats.
func TestReadFormats(t *testing.T) {
	t.Parallel()
	outer := func(flags uint8, tlv string) []byte { // RFC 7170 section 4.1
		b := []byte{typeTEAP, flagLength | flagOuter | flags, 0, 0, 0, uint8(len(hello)), 0, 0, 0, uint8(len(tlv))}
		return eapPacket(codeResponse, 1, append(append(b, hello...), tlv...)...)
	}
	for _, c := range []struct {
		name     string
		packet   []byte
		protocol string
		want     string
	}{
		{"outer TLVs", outer(1, "outer TLVs"), "teap", hello},
		{"expanded type of vendor 0", eapPacket(codeResponse, 1, append([]byte{typeExpanded, 0, 0, 0, 0, 0, 0, typePEAP, 0}, hello...)...), "peap", hello},
		{"version bits", tlsPacket(codeResponse, 1, typePEAP, 1, -1, hello), "peap", hello},
		{"padding after the packet", append(tlsPacket(codeResponse, 1, typeTLS, 0, -1, hello), 0, 0, 0), "eap-tls", hello},
	} {
		for _, conv := range []*stream.Conversation{overEAPOL(c.packet), overRADIUS(c.packet)} {
			var r Reader
			o := r.Read(conv)
			if o == nil || o.Protocol != c.protocol || shown(&o.TLS[0]) != c.want {
				t.Errorf("%s, %v: got %+v, want %s with %q", c.name, conv.Transport, o, c.protocol, c.want)
			}
		}
	}
}

// TestReadSwapped exchanges the directions, which package capture may guess wrong.
func TestReadSwapped(t *testing.T) {
	t.Parallel()
	for _, c := range []*stream.Conversation{overEAPOL(exchange(typeTLS)...), overRADIUS(exchange(typeTLS)...)} {
		c.Half[0], c.Half[1] = c.Half[1], c.Half[0]
		var r Reader
		o := r.Read(c)
		if o == nil || !o.Swapped || shown(&o.TLS[stream.ToServer]) != hello+answer || shown(&o.TLS[stream.ToClient]) != flight+finish {
			t.Errorf("%v: got %+v, want a swapped Opening with all TLS bytes", c.Transport, o)
		}
	}
}

// TestReadCut cuts a datagram, as a snaplen does.
func TestReadCut(t *testing.T) {
	t.Parallel()
	whole := exchange(typeTLS)
	for _, over := range []func(...[]byte) *stream.Conversation{overEAPOL, overRADIUS} {
		full := over(whole...)
		// The second fragment of the server's flight loses its last three bytes.
		c := &stream.Conversation{Transport: full.Transport}
		for d := range full.Half {
			for _, m := range full.Half[d].Marks {
				b := full.Half[d].Data[m.From:m.To]
				if m.Packet == 7 {
					b = b[:len(b)-3]
					c.Half[d].Cut = true
				}
				h := &c.Half[d]
				from := len(h.Data)
				h.Data = append(h.Data, b...)
				h.Marks = append(h.Marks, stream.Mark{From: uint32(from), To: uint32(len(h.Data)), Packet: m.Packet, Time: m.Time})
			}
		}
		var r Reader
		o := r.Read(c)
		want := flight[:17] + "___" + flight[20:] + finish
		if o == nil || shown(&o.TLS[1]) != want || !o.TLS[1].Cut || o.TLS[0].Cut {
			t.Errorf("%v: got %+v, want server data %q and Cut only there", full.Transport, o, want)
		}
	}
}

// TestReadConflict sends two Requests with one identifier and different data.
func TestReadConflict(t *testing.T) {
	t.Parallel()
	list := exchange(typeTLS)
	list = slices.Insert(list, 5, tlsPacket(codeRequest, 3, typeTLS, flagMore, len(flight), "\x16\x03\x03other!!"))
	var r Reader
	o := r.Read(overEAPOL(list...))
	if o == nil || !o.TLS[1].Conflict || o.TLS[0].Conflict || shown(&o.TLS[1]) != flight+finish {
		t.Errorf("got %+v, want a conflict in the server's half and its first bytes", o)
	}
}

// TestReadWrongTotal reads messages with a wrong total length.
func TestReadWrongTotal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		packets [][]byte
		want    string
	}{
		"longer than the limit": {[][]byte{tlsPacket(codeRequest, 1, typeTLS, flagMore, 1<<31-1, flight), tlsPacket(codeResponse, 1, typeTLS, 0, -1, hello)}, flight + "_"},
		"too short":             {[][]byte{tlsPacket(codeRequest, 1, typeTLS, flagMore, 3, flight), tlsPacket(codeResponse, 1, typeTLS, 0, -1, ""), tlsPacket(codeRequest, 2, typeTLS, 0, -1, "rest")}, flight + "rest"},
		"too long":              {[][]byte{tlsPacket(codeRequest, 1, typeTLS, 0, len(flight)+5, flight)}, flight + "_"},
	} {
		t.Run(name, func(t *testing.T) {
			var r Reader
			o := r.Read(overEAPOL(c.packets...))
			if o == nil {
				t.Fatal("Read = nil, want an Opening")
			}
			if got := shown(&o.TLS[1]); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestReadPrefix reads every prefix of one half next to the whole other half.
func TestReadPrefix(t *testing.T) {
	t.Parallel()
	var r Reader
	for _, full := range []*stream.Conversation{overEAPOL(exchange(typeTEAP)...), overRADIUS(exchange(typeTLS)...)} {
		for d := range full.Half {
			h := full.Half[d]
			for n := range h.Data {
				c := *full
				c.Half[d].Data = h.Data[:n]
				c.Half[d].Marks = nil
				for _, m := range h.Marks {
					if int(m.From) < n {
						m.To = min(m.To, uint32(n))
						c.Half[d].Marks = append(c.Half[d].Marks, m)
					}
				}
				if o := r.Read(&c); o != nil {
					for role, want := range []string{hello + answer, flight + finish} {
						if got := shown(&o.TLS[role]); len(got) > len(want) {
							t.Fatalf("got %q, want at most %d bytes", got, len(want))
						}
					}
				}
			}
		}
	}
}

func TestReadDoesNotAllocate(t *testing.T) {
	c := overRADIUS(exchange(typeTLS)...)
	var r Reader
	r.Read(c)
	if n := testing.AllocsPerRun(100, func() { r.Read(c) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func FuzzRead(f *testing.F) {
	for _, m := range []uint8{typeTLS, typeTEAP} {
		for _, c := range []*stream.Conversation{overEAPOL(exchange(m)...), overRADIUS(exchange(m)...)} {
			f.Add(c.Transport == stream.EAPOL, c.Half[0].Data, c.Half[1].Data, []byte{30, 40, 20, 60}, []byte{30, 40})
		}
	}
	f.Fuzz(func(t *testing.T, lan bool, a, b, cutsA, cutsB []byte) {
		c := &stream.Conversation{Transport: stream.UDP}
		if lan {
			c.Transport = stream.EAPOL
		}
		split(&c.Half[0], a, cutsA, 1)
		split(&c.Half[1], b, cutsB, 2)
		for d := stream.ToServer; d <= stream.ToClient; d++ {
			Ask(c, d)
		}
		var r Reader
		for range 2 {
			o := r.Read(c)
			if o == nil {
				continue
			}
			for role := range o.TLS {
				h := &o.TLS[role]
				if len(h.Data) > maxMessage || len(h.Marks) > stream.MaxMarks {
					t.Fatalf("got %d bytes and %d marks, want at most %d and %d", len(h.Data), len(h.Marks), maxMessage, stream.MaxMarks)
				}
				at := 0
				for _, g := range h.Gaps {
					if g.From < at || g.To <= g.From || g.To > len(h.Data) {
						t.Fatalf("invalid gaps %v in %d bytes", h.Gaps, len(h.Data))
					}
					at = g.To
				}
				for _, m := range h.Marks {
					if m.From > m.To || int(m.To) > len(h.Data) {
						t.Fatalf("invalid marks %v in %d bytes", h.Marks, len(h.Data))
					}
				}
			}
		}
	})
}

// split fills h with b in datagrams of these lengths, each plus 1.
func split(h *stream.Half, b, cuts []byte, time int64) {
	h.Data = b
	for at := 0; at < len(b) && len(h.Marks) < stream.MaxMarks; time += 2 {
		n := len(b) - at
		if len(cuts) > 0 {
			n, cuts = min(int(cuts[0])+1, n), cuts[1:]
		}
		h.Marks = append(h.Marks, stream.Mark{From: uint32(at), To: uint32(at + n), Packet: uint64(time), Time: time})
		at += n
	}
	h.Packets = uint64(len(h.Marks))
}

func BenchmarkRead(b *testing.B) {
	c := overRADIUS(exchange(typeTLS)...)
	b.SetBytes(int64(len(c.Half[0].Data) + len(c.Half[1].Data)))
	b.ReportAllocs()
	var r Reader
	for b.Loop() {
		if r.Read(c) == nil {
			b.Fatal("Read = nil")
		}
	}
}
