package main

import (
	"reflect"
	"strings"
	"testing"
)

// noError fails the test if err is not nil.
func noError(t *testing.T, list []entry, err error) []entry {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func checkEqual(t *testing.T, got, want []entry) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// The samples follow the formats in the tools' manuals.

func TestZeek(t *testing.T) {
	const log = `#separator \x09
#set_separator	,
#empty_field	(empty)
#unset_field	-
#path	ssl
#open	2026-11-28-00-00-00
#fields	ts	uid	id.orig_h	id.orig_p	id.resp_h	id.resp_p	version	cipher	curve	server_name	resumed	last_alert	next_protocol	established	ssl_history	cert_chain_fps	client_cert_chain_fps	sni_matches_cert
#types	time	string	addr	port	addr	port	string	string	string	string	bool	string	string	bool	string	vector[string]	vector[string]	bool
1598377391.921726	CsukF91Bx9mrqdEaH9	192.168.4.49	56718	13.32.202.10	443	TLSv12	TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256	secp256r1	www.taosecurity.com	F	-	h2	T	CsxknGIti	2a,3b	(empty)	T
1598377392.5	CsukF91Bx9mrqdEaH1	2001:db8::1	56719	2001:db8::2	443	TLSv13	TLS_AES_128_GCM_SHA256	x25519	-	T	-	-	T	Cs	-	-	-
1598377393.5	CsukF91Bx9mrqdEaH2	192.168.4.49	56720	13.32.202.10	443	-	-	-	a.example	F	handshake_failure	-	F	CL	-	-	-
#close	2026-11-28-00-00-01
`
	list, err := readZeek(strings.NewReader(log), false)
	checkEqual(t, noError(t, list, err), []entry{
		{endpoints("192.168.4.49", 56718, "13.32.202.10", 443), 1598377391921726000, answer{"", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "secp256r1", "TLS 1.2", "www.taosecurity.com", "false"}},
		{endpoints("2001:db8::1", 56719, "2001:db8::2", 443), 1598377392500000000, answer{"", "TLS_AES_128_GCM_SHA256", "x25519", "TLS 1.3", "", "true"}},
		{endpoints("192.168.4.49", 56720, "13.32.202.10", 443), 1598377393500000000, answer{sni: "a.example"}},
	})
	const quic = "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tversion\tclient_initial_dcid\tserver_scid\tserver_name\tclient_protocol\thistory\n" +
		"1692198386.837988\tCA482y1XJVd3d0RYI7\t82.239.54.117\t53727\t110.213.53.115\t443\t1\t95412c47018cdfe8\td5412c47018cdfe8\tapi.cirrus-ci.com\th3\tISisH\n"
	list, err = readZeek(strings.NewReader(quic), true)
	checkEqual(t, noError(t, list, err), []entry{{endpoints("82.239.54.117", 53727, "110.213.53.115", 443), 1692198386837988000, answer{sni: "api.cirrus-ci.com"}}})
}

func TestSuricata(t *testing.T) {
	const eve = `{"timestamp":"2026-11-24T17:34:28.753483+0000","flow_id":1,"event_type":"tls","src_ip":"192.0.2.1","src_port":50000,"dest_ip":"192.0.2.2","dest_port":443,"proto":"TCP","tls":{"subject":"CN=a","issuerdn":"CN=a","serial":"00","fingerprint":"aa","sni":"a.example","version":"TLS 1.2","ja3":{"hash":"a","string":"771,1,2,3,4"},"ja3s":{"hash":"b","string":"771,49199,65281-11"}}}
{"timestamp":"2026-11-24T17:34:29.000000+0000","event_type":"tls","src_ip":"192.0.2.1","src_port":50001,"dest_ip":"192.0.2.2","dest_port":443,"tls":{"session_resumed":true,"version":"TLSv1"}}
{"timestamp":"2026-11-24T17:34:29.500000+0000","event_type":"flow","src_ip":"192.0.2.1","src_port":50001,"dest_ip":"192.0.2.2","dest_port":443}
{"timestamp":"2026-11-24T17:34:30.000000+0000","event_type":"quic","src_ip":"2001:db8::1","src_port":50002,"dest_ip":"2001:db8::2","dest_port":443,"quic":{"version":"1","sni":"q.example","ja3":{"hash":"c"}}}
{"timestamp":"2026-11-24T17:34:30.100000+0000","event_type":"quic","src_ip":"2001:db8::2","src_port":443,"dest_ip":"2001:db8::1","dest_port":50002,"quic":{"version":"1","ja3s":{"hash":"d"}}}
`
	list, err := readSuricata(strings.NewReader(eve))
	checkEqual(t, noError(t, list, err), []entry{
		{endpoints("192.0.2.1", 50000, "192.0.2.2", 443), 1795541668753483000, answer{"", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "", "TLS 1.2", "a.example", "false"}},
		{endpoints("192.0.2.1", 50001, "192.0.2.2", 443), 1795541669000000000, answer{version: "TLS 1.0", resumption: "true"}},
		{endpoints("2001:db8::1", 50002, "2001:db8::2", 443), 1795541670000000000, answer{version: "TLS 1.3", sni: "q.example"}},
	})
	if _, err := readSuricata(strings.NewReader("{\n")); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("half a line: got error %v, want one with its line", err)
	}
}

func TestMercury(t *testing.T) {
	const out = `{"fingerprints":{"tls":"tls/(0303)"},"tls":{"client":{"version":"0303","random":"aa","session_id":"","cipher_suites":"c02f","compression_methods":"00","server_name":"a.example"}},"src_ip":"192.0.2.1","dst_ip":"192.0.2.2","protocol":6,"src_port":50000,"dst_port":443,"event_start":1795541668.753483}
{"fingerprints":{"tls_server":"tls_server/(0303)"},"tls":{"server":{"version":"0303","random":"bb","selected_cipher_suite":"c02f","compression_method":"00","certs":[{"base64":"AA"}]}},"src_ip":"192.0.2.2","dst_ip":"192.0.2.1","protocol":6,"src_port":443,"dst_port":50000,"event_start":1795541668.76}
{"tls":{"client":{"version":"0303","random":"cc"}},"src_ip":"192.0.2.1","dst_ip":"192.0.2.2","protocol":6,"src_port":50000,"dst_port":443,"event_start":1795541700}
{"tls":{"server":{"version":"0303","random":"dd","selected_cipher_suite":"1301"}},"src_ip":"192.0.2.2","dst_ip":"192.0.2.1","protocol":6,"src_port":443,"dst_port":50000,"event_start":1795541700}
{"tls":{"client":{"version":"0303","random":"ee","server_name":"q.example"}},"quic":{"connection_info":"c0"},"src_ip":"192.0.2.1","dst_ip":"192.0.2.2","protocol":17,"src_port":50001,"dst_port":443,"event_start":1795541701}
{"dtls":{"client":{"version":"fefd","random":"ff","server_name":"d.example"}},"src_ip":"192.0.2.1","dst_ip":"192.0.2.2","protocol":17,"src_port":50002,"dst_port":4433,"event_start":1795541702}
{"tcp":{"seq":1},"src_ip":"192.0.2.1","dst_ip":"192.0.2.2","protocol":6,"src_port":50003,"dst_port":443,"event_start":1795541703}
`
	list, err := readMercury(strings.NewReader(out))
	for i := range list {
		list[i].at = list[i].at / 1e9 * 1e9 // the float in the sample is less precise
	}
	checkEqual(t, noError(t, list, err), []entry{
		{endpoints("192.0.2.1", 50000, "192.0.2.2", 443), 1795541668e9, answer{"", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "", "TLS 1.2", "a.example", ""}},
		{endpoints("192.0.2.1", 50000, "192.0.2.2", 443), 1795541700e9, answer{suite: "TLS_AES_128_GCM_SHA256", version: "TLS 1.3"}},
		{endpoints("192.0.2.1", 50001, "192.0.2.2", 443), 1795541701e9, answer{version: "TLS 1.3", sni: "q.example"}},
		{endpoints("192.0.2.1", 50002, "192.0.2.2", 4433), 1795541702e9, answer{sni: "d.example"}},
	})
}

func TestNDPI(t *testing.T) {
	const out = "Detected protocols:\n\tTLS                  packets: 16            bytes: 2981          flows: 1\n" +
		"\t1\tTCP 192.0.2.1:33776 <-> 192.0.2.2:4437 [proto: 91/TLS][Encrypted][Confidence: DPI][cat: Web/5][Hostname/SNI: rsa.example][http/1.1,][TLSv1.2][JA3C: 22][Cipher: TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n" +
		"\t2\tUDP [2001:db8::1]:60250 -> [2001:db8::2]:443 [VLAN: 5][proto: 188/QUIC][Encrypted]\n" +
		"\t3\tTCP 192.0.2.1:59784 <-> 192.0.2.2:2525 [proto: 3/SMTP][ClearText][Hostname/SNI: mail.example]\n" +
		"\t4\tUDP 192.0.2.1:1 <-> 192.0.2.2:2 [proto: 30/DTLS][Encrypted][DTLSv1.0][Cipher: TLS_RSA_WITH_AES_128_CBC_SHA]\n"
	list, err := readNDPI(strings.NewReader(out))
	checkEqual(t, noError(t, list, err), []entry{
		{endpoints("192.0.2.1", 33776, "192.0.2.2", 4437), 0, answer{"", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "", "TLS 1.2", "rsa.example", ""}},
		{endpoints("2001:db8::1", 60250, "2001:db8::2", 443), 0, answer{}},
		{endpoints("192.0.2.1", 1, "192.0.2.2", 2), 0, answer{suite: "TLS_RSA_WITH_AES_128_CBC_SHA", version: "DTLS 1.0"}},
	})
}

func TestSSLDump(t *testing.T) {
	const out = `New TCP connection #1: 192.0.2.1(59474) <-> 192.0.2.2(4462)
1 1  1795541688.5762 (0.0002)  C>S V3.1(103)  Handshake
      ClientHello
        Version 3.3 
        random[32]=
          8a 83 aa ac d2 f9 99 38 c9 74 5a 98 4c a8 16 14 
        cipher suites
        TLS_RSA_WITH_AES_128_CBC_SHA256
        extensions
          server_name
              host_name: rsa.example
New TCP connection #2: 2001:db8::1(59484) <-> 2001:db8::2(4462)
2 1  1795541688.9327 (0.0002)  C>S V3.1(135)  Handshake
      ClientHello
1 2  1795541688.5765 (0.0003)  S>C V3.3(89)  Handshake
      ServerHello
        Version 3.3 
        random[32]=
          bc 14 4c 90 d0 6b 00 46 95 7e 02 71 33 cf 0e 1a 
        cipherSuite         TLS_RSA_WITH_AES_128_CBC_SHA256
1 3  1795541688.5765 (0.0000)  S>C V3.3(834)  Handshake
      Certificate
1 8  1795541688.5782 (0.0007)  S>C V3.3(1)  ChangeCipherSpec
2 2  1795541688.9329 (0.0001)  S>C V3.3(89)  Handshake
      ServerHello
        Version 3.0 
        cipherSuite         SSL_RSA_WITH_RC4_128_SHA
2 3  1795541688.9329 (0.0001)  S>C V3.0(1)  ChangeCipherSpec
2    1795541688.9329 (0.0001)  S>C  TCP FIN
New TCP connection #3: 192.0.2.1(3) <-> 192.0.2.2(443)
3 1  1795541689 (0.0001)  S>C V3.3(89)  Handshake
      ServerHello
        Version 3.3 
        random[32]=
          cf 21 ad 74 e5 9a 61 11 be 1d 8c 02 1e 65 b8 91 
        cipherSuite         TLS_AES_128_GCM_SHA256
New TCP connection #4: 192.0.2.1(4) <-> 192.0.2.2(25)
4    1795541690.1 (0.0001)  S>C  TCP FIN
New TCP connection #5: 192.0.2.1(5) <-> 192.0.2.2(443)
5 1  1795541691.5 (0.0001)  S>C V3.3(89)  Handshake
      ServerHello
        Version 3.3 
        cipherSuite         TLS_AES_128_GCM_SHA256
        extensions
          pre_shared_key
`
	list, err := readSSLDump(strings.NewReader(out))
	checkEqual(t, noError(t, list, err), []entry{
		{endpoints("192.0.2.1", 59474, "192.0.2.2", 4462), 1795541688576200000, answer{"", "TLS_RSA_WITH_AES_128_CBC_SHA256", "", "TLS 1.2", "rsa.example", "false"}},
		{endpoints("2001:db8::1", 59484, "2001:db8::2", 4462), 1795541688932700000, answer{"", "TLS_RSA_WITH_RC4_128_SHA", "", "SSLv3", "", "true"}},
		{endpoints("192.0.2.1", 3, "192.0.2.2", 443), 1795541689000000000, answer{"", "TLS_AES_128_GCM_SHA256", "", "TLS 1.3", "", ""}},
		{endpoints("192.0.2.1", 5, "192.0.2.2", 443), 1795541691500000000, answer{"", "TLS_AES_128_GCM_SHA256", "", "TLS 1.3", "", "true"}},
	})
}

func TestTshark(t *testing.T) {
	const packet = `{"_source":{"layers":{"frame":{"frame.time_epoch":"%T"},"ip":[{"ip.src":"198.51.100.1","ip.dst":"198.51.100.2"},{"ip.src":"%S","ip.dst":"%D"}],"udp":{"udp.srcport":"4789","udp.dstport":"4789"},"tcp":{"tcp.srcport":"%s","tcp.dstport":"%d","tcp.stream":"0"},"tls":%L}}}`
	packets := func(list ...[2]string) string {
		var out []string
		for i, p := range list {
			r := []string{"%T", "1795541668.00000000" + string(rune('0'+i)), "%L", p[1], "%S", "192.0.2.1", "%D", "192.0.2.2", "%s", "50000", "%d", "443"}
			if p[0] == "server" {
				r = []string{"%T", "1795541668.00000000" + string(rune('0'+i)), "%L", p[1], "%S", "192.0.2.2", "%D", "192.0.2.1", "%s", "443", "%d", "50000"}
			}
			out = append(out, strings.NewReplacer(r...).Replace(packet))
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	client := func(random, id, name string) [2]string {
		return [2]string{"client", `{"tls.record":{"tls.handshake":{"tls.handshake.type":"1","tls.handshake.random":"` + random + `","tls.handshake.session_id":"` + id + `","Extension: server_name":{"tls.handshake.extension.type":"0","SNI":{"tls.handshake.extensions_server_name":"` + name + `"}}}}}`}
	}
	server := func(id, more string) [2]string {
		return [2]string{"server", `{"tls.record":[{"tls.handshake":{"tls.handshake.type":"2","tls.handshake.version":"0x0303","tls.handshake.random":"ff","tls.handshake.session_id":"` + id + `","tls.handshake.ciphersuite":"0xc02f"` + more + `}},` +
			`{"tls.handshake":{"tls.handshake.type":"11"}},{"tls.handshake":{"tls.handshake.type":"12","EC":{"tls.handshake.server_named_curve":"0x001d"}}}]}`}
	}
	key := endpoints("192.0.2.1", 50000, "192.0.2.2", 443)
	full := answer{"", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "x25519", "TLS 1.2", "a.example", "false"}
	resumed := full
	resumed[resumption] = "true"
	for _, c := range []struct {
		name string
		in   string
		want []entry
	}{
		{"full", packets(client("01", "", "a.example"), server("07", "")), []entry{{key, 1795541668e9, full}}},
		{"session ID", packets(client("01", "07", "a.example"), server("07", "")), []entry{{key, 1795541668e9, resumed}}},
		{"note", packets(client("01", "", "a.example"), server("", ""), [2]string{"server", `{"tls.record":{"_ws.expert":{"tls.resumed":""}}}`}), []entry{{key, 1795541668e9, resumed}}},
		{"two connections", packets(client("01", "", "a.example"), server("", ""), client("02", "", "a.example"), server("", "")), []entry{{key, 1795541668e9, full}, {key, 1795541668e9 + 2, full}}},
		{"no answer", packets(client("01", "", "a.example")), []entry{{key, 1795541668e9, answer{sni: "a.example"}}}},
		{"server first", packets(server("07", ""), client("01", "", "a.example")), []entry{{key, 1795541668e9, full}}},
		{"TLS 1.3, HelloRetryRequest, PSK", packets(client("01", "07", "a.example"),
			[2]string{"server", `{"tls.handshake":{"tls.handshake.type":"2","tls.handshake.random":"` + helloRetry + `"}}`}, client("01", "07", "a.example"),
			server("07", `,"x":{"tls.handshake.extension.type":"43","tls.handshake.extensions.supported_version":"0x0304"},"y":{"tls.handshake.extension.type":"41"}`)),
			[]entry{{key, 1795541668e9, answer{"", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "x25519", "TLS 1.3", "a.example", "true"}}}},
		{"nothing", "", nil},
		{"no packets", "[]", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := readTshark(strings.NewReader(c.in))
			checkEqual(t, noError(t, list, err), c.want)
		})
	}
}
