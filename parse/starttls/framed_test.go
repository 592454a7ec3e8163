package starttls

import (
	"encoding/binary"
	"reflect"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// A framedDialog contains TLS in TDS packets or WebSocket frames.
type framedDialog struct {
	name string
	sent [2]string
	want Upgrade   // with From
	tls  [2]string // the TLS bytes
	open [2]bool   // Ask still follows the frames at the end
}

// ws returns a WebSocket frame with this first byte, and with a mask unless key is "".
func ws(first byte, key, data string) string {
	b := []byte{first, 0}
	switch n := len(data); {
	case n < 126:
		b[1] = byte(n)
	case n < 1<<16:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if key != "" {
		b[1] |= 0x80
		b = append(b, key...)
	}
	for i := range len(data) {
		c := data[i]
		if key != "" {
			c ^= key[i%4]
		}
		b = append(b, c)
	}
	return string(b)
}

// wsLong is ws without mask and with a 64-bit length.
func wsLong(first byte, data string) string {
	return string(binary.BigEndian.AppendUint64([]byte{first, 127}, uint64(len(data)))) + data
}

const (
	key       = "\x37\xfa\x21\x3d"
	socketGet = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Version: 13\r\n\r\n"
	socketOK = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// Records of a handshake.
var (
	helloClient = clientTLS + strings.Repeat("c", 52-len(clientTLS))
	helloServer = serverTLS + strings.Repeat("s", 54-len(serverTLS))
)

const (
	recordCCS      = "\x14\x03\x03\x00\x01\x01"
	recordKex      = "\x16\x03\x03\x00\x06\x10KEXCH"
	recordFinished = "\x16\x03\x03\x00\x28ENCRYPTED, BY ITS FIRST BYTE AND LENGTH." // 40
	recordAlert    = "\x15\x03\x03\x00\x02\x02\x28"
	recordWarning  = "\x15\x03\x03\x00\x02\x01\x70" // unrecognized_name
)

func recordData(n int) string {
	return string(binary.BigEndian.AppendUint16([]byte("\x17\x03\x03"), uint16(n))) + strings.Repeat("d", n)
}

func framedDialogs() []framedDialog {
	socket := func(from ...int) Upgrade {
		return Upgrade{Protocol: "websocket", Framed: true, From: [2]int{len(socketGet) + from[0], len(socketOK) + from[1]}}
	}
	pre := [2]string{tds(0x12, 1, prelogin), tds(0x04, 1, prelogin)}
	ofTDS := Upgrade{Protocol: "tds", Framed: true, From: [2]int{len(pre[0]), len(pre[1])}}
	refused := "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
	raw := "\x17\x03\x01\x00\x05LOGIN"
	full := both(helloClient+recordKex+recordCCS+recordFinished, helloServer+recordCCS+recordFinished)
	return []framedDialog{
		// The client's second record is in two packets. TLS continues without packets.
		{name: "tds", want: ofTDS,
			sent: both(pre[0]+tds(0x12, 1, helloClient)+tds(0x12, 0, recordKex[:7])+tds(0x12, 1, recordKex[7:])+raw,
				pre[1]+tds(0x12, 1, helloServer)+tds(0x04, 1, recordCCS)+raw+raw),
			tls: both(helloClient+recordKex+raw, helloServer+recordCCS+raw+raw)},
		{name: "tds with TLS for the login only", want: ofTDS,
			sent: both(pre[0]+tds(0x12, 1, helloClient)+raw+raw+tds(0x01, 1, "SELECT 1"),
				pre[1]+tds(0x12, 1, helloServer)+tds(0x04, 1, "\xe3\x1b\x00")),
			tls: both(helloClient+raw+raw, helloServer)},
		{name: "tds, SMP", want: ofTDS,
			sent: both(pre[0]+tds(0x12, 1, helloClient)+raw+"\x53\x01\x00\x00\x10\x00\x00\x00", pre[1]+tds(0x12, 1, helloServer)+raw),
			tls:  both(helloClient+raw, helloServer+raw)},
		{name: "tds, then noise", want: ofTDS, // the parser of TLS rejects the noise
			sent: both(pre[0]+tds(0x12, 1, helloClient)+raw+"noise", pre[1]+tds(0x12, 1, helloServer)+"noise"),
			tls:  both(helloClient+raw+"noise", helloServer+"noise")},

		{name: "websocket", want: socket(0, 0), sent: both(socketGet+ws(0x82, key, full[0]), socketOK+ws(0x82, "", full[1])), tls: full},
		{name: "websocket, more in the frame than the handshake", want: socket(0, 0), tls: both(full[0]+raw, full[1]+raw+raw),
			sent: both(socketGet+ws(0x82, key, full[0]+raw), socketOK+ws(0x82, "", full[1]+raw)+ws(0x82, "", raw))},
		{name: "websocket, no masks, long lengths", want: socket(0, 0), sent: both(socketGet+wsLong(0x82, full[0]), socketOK+wsLong(0x82, full[1])), tls: full},
		{name: "websocket, each byte in a frame", want: socket(0, 0), tls: full,
			sent: both(socketGet+apart(full[0], 0x82, 0x82, key), socketOK+apart(full[1], 2, 0, "")+ws(0x80, "", ""))},
		{name: "websocket with pings and empty frames before and between", want: socket(2*6+2, 2), tls: full,
			sent: both(socketGet+ws(0x8a, key, "")+ws(2, key, "")+ws(0x89, "", "")+ws(0, key, full[0][:3])+ws(0x8a, key, "pong")+ws(0, key, "")+ws(0x80, key, full[0][3:]),
				socketOK+ws(0x82, "", "")+ws(2, "", full[1][:60])+ws(0x89, "", "ping")+ws(0x80, "", full[1][60:])+ws(0x88, "", "\x03\xe8")+"noise")},
		{name: "websocket, a ping before", want: socket(8, 0), tls: full,
			sent: both(socketGet+ws(0x89, key, "\x82\x01")+ws(0x82, key, full[0]), socketOK+ws(0x82, "", full[1])+ws(0x81, "", "text"))},
		{name: "websocket, TLS 1.3", want: socket(0, 0), open: [2]bool{true, true},
			sent: both(socketGet+ws(0x82, key, helloClient)+ws(0x82, key, recordCCS+recordData(53)), socketOK+ws(0x82, "", helloServer+recordCCS+recordData(900))),
			tls:  both(helloClient+recordCCS+recordData(53), helloServer+recordCCS+recordData(900))},
		{name: "websocket, TLS 1.3 with a HelloRetryRequest", want: socket(0, 0), open: [2]bool{true, true},
			sent: both(socketGet+ws(0x82, key, helloClient+recordCCS+helloClient)+ws(0x82, key, recordData(53)),
				socketOK+ws(0x82, "", helloServer+recordCCS)+ws(0x82, "", helloServer+recordData(900))),
			tls: both(helloClient+recordCCS+helloClient+recordData(53), helloServer+recordCCS+helloServer+recordData(900))},
		{name: "websocket, an alert", want: socket(0, 0), open: [2]bool{true, false},
			sent: both(socketGet+ws(0x82, key, helloClient), socketOK+ws(0x82, "", recordAlert)), tls: both(helloClient, recordAlert)},
		{name: "websocket, a warning", want: socket(0, 0), open: [2]bool{true, true},
			sent: both(socketGet+ws(0x82, key, helloClient), socketOK+ws(0x82, "", recordWarning+helloServer)), tls: both(helloClient, recordWarning+helloServer)},
		{name: "websocket, on the second try", want: Upgrade{Protocol: "websocket", Framed: true, From: [2]int{2 * len(socketGet), len(refused) + len(socketOK)}}, tls: full,
			sent: both(socketGet+socketGet+ws(0x82, key, full[0]), refused+socketOK+ws(0x82, "", full[1]))},
		{name: "websocket behind proxies", tls: full,
			want: Upgrade{Protocol: "websocket", Chain: []string{"proxy", "socks", "connect", "websocket"}, Target: "server.example.com:443", Framed: true,
				From: [2]int{len(proxyV1Line+socks5Dialog[0]+connectDialog[0]) + len(socketGet), len(socks5Dialog[1]+connectDialog[1]) + len(socketOK)}},
			sent: both(proxyV1Line+socks5Dialog[0]+connectDialog[0]+socketGet+ws(0x82, key, full[0]), socks5Dialog[1]+connectDialog[1]+socketOK+ws(0x82, "", full[1]))},
		{name: "websocket, a frame longer than all that is kept", want: socket(0, 0), tls: full,
			sent: both(socketGet+"\x82\x7f\x00\x00\x7f\xff\xff\xff\xff\xff"+full[0], socketOK+"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"+full[1])},
	}
}

// apart returns one frame for each byte.
func apart(s string, first, others byte, key string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteString(ws(first, key, s[i:i+1]))
		first = others
	}
	return b.String()
}

func TestFramed(t *testing.T) {
	t.Parallel()
	for _, x := range framedDialogs() {
		t.Run(x.name, func(t *testing.T) {
			c := conversation(x.sent, 1433)
			u, ok := Find(c)
			if !ok || !reflect.DeepEqual(u, x.want) {
				t.Fatalf("Find = %+v, %v; want %+v, true", u, ok, x.want)
			}
			for d := range c.Half {
				var out stream.Half
				h := &c.Half[d]
				// One mark for each byte of the first half, and one for the rest.
				h.Marks = h.Marks[:0]
				half := len(h.Data) / 2
				for i := range half {
					h.Marks = append(h.Marks, stream.Mark{From: uint32(i), To: uint32(i + 1), Packet: uint64(i + 1)})
				}
				h.Marks = append(h.Marks, stream.Mark{From: uint32(half), To: uint32(len(h.Data)), Packet: 1 << 20})
				u.Unframe(stream.Dir(d), h, &out)
				if string(out.Data) != x.tls[d] {
					t.Errorf("half %d: got %q, want %q", d, out.Data, x.tls[d])
				}
				if string(h.Data) != x.sent[d] {
					t.Errorf("half %d: Unframe changed its input", d)
				}
				at := 0
				for _, m := range out.Marks {
					if int(m.From) != at || m.Packet < 1<<20 && m.To != m.From+1 {
						t.Errorf("half %d: got mark %+v, want From %d", d, m, at)
					}
					if m.Packet < 1<<20 && x.want.Protocol == "tds" && out.Data[m.From] != h.Data[m.Packet-1] {
						t.Errorf("half %d: mark %+v names the wrong packet", d, m)
					}
					at = int(m.To)
				}
				if at != len(out.Data) || out.Cut || len(out.Gaps) > 0 {
					t.Errorf("half %d: got marks to %d, cut %v, gaps %v; want marks to %d, no cut, no gaps", d, at, out.Cut, out.Gaps, len(out.Data))
				}
				alone := x.sent
				alone[1-d] = ""
				if u, ok := Find(conversation(alone, 0)); !ok || u.Protocol != x.want.Protocol || u.From[d] != x.want.From[d] || u.From[1-d] != 0 {
					t.Errorf("half %d alone: Find = %+v, %v; want %s from %d", d, u, ok, x.want.Protocol, x.want.From[d])
				}
			}
			o := feed(x.sent, bytewise)
			for d := range o {
				if o[d].done == x.open[d] || o[d].ready || o[d].verdict == stream.Refuse {
					t.Errorf("half %d: got %+v, want done %v", d, o[d], !x.open[d])
				}
			}
		})
	}
}

// TestFramedEnough checks that Ask returns Enough at the end of a handshake, for
// different sizes of frames.
func TestFramedEnough(t *testing.T) {
	t.Parallel()
	const client, server = stream.ToServer, stream.ToClient
	type turn struct {
		d    stream.Dir
		data string
	}
	early := helloClient + recordData(100) + recordData(60)
	for _, x := range []struct {
		name  string
		turns []turn
	}{
		{"TLS 1.2", []turn{{client, helloClient}, {server, helloServer}, {client, recordKex + recordCCS + recordFinished}, {server, recordCCS + recordFinished}}},
		{"TLS 1.2, resumed", []turn{{client, helloClient}, {server, helloServer + recordCCS + recordFinished}, {client, recordCCS + recordFinished}}},
		{"TLS 1.3", []turn{{client, helloClient}, {server, helloServer + recordCCS + recordData(900)}, {client, recordCCS + recordData(53)}}},
		{"TLS 1.3, retried", []turn{{client, helloClient}, {server, helloServer + recordCCS}, {client, recordCCS + helloClient}, {server, helloServer + recordData(30) + recordData(900)}, {client, recordData(69)}}},
		{"TLS 1.3 with early data", []turn{{client, early}, {server, helloServer + recordCCS + recordData(900)}, {client, recordData(21)}, {server, recordData(200)}}},
		{"TLS 1.3 with a client certificate", []turn{{client, helloClient}, {server, helloServer + recordData(900)}, {client, recordData(1200)}, {server, recordData(200)}}},
		{"server alert", []turn{{client, helloClient}, {server, recordAlert}}},
		{"client alert", []turn{{client, helloClient}, {server, helloServer}, {client, recordAlert}}},
	} {
		for _, size := range []int{1, 7, 1 << 14} { // bytes in a frame
			c := conversation(both("", ""), 0)
			v := stream.More
			say := func(d stream.Dir, s string) {
				h := &c.Half[d]
				for i := range len(s) {
					h.Data = append(h.Data, s[i])
					if len(h.Data) >= h.Want && !h.Done && v == stream.More {
						if v, _ = Ask(c, d); v == stream.Refuse {
							t.Fatalf("%s: got %v", x.name, v)
						}
					}
				}
			}
			say(client, socketGet)
			say(server, socketOK)
			for i, turn := range x.turns {
				if v != stream.More {
					t.Errorf("%s, frames of %d bytes, turn %d: got %v, want %v", x.name, size, i, v, stream.More)
				}
				for s := turn.data; s != ""; {
					n := min(size, len(s))
					k := key
					if turn.d == server {
						k = ""
					}
					say(turn.d, ws(0x82, k, s[:n]))
					s = s[n:]
				}
			}
			if v != stream.Enough {
				t.Errorf("%s, frames of %d bytes: got %v, want %v", x.name, size, v, stream.Enough)
			}
		}
	}
}

// TestFramedGaps checks that a gap inside a frame becomes a gap in the TLS stream, and
// that a gap with the start of a frame ends the stream.
func TestFramedGaps(t *testing.T) {
	t.Parallel()
	sent := both(socketGet+ws(0x82, key, helloClient)+ws(0x82, key, recordKex)+ws(0x82, key, recordCCS), "")
	first := len(socketGet) + 6
	for _, x := range []struct {
		name string
		gaps []stream.Gap
		want []stream.Gap
		tls  int
		cut  bool
	}{
		{"in a frame", []stream.Gap{{From: first + 10, To: first + 20}}, []stream.Gap{{From: 10, To: 20}}, 52 + 11 + 6, false},
		{"two in a frame", []stream.Gap{{From: first + 10, To: first + 20}, {From: first + 30, To: first + 40}}, []stream.Gap{{From: 10, To: 20}, {From: 30, To: 40}}, 69, false},
		{"to the end of a frame", []stream.Gap{{From: first + 10, To: first + 52}}, []stream.Gap{{From: 10, To: 52}}, 69, false},
		{"over the end of a frame", []stream.Gap{{From: first + 10, To: first + 53}}, []stream.Gap{{From: 10, To: 52}}, 52, true},
		{"in a mask", []stream.Gap{{From: first + 52 + 3, To: first + 52 + 4}}, nil, 52, true},
		{"in two frames", []stream.Gap{{From: first + 50, To: first + 52}, {From: first + 58, To: first + 59}}, []stream.Gap{{From: 50, To: 52}, {From: 52, To: 53}}, 69, false},
	} {
		c := conversation(sent, 0)
		h := &c.Half[0]
		h.Gaps = x.gaps
		for _, g := range x.gaps {
			clear(h.Data[g.From:g.To])
		}
		u, ok := Find(c)
		if !ok || u.From[0] != len(socketGet) {
			t.Errorf("%s: Find = %+v, %v; want TLS from %d", x.name, u, ok, len(socketGet))
			continue
		}
		out := stream.Half{Gaps: make([]stream.Gap, 3)}
		u.Unframe(0, h, &out)
		if len(out.Data) != x.tls || out.Cut != x.cut || len(out.Gaps) != len(x.want) || len(x.want) > 0 && !reflect.DeepEqual(out.Gaps, x.want) {
			t.Errorf("%s: got %d bytes, cut %v, gaps %v; want %d, %v, %v", x.name, len(out.Data), out.Cut, out.Gaps, x.tls, x.cut, x.want)
			continue
		}
		want := helloClient + recordKex + recordCCS
		for i := range out.Data {
			if !out.Missing(i, i+1) && out.Data[i] != want[i] {
				t.Errorf("%s: byte %d: got %q, want %q", x.name, i, out.Data[i], want[i])
				break
			}
		}
	}
}

// TestFramedLimits checks that Ask stops at a limit for streams that never end.
func TestFramedLimits(t *testing.T) {
	t.Parallel()
	heartbeat := "\x18\x03\x03\x00\x01x"
	for name, endless := range map[string]string{
		"records":         ws(0x82, key, strings.Repeat(heartbeat, 20)),
		"empty frames":    ws(0x82, key, ""),
		"pings":           ws(0x89, "", ""),
		"one-byte frames": apart(heartbeat, 0x82, 0x82, ""),
		"long records":    ws(0x82, key, recordData(1<<14)),
		"empty records":   ws(0x82, "", strings.Repeat("\x16\x03\x03\x00\x00", 1000)),
	} {
		for _, before := range []string{socketGet, socketGet + ws(0x82, key, helloClient)} {
			c := conversation(both(before+strings.Repeat(endless, 1+2*limitFramed/len(endless)), ""), 0)
			h := &c.Half[0]
			data := h.Data
			v := stream.More
			for n := 1; n <= len(data) && v == stream.More && !h.Done; n++ {
				if h.Data = data[:n]; n >= h.Want {
					v, _ = Ask(c, 0)
				}
			}
			if len(h.Data) > limitFramed+1<<14 || v == stream.More && !h.Done {
				t.Errorf("%s: still followed after %d bytes, want at most %d", name, len(h.Data), limitFramed+1<<14)
			}
		}
	}
}

func BenchmarkAskFramed(b *testing.B) {
	for name, endless := range map[string]string{"records": ws(0x82, key, recordData(1000)), "bytes": apart("\x18\x03\x03\x00\x01x", 0x82, 0x82, ""), "pings": ws(0x89, "", "")} {
		b.Run(name, func(b *testing.B) {
			c := conversation(both(socketGet+ws(0x82, key, helloClient)+strings.Repeat(endless, 60000/len(endless)), ""), 0)
			h := &c.Half[0]
			data := h.Data
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				h.Note, h.Want, h.Done = stream.Note{}, 1, false
				for n := 1; n <= len(data) && !h.Done; n++ {
					if h.Data = data[:n]; n >= h.Want {
						Ask(c, 0)
					}
				}
			}
		})
	}
}
