package dtls

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// unhex reads hex with spaces and line ends, and // comments.
func unhex(s string) []byte {
	var digits strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "//")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		panic(err)
	}
	return b
}

// A said is a datagram of one side.
type said struct {
	d stream.Dir
	b []byte
}

func client(s string) said { return said{stream.ToServer, unhex(s)} }
func server(s string) said { return said{stream.ToClient, unhex(s)} }

// conversation makes of datagrams what capture makes of them.
func conversation(in []said) *stream.Conversation {
	c := &stream.Conversation{Transport: stream.UDP, Client: netip.MustParseAddrPort("192.0.2.1:1024"), Server: netip.MustParseAddrPort("192.0.2.2:5684")}
	for i, s := range in {
		h := &c.Half[s.d]
		h.Packets++
		if len(s.b) == 0 {
			continue
		}
		from := len(h.Data)
		h.Data = append(h.Data, s.b...)
		h.Marks = append(h.Marks, stream.Mark{From: uint32(from), To: uint32(len(h.Data)), Packet: uint64(i + 1), Time: int64(i + 1)})
	}
	return c
}

// ask feeds datagrams to Ask as capture does, and returns its verdict and how
// many it took.
func ask(in []said) (stream.Decision, int) {
	c := conversation(nil)
	for i, s := range in {
		h := &c.Half[s.d]
		h.Packets++
		if len(s.b) == 0 || h.Done || len(h.Marks) >= stream.MaxMarks {
			continue
		}
		from := len(h.Data)
		h.Data = append(h.Data, s.b...)
		h.Marks = append(h.Marks, stream.Mark{From: uint32(from), To: uint32(len(h.Data)), Packet: uint64(i + 1), Time: int64(i + 1)})
		if len(h.Data) < h.Want {
			continue
		}
		if v := Ask(c, s.d); v != stream.More {
			return v, i + 1
		}
	}
	return stream.More, len(in)
}

// summary is an Opening in one line: what each side said, in order.
func summary(o *Opening) string {
	if o == nil {
		return "none"
	}
	var w []string
	add := func(ok bool, format string, a ...any) {
		if ok {
			w = append(w, fmt.Sprintf(format, a...))
		}
	}
	add(o.Swapped, "swapped")
	add(o.Capwap, "capwap")
	add(o.TURN, "turn")
	add(o.Restarts > 0, "restarts=%d", o.Restarts)
	add(o.Foreign > 0, "foreign=%d", o.Foreign)
	for role, s := range o.Said {
		w = append(w, []string{"client", "| server"}[role])
		for _, v := range s.Versions {
			add(true, "v%04x", v)
		}
		for _, m := range s.Messages {
			x := fmt.Sprintf("%d/%d:%d", m.Type, m.Seq, m.Length)
			if m.Missing {
				x += fmt.Sprintf("(%d)", len(m.Body))
			}
			if m.Split {
				x += "s"
			}
			w = append(w, x+fmt.Sprintf("@%d", m.Mark.Packet))
		}
		add(s.Verify != 0, "verify%04x", s.Verify)
		for _, a := range s.Alerts {
			add(true, "alert%d/%d", a.Level, a.Code)
		}
		for _, x := range []struct {
			name string
			seen Seen
		}{{"ccs", s.CCS}, {"handshake", s.Handshake}, {"data", s.Data}, {"alert", s.Alert}, {"cid", s.CID}, {"unified", s.Unified}, {"early", s.Early}} {
			add(x.seen.Count > 0, "%s*%d@%d", x.name, x.seen.Count, x.seen.First.Packet)
		}
		for _, r := range s.Records {
			add(true, "[%d e%d %d %x]", r.Type, r.Epoch, r.Length, r.ConnectionID)
		}
		add(s.ConnectionID != nil, "id=%x", s.ConnectionID)
	}
	add(o.Another, "another@%d", o.AnotherAt.Packet)
	for _, p := range o.Problems {
		w = append(w, fmt.Sprintf("!%d+%d %s: %s", p.From, p.Offset, p.Field, p.What))
	}
	return strings.Join(w, " ")
}

// Parts of the tables. Each hello has one suite and no more than it needs.
const (
	random1 = "01010101 01010101 01010101 01010101 01010101 01010101 01010101 01010101"
	random2 = "02020202 02020202 02020202 02020202 02020202 02020202 02020202 02020202"

	// The Random of a HelloRetryRequest, RFC 8446 section 4.1.3.
	retry = "cf21ad74 e59a6111 be1d8c02 1e65b891 c2a21116 7abb8c5e 079e09e2 c8a8339c"

	// A ClientHello of DTLS 1.2 without cookie, 42 bytes.
	hello1 = `
		fe fd          // client_version
		` + random1 + `
		00             // session_id
		00             // cookie
		00 02 c0 2b    // cipher_suites
		01 00          // compression_methods
`
	// The same with a cookie of two bytes.
	hello1cookie = `
		fe fd
		` + random1 + `
		00
		02 aa bb
		00 02 c0 2b
		01 00`
	serverHello1 = `
		fe fd          // server_version
		` + random2 + `
		00             // session_id
		c0 2b          // cipher_suite
		00             // compression_method
`
)

// record1 makes a record of DTLS 1.2 or another version.
func recordOf(typ uint8, version, epoch uint16, seq uint64, body string) string {
	b := unhex(body)
	return fmt.Sprintf("%02x %04x %04x %012x %04x %x", typ, version, epoch, seq, len(b), b)
}

// messageOf makes a whole handshake message.
func messageOf(typ uint8, seq uint16, body string) string {
	return fragmentOf(typ, seq, body, 0, len(unhex(body)))
}

// head is the first n bytes of a datagram.
func head(s string, n int) string { return fmt.Sprintf("%x", unhex(s)[:n]) }

// fragmentOf makes the fragment [from, to) of a handshake message.
func fragmentOf(typ uint8, seq uint16, body string, from, to int) string {
	b := unhex(body)
	return fmt.Sprintf("%02x %06x %04x %06x %06x %x", typ, len(b), seq, from, to-from, b[from:to])
}

// plain makes a handshake record of epoch 0 of DTLS 1.2.
func plain(fragments ...string) string {
	return recordOf(RecordHandshake, version12, 0, 0, strings.Join(fragments, " "))
}

// A scene is a conversation and what is to be read of it.
type scene struct {
	name string
	in   []said
	want string
	ask  string // the verdict, and after how many datagrams
}

const (
	finished = "16 fefd 0001 000000000000 0028 0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000"
	data     = "17 fefd 0001 000000000001 0004 00000000"
	ccs      = "14 fefd 0000 000000000000 0001 01"
	verify   = `
		fe ff          // server_version
		02 aa bb       // cookie
`
	certificate = "00 00 05 00 00 02 30 00" // one certificate of two bytes
	keyExchange = "03 00 1d 04 01020304 0403 0002 abcd"
	stun        = "0001 0000 2112a442 000000000000000000000000"
	rtp         = "80 60 0001 00000001 00000001 aabbccdd"
)

// scenes are the table of what is read; it seeds the fuzz targets too.
func scenes() []scene {
	cookie := []said{
		client(plain(messageOf(1, 0, hello1))),
		server(recordOf(22, version10, 0, 0, messageOf(3, 0, verify))),
		client(plain(messageOf(1, 1, hello1cookie))),
		server(plain(messageOf(2, 1, serverHello1)) + plain(messageOf(11, 2, certificate), messageOf(12, 3, keyExchange)) + plain(messageOf(14, 4, ""))),
		client(plain(messageOf(16, 2, "04 05060708")) + ccs + finished),
		server(ccs + finished),
		client(data),
		server(data),
	}
	big := strings.Repeat("00 01 02 03 04 05 06 07", 50)
	parts := func(typ uint8, seq uint16, body string, cuts ...int) []said {
		var out []said
		for i := 0; i+1 < len(cuts); i += 2 {
			out = append(out, server(plain(fragmentOf(typ, seq, body, cuts[i], cuts[i+1]))))
		}
		return out
	}
	with := func(in []said, more ...said) []said { return append(in[:len(in):len(in)], more...) }
	open := []said{client(plain(messageOf(1, 0, hello1))), server(plain(messageOf(2, 0, serverHello1)))}
	cid1, cid2 := "0036 0003 02 c1c1", "0036 0002 01 c2"
	open13 := []said{
		client(plain(messageOf(1, 0, hello1+"0006 002b 0002 fefc"))),
		server(plain(messageOf(2, 0, "fefd"+random2+"00 1301 00 0006 002b 0002 fefc")) + unified("2e", "0001", 40) + unified("2e", "0002", 60)),
	}
	return []scene{
		{"cookie", cookie, "client vfefd 1/0:42@1 1/1:44@3 16/2:5@5 ccs*1@5 handshake*1@5 data*1@7 [22 e1 40 ] [23 e1 4 ] " +
			"| server vfeff vfefd 3/0:5@2 2/1:38@4 11/2:8@4 12/3:14@4 14/4:0@4 verifyfeff ccs*1@6 handshake*1@6 data*1@8 [22 e1 40 ] [23 e1 4 ]", "enough 6"},
		{"server seen as client", flip(cookie), "swapped client vfefd 1/0:42@1 1/1:44@3 16/2:5@5 ccs*1@5 handshake*1@5 data*1@7 [22 e1 40 ] [23 e1 4 ] " +
			"| server vfeff vfefd 3/0:5@2 2/1:38@4 11/2:8@4 12/3:14@4 14/4:0@4 verifyfeff ccs*1@6 handshake*1@6 data*1@8 [22 e1 40 ] [23 e1 4 ]", "enough 6"},
		{"no answer", []said{client(plain(messageOf(1, 0, hello1))), client(plain(messageOf(1, 0, hello1)))}, "client vfefd 1/0:42@1 | server", "more 2"},
		{"cookie, messages counted from 0 again", []said{cookie[0], cookie[1], client(plain(messageOf(1, 0, hello1cookie))), server(plain(messageOf(2, 0, serverHello1)))},
			"client vfefd 1/0:42@1 1/0:44@3 | server vfeff vfefd 3/0:5@2 2/0:38@4 verifyfeff", "more 4"},
		{"fragments in order", with(open, parts(11, 1, big, 0, 100, 100, 300, 300, 400)...), "client vfefd 1/0:42@1 | server vfefd 2/0:38@2 11/1:400s@5", "more 5"},
		{"fragments in another order", with(open, parts(11, 1, big, 300, 400, 0, 100, 100, 300)...), "client vfefd 1/0:42@1 | server vfefd 2/0:38@2 11/1:400s@5", "more 5"},
		{"overlapping fragments", with(open, parts(11, 1, big, 50, 200, 0, 100, 150, 400, 0, 400)...), "client vfefd 1/0:42@1 | server vfefd 2/0:38@2 11/1:400s@5", "more 6"},
		{"a fragment over two parts", with(open, parts(11, 1, big, 10, 20, 30, 40, 50, 60, 0, 400)...), "client vfefd 1/0:42@1 | server vfefd 2/0:38@2 11/1:400s@6", "more 6"},
		{"missing in the middle", with(open, parts(11, 1, big, 0, 100, 300, 400)...), "client vfefd 1/0:42@1 | server vfefd 2/0:38@2 11/1:400(100)s@4", "more 4"},
		{"missing at the start", with(open, parts(11, 1, big, 100, 400)...), "client vfefd 1/0:42@1 | server vfefd 2/0:38@2 11/1:400(0)@3", "more 3"},
		{"messages in another order", []said{open[0], server(plain(messageOf(11, 1, certificate))), open[1]}, "client vfefd 1/0:42@1 | server vfefd 2/0:38@3 11/1:8@2", "more 3"},
		{"retransmitted in other fragments", with(open, server(plain(messageOf(11, 1, big))), server(plain(fragmentOf(11, 1, big, 0, 150))), server(plain(fragmentOf(11, 1, big, 150, 400)))),
			"client vfefd 1/0:42@1 | server vfefd 2/0:38@2 11/1:400@3", "more 5"},
		{"repeat with other bytes", with(open, server(plain(messageOf(11, 1, certificate))), server(plain(messageOf(11, 1, "00 00 05 00 00 02 30 01")))),
			"client vfefd 1/0:42@1 | server vfefd 2/0:38@2 11/1:8@3 !1+121 handshake: a repeated fragment with other bytes; the first are kept", "more 4"},
		{"same message_seq, another message", with(open, server(plain(messageOf(11, 1, certificate))), server(plain(messageOf(12, 1, keyExchange)))),
			"client vfefd 1/0:42@1 | server vfefd 2/0:38@2 11/1:8@3 !1+109 handshake: a message with the message_seq of another one", "more 4"},
		{"a fragmented hello, its end first", []said{client(plain(fragmentOf(1, 0, hello1, 20, 42))), client(plain(fragmentOf(1, 0, hello1, 0, 20)))}, "client vfefd 1/0:42s@2 | server", "more 2"},
		{"alert", []said{open[0], server(recordOf(21, version12, 0, 0, "02 28"))}, "client vfefd 1/0:42@1 | server vfefd alert2/40", "enough 2"},
		{"warning", []said{open[0], server(recordOf(21, version12, 0, 0, "01 5a"))}, "client vfefd 1/0:42@1 | server vfefd alert1/90", "more 2"},
		{"encrypted alert", with(cookie[:5], server(recordOf(21, version12, 1, 0, strings.Repeat("00", 26)))),
			"client vfefd 1/0:42@1 1/1:44@3 16/2:5@5 ccs*1@5 handshake*1@5 [22 e1 40 ] | server vfeff vfefd 3/0:5@2 2/1:38@4 11/2:8@4 12/3:14@4 14/4:0@4 verifyfeff alert*1@6 [21 e1 26 ]", "more 6"}, // the Finished before it may be late
		{"resumed", with(open, server(ccs+finished), client(ccs+finished)), "client vfefd 1/0:42@1 ccs*1@4 handshake*1@4 [22 e1 40 ] | server vfefd 2/0:38@2 ccs*1@3 handshake*1@3 [22 e1 40 ]", "enough 4"},
		{"data before Finished", with(cookie[:5], server(data), cookie[5]), "client vfefd 1/0:42@1 1/1:44@3 16/2:5@5 ccs*1@5 handshake*1@5 [22 e1 40 ] " +
			"| server vfeff vfefd 3/0:5@2 2/1:38@4 11/2:8@4 12/3:14@4 14/4:0@4 verifyfeff ccs*1@7 handshake*1@7 data*1@6 [23 e1 4 ] [22 e1 40 ]", "enough 7"},
		{"a ticket that its Finished overtook", with(cookie[:5], server("14 fefd 0000 000000000002 0001 01"+finished), server(recordOf(22, version12, 0, 1, messageOf(4, 5, "00000000 0002 abcd")))),
			"client vfefd 1/0:42@1 1/1:44@3 16/2:5@5 ccs*1@5 handshake*1@5 [22 e1 40 ] " +
				"| server vfeff vfefd 3/0:5@2 2/1:38@4 11/2:8@4 12/3:14@4 14/4:0@4 4/5:8@7 verifyfeff ccs*1@6 handshake*1@6 [22 e1 40 ]", "enough 7"},
		{"a record that never comes", with(cookie[:5], server("14 fefd 0000 000000000007 0001 01"+finished), server(data+data+data), server(data+data+data+data)),
			"client vfefd 1/0:42@1 1/1:44@3 16/2:5@5 ccs*1@5 handshake*1@5 [22 e1 40 ] " +
				"| server vfeff vfefd 3/0:5@2 2/1:38@4 11/2:8@4 12/3:14@4 14/4:0@4 verifyfeff ccs*1@6 handshake*1@6 data*7@7 [22 e1 40 ]" + strings.Repeat(" [23 e1 4 ]", 7), "enough 8"},
		{"renegotiation", with(cookie, client(finished+finished), server(finished)), "client vfefd 1/0:42@1 1/1:44@3 16/2:5@5 ccs*1@5 handshake*3@5 data*1@7 [22 e1 40 ] [23 e1 4 ] [22 e1 40 ] [22 e1 40 ] " +
			"| server vfeff vfefd 3/0:5@2 2/1:38@4 11/2:8@4 12/3:14@4 14/4:0@4 verifyfeff ccs*1@6 handshake*2@6 data*1@8 [22 e1 40 ] [23 e1 4 ] [22 e1 40 ]", "enough 6"},
		{"another connection", with(cookie, client(plain(messageOf(1, 0, strings.ReplaceAll(hello1, "01010101", "07070707")))), server(plain(messageOf(2, 0, serverHello1)))),
			"client vfefd 1/0:42@1 1/1:44@3 16/2:5@5 ccs*1@5 handshake*1@5 data*1@7 [22 e1 40 ] [23 e1 4 ] " +
				"| server vfeff vfefd 3/0:5@2 2/1:38@4 11/2:8@4 12/3:14@4 14/4:0@4 verifyfeff ccs*1@6 handshake*1@6 data*1@8 [22 e1 40 ] [23 e1 4 ] another@9", "enough 6"},
		{"another connection of the server alone", with(open[1:], server(ccs+finished), server(plain(messageOf(2, 0, strings.ReplaceAll(serverHello1, "02020202", "08080808"))))),
			"client | server vfefd 2/0:38@1 ccs*1@2 handshake*1@2 [22 e1 40 ] another@3", "more 3"},
		{"the client began anew", []said{open[0], client(plain(messageOf(1, 0, strings.ReplaceAll(hello1, "01010101", "07070707")))), open[1]},
			"restarts=1 client vfefd 1/0:42@2 | server vfefd 2/0:38@3", "more 3"},
		{"beside STUN and RTP", []said{open[0], client(stun), server(stun), open[1], server(rtp), server(ccs + finished), client(rtp), client(ccs + finished)},
			"foreign=4 client vfefd 1/0:42@1 ccs*1@8 handshake*1@8 [22 e1 40 ] | server vfefd 2/0:38@4 ccs*1@6 handshake*1@6 [22 e1 40 ]", "enough 8"},
		{"capwap", []said{client("01 000000" + plain(messageOf(1, 0, hello1))), server("01 000000" + plain(messageOf(2, 0, serverHello1)) + "01 000000" + plain(messageOf(14, 1, "")))},
			"capwap client vfefd 1/0:42@1 | server vfefd 2/0:38@2 14/1:0@2", "more 2"},
		{"before the standard", []said{client(recordOf(22, version01, 0, 0, messageOf(1, 0, "0100"+random1+"00 02 aabb 0002 0035 01 00"))), server(recordOf(22, version01, 0, 0, messageOf(2, 0, "0100"+random2+"00 0035 00")) + recordOf(20, version01, 0, 1, "01 0001"))},
			"client v0100 1/0:44@1 | server v0100 2/0:38@2 ccs*1@2", "more 2"},
		{"connection IDs", []said{client(plain(messageOf(1, 0, hello1+"0007"+cid1))), server(plain(messageOf(2, 0, serverHello1+"0006"+cid2))),
			client(ccs + "19 fefd 0001 000000000000 c2 0020" + strings.Repeat("00", 32)), server(ccs + "19 fefd 0001 000000000000 c1c1 0021" + strings.Repeat("00", 33) + "19 fefd 0001 000000000001 c1c1 0011" + strings.Repeat("00", 17))},
			"client vfefd 1/0:51@1 ccs*1@3 cid*1@3 [25 e1 32 c2] id=c2 | server vfefd 2/0:46@2 ccs*1@4 cid*2@4 [25 e1 33 c1c1] [25 e1 17 c1c1] id=c1c1", "enough 4"},
		{"connection IDs of unknown length", []said{client(ccs + "19 fefd 0001 000000000000 c2c3c4 0020" + strings.Repeat("ff", 32))},
			"client vfefd ccs*1@1 cid*1@1 [25 e1 32 c2c3c4] id=c2c3c4 | server", "more 1"},
		{"two records with connection IDs of unknown length", []said{client("19 fefd 0001 000000000000 c2c3c4 0020" + strings.Repeat("ff", 32) + "19 fefd 0001 000000000000 c2c3c4 0010" + strings.Repeat("ff", 16))},
			"client cid*2@1 [25 e1 32 c2c3c4] [25 e1 16 c2c3c4] id=c2c3c4 | server", "more 1"},
		{"1.3", with(open13, client(unified("2e", "0000", 70)), server(unified("2f", "0000", 35))),
			"client vfefd 1/0:50@1 unified*1@3 [32 e2 70 ] | server vfefd 2/0:46@2 unified*3@2 [32 e2 40 ] [32 e2 60 ] [32 e3 35 ]", "enough 3"},
		{"1.3, HelloRetryRequest", []said{open13[0], server(plain(messageOf(2, 0, "fefd"+retry+"00 1301 00 0006 002b 0002 fefc"))), client(recordOf(22, version12, 0, 1, messageOf(1, 1, hello1+"0006 002b 0002 fefc"))),
			server(recordOf(22, version12, 0, 1, messageOf(2, 1, "fefd"+random2+"00 1301 00 0006 002b 0002 fefc")) + unified("2e", "0000", 40)), server(recordOf(22, version12, 0, 2, messageOf(2, 1, "fefd"+random2+"00 1301 00 0006 002b 0002 fefc"))), client(unified("2e", "0000", 70))},
			"client vfefd 1/0:50@1 1/1:50@3 unified*1@6 [32 e2 70 ] | server vfefd 2/0:46@2 2/1:46@4 unified*1@4 [32 e2 40 ]", "enough 6"},
		{"1.3, plaintext ACK", []said{open13[0], server(recordOf(26, version12, 0, 0, "0010 0000000000000000 0000000000000000"))}, "client vfefd 1/0:50@1 | server vfefd", "more 2"},
		{"1.3, an ACK before the end", with(open13, client(unified("2e", "0000", 35)), client(unified("2e", "0001", 70))),
			"client vfefd 1/0:50@1 unified*2@3 [32 e2 35 ] [32 e2 70 ] | server vfefd 2/0:46@2 unified*2@2 [32 e2 40 ] [32 e2 60 ]", "enough 4"},
		{"1.3, early data", []said{open13[0], client("21 00" + strings.Repeat("ee", 30)), open13[1], client("2a 0000" + strings.Repeat("ee", 70))},
			"client vfefd 1/0:50@1 unified*2@2 early*1@2 [32 e1 30 ] [32 e2 70 ] | server vfefd 2/0:46@3 unified*2@3 [32 e2 40 ] [32 e2 60 ]", "enough 4"},
		{"1.3, connection IDs", []said{client(plain(messageOf(1, 0, hello1+"0007"+cid1))), server(plain(messageOf(2, 0, serverHello1+"0006"+cid2)) + "3e c1c1 0001 0028" + strings.Repeat("ee", 40) + "3e c1c1 0002 0014" + strings.Repeat("ee", 20)),
			client("32 c2 00" + strings.Repeat("ee", 70))},
			"client vfefd 1/0:51@1 unified*1@3 [32 e2 70 c2] id=c2 | server vfefd 2/0:46@2 unified*2@2 [32 e2 40 c1c1] [32 e2 20 c1c1] id=c1c1", "enough 3"},
		{"1.3, connection ID of unknown length", []said{client("32 c2 00" + strings.Repeat("ee", 70)), client("36 c2c3 00 0030" + strings.Repeat("ff", 48))},
			"client unified*2@1 [32 e2 -1 ] [32 e2 48 c2c3] id=c2c3 | server", "more 2"},
	}
}

// unified makes a record under a unified header with 16 bits of number and a
// length, of n bytes.
func unified(first, seq string, n int) string {
	return fmt.Sprintf("%s %s %04x %s", first, seq, n, strings.Repeat("ee", n))
}

func flip(in []said) []said {
	var out []said
	for _, s := range in {
		out = append(out, said{s.d.Opposite(), s.b})
	}
	return out
}

var verdictNames = map[stream.Decision]string{stream.More: "more", stream.Enough: "enough", stream.Refuse: "refuse"}

func TestRead(t *testing.T) {
	var r Reader // one for all, as it is used
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			if got := summary(r.Read(conversation(s.in))); got != s.want {
				t.Errorf("got  %s\nwant %s", got, s.want)
			}
			v, n := ask(s.in)
			if got := fmt.Sprint(verdictNames[v], " ", n); got != s.ask {
				t.Errorf("asked: %s, want %s", got, s.ask)
			}
		})
	}
}
