package schema_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/parquet"
	"pfsight/report/record"
	"pfsight/report/render"
	"pfsight/report/schema"
	"pfsight/report/secrecy"
	"pfsight/report/where"
)

// full returns a connection with a value in every field, with strings that need
// escapes in every format.
func full() report.Connection {
	hostile := "x\x01\u202e.\ufffdé\xff\\xff\\\"'=,;\r\n"
	c := report.Connection{
		Time: 1700000000123456789, Client: report.Endpoint{AddrPort: netip.MustParseAddrPort("10.0.0.1:50000"), MAC: stream.MAC{2, 0, 0, 0xab, 0xcd, 5}},
		Server: report.Endpoint{AddrPort: netip.MustParseAddrPort("[2001:db8::1]:443"), MAC: stream.MAC{2, 0, 0, 0, 0, 10}}, MigratedTo: netip.MustParseAddrPort("[2001:db8::2]:40000"),
		Transport: stream.UDP, Protocol: parse.QUIC, QUICVersion: "v1", Upgrade: "smtp", UpgradeChain: []string{"connect", "smtp"}, Target: hostile, Encapsulation: []string{"vlan", "gre"},
		Source: hostile, ServerName: hostile, ALPN: hostile, HasServerHello: true, Version: iana.TLS12, CipherSuite: 0xc02f, KeyExchange: "ECDHE", Authentication: "RSA",
		Group: 29, HasGroup: true, DHBits: 2048, DHPrime: "p", CurveBits: 160, PSKMode: "psk_ke", Resumed: secrecy.True, Resumption: "ticket",
		HasSession: true, Session: report.Session{Time: 1600000000000000000, Packet: 9, Source: "before.pcap", ForwardSecrecy: secrecy.Yes},
		EarlyData: "sent", HelloRetryRequest: secrecy.False, HasRetryGroup: true, RetryGroup: 24, ECH: secrecy.False, ExtendedMaster: secrecy.True, EncryptThenMAC: secrecy.False,
		Renegotiation: secrecy.True, ForwardSecrecy: secrecy.Conditional, PostQuantum: secrecy.False, Outcome: report.Rejected, Alert: "handshake_failure", AlertFrom: "server", OneWay: "client",
		Certificate:  &report.Certificate{Subject: hostile, Issuer: "CN=]", Key: "RSA", Bits: 2048, NotBefore: -5, NotAfter: 253402300799, SHA256: [32]byte{1}, SPKI: [32]byte{2}},
		ClientCert:   &report.Certificate{Subject: "CN={a}", Issuer: hostile, Key: "ECDSA", Bits: 256, NotBefore: 1, NotAfter: 2, SHA256: [32]byte{3}, SPKI: [32]byte{4}},
		EphemeralKey: report.KeyID{1}, TicketKey: "aa", TicketLifetime: 0, JA3: "a", JA3S: "b", JA4: "c", ClientHelloPacket: 1<<53 - 1, ServerHelloPacket: 2,
		Totals: stream.Totals{Bytes: [2]uint64{1, 1<<64 - 1}, Packets: 3, Last: 1700000001000000000}, FirstHelloSplit: true, Gap: true,
		Offered: &report.Offer{
			Versions: []iana.Version{0x2a2a, iana.TLS13, 0x7f17, 0x9999}, CipherSuites: []iana.CipherSuite{0x0a0a, 0x1301, 0xc02f, 0x00ff, 0xfffe}, SSLv2Kinds: []iana.SSLv2Kind{0x010080, 0x123456},
			Groups: []iana.Group{0x1a1a, 0x11ec, 29}, KeyShares: []iana.Group{0x11ec}, SignatureAlgorithms: []iana.SignatureScheme{0x0a0a, 0x0403, 0x9998},
			ALPN: []string{hostile, "h2"}, PSKModes: []uint8{0, 1, 7}, SupportedVersions: secrecy.True, ExtendedMaster: secrecy.False, RenegotiationInfo: secrecy.True,
			CompressedPointsOnly: true, Incomplete: true,
		},
		Problems: []string{hostile, "]"},
	}
	c.Reasons.Add(secrecy.TicketResumption)
	c.Reasons.Add(secrecy.WeakDH)
	return c
}

// samples returns connections with all fields, without any, and of SSL 2.0.
func samples() map[string]report.Connection {
	ssl2 := schema.Empty()
	ssl2.HasServerHello, ssl2.ServerHelloPacket, ssl2.Version, ssl2.SSLv2Kind = true, 2, iana.SSL20, 0x0700c0
	ssl2.Offered = &report.Offer{SSLv2Kinds: []iana.SSLv2Kind{0x0700c0, 0x050080}, CipherSuites: []iana.CipherSuite{0x0035}}
	ssl2.Certificate = &report.Certificate{}
	return map[string]report.Connection{"full": full(), "empty": schema.Empty(), "SSL 2.0": ssl2}
}

// written returns what the writer of a format makes of rows.
func written(t *testing.T, format string, rows ...report.Connection) []byte {
	t.Helper()
	var b bytes.Buffer
	var w render.Writer
	switch format {
	case "json":
		w = render.NewJSON(&b)
	case "jsonl":
		w = render.NewJSONL(&b)
	case "csv":
		w = render.NewCSV(&b)
	case "parquet":
		w = render.NewParquet(&b)
	}
	for i := range rows {
		if err := w.Write(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// kept is a record.Sink that keeps all records.
type kept struct {
	rows, all []report.Connection
	faults    []record.Fault
}

func (k *kept) Take(rows []report.Connection, _ []record.Fault) { k.rows = rows }

func (k *kept) Emit(faults []record.Fault) error {
	k.all, k.faults = append(k.all, k.rows...), append(k.faults, faults...)
	return nil
}

// read returns the records of an input in a format.
func read(t *testing.T, format string, in []byte) []report.Connection {
	t.Helper()
	var k kept
	var err error
	if format == "parquet" {
		var r *parquet.Reader
		if r, err = parquet.NewReader(bytes.NewReader(in), int64(len(in)), parquet.Options{Wanted: record.IsField}); err == nil {
			_, err = record.ReadLines(context.Background(), r, &k)
		}
	} else {
		_, err = record.Read(context.Background(), bytes.NewReader(in), &k)
	}
	if err != nil || len(k.faults) > 0 {
		t.Fatalf("%s: %v, %v", format, err, k.faults)
	}
	return k.all
}

// object returns the JSON object of c.
func object(t *testing.T, c *report.Connection) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(new(render.Encoder).Record(c)))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

// get returns the value of an entry in a JSON object, nil for none.
func get(m map[string]any, e schema.Entry) any {
	if e.Of == "" {
		return m[e.Name]
	}
	inner, _ := m[e.Of].(map[string]any)
	return inner[strings.TrimPrefix(e.Name, e.Of+".")]
}

// TestRoundTrip writes the samples in each format that can be read, and reads
// them again.
func TestRoundTrip(t *testing.T) {
	for name, want := range samples() {
		for _, format := range []string{"json", "jsonl", "parquet"} {
			if got := read(t, format, written(t, format, want, want)); len(got) != 2 || !reflect.DeepEqual(got[0], want) || !reflect.DeepEqual(got[1], want) {
				t.Errorf("%s as %s: got\n%s\nwant\n%s", name, format, written(t, "jsonl", got...), written(t, "jsonl", want))
			}
		}
	}
}

// TestEachAbsent leaves out one field of the full connection at a time and
// round-trips the rest.
func TestEachAbsent(t *testing.T) {
	c := full()
	for _, e := range schema.Entries() {
		m := object(t, &c)
		switch inner, _ := m[e.Of].(map[string]any); {
		case e.Name == "forward_secrecy":
			continue // a record has it
		case e.Of == "":
			delete(m, e.Name)
		default:
			delete(inner, strings.TrimPrefix(e.Name, e.Of+"."))
		}
		line, _ := json.Marshal(m)
		rest := read(t, "jsonl", append(line, '\n'))
		rest = read(t, "jsonl", written(t, "jsonl", rest...)) // without what depends on the field
		for _, format := range []string{"json", "jsonl", "parquet"} {
			if got := read(t, format, written(t, format, rest...)); !reflect.DeepEqual(got, rest) {
				t.Errorf("without %s, as %s: got\n%s\nwant\n%s", e.Name, format, written(t, "jsonl", got...), written(t, "jsonl", rest...))
			}
		}
	}
}

// TestDocumented compares the fields of the table with those that JSON and CSV
// have of the full connection.
func TestDocumented(t *testing.T) {
	c := full()
	m := object(t, &c)
	rows, err := csv.NewReader(bytes.NewReader(written(t, "csv", c))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	cells := map[string]string{}
	for i, name := range rows[0] {
		cells[name] = rows[1][i]
	}
	seen := map[string]bool{}
	for _, e := range schema.Entries() {
		if e.Name == "" || e.Type == "" || e.Meaning == "" || e.Absent == "" {
			t.Errorf("%+v is not documented", e)
		}
		if seen[e.Name] {
			t.Errorf("%s is in the table twice", e.Name)
		}
		seen[e.Name] = true
		v := get(m, e)
		if v == nil {
			t.Errorf("the full connection has no %s: add a value to full, or write the field", e.Name)
		}
		if e.Type == "object" {
			continue
		}
		if got, want := cells[strings.ReplaceAll(e.Name, ".", "_")], cell(v); got != want {
			t.Errorf("%s: CSV has %q, want %q", e.Name, got, want)
		}
	}
	names := 0
	for name, v := range m {
		names++
		if inner, ok := v.(map[string]any); ok {
			names += len(inner)
		}
		if schema.Lookup(name) == nil {
			t.Errorf("%s is written and not in the table", name)
		}
	}
	if names != len(seen) {
		t.Errorf("%d fields are written, %d are in the table", names, len(seen))
	}
}

// cell returns the CSV cell of a JSON value.
func cell(v any) string {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(render.Cell(report.Untext(v)), "\r\n", "\n")
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case []any:
		var list []string
		for _, x := range v {
			list = append(list, report.Untext(x.(string)))
		}
		return render.Cell(strings.Join(list, ";"))
	}
	return ""
}

// TestColumns compares the first columns of CSV with those that have been
// published: new ones come after them.
func TestColumns(t *testing.T) {
	published := strings.Fields(`time client_ip client_port client_mac server_ip server_port server_mac transport protocol upgrade target encapsulation source server_name alpn
		version version_id cipher_suite cipher_suite_id key_exchange authentication group group_id dh_bits dh_prime psk_mode resumed resumption early_data hello_retry_request ech
		extended_master_secret forward_secrecy reasons post_quantum outcome alert alert_from one_direction certificate_subject certificate_issuer certificate_key certificate_bits
		certificate_not_after certificate_sha256 ephemeral_key_id ticket_key_id ja3 ja3s ja4 client_hello_packet server_hello_packet bytes_to_server bytes_to_client packets last_time
		client_hello_split gap problems
		migrated_to quic_version upgrade_chain curve_bits session_time session_packet session_source session_forward_secrecy hello_retry_group encrypt_then_mac secure_renegotiation
		certificate_not_before certificate_spki_sha256 client_certificate_subject client_certificate_issuer client_certificate_key client_certificate_bits client_certificate_not_before
		client_certificate_not_after client_certificate_sha256 client_certificate_spki_sha256 ticket_lifetime offered_versions offered_cipher_suites offered_groups offered_key_shares
		offered_signature_algorithms offered_alpn offered_psk_modes offered_supported_versions offered_extended_master_secret offered_renegotiation_info offered_compressed_points_only
		offered_incomplete`)
	var got []string
	for _, c := range schema.Columns() {
		got = append(got, c.Name)
	}
	if len(got) < len(published) || !slices.Equal(got[:len(published)], published) {
		t.Errorf("the columns are %q, want %q and new ones", got, published)
	}
}

// TestAbsent holds the rules of the record: an absent value is omitted, and null
// is read as absent.
func TestAbsent(t *testing.T) {
	empty, all := schema.Empty(), full()
	m, present := object(t, &empty), object(t, &all)
	nulls := map[string]any{}
	for _, e := range schema.Entries() {
		v := get(m, e)
		if never := e.Absent == schema.Never && e.Name != "source"; never != (v != nil) {
			t.Errorf("%s is %v in the empty record; its absence means %q", e.Name, v, e.Absent)
		}
		if e.Of != "" {
			nulls[e.Of].(map[string]any)[strings.TrimPrefix(e.Name, e.Of+".")] = nil
		} else if nulls[e.Name] = nil; e.Type == "object" {
			nulls[e.Name] = map[string]any{}
		}
	}
	if m["forward_secrecy"] != "unknown" {
		t.Errorf("the verdict of the empty record is %v", m["forward_secrecy"])
	}
	nulls["forward_secrecy"] = "unknown"
	line, _ := json.Marshal(nulls)
	want := schema.Empty()
	want.Certificate, want.ClientCert, want.Offered = &report.Certificate{}, &report.Certificate{}, &report.Offer{}
	if got := read(t, "jsonl", append(line, '\n')); len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("a record of nulls: got %+v, want %+v", got, want)
	}
	// A claim is omitted while it is undetermined; false is written where it is
	// known to be false.
	for i := range schema.Fields {
		f := &schema.Fields[i]
		k, ok := f.Value.(schema.Tri[report.Connection])
		if !ok {
			continue
		}
		for state, want := range map[secrecy.Tri]any{secrecy.Undetermined: nil, secrecy.False: false, secrecy.True: true} {
			c := schema.Empty()
			*k.At(&c) = state
			if got := object(t, &c)[f.Name]; got != want {
				t.Errorf("%s: state %d is written as %v, want %v", f.Name, state, got, want)
			}
		}
		if present[f.Name] == nil {
			t.Errorf("the full connection has no %s", f.Name)
		}
	}
}

// TestEvents compares the record of a handshake event with the whole one: it has
// no field that is known at the end of the connection only.
func TestEvents(t *testing.T) {
	c := full()
	var e render.Encoder
	var m map[string]any
	if err := json.Unmarshal(e.Event(render.Handshake, true, &c), &m); err != nil {
		t.Fatal(err)
	}
	for i := range schema.Fields {
		f := &schema.Fields[i]
		if _, ok := m[f.Name]; ok == f.AtEnd {
			t.Errorf("%s: in a handshake event %v, known at the end only %v", f.Name, ok, f.AtEnd)
		}
	}
	for _, name := range []string{"bytes_to_server", "bytes_to_client", "packets", "last_time"} {
		if m[name] != nil {
			t.Errorf("a handshake event has %s, which grows until the connection ends", name)
		}
	}
}

// TestWhere compares every field with its value in the full connection, with
// each operator of its kind. Of the empty connection nothing can be determined.
func TestWhere(t *testing.T) {
	c, empty := full(), schema.Empty()
	c.Offered.Incomplete = false // otherwise what is not offered is undetermined
	m := object(t, &c)
	m["offered"].(map[string]any)["incomplete"] = false
	quote := func(v any) string {
		s, ok := v.(string)
		if !ok {
			b, _ := json.Marshal(v)
			return string(b)
		}
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	for _, e := range schema.Entries() {
		v := get(m, e)
		if n, ok := v.(json.Number); ok && n.String() == "18446744073709551615" {
			v = json.Number("9223372036854775807") // the highest number that is compared
		}
		var yes, no []string
		switch {
		case e.Type == "object":
		case e.Type == "list":
			for _, x := range v.([]any) {
				yes = append(yes, "has "+quote(x))
			}
			yes, no = append(yes, "matches ."), append(no, "matches '^$'")
		case e.Type == "boolean":
			yes, no = []string{"== " + quote(v)}, []string{"!= " + quote(v)}
		case e.Type == "number", strings.HasPrefix(e.Type, "RFC 3339"):
			yes, no = []string{"== " + quote(v), "<= " + quote(v), ">= " + quote(v), "in (" + quote(v) + ")"}, []string{"!= " + quote(v), "< " + quote(v), "> " + quote(v)}
		default:
			yes, no = []string{"== " + quote(v), "in (" + quote(v) + ")"}, []string{"!= " + quote(v), "not in (" + quote(v) + ")"}
		}
		if strings.HasPrefix(e.Name, "version") {
			yes, no = append(yes, "<= "+quote(v)), append(no, "> "+quote(v))
		}
		for i, ops := range [][]string{append(yes, "is known"), append(no, "is unknown")} {
			for _, op := range ops {
				f, err := where.Compile(e.Name + " " + op)
				if err != nil {
					t.Error(err)
				} else if f.Match(&c) != (i == 0) {
					t.Errorf("%s %s: got %v, want %v", e.Name, op, i != 0, i == 0)
				}
			}
		}
		if get(object(t, &empty), e) != nil || e.Name == "gap" {
			continue
		}
		for _, op := range append(yes, no...) {
			for _, expr := range []string{e.Name + " " + op, "not (" + e.Name + " " + op + ")"} {
				if e.Type == "list" && e.Of == "" {
					continue // what is not in a list of the record is not said of it
				}
				if f, err := where.Compile(expr); err != nil || f.Match(&empty) {
					t.Errorf("%s is true of the empty connection, or: %v", expr, err)
				}
			}
		}
	}
}
