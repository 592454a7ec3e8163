package record

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/render"
	"pfsight/report/secrecy"
)

// full returns a row with a value in every field of a record.
func full() *report.Connection {
	c := &report.Connection{
		Time: 1700000000123456789, Client: report.Endpoint{AddrPort: netip.MustParseAddrPort("10.0.0.1:50000"), MAC: stream.MAC{2, 0, 0, 0xab, 0xcd, 5}}, Server: report.Endpoint{AddrPort: netip.MustParseAddrPort("[2001:db8::1]:443"), MAC: stream.MAC{2, 0, 0, 0, 0, 10}}, Transport: stream.UDP,
		Protocol: parse.QUIC, Upgrade: "smtp", Encapsulation: []string{"vlan", "gre"}, Source: "a \"b\"\\.pcap", ServerName: "x\x01\u202e.\ufffdé\xff\\xff\\", ALPN: "h2",
		HasServerHello: true, Version: iana.TLS12, CipherSuite: 0xc02f, KeyExchange: "ECDHE", Authentication: "RSA", Group: 29, HasGroup: true, DHBits: 2048, DHPrime: "p",
		PSKMode: "psk_ke", Resumed: secrecy.True, Resumption: "ticket", EarlyData: "sent", HelloRetryRequest: secrecy.False, ECH: secrecy.False, ExtendedMaster: secrecy.True,
		ForwardSecrecy: secrecy.Conditional, PostQuantum: secrecy.False, Outcome: report.Rejected, Alert: "handshake_failure", AlertFrom: "server", OneWay: "client",
		Certificate: &report.Certificate{Subject: "CN={a}", Issuer: "CN=]", Key: "RSA", Bits: 2048, NotBefore: -5, NotAfter: 4102444800, SHA256: [32]byte{1}, SPKI: [32]byte{2}},
		ClientCert:  &report.Certificate{SHA256: [32]byte{3}}, EphemeralKey: report.KeyID{1}, TicketKey: "aa", TicketLifetime: 0, JA3: "a", JA3S: "b", JA4: "c",
		MigratedTo: netip.MustParseAddrPort("[2001:db8::2]:40000"), QUICVersion: "v1", UpgradeChain: []string{"connect", "smtp"}, Target: "mail.example:25", CurveBits: 160, HasRetryGroup: true, RetryGroup: 24,
		EncryptThenMAC: secrecy.False, Renegotiation: secrecy.True, HasSession: true, Session: report.Session{Time: 1600000000000000000, Packet: 9, Source: "before.pcap", ForwardSecrecy: secrecy.Yes},
		Gap: true, FirstHelloSplit: true, ClientHelloPacket: 1<<53 - 1, ServerHelloPacket: 2, Totals: stream.Totals{Bytes: [2]uint64{1, 2}, Packets: 3, Last: 1700000001000000000},
		Offered: &report.Offer{
			Versions: []iana.Version{0x2a2a, iana.TLS13, 0x7f17, 0x9999}, CipherSuites: []iana.CipherSuite{0x0a0a, 0x1301, 0xc02f, 0x00ff, 0xfffe},
			Groups: []iana.Group{0x1a1a, 0x11ec, 29}, KeyShares: []iana.Group{0x11ec}, SignatureAlgorithms: []iana.SignatureScheme{0x0a0a, 0x0403, 0x9998},
			ALPN: []string{"h2}", "\"", "http/1.1"}, PSKModes: []uint8{0, 1, 7}, SupportedVersions: secrecy.True, ExtendedMaster: secrecy.False,
			RenegotiationInfo: secrecy.True, CompressedPointsOnly: true, Incomplete: true,
		},
		Problems: []string{"server: bytes missing", "]"},
	}
	c.Reasons.Add(secrecy.TicketResumption)
	c.Reasons.Add(secrecy.WeakDH)
	return c
}

// plain returns a row like most: no string of it needs an escape in JSON.
func plain() *report.Connection {
	c := full()
	c.ServerName, c.Source, c.Problems, c.ClientCert = "www.example.org", "capture.pcap", nil, nil
	c.Certificate = &report.Certificate{Subject: "CN=a", Issuer: "CN=b", Key: "RSA", Bits: 2048, NotBefore: 5, NotAfter: 4102444800, SPKI: [32]byte{2}}
	c.Offered.ALPN, c.Offered.CipherSuites = []string{"h2", "http/1.1"}, nil
	for i := range 20 {
		c.Offered.CipherSuites = append(c.Offered.CipherSuites, iana.CipherSuite(0xc020+i))
	}
	return c
}

// TestFull reads the record of a full row, in the notation of this program and in
// another one.
func TestFull(t *testing.T) {
	want := full()
	var e render.Encoder
	line := bytes.Clone(e.Record(want))
	var m map[string]any
	if err := json.Unmarshal(line, &m); err != nil {
		t.Fatal(err)
	}
	p := NewParser()
	for range 2 { // parsed, then found
		var got report.Connection
		n, note, err := p.Parse(line, &got)
		if err != nil || note != "" || n != len(line) {
			t.Fatalf("%d of %d, %q, %v", n, len(line), note, err)
		}
		if again := e.Record(&got); !bytes.Equal(again, line) {
			t.Errorf("written again:\n%s\n%s", again, line)
		}
		if !reflect.DeepEqual(&got, want) {
			t.Errorf("read\n%+v\n%+v", &got, want)
		}
	}
	// The same record, indented and with the fields in alphabetical order.
	var indented bytes.Buffer
	b, _ := json.Marshal(m)
	if err := json.Indent(&indented, b, " ", "\t"); err != nil {
		t.Fatal(err)
	}
	var got report.Connection
	if _, note, err := p.Parse(indented.Bytes(), &got); err != nil || note != "" || !bytes.Equal(e.Record(&got), line) {
		t.Errorf("indented: %q, %v", note, err)
	}
}

// TestSSLv2 reads cipher kinds of SSL 2.0 with and without names.
func TestSSLv2(t *testing.T) {
	for _, kind := range []iana.SSLv2Kind{0x010080, 0x0700c0, 0x123456} {
		want := &report.Connection{TicketLifetime: -1, HasServerHello: true, ServerHelloPacket: 2, Version: iana.SSL20, SSLv2Kind: kind,
			Offered: &report.Offer{SSLv2Kinds: []iana.SSLv2Kind{kind, 0x050080}, CipherSuites: []iana.CipherSuite{0x0035}}}
		var e render.Encoder
		line := bytes.Clone(e.Record(want))
		var got report.Connection
		if _, note, err := NewParser().Parse(line, &got); err != nil || note != "" || !reflect.DeepEqual(&got, want) {
			t.Errorf("%s: %q, %v, %+v, %+v", line, note, err, got, got.Offered)
		}
	}
}

// TestEmpty reads a record of which nothing is known.
func TestEmpty(t *testing.T) {
	want := report.Connection{TicketLifetime: -1}
	var e render.Encoder
	var got report.Connection
	if _, _, err := NewParser().Parse(e.Record(&want), &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %+v", err, got)
	}
}

// TestTimes reads the earliest and the latest times that can be written, and
// refuses others.
func TestTimes(t *testing.T) {
	for _, ns := range []int64{0, 1, -1, 1<<63 - 1, 1<<63 - 2, 1<<63 - 1_000_000_000, -9223372036_000_000_000} {
		want := report.Connection{TicketLifetime: -1, Time: ns}
		want.Totals.Last = ns
		var e render.Encoder
		line := bytes.Clone(e.Record(&want))
		var got report.Connection
		if _, _, err := NewParser().Parse(line, &got); err != nil || got.Time != ns || got.Totals.Last != ns {
			t.Errorf("%s: %v, %d and %d", line, err, got.Time, got.Totals.Last)
		}
	}
	for _, late := range []string{"2262-04-11T23:47:16.854775808Z", "2262-04-11T23:47:17Z", "1677-09-21T00:12:43Z"} {
		var got report.Connection
		if _, _, err := NewParser().Parse([]byte(`{"time":"`+late+`","forward_secrecy":"yes"}`), &got); err == nil {
			t.Errorf("%s is read as %d", late, got.Time)
		}
	}
}

const head = `{"time":"2026-11-24T17:35:15.139217Z","forward_secrecy":"yes"`

var broken = []struct{ name, json, want string }{
	{"a good one", head + `}`, ""},
	{"unknown fields", head + `,"x":{"y":[1,-2.5e3,"}",null,true]},"z":null}`, ""},
	{"null is absent", head + `,"version":null,"offered":null,"resumed":null}`, ""},
	{"nothing", `{}`, "not a record"},
	{"no verdict", `{"time":"2026-11-24T17:35:15Z"}`, "not a record"},
	{"cut", head, "not JSON"},
	{"cut in a string", head + `,"server_name":"abc`, "server_name"},
	{"cut in an escape", head + `,"server_name":"abc\`, "server_name"},
	{"no comma", head + `"version":"TLS 1.2"}`, "not JSON"},
	{"a number for a string", head + `,"server_name":5}`, "server_name"},
	{"a string for a number", head + `,"client_port":"5"}`, "client_port"},
	{"a port too high", head + `,"client_port":65536}`, "client_port"},
	{"a fraction", head + `,"packets":1.5}`, "packets"},
	{"a negative number", head + `,"packets":-1}`, "packets"},
	{"2^64", head + `,"packets":18446744073709551616}`, "packets"},
	{"an address", head + `,"client_ip":"10.0.0.256"}`, "client_ip"},
	{"a leading zero", head + `,"client_ip":"10.0.0.01"}`, "client_ip"},
	{"a verdict", `{"time":"2026-11-24T17:35:15Z","forward_secrecy":"maybe"}`, "forward_secrecy"},
	{"a time", `{"time":"yesterday","forward_secrecy":"yes"}`, "time"},
	{"a day", `{"time":"2026-02-30T17:35:15Z","forward_secrecy":"yes"}`, "time"},
	{"a year too far", `{"time":"9999-02-20T17:35:15Z","forward_secrecy":"yes"}`, "time"},
	{"an outcome", head + `,"outcome":"fine"}`, "outcome"},
	{"a side", head + `,"alert_from":"both"}`, "alert_from"},
	{"hex", head + `,"ephemeral_key_id":"zz"}`, "ephemeral_key_id"},
	{"version_id", head + `,"version_id":"TLS 1.2"}`, "version_id"},
	{"a deep value", head + `,"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "x"},
	{"wrong brackets", head + `,"x":[}]}`, "x"},
	{"offered is no object", head + `,"offered":[]}`, "offered"},
	{"a code point with an escape", head + `,"offered":{"groups":["x25519\n"]}}`, "offered"},
	{"psk_modes", head + `,"offered":{"psk_modes":["256"]}}`, "offered"},
}

func TestBroken(t *testing.T) {
	for _, c := range broken {
		var got report.Connection
		_, note, err := NewParser().Parse([]byte(c.json), &got)
		if c.want == "" && (err != nil || note != "") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, %q", c.name, err, note)
		}
	}
}

// TestUnregistered reads names that are not registered: only they are left out.
func TestUnregistered(t *testing.T) {
	p := NewParser()
	for _, c := range []struct {
		json, note string
		check      func(c *report.Connection) bool
	}{
		{`,"offered":{"cipher_suites":["TLS_NEW","TLS_AES_128_GCM_SHA256"]}`, "offered.cipher_suites: TLS_NEW is not registered", func(c *report.Connection) bool {
			return c.Offered.Incomplete && len(c.Offered.CipherSuites) == 1
		}},
		{`,"version":"TLS 9","version_id":"0x0309"`, "", func(c *report.Connection) bool { return c.HasServerHello && c.Version == 0x0309 }},
		{`,"version_id":"0x0309","version":"TLS 9"`, "", func(c *report.Connection) bool { return c.Version == 0x0309 }},
		{`,"version":"TLS 9"`, "version: TLS 9 is not registered", func(c *report.Connection) bool { return c.HasServerHello && c.Version == 0 }},
		{`,"cipher_suite":"0x1301"`, "", func(c *report.Connection) bool { return c.CipherSuite == 0x1301 }},
		{`,"reasons":["weak_dh","new_reason"]`, "reasons: new_reason is not a code", func(c *report.Connection) bool { return c.Reasons.Has(secrecy.WeakDH) }},
		{`,"offered":{"versions":["DTLS 1.0"],"signature_algorithms":["GREASE"]}`, "", func(c *report.Connection) bool {
			return c.Offered.Versions[0] == iana.DTLS10 && c.Offered.SignatureAlgorithms[0] == 0x0a0a
		}},
	} {
		for range 2 {
			var got report.Connection
			_, note, err := p.Parse([]byte(head+c.json+"}"), &got)
			if err != nil || note != c.note || !c.check(&got) {
				t.Errorf("%s: %v, note %q, %+v", c.json, err, note, got)
			}
		}
	}
}

// TestShared reads equal objects, which are made once, and a record like the one
// before, which takes no allocation.
func TestShared(t *testing.T) {
	var e render.Encoder
	line := bytes.Clone(e.Record(full()))
	p := NewParser()
	var a, b report.Connection
	_, _, _ = p.Parse(line, &a)
	_, _, _ = p.Parse(line, &b)
	if a.Offered != b.Offered || a.Certificate != b.Certificate {
		t.Error("equal offers or certificates are not shared")
	}
	line = bytes.Clone(e.Record(plain()))
	_, _, _ = p.Parse(line, &a)
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := p.Parse(line, &b); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a record like one before", n)
	}
}

// kept is a Sink that keeps its records.
type kept struct {
	mu     *struct{ rows []report.Connection }
	rows   []report.Connection
	faults *[]Fault
	err    error
}

func (k *kept) Take(rows []report.Connection, _ []Fault) { k.rows = rows }
func (k *kept) Emit(faults []Fault) error {
	k.mu.rows = append(k.mu.rows, k.rows...)
	*k.faults = append(*k.faults, faults...)
	return k.err
}

func readAll(in string, workers int) ([]report.Connection, []Fault, error) {
	all := new(struct{ rows []report.Connection })
	var faults []Fault
	var sinks []Sink
	for range workers {
		sinks = append(sinks, &kept{mu: all, faults: &faults})
	}
	_, err := Read(context.Background(), strings.NewReader(in), sinks...)
	return all.rows, faults, err
}

// TestRead reads records in every notation, with several numbers of workers.
func TestRead(t *testing.T) {
	var e render.Encoder
	var want []string
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		c := full()
		c.Client.AddrPort = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), uint16(i))
		c.ServerName = strings.Repeat("a", r.IntN(300))
		want = append(want, string(e.Record(c)))
	}
	pretty := func(s string) string {
		var b bytes.Buffer
		if err := json.Indent(&b, []byte(s), "", "  "); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for name, in := range map[string]string{
		"lines": strings.Join(want, "\n") + "\n", "no last newline": strings.Join(want, "\n"), "CRLF, BOM and empty lines": "\xef\xbb\xbf" + strings.Join(want, "\r\n\r\n"),
		"array": "[\n" + strings.Join(want, ",\n") + "\n]\n", "array in one line": "[" + strings.Join(want, ",") + "]", "indented": pretty("[" + strings.Join(want, ",") + "]"),
	} {
		for workers := 1; workers <= 3; workers++ {
			rows, faults, err := readAll(in, workers)
			if err != nil || len(faults) > 0 || len(rows) != len(want) {
				if len(faults) > 0 {
					t.Error(faults[0])
				}
				t.Errorf("%s, %d workers: %v, %d faults, %d rows", name, workers, err, len(faults), len(rows))
				continue
			}
			for i := range rows {
				if string(e.Record(&rows[i])) != want[i] {
					t.Fatalf("%s: row %d differs", name, i)
				}
			}
		}
	}
}

func TestFaults(t *testing.T) {
	var b strings.Builder
	good := head + `,"client_ip":"1.2.3.4"}` + "\n"
	var want []uint64
	lines := uint64(0)
	for i := range 20000 {
		lines++
		switch {
		case i%1000 == 7:
			b.WriteString(head + "\n")
			want = append(want, lines)
		case i%1000 == 8:
			b.WriteString("what?\n")
			want = append(want, lines)
		case i%1000 == 9:
			b.WriteString(head + `,"reasons":["x"]}` + "\n")
			want = append(want, lines)
		case i%1000 == 10:
			b.WriteString("\n" + `{"other":{}}` + "\n")
			lines++
			want = append(want, lines)
		default:
			b.WriteString(good)
		}
	}
	for workers := 1; workers <= 3; workers++ {
		rows, faults, err := readAll(b.String(), workers)
		var got []uint64
		for _, f := range faults {
			got = append(got, f.Line)
		}
		if err != nil || !reflect.DeepEqual(got, want) || len(rows) != 20000-60 {
			t.Errorf("%v, %d rows, lines %.200v", err, len(rows), got)
		}
	}
	for in, want := range map[string]bool{"": false, "{}": false, "[]\n": true, "[{\"a\":1}]": false, good: true, "[" + good: true, "\xd4\xc3\xb2\xa1": false} {
		if _, _, err := readAll(in, 1); (err == nil) != want || err != nil && !errors.Is(err, ErrNotRecords) {
			t.Errorf("%q: %v", in, err)
		}
	}
	if _, faults, err := readAll(good+strings.Repeat(" ", MaxRecord+chunkSize), 1); err != nil || len(faults) != 1 || !strings.Contains(faults[0].Err.Error(), "8 MiB") {
		t.Errorf("an endless line: %v, %.200v", err, faults)
	}
	all := new(struct{ rows []report.Connection })
	stop := errors.New("enough")
	if _, err := Read(context.Background(), strings.NewReader(b.String()), &kept{mu: all, faults: new([]Fault), err: stop}); err != stop {
		t.Errorf("a sink's error: %v", err)
	}
}

// check reads b, writes what it read, and reads that.
func check(t *testing.T, b []byte) {
	var e render.Encoder
	var first, second report.Connection
	p := NewParser()
	n, _, err := p.Parse(b, &first)
	if err != nil {
		return
	}
	if n < 2 || n > len(b) {
		t.Fatalf("%d of %d bytes", n, len(b))
	}
	line := bytes.Clone(e.Record(&first))
	if !json.Valid(line) {
		t.Fatalf("%q", line)
	}
	if n, note, err := p.Parse(line, &second); err != nil || note != "" || n != len(line) {
		t.Fatalf("read again: %v, %q: %s", err, note, line)
	}
	if again := e.Record(&second); !bytes.Equal(again, line) {
		t.Fatalf("written again\n%s\n%s", again, line)
	}
}

func FuzzParse(f *testing.F) {
	var e render.Encoder
	f.Add(bytes.Clone(e.Record(full())))
	for _, c := range broken {
		f.Add([]byte(c.json))
	}
	f.Fuzz(func(t *testing.T, b []byte) { check(t, b) })
}

func FuzzRead(f *testing.F) {
	f.Add("[\n" + head + "},\n" + head + "}\n]\n")
	f.Add(head + `,"client_ip":"1.2.3.4"}` + "\n{\n" + head + "}")
	f.Fuzz(func(t *testing.T, in string) {
		one, faults1, err1 := readAll(in, 1)
		two, faults2, err2 := readAll(in, 2)
		if len(one) != len(two) || len(faults1) != len(faults2) || (err1 == nil) != (err2 == nil) {
			t.Fatalf("%d %d rows, %d %d faults, %v %v", len(one), len(two), len(faults1), len(faults2), err1, err2)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	c := plain()
	var e render.Encoder
	line := bytes.Clone(e.Record(c))
	p := NewParser()
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := p.Parse(line, c); err != nil {
			b.Fatal(err)
		}
	}
}

// discard is a Sink that ignores its records.
type discard struct{}

func (discard) Take([]report.Connection, []Fault) {}
func (discard) Emit([]Fault) error                { return nil }

func BenchmarkRead(b *testing.B) {
	var e render.Encoder
	var in bytes.Buffer
	c := plain()
	for i := range 5000 {
		c.Client.AddrPort = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), uint16(i))
		c.ServerName = fmt.Sprintf("host%d.example", i%700)
		in.Write(append(e.Record(c), '\n'))
	}
	b.SetBytes(int64(in.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(context.Background(), bytes.NewReader(in.Bytes()), discard{}); err != nil {
			b.Fatal(err)
		}
	}
}
