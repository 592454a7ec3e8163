package starttls

import (
	"encoding/binary"
	"strings"

	"pfsight/capture/stream"
)

// The first TLS record of each direction.
const (
	clientTLS = "\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03CLIENTHELLO"
	serverTLS = "\x16\x03\x03\x00\x31\x02\x00\x00\x2d\x03\x03SERVERHELLO"
)

// A dialog is the plaintext before TLS of both sides.
type dialog struct {
	name   string
	want   Upgrade // without From, which is the length of sent
	sent   [2]string
	single [2]string // Protocol if only one direction is seen; "" for that of want, "-" for none
	port   uint16
}

// lines returns a dialog in the notation of RFCs: the client's lines begin with
// "C: ", the server's with "S: ". It ends each line with CRLF.
func lines(s string) (sent [2]string) {
	for l := range strings.Lines(s) {
		l = strings.TrimRight(strings.TrimLeft(l, "\t"), "\n")
		if t, ok := strings.CutPrefix(l, "C: "); ok {
			sent[0] += t + "\r\n"
		} else if t, ok := strings.CutPrefix(l, "S: "); ok {
			sent[1] += t + "\r\n"
		}
	}
	return sent
}

func both(client, server string) [2]string { return [2]string{client, server} }

// after returns dialog b after dialog a of a proxy.
func after(a, b [2]string) [2]string { return both(a[0]+b[0], a[1]+b[1]) }

var smtpDialog = lines(`
	S: 220 mail.imc.org SMTP service ready
	C: EHLO mail.example.com
	S: 250-mail.imc.org offers a warm hug of welcome
	S: 250-8BITMIME
	S: 250 STARTTLS
	C: STARTTLS
	S: 220 Go ahead`)

var (
	connectDialog = both("CONNECT server.example.com:443 HTTP/1.1\r\nHost: server.example.com:443\r\nProxy-Connection: keep-alive\r\n\r\n",
		"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n")
	socks5Dialog = both("\x05\x01\x00\x05\x01\x00\x03\x0bexample.com\x01\xbb", "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
	proxyV1Line  = "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"
	startTLSReq  = "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
	startTLSRsp  = "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
	pgRequest    = "\x00\x00\x00\x08\x04\xd2\x16\x2f"
	mysqlHello   = "\x4a\x00\x00\x00\x0a8.0.30\x00\x08\x00\x00\x00abcdefgh\x00\xff\xff\xff\x02\x00\xff\xdf\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00abcdefghijkl\x00caching_sha2_password\x00"
	mysqlRequest = "\x20\x00\x00\x01\x85\xae\xff\x19\x00\x00\x00\x01\xff" + strings.Repeat("\x00", 23)
	rdpRequest   = "\x03\x00\x00\x2c\x27\xe0\x00\x00\x00\x00\x00Cookie: mstshash=user12\r\n\x01\x00\x08\x00\x03\x00\x00\x00"
	rdpConfirm   = "\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x02\x1f\x08\x00\x02\x00\x00\x00"
	prelogin     = "\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff\x09\x00\x00\x00\x00\x00\x01"
)

// tds returns a TDS packet.
func tds(kind, status byte, data string) string {
	return string(binary.BigEndian.AppendUint16([]byte{kind, status}, uint16(tdsHeader+len(data)))) + "\x00\x00\x01\x00" + data
}

func proxyV2Header(command, family byte, data string) string {
	return string(binary.BigEndian.AppendUint16([]byte(proxyV2+string([]byte{0x20 | command, family})), uint16(len(data)))) + data
}

// dialogs returns dialogs that lead to TLS.
func dialogs() []dialog {
	one := func(p string) Upgrade { return Upgrade{Protocol: p} }
	nest := func(target string, p ...string) Upgrade {
		return Upgrade{Protocol: p[len(p)-1], Chain: p, Target: target}
	}
	to := func(p, target string) Upgrade { return Upgrade{Protocol: p, Target: target} }
	return []dialog{
		{name: "smtp", want: one("smtp"), sent: smtpDialog},
		{name: "smtp esmtp banner in two lines, lower case", want: one("smtp"), sent: lines(`
			S: 220-mx.example.net ESMTP
			S: 220 ready
			C: ehlo [192.0.2.1]
			S: 250 starttls
			C: starttls
			S: 220 2.0.0 Ready`)},
		{name: "smtp refused, then granted", want: one("smtp"), sent: lines(`
			S: 220 mx ESMTP
			C: EHLO a
			S: 250 STARTTLS
			C: STARTTLS
			S: 454 TLS not available due to temporary reason
			C: MAIL FROM:<a@example.com>
			S: 530 Must issue a STARTTLS command first
			C: RSET
			S: 250 OK
			C: STARTTLS
			S: 220 Go ahead`)},
		{name: "lmtp", want: one("lmtp"), sent: lines(`
			S: 220 foo.edu LMTP server ready
			C: LHLO foo.edu
			S: 250-foo.edu
			S: 250 STARTTLS
			C: STARTTLS
			S: 220 ready`)},
		{name: "imap", want: one("imap"), sent: lines(`
			S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready
			C: a001 CAPABILITY
			S: * CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED
			S: a001 OK CAPABILITY completed
			C: a002 STARTTLS
			S: a002 OK Begin TLS negotiation now`)},
		{name: "imap with literals", want: one("imap"), sent: lines(`
			S: * OK ready
			C: 1 id ("name" {9+}
			C: STARTTLS) NIL
			S: * ID ("name" {7}
			S: dove*OK)
			S: 1 OK done
			C: A1.2 starttls
			S: A1.2 OK go`)},
		{name: "imap tag of one mark", want: one("imap"), sent: lines(`
			S: * OK ready
			C: . CAPABILITY
			S: . OK done
			C: . STARTTLS
			S: . OK Begin TLS negotiation now`)},
		{name: "pop3", want: one("pop3"), sent: lines(`
			S: +OK POP3 server ready
			C: CAPA
			S: +OK Capability list follows
			S: STLS
			S: .
			C: STLS
			S: +OK Begin TLS negotiation`)},
		{name: "sieve", want: one("sieve"), port: 4190, single: [2]string{"sieve", "sieve"}, sent: lines(`
			S: "IMPLEMENTATION" "Example1 ManageSieved v001"
			S: "SASL" ""
			S: "STARTTLS"
			S: "VERSION" "1.0"
			S: OK
			C: StartTls
			S: OK "Begin TLS negotiation now."`)},
		{name: "ftp", want: one("ftp"), sent: lines(`
			S: 220 Test Server
			C: AUTH TLS
			S: 234 AUTH TLS successful`)},
		{name: "ftp after refused attempts", want: one("ftp"), sent: lines(`
			S: 220-Welcome
			S:  to the
			S: 220 server
			C: FEAT
			S: 211-Extensions
			S:  AUTH TLS
			S: 211 END
			C: AUTH GSSAPI
			S: 504 unknown
			C: USER joe
			S: 530 Non-anonymous sessions must use encryption.
			C: auth ssl
			S: 334 AUTH SSL`)},
		{name: "nntp", want: one("nntp"), sent: lines(`
			S: 200 news.example.net ready
			C: CAPABILITIES
			S: 101 Capability list:
			S: VERSION 2
			S: STARTTLS
			S: .
			C: STARTTLS
			S: 382 Continue with TLS negotiation`)},
		{name: "irc", want: one("irc"), sent: lines(`
			S: :irc.example.net NOTICE AUTH :*** Looking up your hostname
			C: CAP LS 302
			C: NICK joe
			C: USER joe 0 * :Joe
			S: :irc.example.net CAP * LS :tls sasl
			C: STARTTLS
			S: :irc.example.net 670 joe :STARTTLS successful, go ahead with TLS handshake`)},
		{name: "xmpp", want: one("xmpp"), sent: lines(`
			C: <?xml version='1.0'?><stream:stream from='juliet@im.example.com' to='im.example.com' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>
			S: <?xml version="1.0"?><stream:stream from="a>b" id='t7AMCin9zjMNwQKDnplntZPIDEI=' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>
			S: <stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>
			C: <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>
			S: <proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`)},
		{name: "xmpp of servers, without blanks", want: one("xmpp"), sent: both(
			"<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback'><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'></starttls>",
			"<stream:stream xmlns='jabber:server'><stream:features><starttls/></stream:features><proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")},
		{name: "ldap", want: one("ldap"), sent: both(startTLSReq, startTLSRsp)},
		{name: "ldap after a search, long lengths", want: one("ldap"), sent: both(
			"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"+
				"\x30\x84\x00\x00\x00\x21\x02\x01\x02\x77\x84\x00\x00\x00\x18\x80\x161.3.6.1.4.1.1466.20037",
			"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00\x30\x84\x00\x00\x00\x10\x02\x01\x02\x78\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00")},
		{name: "postgresql", want: one("postgresql"), sent: both(pgRequest, "S")},
		{name: "postgresql without GSS", want: one("postgresql"), sent: both("\x00\x00\x00\x08\x04\xd2\x16\x30"+pgRequest, "NS")},
		{name: "mysql", want: one("mysql"), sent: both(mysqlRequest, mysqlHello)},
		{name: "rdp", want: one("rdp"), sent: both(rdpRequest, rdpConfirm)},
		{name: "rdp without cookie", want: one("rdp"), sent: both("\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x0b\x00\x00\x00", rdpConfirm)},
		{name: "amqp", want: one("amqp"), sent: both(amqpTLS, amqpTLS)},
		{name: "sip", want: one("sip"), sent: both(
			"OPTIONS sip:example.com SIP/2.0\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n",
			"SIP/2.0 101 Switching Protocols\r\nUpgrade: TLS/1.0\r\n\r\n")},
		{name: "http", want: one("http"), sent: both(
			"OPTIONS * HTTP/1.1\r\nHost: printer:631\r\nConnection: Upgrade\r\nUpgrade: HTTP/2.0, TLS/1.2,TLS/1.1\r\n\r\n",
			"HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.2, HTTP/1.1\r\nConnection: Upgrade\r\n\r\n")},
		{name: "http on the second try", want: one("http"), sent: both(
			"GET / HTTP/1.1\r\nupgrade: TLS/1.2\r\ncontent-length: 3\r\n\r\nabcGET / HTTP/1.1\nUpgrade: tls\n\n",
			"HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.0\r\nContent-Length: 4\r\n\r\n\r\n\r\nHTTP/1.1 101 x\nUpgrade: TLS/1.0\n\n")},
		{name: "connect", want: to("connect", "server.example.com:443"), sent: connectDialog},
		{name: "connect with credentials on the second try", want: to("connect", "[2001:db8::1]:443"), sent: both(
			"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: a\r\n\r\nCONNECT [2001:db8::1]:443 HTTP/1.0\r\nProxy-Authorization: Basic YTpi\r\n\r\n",
			"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 9\r\n\r\nHTTP/1.1 HTTP/1.0 200 OK\r\n\r\n")},
		{name: "connect through two proxies", want: nest("b.example:25", "connect", "connect"), sent: both(
			"CONNECT a.example:3128 HTTP/1.1\r\n\r\nCONNECT b.example:25 HTTP/1.1\r\n\r\n",
			"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")},
		{name: "socks4", want: to("socks", "192.0.2.7:443"), sent: both("\x04\x01\x01\xbb\xc0\x00\x02\x07joe\x00", "\x00\x5a\x01\xbb\xc0\x00\x02\x07")},
		{name: "socks4a", want: to("socks", "example.com:443"), sent: both("\x04\x01\x01\xbb\x00\x00\x00\x01\x00example.com\x00", "\x00\x5a\x00\x00\x00\x00\x00\x00")},
		{name: "socks5", want: to("socks", "example.com:443"), sent: socks5Dialog},
		{name: "socks5 with a password", want: to("socks", "[2001:db8::5]:993"), sent: both(
			"\x05\x02\x00\x02\x01\x03joe\x06secret\x05\x01\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x03\xe1",
			"\x05\x02\x01\x00\x05\x00\x00\x03\x05proxy\x10\x00")},
		{name: "proxy v1", want: to("proxy", "192.168.0.11:443"), sent: both(proxyV1Line, ""), single: [2]string{"", "-"}},
		{name: "proxy v1, IPv6", want: to("proxy", "[2001:db8::2]:443"), sent: both("PROXY TCP6 2001:db8::1 2001:db8::2 4000 443\r\n", ""), single: [2]string{"", "-"}},
		{name: "proxy v1 unknown", want: one("proxy"), sent: both("PROXY UNKNOWN\r\n", ""), single: [2]string{"", "-"}},
		{name: "proxy v2", want: to("proxy", "10.0.0.2:443"), single: [2]string{"", "-"},
			sent: both(proxyV2Header(1, 0x11, "\x0a\x00\x00\x01\x0a\x00\x00\x02\x10\x00\x01\xbb\x03\x00\x04\x01\x02\x03\x04"), "")},
		{name: "proxy v2 local", want: one("proxy"), sent: both(proxyV2Header(0, 0, ""), ""), single: [2]string{"", "-"}},
		{name: "proxy v2 unix", want: one("proxy"), sent: both(proxyV2Header(1, 0x31, strings.Repeat("/", 216)), ""), single: [2]string{"", "-"}},
		{name: "proxy, then smtp", want: nest("192.168.0.11:443", "proxy", "smtp"), sent: after(both(proxyV1Line, ""), smtpDialog), single: [2]string{"", "smtp"}},
		{name: "connect, then smtp", want: nest("server.example.com:443", "connect", "smtp"), sent: after(connectDialog, smtpDialog)},
		{name: "socks, then postgresql", want: nest("example.com:443", "socks", "postgresql"), sent: after(socks5Dialog, both(pgRequest, "S"))},
		{name: "proxy, socks, connect, mysql", want: nest("server.example.com:443", "proxy", "socks", "connect", "mysql"), single: [2]string{"", "mysql"},
			sent: after(after(after(both(proxyV2Header(0, 0, ""), ""), socks5Dialog), connectDialog), both(mysqlRequest, mysqlHello))},
	}
}

// refusals returns dialogs that do not lead to TLS, although some contain it.
func refusals() []dialog {
	t := clientTLS
	return []dialog{
		{name: "smtp in plain", sent: lines("S: 220 a SMTP\nC: EHLO a\nS: 250 STARTTLS\nC: AUTH PLAIN AGEAYg==\nS: 235 ok")},
		{name: "mail in plain", sent: lines("S: 220 a SMTP\nC: HELO a\nS: 250 a\nC: MAIL FROM:<>\nC: RCPT TO:<a>\nC: DATA\nS: 354 go")},
		{name: "pop3 in plain", sent: lines("S: +OK\nC: USER a\nS: +OK\nC: PASS b\nS: +OK")},
		{name: "imap in plain", sent: lines("S: * OK\nC: a CAPABILITY\nC: b LOGIN joe secret\nS: b OK")},
		{name: "ftp in plain", sent: lines("S: 220 ftp\nC: USER a\nS: 331 Password\nC: PASS b\nS: 230 in")},
		{name: "nntp in plain", sent: lines("S: 200 news\nC: MODE READER\nS: 200 ok\nC: GROUP misc.test")},
		{name: "irc in plain", sent: lines("S: :a NOTICE AUTH :x\nC: NICK a\nC: USER a 0 * :A\nC: JOIN #a")},
		{name: "sieve in plain", sent: lines("S: \"IMPLEMENTATION\" \"x\"\nS: OK\nC: AUTHENTICATE \"PLAIN\" \"AA==\"")},
		{name: "TLS without a command", sent: both("EHLO a\r\n"+t, "220 a SMTP\r\n")},
		{name: "xmpp in plain", sent: both("<?xml version='1.0'?><stream:stream><auth mechanism='PLAIN'>AA==</auth>", "<stream:stream><stream:features/>")},
		{name: "TLS in xmpp without a tag", sent: both("<stream:stream>"+t, "")},
		{name: "not xmpp", sent: both("<?xml version='1.0'?><html>", "")},
		{name: "ldap bind with a password", sent: both("\x30\x12\x02\x01\x01\x60\x0d\x02\x01\x03\x04\x02cn\x80\x04pass"+startTLSReq+t, "")},
		{name: "postgresql in plain", sent: both(pgRequest+"\x00\x00\x00\x09\x00\x03\x00\x00\x00", "N")},
		{name: "mysql in plain", sent: both("\x54\x00\x00\x01\x85\xa6\xff\x01"+strings.Repeat("\x00", 80), mysqlHello)},
		{name: "rdp without TLS", sent: both("\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x00\x00\x00\x00", "")},
		{name: "rdp failure", sent: both(rdpRequest, "\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x03\x00\x08\x00\x05\x00\x00\x00")},
		{name: "tds in plain", sent: both(tds(0x12, 1, prelogin)+tds(0x10, 1, "LOGIN7"), tds(0x04, 1, prelogin))},
		{name: "amqp in plain", sent: both("AMQP\x00\x01\x00\x00", "")},
		{name: "http after connect", sent: both(connectDialog[0]+"GET / HTTP/1.1\r\n\r\n", connectDialog[1])},
		{name: "plain http", sent: both("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<htm")},
		{name: "upgrade to another protocol", sent: both("GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", "")},
		{name: "socks5 refused", sent: both("", "\x05\x00\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00")},
		{name: "socks5 without a method", sent: both("\x05\x01\x00", "\x05\xff")},
		{name: "socks4 refused", sent: both("", "\x00\x5b\x00\x00\x00\x00\x00\x00")},
		{name: "socks bind", sent: both("\x05\x01\x00\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00", "")},
		{name: "ssh", sent: both("SSH-2.0-OpenSSH_9.6\r\n", "SSH-2.0-OpenSSH_9.6\r\n")},
		{name: "long line", sent: both("EHLO "+strings.Repeat("a", maxLine)+"\r\nSTARTTLS\r\n"+t, "")},
		{name: "long preamble", sent: both("EHLO a\r\n"+strings.Repeat("NOOP\r\n", maxPreamble/6)+"STARTTLS\r\n"+t, "")},
		{name: "long body", sent: both("", "HTTP/1.1 407 x\r\nContent-Length: 99999999999999999999\r\n\r\n")},
		{name: "too many layers", sent: both(strings.Repeat(proxyV1Line, maxDepth+1)+t, "")},
		{name: "zero in text", sent: both("", "220 a\x00b\r\n250 c\r\n")},
		{name: "websocket of text", sent: both(socketGet+ws(0x81, key, t), socketOK)},
		{name: "websocket of text in base64", sent: both(socketGet, socketOK+ws(0x81, "", "FgMBAC8BAAAr"))},
		{name: "websocket without TLS", sent: both(socketGet, socketOK+ws(0x82, "", "RFB 003.008\n"))},
		{name: "websocket without TLS, byte by byte", sent: both(socketGet+ws(2, key, "\x16")+ws(0x80, key, "\x04"), socketOK)},
		{name: "websocket closed", sent: both(socketGet+ws(0x88, key, "\x03\xe8")+ws(0x82, key, t), socketOK)},
		{name: "websocket refused", sent: both(socketGet, "HTTP/1.1 403 Forbidden\r\n\r\nno")},
		{name: "websocket refused, then plain", sent: both(socketGet+"GET / HTTP/1.1\r\n\r\n", "")},
		{name: "websocket, compressed", sent: both(socketGet+ws(0xc2, key, t), socketOK[:len(socketOK)-2]+"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")},
		{name: "websocket, compressed, client only", sent: both(socketGet+ws(0xc2, key, t), "")},
		{name: "websocket, compressed, server only", sent: both("", socketOK[:len(socketOK)-2]+"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"+ws(0x82, "", t))},
		{name: "websocket with bare TLS", sent: both(socketGet+t, socketOK+serverTLS)},
		{name: "websocket with a long ping", sent: both("", socketOK+ws(0x89, "", strings.Repeat("x", 126)))},
		{name: "websocket with a length of 64 bits", sent: both("", socketOK+"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00")},
		{name: "websocket, unexpected continuation", sent: both(socketGet+ws(0x80, key, t), "")},
		{name: "websocket, missing continuation", sent: both(socketGet+ws(2, key, "")+ws(0x82, key, t), "")},
		{name: "websocket with many frames before a record", sent: both("", socketOK+ws(2, "", "\x16")+strings.Repeat(ws(0x89, "", ""), maxFirstFrames)+ws(0x80, "", serverTLS[1:]))},
	}
}

// conversation returns a complete conversation with these bytes.
func conversation(sent [2]string, port uint16) *stream.Conversation {
	c := new(stream.Conversation)
	c.Server = portOf(port)
	for d := range c.Half {
		h := &c.Half[d]
		h.Data, h.SYN, h.Want = []byte(sent[d]), true, 1
		if len(sent[d]) > 0 {
			h.Packets = 1
			h.Marks = []stream.Mark{{From: 0, To: uint32(len(sent[d])), Packet: uint64(d) + 1}}
		}
	}
	return c
}
