package starttls

import (
	"encoding/base64"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// gridFTP returns a GridFTP dialog with these tokens.
func gridFTP(client, server []string) [2]string {
	c, s := "AUTH GSSAPI\r\n", "220 host GridFTP Server ready.\r\n334 Using authentication type GSSAPI; ADAT must follow\r\n"
	for _, x := range client {
		c += "ADAT " + base64.StdEncoding.EncodeToString([]byte(x)) + "\r\n"
	}
	for i, x := range server {
		code := "335"
		if i == len(server)-1 {
			code = "235"
		}
		s += code + " ADAT=" + base64.StdEncoding.EncodeToString([]byte(x)) + "\r\n"
	}
	return both(c+"MIC FwMBACA=\r\n", s+"633 FwMBACA=\r\n")
}

// TestGridFTP extracts TLS from tokens of every length, and from every prefix.
func TestGridFTP(t *testing.T) {
	t.Parallel()
	tls := both(helloClient+recordKex+recordCCS+recordFinished, helloServer+recordCCS+recordFinished)
	for n := 3; n < len(tls[0]); n += 5 {
		var tokens [2][]string
		for d, s := range tls {
			for len(s) > 0 {
				k := min(n, len(s))
				tokens[d] = append(tokens[d], s[:k])
				s = s[k:]
			}
		}
		sent := gridFTP(tokens[0], tokens[1])
		c := conversation(sent, 2811)
		u, ok := Find(c)
		if !ok || u.Protocol != "ftp" || !u.Framed || u.From != [2]int{strings.Index(sent[0], "ADAT"), strings.Index(sent[1], "335 ADAT")} && len(tokens[1]) > 1 {
			t.Fatalf("tokens of %d bytes: Find = %+v, %v; want framed ftp from the first token on", n, u, ok)
		}
		for d := range c.Half {
			h, out := &c.Half[d], stream.Half{}
			h.Marks = nil
			for i := 0; i < len(h.Data); i += 7 {
				h.Marks = append(h.Marks, stream.Mark{From: uint32(i), To: uint32(min(i+7, len(h.Data))), Packet: uint64(i + 1)})
			}
			u.Unframe(stream.Dir(d), h, &out)
			if string(out.Data) != tls[d] || out.Cut || len(out.Gaps) > 0 {
				t.Fatalf("tokens of %d bytes, half %d: got %q, want %q", n, d, out.Data, tls[d])
			}
			at := uint32(0)
			for _, m := range out.Marks {
				if m.From != at {
					t.Fatalf("tokens of %d bytes, half %d: got mark %+v, want From %d", n, d, m, at)
				}
				at = m.To
			}
			if int(at) != len(out.Data) {
				t.Errorf("tokens of %d bytes, half %d: got marks to %d, want %d", n, d, at, len(out.Data))
			}
			for cut := range sent[d] {
				part := stream.Half{Data: []byte(sent[d][:cut])}
				u.Unframe(stream.Dir(d), &part, &out)
				if !strings.HasPrefix(tls[d], string(out.Data)) {
					t.Fatalf("tokens of %d bytes, half %d cut at %d: got %q, want a prefix of the TLS bytes", n, d, cut, out.Data)
				}
			}
		}
		o := feed(sent, bytewise)
		for d := range o {
			if !o[d].done || o[d].ready || o[d].verdict == stream.Refuse {
				t.Fatalf("tokens of %d bytes, half %d: got %+v, want done", n, d, o[d])
			}
		}
	}
}

// TestNoGridFTP reads Kerberos tokens, and lines that resemble tokens.
func TestNoGridFTP(t *testing.T) {
	t.Parallel()
	for _, sent := range [][2]string{
		both("AUTH GSSAPI\r\nADAT YIICaw==\r\nADAT YIICaw==\r\n", "220 ready\r\n334 go on\r\n335 ADAT=YIICaw==\r\n"),
		both("AUTH GSSAPI\r\nADAT\r\nADATFgMB\r\n", "220 ready\r\n334 go on\r\n335 FgMB\r\n"),
		both("ADAT F\r\nADAT Fg\r\n", "335 ADAT=F\r\n"),
	} {
		if u, ok := Find(conversation(sent, 21)); ok {
			t.Errorf("Find(%q) = %+v, want none", sent, u)
		}
		feed(sent, bytewise)
	}
}

// TestMidway starts in the middle of dialogs, at the request for TLS.
func TestMidway(t *testing.T) {
	t.Parallel()
	pkt := func(hello string) string { return tds(0x12, 1, hello) }
	for _, x := range []struct {
		name, protocol string
		sent           [2]string
		certain        bool // whether the client's first message is unmistakable
	}{
		{"TDS, PRELOGIN", "tds", both(tds(0x12, 1, prelogin)+pkt(helloClient), tds(0x04, 1, prelogin)+pkt(helloServer)), true},
		{"TDS, the first packet with TLS", "tds", both(pkt(helloClient), pkt(helloServer)), true},
		{"MySQL", "mysql", both(mysqlRequest+helloClient, helloServer), true},
		{"RDP", "rdp", both(rdpRequest+helloClient, rdpConfirm+helloServer), true},
		{"PostgreSQL", "postgresql", both(pgRequest+helloClient, "S"+helloServer), true},
		{"LDAP", "ldap", both(startTLSReq+helloClient, startTLSRsp+helloServer), true},
		{"SMTP", "smtp", both("STARTTLS\r\n"+helloClient, "220 2.0.0 Ready to start TLS\r\n"+helloServer), true},
		{"Exchange", "smtp", both("X-ANONYMOUSTLS\r\n"+helloClient, "220 2.0.0 SMTP server ready\r\n"+helloServer), true},
		{"IMAP", "imap", both("a002 STARTTLS\r\n"+helloClient, "a002 OK Begin TLS negotiation now\r\n"+helloServer), true},
		{"POP3", "pop3", both("STLS\r\n"+helloClient, "+OK Begin TLS\r\n"+helloServer), true},
		{"FTP", "ftp", both("AUTH TLS\r\n"+helloClient, "234 AUTH TLS OK.\r\n"+helloServer), true},
		{"NNTP", "nntp", both("STARTTLS\r\n"+helloClient, "382 Continue with TLS negotiation\r\n"+helloServer), true},
		{"XMPP", "xmpp", both("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"+helloClient, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"+helloServer), true},
		{"WebSocket", "websocket", both(socketGet+ws(0x82, key, helloClient), socketOK+ws(0x82, "", helloServer)), true},
	} {
		c := conversation(x.sent, map[string]uint16{"smtp": 587}[x.protocol]) // the port decides between SMTP and LMTP
		for d := range c.Half {
			c.Half[d].Midstream, c.Half[d].SYN = true, false
		}
		if u, ok := Find(c); !ok || u.Protocol != x.protocol {
			t.Errorf("%s: Find = %+v, %v; want %s", x.name, u, ok, x.protocol)
		}
		first := x.sent[0][:len(x.sent[0])-len(helloClient)]
		if x.protocol == "tds" {
			first = x.sent[0][:int(x.sent[0][2])<<8|int(x.sent[0][3])]
		} else if x.protocol == "websocket" {
			first = socketGet
		}
		if got := Sniff([]byte(first)); (got == stream.SniffClient) != x.certain {
			t.Errorf("%s: Sniff(%q) = %v, want SniffClient: %v", x.name, first, got, x.certain)
		}
	}
	if s := Sniff([]byte(pkt(helloServer))); s != stream.SniffServer {
		t.Errorf("the server's first TDS packet with TLS: got %v, want %v", s, stream.SniffServer)
	}
}
