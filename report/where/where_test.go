package where

import (
	"net/netip"
	"strings"
	"testing"

	"pfsight/capture/stream"
	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/schema"
	"pfsight/report/secrecy"
)

// sample returns a connection whose alpn, resumed and group are absent.
func sample() *report.Connection {
	c := &report.Connection{
		Time: 1700000000123456789, Client: report.Endpoint{AddrPort: netip.MustParseAddrPort("10.1.2.3:50000")}, Server: report.Endpoint{AddrPort: netip.MustParseAddrPort("[2001:db8::1]:443")},
		Source: "a b.pcap", ServerName: "WWW.example.org", HasServerHello: true, Version: iana.TLS11, CipherSuite: 0xc02f, KeyExchange: "ECDHE", DHBits: 1024,
		ForwardSecrecy: secrecy.No, Outcome: report.Rejected, Alert: "handshake_failure", AlertFrom: "server", TicketLifetime: -1,
		Certificate: &report.Certificate{Key: "RSA", Bits: 1024, NotAfter: 1800000000, Subject: "CN=x"},
		Totals:      stream.Totals{Bytes: [2]uint64{1000, 2000}, Packets: 9},
		Offered: &report.Offer{Versions: []iana.Version{iana.TLS11}, CipherSuites: []iana.CipherSuite{0x0a0a, 0xc02f, 0x002f}, Groups: []iana.Group{23}, ALPN: []string{"h2"},
			RenegotiationInfo: secrecy.True},
	}
	c.Reasons.Add(secrecy.WeakDH)
	return c
}

var truths = []struct {
	expr string
	want secrecy.Tri
}{
	{"forward_secrecy == no and server_port == 443", secrecy.True},
	{"forward_secrecy = NO", secrecy.True}, {"forward_secrecy != no", secrecy.False}, {"forward_secrecy == unknown", secrecy.False},
	{"forward_secrecy is unknown", secrecy.False}, {"forward_secrecy in (yes, no)", secrecy.True}, {"forward_secrecy not in (yes, no)", secrecy.False},
	{`version < "TLS 1.2"`, secrecy.True}, {`version < TLS1.1`, secrecy.False}, {`version <= 0x0302`, secrecy.True}, {`version >= SSLv3`, secrecy.True},
	{`version == "DTLS 1.0"`, secrecy.False}, {`version <= 'DTLS 1.0'`, secrecy.True}, {`version contains tls`, secrecy.True},
	{"server_name contains EXAMPLE", secrecy.True}, {"server_name matches '^www'", secrecy.False}, {"server_name matches '(?i)^www'", secrecy.True},
	{"server_name ends_with .org", secrecy.True}, {"server_name starts_with x", secrecy.False}, {"server_name == www.example.org", secrecy.True},
	{"client_ip in 10.0.0.0/8", secrecy.True}, {"client_ip in (192.168.0.0/16, 10.1.2.3)", secrecy.True}, {"client_ip == 10.1.2.3", secrecy.True},
	{"client_ip not in 10.0.0.0/8", secrecy.False}, {"server_ip in 2001:db8::/32", secrecy.True}, {"client_ip != ::ffff:10.1.2.3", secrecy.False},
	{"reasons has weak_dh", secrecy.True}, {"reasons has psk_ke", secrecy.False}, {"reasons contains dh", secrecy.True},
	{"alpn", secrecy.False}, {"not alpn", secrecy.True}, {"alpn == h2", secrecy.Undetermined}, {"not (alpn == h2)", secrecy.Undetermined}, {"alpn != h2", secrecy.Undetermined},
	{"alpn is unknown", secrecy.True}, {"alpn == unknown", secrecy.True}, {"alpn != unknown", secrecy.False}, {"alpn is known", secrecy.False},
	{"resumed", secrecy.Undetermined}, {"not resumed", secrecy.Undetermined}, {"resumed == no", secrecy.Undetermined}, {"resumed is unknown", secrecy.True},
	{"resumed or forward_secrecy == no", secrecy.True}, {"resumed and forward_secrecy == yes", secrecy.False}, {"resumed and forward_secrecy == no", secrecy.Undetermined},
	{"not group and group != x25519", secrecy.Undetermined}, {"group in (x25519, unknown_group)", 99}, {"dh_bits < 2048", secrecy.True}, {"dh_bits in (512, 1024)", secrecy.True},
	{"cipher_suite == TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", secrecy.True}, {"cipher_suite_id == 0xC02F", secrecy.True}, {"cipher_suite contains GCM", secrecy.True},
	{"cipher_suite in (0x002f, 0xc02f)", secrecy.True}, {"cipher_suite != 0xc02f", secrecy.False},
	{"offered.cipher_suites has TLS_RSA_WITH_AES_128_CBC_SHA", secrecy.True}, {"offered.cipher_suites contains _CBC_", secrecy.True}, {"offered.groups has x25519", secrecy.False},
	{"offered.groups has P-256", secrecy.True}, {"offered.alpn has h2", secrecy.True}, {"offered.versions has 'TLS 1.1'", secrecy.True}, {"offered", secrecy.True},
	{"offered.key_shares", secrecy.False}, {"offered.renegotiation_info", secrecy.True}, {"offered.supported_versions", secrecy.Undetermined}, {"offered.signature_algorithms has ed25519", secrecy.False},
	{"certificate.key == rsa and certificate.bits < 2048", secrecy.True}, {"certificate.not_after > 2026-01-01", secrecy.True}, {"client_certificate", secrecy.False},
	{"client_certificate.bits > 5", secrecy.Undetermined}, {"time >= 2023-11-14T22:13:20Z", secrecy.True}, {"time < '2023-11-14 22:13'", secrecy.False}, {"last_time", secrecy.False},
	{"bytes == 3000", secrecy.True}, {"bytes > 0x10", secrecy.True}, {"ticket_lifetime == 0", secrecy.Undetermined}, {"source == 'a b.pcap'", secrecy.True},
	{"! (outcome == rejected && alert == handshake_failure) || transport == udp", secrecy.False}, {"gap", secrecy.False}, {"client_hello_split == no", secrecy.True},
	{"transport==tcp and(protocol=tls)", secrecy.True}, {"encapsulation", secrecy.False}, {"encapsulation has vlan", secrecy.False}, {"not not not gap", secrecy.True},
	{"forward_secrecy == yes or forward_secrecy == no and outcome == established", secrecy.False},
	{`source == "a \"b"`, secrecy.False}, {`server_name matches "\.example\.org$"`, secrecy.True},
}

func TestTruths(t *testing.T) {
	c := sample()
	for _, x := range truths {
		f, err := Compile(x.expr)
		if x.want == 99 {
			if err == nil {
				t.Errorf("%s: no error", x.expr)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", x.expr, err)
			continue
		}
		if got := f.root(c); got != x.want {
			t.Errorf("%s: %d, want %d", x.expr, got, x.want)
		}
		if f.Match(c) != (x.want == secrecy.True) {
			t.Errorf("%s: Match is not whether it is true", x.expr)
		}
	}
}

// TestLogic compares not, and, or with the truth tables of three states.
func TestLogic(t *testing.T) {
	F, U, T := secrecy.False, secrecy.Undetermined, secrecy.True
	order := []secrecy.Tri{F, U, T}
	is := func(v secrecy.Tri) node { return func(*report.Connection) secrecy.Tri { return v } }
	ands := [3][3]secrecy.Tri{{F, F, F}, {F, U, U}, {F, U, T}}
	ors := [3][3]secrecy.Tri{{F, U, T}, {U, U, T}, {T, T, T}}
	nots := [3]secrecy.Tri{T, U, F}
	for i, a := range order {
		if got := not(is(a))(nil); got != nots[i] {
			t.Errorf("not %d: %d", a, got)
		}
		for j, b := range order {
			if got := and(is(a), is(b))(nil); got != ands[i][j] {
				t.Errorf("%d and %d: %d", a, b, got)
			}
			if got := or(is(a), is(b))(nil); got != ors[i][j] {
				t.Errorf("%d or %d: %d", a, b, got)
			}
			if got := anyOf([]node{is(a), is(b)})(nil); got != ors[i][j] {
				t.Errorf("any of %d, %d: %d", a, b, got)
			}
		}
	}
}

// TestIncomplete searches the lists of an incomplete ClientHello: what they lack is
// undetermined.
func TestIncomplete(t *testing.T) {
	c := sample()
	c.Offered.Incomplete = true
	for expr, want := range map[string]secrecy.Tri{"offered.groups has x25519": secrecy.Undetermined, "offered.groups has P-256": secrecy.True} {
		f, err := Compile(expr)
		if err != nil || f.root(c) != want {
			t.Errorf("%s: %v", expr, err)
		}
	}
	c.Offered = nil
	f, _ := Compile("offered.groups has P-256 or offered.supported_versions or client_hello_split")
	if f.root(c) != secrecy.Undetermined {
		t.Error("a test of a ClientHello that was not seen is determined")
	}
}

var wrongs = []struct {
	expr, want string
	column     int
}{
	{"", "the name of a field", 1},
	{"forward_secrecy ==", "needs a value", 19},
	{"forward_secrecy == maybe", "one of yes, no, conditional, unknown", 20},
	{"forwardsecrecy == no", "did you mean forward_secrecy", 1},
	{"nonsense == no", "is not a field", 1},
	{"version < nine", "not a version", 11},
	{"server_port == https", "not a number", 16},
	{"server_name < x", "no order", 13},
	{"client_ip == 10.0.0.0/8", "write in", 11},
	{"client_ip in 10.0.0.0/33", "neither an address", 14},
	{"reasons == weak_dh", "write has", 9},
	{"server_name has x", "not a list", 13},
	{"reasons has weak_dhh", "did you mean weak_dh", 13},
	{"server_port contains 4", "not text", 13},
	{"server_name matches '('", "regular expression", 21},
	{"(forward_secrecy == no", "not closed", 1},
	{"server_port in (443, 8443", "not closed", 16},
	{"server_port in (443 8443)", "a comma", 21},
	{"forward_secrecy == no server_port == 443", "not expected", 23},
	{"source == 'abc", "not closed", 11},
	{"gap & gap", "write &&", 5},
	{"alpn not == h2", "only in can follow not", 6},
	{"alpn is h2", "known or unknown", 9},
	{"time > noon", "not a time", 8},
	{"offered.groups has x25518", "not a group", 20},
	{"certificate == x", "is an object", 13},
	{"offered has x", "is an object", 9},
	{"resumed == maybe", "yes or no", 12},
	{strings.Repeat("not ", 200) + "gap", "nested", 401},
	{strings.Repeat("(", 200) + "gap", "nested", 101},
	{"gap\nand\nnonsense", "is not a field", 1},
	{"\xff == 1", "UTF-8", 1},
}

func TestErrors(t *testing.T) {
	for _, x := range wrongs {
		_, err := Compile(x.expr)
		e, ok := err.(*Error)
		if !ok {
			t.Errorf("%.40s: %v", x.expr, err)
			continue
		}
		lines := strings.Split(e.Error(), "\n")
		if !strings.Contains(lines[0], x.want) || len(lines) != 3 || strings.TrimLeft(lines[2], " ") != "^" || !strings.HasPrefix(lines[0], "at column ") {
			t.Errorf("%.40s: %v", x.expr, err)
		}
		start := strings.LastIndexByte(x.expr[:e.Offset], '\n') + 1
		if got := e.Offset - start + 1; got != x.column {
			t.Errorf("%.40s: column %d, want %d", x.expr, got, x.column)
		}
	}
}

// TestFields tests the fields of the record, and a long expression.
func TestFields(t *testing.T) {
	for _, e := range schema.Entries() {
		if _, err := Compile(e.Name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range fieldNames() {
		if _, err := Compile(name + " is known"); err != nil {
			t.Error(err)
		}
	}
	if _, err := Compile("reasons has weak_dh" + strings.Repeat(" or gap", 10000)); err == nil {
		t.Error("an expression longer than MaxLength is accepted")
	}
}

func FuzzCompile(f *testing.F) {
	for _, x := range truths {
		f.Add(x.expr)
	}
	for _, x := range wrongs {
		f.Add(x.expr)
	}
	c, empty := sample(), &report.Connection{}
	f.Fuzz(func(t *testing.T, expr string) {
		w, err := Compile(expr)
		if err != nil {
			if e, ok := err.(*Error); !ok || e.Offset > len(expr) || e.Error() == "" {
				t.Fatalf("%v", err)
			}
			return
		}
		w.Match(empty)
		// The negation must be consistent with the expression.
		n, err := Compile("not (" + expr + ")")
		if err == nil && not(w.root)(c) != n.root(c) {
			t.Fatalf("%q and its negation contradict each other", expr)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	f, err := Compile(`forward_secrecy == no and server_port in (443, 8443) and version < "TLS 1.2" and server_name ends_with .example.org and client_ip in 10.0.0.0/8 and reasons has weak_dh`)
	if err != nil {
		b.Fatal(err)
	}
	c := sample()
	b.ReportAllocs()
	for b.Loop() {
		if !f.Match(c) {
			b.Fatal("no match")
		}
	}
}

// TestBytes compares text with bytes that are not UTF-8, and text that looks like
// the escape of such a byte.
func TestBytes(t *testing.T) {
	for _, x := range []struct {
		name, expr string
		want       secrecy.Tri
	}{
		{"a\xff", `server_name == "A\xff"`, secrecy.True}, {"a\xfe", `server_name == "a\xff"`, secrecy.False}, {`a\xff`, `server_name == "a\xff"`, secrecy.False},
		{`a\xff`, `server_name == "a\x5cxff"`, secrecy.True}, {"a\xffb", `server_name contains "\xff"`, secrecy.True}, {"a\xff", `server_name ends_with "\xfe"`, secrecy.False},
		{"a\xff", `server_name != "a\xfe"`, secrecy.True},
	} {
		c := sample()
		c.ServerName = x.name
		f, err := Compile(x.expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.root(c); got != x.want {
			t.Errorf("%s of %q: %v, want %v", x.expr, x.name, got, x.want)
		}
	}
}

// TestErrorLines holds an error to three lines for any expression.
func TestErrorLines(t *testing.T) {
	for _, expr := range []string{"nonsense", "source == 'a\nb' \"x\ny\"", "\"a\npfsight: all is well\"", "server_name matches \"(\n\"", "version == \"\n\r\""} {
		_, err := Compile(expr)
		if err == nil {
			t.Errorf("%q: no error", expr)
		} else if n := strings.Count(err.Error(), "\n"); n != 2 {
			t.Errorf("%q: %d lines: %s", expr, n+1, err)
		}
	}
}
