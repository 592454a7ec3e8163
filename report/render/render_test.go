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
	"pfsight/report/visible"
)

// hostile are strings that an attacker would send.
var hostile = []string{
	"", "example.org", "\x1b[2J\x1b]0;owned\x07", "a\r\nb\tc", "=cmd|' /C calc'!A0", "+1", "-1", "@x", "\"quoted\",and,commas", "|pipe|`code`*bold*<script>alert(1)</script>",
	"\u202egnp.exe", "\u2066x\u2069", "\xff\xfe\x00", "a\xff", `a\xff`, "日本語.example", strings.Repeat("long", 100), "\u0085\u2028\u2029", "\\u0041",
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

func checkRecord(t *testing.T, s string) {
	t.Helper()
	var e Encoder
	b := e.Record(row(s))
	if bytes.ContainsFunc(b, func(r rune) bool { return !visible.Rune(r) }) || !utf8.Valid(b) {
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
		if got, _ := m[field].(string); report.Untext(got) != s {
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
}

// TestQuoteUnseen quotes characters that control the terminal, change the
// direction of text or are not seen, in every way out.
func TestQuoteUnseen(t *testing.T) {
	for _, r := range []rune{
		0, '\n', '\r', '\t', 0x1b, 0x7f, 0x85, 0x9b, // control characters
		0x061c, 0x200e, 0x200f, 0x202a, 0x202e, 0x2066, 0x2069, // of the direction
		0xa0, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, // spaces but the one of ASCII
		0xad, 0x180e, 0x200b, 0x200c, 0x200d, 0x2060, 0x2064, 0xfeff, // format characters
		0x034f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x2065, 0x3164, 0xffa0, 0xfff0, // ignorable by default
		0x180b, 0x180f, 0xfe00, 0xfe0f, 0xe0100, 0xe01ef, // variation selectors
		0xe0001, 0xe0020, 0xe0041, 0xe007f, 0xe0080, 0xe0fff, // tags
		0x2800, 0x16fe4, 0x1d159, 0x1d173, 0xfff9, 0xffff, 0xe000, // blank, annotations, not a character, private
	} {
		s := "a" + string(r) + "b"
		for what, out := range map[string]string{"Quote": Quote(s), "Message": Message(s), "Cell": Cell(s), "Markdown": quoteMarkdown(s), "JSON": string(appendString(nil, s))} {
			if strings.ContainsRune(out, r) || !strings.HasPrefix(strings.TrimPrefix(out, `"`), `a\`) {
				t.Errorf("%s: %U stays: %q", what, r, out)
			}
		}
		var b bytes.Buffer
		if err := writeJSON(&b, map[string]string{"name": s}, ""); err != nil || strings.Count(b.String(), "\n") > 3 || r != '\n' && strings.ContainsRune(b.String(), r) {
			t.Errorf("%U: %v, %q", r, err, b.String())
		}
	}
}

// TestJSONText shows strings of every place in a JSON value, and keeps those
// apart that differ only in bytes that are not UTF-8.
func TestJSONText(t *testing.T) {
	type Inner struct{ Name string }
	v := struct {
		Inner
		Pointer *Inner
		Any     any
		List    []Inner
		Map     map[string]string
		Left    string          `json:"-"`
		Raw     json.RawMessage `json:"raw"`
		hidden  string
	}{Inner{"\xff"}, &Inner{"\xfe"}, Inner{`\xfe`}, []Inner{{"\xfd"}}, map[string]string{"\xff": "1", `\xff`: "2"}, "\xff", json.RawMessage(`{"a":"b"}`), "\xff"}
	var b bytes.Buffer
	if err := writeJSON(&b, &v, ""); err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"Name": `\xff`, "Pointer": map[string]any{"Name": `\xfe`}, "Any": map[string]any{"Name": `\x5cxfe`}, "List": []any{map[string]any{"Name": `\xfd`}},
		"Map": map[string]any{`\xff`: "1", `\x5cxff`: "2"}, "raw": map[string]any{"a": "b"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if v.Pointer.Name != "\xfe" || v.hidden != "\xff" {
		t.Error("the value itself has changed")
	}
}

// TestTableMemory writes more rows than a table has room for.
func TestTableMemory(t *testing.T) {
	for _, markdown := range []bool{false, true} {
		var b bytes.Buffer
		w := NewTable(&b, Options{Memory: 100 << 10}, markdown)
		for range 1000 {
			if err := w.Write(row(strings.Repeat("x", 60000))); err != nil {
				t.Fatal(err)
			}
		}
		if held := w.(*tableWriter).held; held > 110<<10 {
			t.Errorf("%d bytes are held", held)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		shown := strings.Count(b.String(), "10.0.0.1")
		if _, rest, ok := strings.Cut(b.String(), "omits "); !ok || shown < 50 || !strings.HasPrefix(rest, Number(uint64(1000-shown))+" connections") {
			t.Errorf("%d rows are shown, and then %.80s", shown, rest)
		}
	}
}

// TestParquetGroups ends a row group when its rows are long.
func TestParquetGroups(t *testing.T) {
	w := NewParquet(io.Discard).(*parquetWriter)
	c := row(strings.Repeat("x", 1<<20))
	c.Offered = &report.Offer{ALPN: make([]string, 20000)}
	for i := range 60 {
		if err := w.Write(c); err != nil {
			t.Fatal(err)
		}
		if w.n > i+1 || w.bytes > parquetBytes {
			t.Fatalf("%d rows of %d bytes", w.n, w.bytes)
		}
		if i == 30 && w.n > 15 {
			t.Fatalf("a group of %d rows", w.n)
		}
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
