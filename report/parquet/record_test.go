package parquet_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"pfsight/capture/stream"
	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/parquet"
	"pfsight/report/record"
	"pfsight/report/render"
	"pfsight/report/secrecy"
)

// row makes a record with s in fields that come from the wire.
func row(s string) *report.Connection {
	c := &report.Connection{
		Time: 1700000000123456789, Client: report.Endpoint{AddrPort: netip.MustParseAddrPort("10.0.0.1:50000")}, Server: report.Endpoint{AddrPort: netip.MustParseAddrPort("[2001:db8::1]:443")},
		UpgradeChain: []string{"connect", "smtp"}, Source: s, ServerName: s, ALPN: s, HasServerHello: true, Version: 0x303, CipherSuite: 0xc02f, Group: 29, HasGroup: true, DHBits: 2048,
		Resumed: secrecy.True, ForwardSecrecy: secrecy.No, HasSession: true, Session: report.Session{Time: 1, Packet: 2, Source: "other", ForwardSecrecy: secrecy.Yes},
		Certificate: &report.Certificate{Subject: s, Issuer: s, Key: "RSA", Bits: 2048, NotBefore: 1, NotAfter: 2}, TicketLifetime: 5,
		Totals: stream.Totals{Bytes: [2]uint64{1, 1<<64 - 1}, Packets: 3, Last: 1700000000923456789}, Gap: true,
		Offered: &report.Offer{ALPN: []string{s, "h2", s}, CipherSuites: []iana.CipherSuite{0x1301, 0xc02f}}, Problems: []string{s},
	}
	c.Reasons.Add(secrecy.RSAKeyTransport)
	return c
}

func written(t testing.TB, rows ...*report.Connection) []byte {
	t.Helper()
	var b bytes.Buffer
	w := render.NewParquet(&b)
	for _, r := range rows {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var options = parquet.Options{Wanted: record.IsField, Needed: []string{"time", "transport", "forward_secrecy"}}

// TestRecords compares the rows that are read with the records that were written.
func TestRecords(t *testing.T) {
	rows := []*report.Connection{row("x"), {TicketLifetime: -1}, row("=\x01\u202eé\ufffd\xff\\"), {TicketLifetime: -1}}
	for range 3000 {
		rows = append(rows, row("again"))
	}
	b := written(t, rows...)
	r, err := parquet.NewReader(bytes.NewReader(b), int64(len(b)), options)
	if err != nil {
		t.Fatal(err)
	}
	if r.Rows() != int64(len(rows)) {
		t.Errorf("%d rows, want %d", r.Rows(), len(rows))
	}
	d := json.NewDecoder(r)
	for i, c := range rows {
		var got, want map[string]any
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		var e render.Encoder
		_ = json.Unmarshal(e.Record(c), &want)
		for _, m := range []map[string]any{got, want} {
			for k, v := range m {
				s, isText := v.(string)
				if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
					m[k] = at.UnixNano() // in any notation
				} else if isText && s == "" {
					delete(m, k) // absent
				}
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("row %d:\n%v\n%v", i, got, want)
		}
	}
	if err := d.Decode(new(any)); err != io.EOF {
		t.Error(err)
	}
}

// drain reads all of b. An error that does not wrap ErrFormat fails the test.
func drain(t *testing.T, b []byte) (n int64, err error) {
	r, err := parquet.NewReader(bytes.NewReader(b), int64(len(b)), options)
	if err == nil {
		n, err = io.Copy(io.Discard, r)
		_ = r.Close()
	}
	if err != nil && !errors.Is(err, parquet.ErrFormat) {
		t.Errorf("%v", err)
	}
	return n, err
}

func FuzzRead(f *testing.F) {
	f.Add(written(f, row("x"), row("y")))
	for _, b := range small(f) {
		f.Add(b)
	}
	f.Add([]byte("PAR1"))
	defer parquet.IgnoreSums()()
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = drain(t, b) })
}
