package dtls

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pfsight/capture/stream"
)

// TestMalformed begins with what is well formed, so that the rest cannot pass
// by accident.
func TestMalformed(t *testing.T) {
	const bare = "client vfefd 1/0:42@1 | server"
	valid := plain(messageOf(1, 0, hello1))
	for _, c := range []struct {
		name, datagram, want string
	}{
		{"valid", valid, bare},
		{"bytes behind the record", valid + "00", bare + " !0+67 record: malformed"},
		{"the record is longer than the datagram", "16 fefd 0000 000000000000 0040" + messageOf(1, 0, hello1), bare + " !0+0 record.length: malformed"},
		{"the record is shorter than the fragment", "16 fefd 0000 000000000000 0020" + head(messageOf(1, 0, hello1), 32), "client vfefd 1/0:42(20)@1 | server !0+13 handshake.fragment_length: malformed"},
		{"a message header that is cut", plain("0100002a0000"), "client vfefd | server !0+13 handshake: malformed"},
		{"a fragment beyond its message", plain("01 00002a 0000 000001 00002a" + hello1), "client vfefd | server !0+13 handshake.fragment_length: malformed"},
		{"a fragment of nothing", plain("01 00002a 0000 000000 000000"), "client vfefd | server !0+13 handshake.fragment_length: malformed"},
		{"a message of 16 MB", plain("0b ffffff 0001 000000 000002 0000", messageOf(1, 0, hello1)), bare + " !0+13 handshake: a message that claims to be longer than 256 KiB"},
		{"a record of 64 KB", "16 fefd 0000 000000000000 ffff" + messageOf(1, 0, hello1), "none"},
		{"an unknown version", "16 0303 0000 000000000000 0036" + messageOf(1, 0, hello1), "none"},
		{"an unknown content type", "1b fefd 0000 000000000000 0036" + messageOf(1, 0, hello1), "none"},
		{"a connection ID in epoch 0", "19 fefd 0000 000000000000 0036" + messageOf(1, 0, hello1), "none"},
		{"an alert that is too long", valid + recordOf(21, version12, 0, 1, "02 28 00"), bare + " !0+80 alert: malformed"},
		{"a unified header and too few bytes", valid + "2e 0000 000f" + strings.Repeat("00", 15), bare + " !0+67 record: malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Reader
			in := []said{client(c.datagram)}
			if got := summary(r.Read(conversation(in))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			conv := conversation(in)
			conv.Half[0].Cut = true // by the capture: then it is no fault of the sender
			for _, p := range problems(r.Read(conv)) {
				if strings.Contains(c.name, "longer than the datagram") && p.What != "cut" {
					t.Errorf("a cut datagram: %v", p)
				}
			}
		})
	}
}

func problems(o *Opening) []Problem {
	if o == nil {
		return nil
	}
	return o.Problems
}

// TestPrefixes reads every prefix of every datagram in its place: a message
// is whole only where all its bytes are there.
func TestPrefixes(t *testing.T) {
	var r Reader
	for _, s := range scenes() {
		for i := range s.in {
			for n := range s.in[i].b {
				in := slices.Clone(s.in)
				in[i].b = in[i].b[:n]
				o := r.Read(conversation(in))
				check(t, conversation(in), o)
				ask(in)
				Sniff(in[i].b)
			}
		}
	}
	for n := range unhex(plain(messageOf(1, 0, hello1))) {
		o := r.Read(conversation([]said{{stream.ToServer, unhex(plain(messageOf(1, 0, hello1)))[:n]}}))
		if o != nil && len(o.Said[0].Messages) > 0 && !o.Said[0].Messages[0].Missing {
			t.Errorf("a ClientHello of %d bytes is whole", n)
		}
	}
}

// check holds an Opening against what is promised of any.
func check(t *testing.T, c *stream.Conversation, o *Opening) {
	t.Helper()
	if o == nil {
		return
	}
	if len(o.Problems) > 2*maxProblems {
		t.Errorf("%d problems", len(o.Problems))
	}
	for role := range o.Said {
		s := &o.Said[role]
		if len(s.Messages) > maxMessages || len(s.Records) > maxRecords || len(s.Alerts) > maxAlerts || len(s.Versions) > maxVersions {
			t.Error("a limit was passed")
		}
		h, total := &c.Half[s.Dir], 0
		for i, m := range s.Messages {
			total += len(m.Body)
			if len(m.Body) > m.Length || m.Missing != (len(m.Body) < m.Length) || m.Length > maxMessage {
				t.Errorf("message %d of %d bytes has %d, missing %v", i, m.Length, len(m.Body), m.Missing)
			}
			if i > 0 && m.Seq < s.Messages[i-1].Seq {
				t.Error("messages are out of order")
			}
			if m.Offset+messageHeader > len(h.Data) || h.Data[m.Offset] != m.Type || binary.BigEndian.Uint16(h.Data[m.Offset+4:]) != m.Seq {
				t.Errorf("message %d does not lie at %d", i, m.Offset)
			}
		}
		if total > len(h.Data) {
			t.Errorf("%d bytes of messages from %d", total, len(h.Data))
		}
		for _, x := range s.Records {
			if x.Offset >= len(h.Data) {
				t.Error("a record behind the bytes")
			}
		}
	}
}

// TestAnyOrder cuts a flight into overlapping fragments, sends them in any
// order, some twice, and reads the same messages.
func TestAnyOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	bodies := [][]byte{unhex(serverHello1), bytes.Repeat([]byte("certificate"), 400), bytes.Repeat([]byte("key"), 100), nil}
	types := []uint8{2, 11, 12, 14}
	var r Reader
	for range 300 {
		var in []said
		for i, b := range bodies {
			piece := func(from, to int) {
				f := append([]byte{types[i]}, byte(len(b)>>16), byte(len(b)>>8), byte(len(b)), 0, byte(i), 0, byte(from>>8), byte(from), 0, byte((to-from)>>8), byte(to-from))
				in = append(in, server(plain(fmt.Sprintf("%x", append(f, b[from:to]...)))))
			}
			if len(b) == 0 {
				piece(0, 0)
			}
			for at := 0; at < len(b); {
				to := min(len(b), at+1+rnd.IntN(200))
				piece(max(0, at-rnd.IntN(50)), to)
				if rnd.IntN(4) == 0 {
					piece(at, to)
				}
				at = to
			}
		}
		rnd.Shuffle(len(in), func(i, j int) { in[i], in[j] = in[j], in[i] })
		c := conversation(in)
		o := r.Read(c)
		check(t, c, o)
		got := o.Said[stream.ToClient].Messages
		if len(got) != len(bodies) || len(o.Problems) > 0 {
			t.Fatalf("%d messages, problems %v", len(got), o.Problems)
		}
		for i, m := range got {
			if m.Type != types[i] || m.Missing || !bytes.Equal(m.Body, bodies[i]) {
				t.Fatalf("message %d: type %d, %d bytes, missing %v", i, m.Type, len(m.Body), m.Missing)
			}
			if last := completing(c, i, len(bodies[i])); m.Mark.Packet != last {
				t.Fatalf("message %d was complete with packet %d, not %d", i, last, m.Mark.Packet)
			}
		}
	}
}

// completing finds the packet that completed a message in the plainest way.
func completing(c *stream.Conversation, seq, length int) uint64 {
	seen, left := make([]bool, length), length
	h := &c.Half[stream.ToClient]
	for _, m := range h.Marks {
		b := h.Data[m.From:m.To]
		f, _ := readFragment(b[recordHeader:])
		if int(f.seq) != seq {
			continue
		}
		for i := f.off; i < f.off+f.len; i++ {
			if !seen[i] {
				seen[i] = true
				left--
			}
		}
		if left == 0 {
			return m.Packet
		}
	}
	return 0
}

// TestBounds reads what is made to cost much.
func TestBounds(t *testing.T) {
	full := func(record func(i int) []byte) []said {
		var in []said
		var b []byte
		for i := 0; len(b) < 128<<10; i++ {
			b = append(b, record(i)...)
			if len(b) > 60<<10 {
				in = append(in, said{stream.ToClient, b})
				if len(in) == 2 {
					break
				}
				b = nil
			}
		}
		return in
	}
	one := func(length, off int) []byte {
		b := []byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, 11, byte(length >> 16), byte(length >> 8), byte(length), 0, 1, byte(off >> 16), byte(off >> 8), byte(off), 0, 0, 1, 0xaa}
		return b
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		name   string
		record func(i int) []byte
	}{
		{"16 MB in bytes", func(i int) []byte { return one(1<<24-1, i) }},
		{"256 KiB in bytes", func(i int) []byte { return one(maxMessage, i) }},
		{"from its end", func(i int) []byte { return one(maxMessage, maxMessage-1-i) }},
		{"every second byte", func(i int) []byte { return one(maxMessage, 2*i) }},
		{"anywhere", func(int) []byte { return one(maxMessage, rnd.IntN(maxMessage)) }},
		{"the same byte", func(int) []byte { return one(maxMessage, 0) }},
		{"many messages", func(i int) []byte { b := one(1, 0); b[17], b[18] = byte(i>>8), byte(i); return b }},
		{"connection IDs", func(int) []byte { return unhex("19 fefd 0001 000000000000 0000") }},
		{"unified", func(int) []byte { return unhex("3c 00 0010" + strings.Repeat("3c", 16)) }},
		{"empty records", func(int) []byte { return unhex("16 fefd 0000 000000000000 0000") }},
		{"alerts", func(int) []byte { return unhex("15 fefd 0000 000000000000 0002 015a") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			conv := conversation(full(c.record))
			var r Reader
			start := time.Now()
			o := r.Read(conv)
			if d := time.Since(start); d > 500*time.Millisecond {
				t.Errorf("took %v", d)
			}
			check(t, conv, o)
			if held := cap(r.arena) + 16*(cap(r.side[1].pieces)+cap(r.side[1].again)) + 80*cap(r.side[1].entries); held > 1<<20 {
				t.Errorf("holds %d bytes", held)
			}
			start = time.Now()
			ask(full(c.record))
			if d := time.Since(start); d > 500*time.Millisecond {
				t.Errorf("asking took %v", d)
			}
		})
	}
}

// TestAskOnce counts the bytes that Ask looks at by what it remembers: all,
// and the end of each datagram.
func TestAskOnce(t *testing.T) {
	c := conversation(nil)
	h := &c.Half[0]
	for i := range stream.MaxMarks {
		from := len(h.Data)
		h.Data = append(h.Data, unhex(plain(messageOf(1, 0, hello1)))...)
		h.Marks = append(h.Marks, stream.Mark{From: uint32(from), To: uint32(len(h.Data)), Packet: uint64(i)})
		if v := Ask(c, 0); v != stream.More || h.Note.Offset != len(h.Data) || int(h.Note.State>>askShift) != i+1 || h.Want != len(h.Data)+1 {
			t.Fatalf("datagram %d: verdict %d, %+v, want %d", i, v, h.Note, h.Want)
		}
	}
}

func TestRefuse(t *testing.T) {
	var in []said
	for range 20 {
		in = append(in, client(stun), server(rtp))
	}
	if v, n := ask(in); v != stream.Refuse || n > 2*maxStrange {
		t.Errorf("verdict %d after %d", v, n)
	}
	in = nil
	for range 100 {
		in = append(in, client("16 fefd 0000 000000000000 0001 00"))
	}
	if v, n := ask(in); v != stream.Refuse || n > maxSilent {
		t.Errorf("verdict %d after %d", v, n)
	}
	// One direction with many protected records wants no more of it.
	c := conversation(nil)
	for range maxRecords {
		h := &c.Half[0]
		from := len(h.Data)
		h.Data = append(h.Data, unhex(data)...)
		h.Marks = append(h.Marks, stream.Mark{From: uint32(from), To: uint32(len(h.Data))})
		Ask(c, 0)
	}
	if !c.Half[0].Done || c.Half[1].Done {
		t.Error("many protected records and still more are wanted")
	}
}

// TestReuse reads one conversation after another: nothing of the first may be
// left, and nothing is allocated once the memory is there.
func TestReuse(t *testing.T) {
	var r Reader
	all := scenes()
	for range 2 {
		for _, s := range all {
			if got := summary(r.Read(conversation(s.in))); got != s.want {
				t.Errorf("%s: %s", s.name, got)
			}
		}
	}
	c := conversation(all[0].in)
	if n := testing.AllocsPerRun(100, func() { r.Read(c) }); n > 0 {
		t.Errorf("%v allocations a reading", n)
	}
}
