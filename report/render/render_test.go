package render

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pfsight/capture/stream"
	"pfsight/report"
	"pfsight/report/secrecy"
)

// hostile are strings that an attacker would send.
var hostile = []string{
	"", "example.org", "\x1b[2J\x1b]0;owned\x07", "a\r\nb\tc", "=cmd|' /C calc'!A0", "+1", "-1", "@x", "\"quoted\",and,commas", "|pipe|`code`*bold*<script>alert(1)</script>",
	"\u202egnp.exe", "\u2066x\u2069", "\xff\xfe\x00", "日本語.example", strings.Repeat("long", 100), "\u0085\u2028\u2029", "\\u0041",
}

// row makes a row with s in every field that comes from the wire.
func row(s string) *report.Connection {
	c := &report.Connection{
		ID: 7, Time: 1700000000123456789, Client: report.Endpoint{AddrPort: netip.MustParseAddrPort("10.0.0.1:50000"), MAC: stream.MAC{2, 0, 0, 0xab, 0xcd, 5}}, Server: report.Endpoint{AddrPort: netip.MustParseAddrPort("[2001:db8::1]:443"), MAC: stream.MAC{2, 0, 0, 0, 0, 10}},
		MigratedTo: netip.MustParseAddrPort("10.0.0.2:40000"), QUICVersion: "v1", Upgrade: "smtp", UpgradeChain: []string{"connect", "smtp"}, Target: "mail.example:25", Encapsulation: []string{"vlan"}, Source: s, ServerName: s, ALPN: s, HasServerHello: true, Version: 0x303, CipherSuite: 0xc02f,
		KeyExchange: "ECDHE", Authentication: "RSA", Group: 29, HasGroup: true, DHBits: 2048, DHPrime: "x", PSKMode: "psk_ke", Resumed: secrecy.True,
		Resumption: "ticket", EarlyData: "sent", HelloRetryRequest: secrecy.True, RetryGroup: 23, HasRetryGroup: true, ECH: secrecy.False, ExtendedMaster: secrecy.True, EncryptThenMAC: secrecy.True, Renegotiation: secrecy.False, CurveBits: 160, HasSession: true, Session: report.Session{Time: 1, Packet: 2, Source: "other", ForwardSecrecy: secrecy.Yes},
		ForwardSecrecy: secrecy.No, PostQuantum: secrecy.False, Outcome: report.Rejected, Alert: "handshake_failure", AlertFrom: "server", OneWay: "client",
		Certificate: &report.Certificate{Subject: s, Issuer: s, Key: "RSA", Bits: 2048, NotBefore: 1, NotAfter: 2},
		ClientCert:  &report.Certificate{Subject: s, Issuer: s, Key: "RSA", Bits: 2048}, EphemeralKey: report.KeyID{1}, TicketKey: "aa", TicketLifetime: 5,
		JA3: "a", JA3S: "b", JA4: "c", ClientHelloPacket: 1, ServerHelloPacket: 2, Totals: stream.Totals{Bytes: [2]uint64{1, 2}, Packets: 3, Last: 1700000000923456789}, FirstHelloSplit: true, Gap: true,
		Offered: &report.Offer{ALPN: []string{s}}, Problems: []string{s},
	}
	c.Reasons.Add(secrecy.RSAKeyTransport)
	return c
}

// want is a string as JSON can hold it.
func want(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

func checkRecord(t *testing.T, s string) {
	t.Helper()
	var e Encoder
	b := e.Record(row(s))
	if bytes.ContainsFunc(b, func(r rune) bool { return !shown(r) }) || !utf8.Valid(b) {
		t.Fatalf("no record of one line of UTF-8 that can be shown: %q", b)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	if s == "" {
		return
	}
	for _, field := range []string{"server_name", "alpn", "source"} {
		if got, _ := m[field].(string); !strings.EqualFold(strings.ReplaceAll(got, "\ufffd", ""), strings.ReplaceAll(want(s), "\ufffd", "")) {
			t.Errorf("%s: %q came out as %q", field, s, got)
		}
	}
}

func checkText(t *testing.T, out string, markdown bool) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Fatalf("not UTF-8: %q", out)
	}
	for _, r := range out {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Fatalf("%U reaches the reader: %q", r, out)
		}
	}
	if markdown && strings.Contains(out, "<script") {
		t.Fatalf("HTML in Markdown: %q", out)
	}
}

func checkAll(t *testing.T, s string) {
	t.Helper()
	checkRecord(t, s)
	var b bytes.Buffer
	w := NewCSV(&b)
	if err := w.Write(row(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[0]) != len(rows[1]) {
		t.Fatalf("csv: %v, %d rows", err, len(rows))
	}
	for i, cell := range rows[1] {
		if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
			t.Errorf("csv: %s is a formula: %q", rows[0][i], cell)
		}
	}
	for _, markdown := range []bool{false, true} {
		for _, width := range []int{40, 80, 200} {
			b.Reset()
			opt := Options{Width: width, Top: 10}
			w := NewTable(&b, opt, markdown)
			_ = w.Write(row(s))
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			checkText(t, b.String(), markdown)
			r := report.NewReport()
			r.Add(row(s))
			sum := r.Summary()
			sum.Input.Files = []string{s}
			b.Reset()
			show := Summary
			if markdown {
				show = SummaryMarkdown
			}
			if err := show(&b, sum, opt); err != nil {
				t.Fatal(err)
			}
			checkText(t, b.String(), markdown)
		}
	}
}

func TestHostile(t *testing.T) {
	for _, s := range hostile {
		checkAll(t, s)
	}
}

func FuzzRender(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) < 500 {
			checkAll(t, s)
		}
	})
}

// TestFields holds the documented fields against those that are written.
func TestFields(t *testing.T) {
	var e Encoder
	var m map[string]json.RawMessage
	if err := json.Unmarshal(e.Record(row("x")), &m); err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, f := range Fields {
		documented[f.Name] = true
		if _, ok := m[f.Name]; !ok {
			t.Errorf("%s is documented and never written", f.Name)
		}
		if f.Type == "" || f.Meaning == "" || f.Absent == "" {
			t.Errorf("%s is not explained", f.Name)
		}
	}
	for name := range m {
		if !documented[name] {
			t.Errorf("%s is written and not documented", name)
		}
	}
}

// TestEmptyRecord holds an absent value to being left out.
func TestEmptyRecord(t *testing.T) {
	var e Encoder
	var m map[string]any
	if err := json.Unmarshal(e.Record(&report.Connection{TicketLifetime: -1}), &m); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"version", "cipher_suite", "group", "resumed", "post_quantum", "alert", "certificate", "offered", "server_name", "ech"} {
		if v, ok := m[name]; ok {
			t.Errorf("%s is %v, though nothing is known", name, v)
		}
	}
	if m["forward_secrecy"] != "unknown" {
		t.Errorf("forward_secrecy is %v", m["forward_secrecy"])
	}
}

func TestColor(t *testing.T) {
	r := report.NewReport()
	r.Add(row("x"))
	var plain, colored bytes.Buffer
	if err := Summary(&plain, r.Summary(), Options{Width: 80, Top: 10}); err != nil {
		t.Fatal(err)
	}
	if err := Summary(&colored, r.Summary(), Options{Width: 80, Top: 10, Color: true}); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(plain.Bytes(), []byte("\x1b")) || !bytes.Contains(colored.Bytes(), []byte("\x1b[")) {
		t.Error("colour is where it was not asked for, or not where it was")
	}
}

func TestQuoteKeepsText(t *testing.T) {
	for _, s := range []string{"example.org", "日本語.example", "a b"} {
		if Quote(s) != s {
			t.Errorf("%q became %q", s, Quote(s))
		}
	}
	if reflect.DeepEqual(Quote("a\x00"), "a\x00") {
		t.Error("a control character stays")
	}
}

func BenchmarkRecord(b *testing.B) {
	var e Encoder
	c := row("example.org")
	b.SetBytes(int64(len(e.Record(c))))
	b.ReportAllocs()
	for range b.N {
		if _, err := io.Discard.Write(e.Record(c)); err != nil {
			b.Fatal(err)
		}
	}
}
