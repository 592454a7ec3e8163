package rdpudp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// unhex reads hex with spaces and line breaks.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// padded makes a SYN as long as its MTU.
func padded(b []byte) []byte { return append(b, make([]byte, maxMTU-len(b))...) }

// first is the initial sequence number of each side.
var first = [2]uint32{0x1f000000, 0xfffffffe} // that of the server wraps around

// synOf makes the SYN (of the client) or the SYN+ACK (of the server). version
// 0 has no RDPUDP_SYNDATAEX_PAYLOAD.
func synOf(dir stream.Dir, lossy bool, version uint16) []byte {
	flags := uint16(flagSYN)
	ack := uint32(0xffffffff)
	if dir == stream.ToClient {
		flags |= flagACK
		ack = first[0]
	} else {
		flags |= flagCorrelation
		if lossy {
			flags |= flagSYNLossy
		}
	}
	if version != 0 {
		flags |= flagSYNEX
	}
	b := binary.BigEndian.AppendUint32(nil, ack)
	b = binary.BigEndian.AppendUint16(b, 64)
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint32(b, first[dir])
	b = binary.BigEndian.AppendUint16(b, 1232)
	b = binary.BigEndian.AppendUint16(b, 1200)
	if flags&flagCorrelation != 0 {
		b = append(b, bytes.Repeat([]byte{0xc0}, 16)...)
		b = append(b, make([]byte, 16)...)
	}
	if version != 0 {
		b = binary.BigEndian.AppendUint16(b, 1)
		b = binary.BigEndian.AppendUint16(b, version)
		if version >= 0x0101 && dir == stream.ToServer {
			b = append(b, bytes.Repeat([]byte{0x5a}, 32)...)
		}
	}
	return padded(b)
}

// sourceV1 makes the n-th source packet (from 1) of a side, with an ACK vector
// of so many elements.
func sourceV1(dir stream.Dir, n uint32, vector int, payload string) []byte {
	b := binary.BigEndian.AppendUint32(nil, first[dir.Opposite()])
	b = binary.BigEndian.AppendUint16(b, 64)
	b = binary.BigEndian.AppendUint16(b, flagACK|flagDATA)
	b = binary.BigEndian.AppendUint16(b, uint16(vector))
	b = append(b, bytes.Repeat([]byte{1}, vector)...)
	for (len(b)-8)%4 != 0 {
		b = append(b, 0)
	}
	b = binary.BigEndian.AppendUint32(b, first[dir]+n) // snCoded
	b = binary.BigEndian.AppendUint32(b, first[dir]+n)
	return append(b, payload...)
}

// sourceV2 makes the data packet of MS-RDPEUDP2 with this channel sequence
// number.
func sourceV2(n uint16, flags uint16, payload string) []byte {
	b := []byte{7 << 5}
	b = binary.LittleEndian.AppendUint16(b, flags|flag2DATA|0xc000)
	if flags&flag2ACK != 0 {
		b = append(b, 0x64, 0, 1, 2, 3, 9, 0x22, 0x11, 0x12) // two delayed ACKs
	}
	if flags&flag2Overhead != 0 {
		b = append(b, 10)
	}
	if flags&flag2DelayInfo != 0 {
		b = append(b, 1, 0xf4, 1)
	}
	if flags&flag2AOA != 0 {
		b = append(b, 0x64, 0)
	}
	b = binary.LittleEndian.AppendUint16(b, 100+n)
	if flags&flag2ACKVEC != 0 {
		b = append(b, 0x64, 0, 0x80|3, 1, 2, 3, 4, 0xa1, 0xa2, 0xa3) // three elements, with a time
	}
	b = binary.LittleEndian.AppendUint16(b, n)
	b = append(b, payload...)
	b[0], b[7] = b[7], b[0]
	return b
}

// Parts of what the two sides say.
const (
	chello  = "\x16\x03\x01\x00\x20\x01client hello"
	flight1 = "\x16\x03\x03\x00\x40\x02server hello"
	flight2 = ", certificate, done"
	answer  = "\x16\x03\x03\x00\x30\x10key exchange"
	data    = "\x17\x03\x03\x00\x05data."

	dtlsHello  = "\x16\xfe\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x20\x01hello"
	dtlsVerify = "\x16\xfe\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x20\x03verify"
	dtlsData   = "\x17\xfe\xff\x00\x01\x00\x00\x00\x00\x00\x01\x00\x02.."
)

type said struct {
	dir stream.Dir
	b   []byte
}

func conversation(list []said) *stream.Conversation {
	c := &stream.Conversation{Transport: stream.UDP}
	for i, s := range list {
		h := &c.Half[s.dir]
		from := len(h.Data)
		h.Data = append(h.Data, s.b...)
		h.Marks = append(h.Marks, stream.Mark{From: uint32(from), To: uint32(len(h.Data)), Packet: uint64(i + 1), Time: int64(i + 1)})
		h.Packets++
	}
	return c
}

// exchange is a whole one of the reliable mode; source makes the packets.
func exchange(version uint16, source func(d stream.Dir, n uint32, payload string) []byte) []said {
	c, s := stream.ToServer, stream.ToClient
	return []said{
		{c, synOf(c, false, version)}, {s, synOf(s, false, version)},
		{c, source(c, 1, chello)},
		{s, source(s, 1, flight1)}, {s, source(s, 2, flight2)},
		{c, source(c, 2, answer)}, {s, source(s, 3, data)}, {c, source(c, 3, data)},
	}
}

func exchangeV1(version uint16) []said {
	return exchange(version, func(d stream.Dir, n uint32, p string) []byte { return sourceV1(d, n, int(n)-1, p) })
}

func exchangeV2() []said {
	all := []uint16{0, flag2ACK, flag2ACK | flag2Overhead | flag2DelayInfo | flag2AOA, flag2ACKVEC | flag2AOA}
	return exchange(0x0101, func(d stream.Dir, n uint32, p string) []byte {
		f := all[(int(n)+int(d))%len(all)]
		if f == 0 {
			f = flag2AOA
		}
		return sourceV2(uint16(n), f, p)
	})
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
	client, server := chello+answer+data, flight1+flight2+data
	for format, whole := range map[string][]said{
		"no version": exchangeV1(0), "version 1": exchangeV1(1), "version 2": exchangeV1(2), "MS-RDPEUDP2": exchangeV2(),
	} {
		swap := func(i, j int) []said {
			l := slices.Clone(whole)
			l[i], l[j] = l[j], l[i]
			return l
		}
		for _, c := range []struct {
			name           string
			list           []said
			client, server string
		}{
			{"whole", whole, client, server},
			{"twice", slices.Concat(whole, whole), client, server},
			{"out of order", swap(3, 4), client, server},
			{"one lost", without(whole, 4), client, flight1 + "_"},
			{"the first lost", without(whole, 3), client, "_"},
			{"the last lost", without(whole, 6), client, flight1 + flight2},
			{"no SYN", without(whole, 0), client, server},
			{"no SYN+ACK", without(whole, 1), client, server},
			{"only the client", slices.DeleteFunc(slices.Clone(whole), func(s said) bool { return s.dir == stream.ToClient }), client, ""},
			{"only the server", slices.DeleteFunc(slices.Clone(whole), func(s said) bool { return s.dir == stream.ToServer }), "", server},
			{"acknowledgments between", slices.Concat(whole[:4], []said{{stream.ToServer, unhex(t, "0014c064006500f0"+strings.Repeat("00", 40))}, {stream.ToServer, unhex(t, "1097603703ff0404 00010400")}}, whole[4:]), client, server},
		} {
			conv := conversation(c.list)
			var r Reader
			o := r.Read(conv)
			if o == nil {
				t.Errorf("%s, %s: nothing", format, c.name)
				continue
			}
			if o.Protocol != "rdp-udp" || o.DTLS || o.Swapped {
				t.Errorf("%s, %s: %+v", format, c.name, o)
			}
			for role, want := range []string{c.client, c.server} {
				h := &o.TLS[role]
				if got := shown(h); got != want {
					t.Errorf("%s, %s, %d: %q, want %q", format, c.name, role, got, want)
				}
				before := uint64(0)
				for _, m := range h.Marks {
					p := c.list[m.Packet-1].b
					if m.Packet < before || m.Time != int64(m.Packet) || !bytes.HasSuffix(p, h.Data[m.From:m.To]) {
						t.Errorf("%s, %s: mark %v, of %q", format, c.name, m, p)
					}
					before = m.Packet
				}
			}
		}
	}
}

// TestLossy reads DTLS: the datagrams as they came, one mark each.
func TestLossy(t *testing.T) {
	c, s := stream.ToServer, stream.ToClient
	list := []said{
		{c, synOf(c, true, 2)}, {s, synOf(s, true, 2)},
		{c, sourceV1(c, 1, 0, dtlsHello)}, {c, sourceV1(c, 2, 0, dtlsHello)}, {s, sourceV1(s, 1, 1, dtlsVerify)}, {c, sourceV1(c, 4, 1, dtlsHello)},
	}
	var r Reader
	o := r.Read(conversation(list))
	if o == nil || !o.DTLS || o.Swapped {
		t.Fatalf("%+v", o)
	}
	if got := shown(&o.TLS[0]); got != strings.Repeat(dtlsHello, 3) || len(o.TLS[0].Marks) != 3 || o.TLS[0].Marks[2].Packet != 6 {
		t.Errorf("the client: %q, %v", got, o.TLS[0].Marks)
	}
	if got := shown(&o.TLS[1]); got != dtlsVerify {
		t.Errorf("the server: %q", got)
	}
}

// TestBytes reads datagrams written out by hand from the specifications.
func TestBytes(t *testing.T) {
	for _, c := range []struct {
		name    string
		b       string
		version uint8
		seq     uint32
		payload string
	}{
		{"MS-RDPEUDP, an ACK vector of one", "10976033 0400 000c  0001 00 00  e65f846d e65f846e  160303", version1, 0xe65f846e, "160303"},
		{"MS-RDPEUDP, an ACK vector of three", "9fd6752e 00c8 000c  0003 00 c0 00 000000  00000001 00000002  16", version1, 2, "16"},
		{"MS-RDPEUDP, ACK of ACKs", "9fd6752e 00c8 010c  0000 0000  00000009  00000001 00000002  16", version1, 2, "16"},
		{"MS-RDPEUDP, no ACK", "9fd6752e 00c8 0008  00000001 00000002  16", version1, 2, "16"},
		{"MS-RDPEUDP, FEC", "9fd6752e 00c8 001c  0000 0000  00000001 00000002  16", version1, 0, ""},
		{"MS-RDPEUDP, an acknowledgment", "9fd6752e 00c8 0004  0000 0000", version1, 0, ""},
		{"MS-RDPEUDP, a vector longer than the datagram", "9fd6752e 00c8 000c  ffff 0000  00000001 00000002  16", version1, 0, ""},
		// prefix e0 (long, data) in the place of the eighth byte
		{"MS-RDPEUDP2, AOA and delay info", "00 14c1 01f401 64 e0 6400 0100 160302", version2, 1, "160302"},
		{"MS-RDPEUDP2, AOA", "01 14c0 6600 6600 e0 00 160302", version2, 1, "160302"},
		{"MS-RDPEUDP2, a dummy", "00 14c0 6400 6500 f0 00000000000000", version2, 0, ""},
		{"MS-RDPEUDP2, an acknowledgment", "00 01c0 6400 010203 e0 0000000000", version2, 0, ""},
	} {
		s, ok := readSource(unhex(t, c.b), c.version)
		if ok != (c.payload != "") || ok && (s.seq != c.seq || hex.EncodeToString(s.payload) != c.payload) {
			t.Errorf("%s: %v, %x, %x", c.name, ok, s.seq, s.payload)
		}
		for n := range unhex(t, c.b) {
			if p, ok := readSource(unhex(t, c.b)[:n], c.version); ok && len(p.payload) >= len(c.payload)/2 {
				t.Errorf("%s: the first %d bytes parse as whole", c.name, n)
			}
		}
	}
}

func TestConflictAndCut(t *testing.T) {
	l := exchangeV1(1)
	l = slices.Insert(l, 5, said{stream.ToClient, sourceV1(stream.ToClient, 2, 1, ", other bytes, done")})
	var r Reader
	o := r.Read(conversation(l))
	if o == nil || !o.TLS[1].Conflict || o.TLS[0].Conflict || shown(&o.TLS[1]) != flight1+flight2+data {
		t.Errorf("%+v", o)
	}
	l = exchangeV1(1)
	l[1].b = l[1].b[:200]
	l[4].b = sourceV1(stream.ToClient, 2, 1, strings.Repeat("x", 400))[:200]
	c := conversation(l)
	c.Half[1].Cut = true
	if o = r.Read(c); o == nil || !o.TLS[1].Cut || shown(&o.TLS[1]) != flight1+strings.Repeat("x", 200-20)+"_" { // 20 bytes of headers
		t.Errorf("%q", shown(&o.TLS[1]))
	}
}

func TestSwapped(t *testing.T) {
	c := conversation(exchangeV2())
	c.Half[0], c.Half[1] = c.Half[1], c.Half[0]
	var r Reader
	o := r.Read(c)
	if o == nil || !o.Swapped || shown(&o.TLS[0]) != chello+answer+data || shown(&o.TLS[1]) != flight1+flight2+data {
		t.Errorf("%+v", o)
	}
}

func TestSniff(t *testing.T) {
	c, s := stream.ToServer, stream.ToClient
	for _, x := range []struct {
		name string
		b    []byte
		want stream.Sniff
	}{
		{"SYN", synOf(c, false, 2), stream.SniffClient},
		{"SYN, lossy", synOf(c, true, 2), stream.SniffClient},
		{"SYN, MS-RDPEUDP2", synOf(c, false, 0x0101), stream.SniffClient},
		{"SYN+ACK", synOf(s, false, 2), stream.SniffServer},
		{"a ClientHello", sourceV1(c, 1, 0, chello), stream.SniffClient},
		{"a ServerHello", sourceV1(s, 1, 3, flight1), stream.SniffServer},
		{"a ClientHello of DTLS", sourceV1(c, 1, 0, dtlsHello), stream.SniffClient},
		{"a HelloVerifyRequest", sourceV1(s, 1, 0, dtlsVerify), stream.SniffServer},
		{"a source packet", sourceV1(s, 2, 1, flight2), stream.SniffMaybe},
		{"a data packet of MS-RDPEUDP2", sourceV2(2, flag2ACK, flight2), stream.SniffMaybe},
		{"a SYN that is not padded", synOf(c, false, 2)[:80], stream.SniffNone},
		{"a SYN with another MTU", append(append(slices.Clone(synOf(c, false, 2)[:12]), 0x05, 0xdc), synOf(c, false, 2)[14:]...), stream.SniffNone},
		{"a SYN that acknowledges", append([]byte{0, 0, 0, 1}, synOf(c, false, 2)[4:]...), stream.SniffNone},
		{"an acknowledgment", unhex(t, "1097603703ff0404 00010400"), stream.SniffNone},
		{"DNS", []byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"), stream.SniffNone},
		{"nothing", nil, stream.SniffNone},
	} {
		if got := Sniff(x.b); got != x.want {
			t.Errorf("%s: %v, want %v", x.name, got, x.want)
		}
		for n := range x.b {
			if n < minMTU && x.want != stream.SniffMaybe && len(x.b) > minMTU && Sniff(x.b[:n]) != stream.SniffNone {
				t.Errorf("%s, the first %d bytes", x.name, n)
			}
		}
	}
}

func TestAsk(t *testing.T) {
	for name, list := range map[string][]said{"version 1": exchangeV1(1), "MS-RDPEUDP2": exchangeV2()} {
		c := &stream.Conversation{Transport: stream.UDP}
		for i, s := range list {
			h := &c.Half[s.dir]
			from := len(h.Data)
			h.Data = append(h.Data, s.b...)
			h.Marks = append(h.Marks, stream.Mark{From: uint32(from), To: uint32(len(h.Data))})
			if len(h.Data) < h.Want {
				t.Fatalf("it does not want datagram %d", i)
			}
			want := stream.More
			if i == len(list)-1 {
				want = stream.Enough // both sent data
			}
			if v := Ask(c, s.dir); v != want {
				t.Errorf("%s, datagram %d: %v", name, i, v)
			}
		}
	}
	c := conversation([]said{
		{0, synOf(0, true, 1)}, {1, synOf(1, true, 1)}, {0, sourceV1(0, 1, 0, dtlsHello)}, {1, sourceV1(1, 1, 0, dtlsData)}, {0, sourceV1(0, 2, 0, dtlsData)},
	})
	if Ask(c, 1) != stream.More || Ask(c, 0) != stream.Enough {
		t.Error("DTLS")
	}
}

func TestNothing(t *testing.T) {
	for name, l := range map[string][]said{
		"nothing": nil, "SYNs": exchangeV1(1)[:2], "data without a hello": without(exchangeV1(1), 2, 3),
	} {
		var r Reader
		if o := r.Read(conversation(l)); o != nil {
			t.Errorf("%s: %q %q", name, o.TLS[0].Data, o.TLS[1].Data)
		}
	}
}

func TestReadAllocates(t *testing.T) {
	c := conversation(exchangeV2())
	var r Reader
	r.Read(c)
	if n := testing.AllocsPerRun(100, func() { r.Read(c) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzRead(f *testing.F) {
	for _, l := range [][]said{exchangeV1(1), exchangeV2()} {
		var seeds [5][]byte
		for i := range seeds {
			seeds[i] = l[i].b
		}
		f.Add(seeds[0], seeds[1], seeds[2], seeds[3], seeds[4])
	}
	f.Fuzz(func(t *testing.T, a, b, c, d, e []byte) {
		var list []said
		for i, x := range [][]byte{a, b, c, d, e, c} {
			list = append(list, said{stream.Dir(i & 1), x})
			Sniff(x)
		}
		conv := conversation(list)
		Ask(conv, 0)
		Ask(conv, 1)
		var r Reader
		for range 2 {
			o := r.Read(conv)
			if o == nil {
				continue
			}
			for role := range o.TLS {
				h := &o.TLS[role]
				if len(h.Data) > len(conv.Half[0].Data)+len(conv.Half[1].Data)+1 {
					t.Fatalf("%d bytes", len(h.Data))
				}
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
		}
	})
}

func BenchmarkRead(b *testing.B) {
	c := conversation(exchangeV1(2))
	b.SetBytes(int64(len(c.Half[0].Data) + len(c.Half[1].Data)))
	b.ReportAllocs()
	var r Reader
	for b.Loop() {
		if r.Read(c) == nil {
			b.Fatal("nothing")
		}
	}
}

func BenchmarkSniff(b *testing.B) {
	for name, p := range map[string][]byte{"syn": synOf(0, false, 2), "other": append([]byte{0x40}, bytes.Repeat([]byte{0x77}, 1200)...)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Sniff(p)
			}
		})
	}
}
