package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files of testdata/captures anew")

const captures = "../../testdata/captures"

// pfsight runs the program and returns what it wrote.
func pfsight(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(args, strings.NewReader(stdin), &out, &err)
	return code, out.String(), err.String()
}

type record map[string]any

func records(t *testing.T, files ...string) []record {
	t.Helper()
	code, out, stderr := pfsight(t, "", append([]string{"--format", "json"}, files...)...)
	if code != 0 && (code != exitIncomplete || !strings.Contains(stderr, "missing: ")) {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	var list []record
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		r["source"] = filepath.Base(r["source"].(string))
	}
	slices.SortFunc(list, func(a, b record) int { return strings.Compare(a["time"].(string), b["time"].(string)) })
	return list
}

// A truth is what the TLS stack itself reported; see testdata/make.
type truth struct {
	Stack      string
	Version    string
	Suite      string `json:"cipher_suite"`
	SuiteID    string `json:"cipher_suite_id"`
	Group      string
	DHBits     int `json:"dh_bits"`
	Resumed    *bool
	PSKMode    string `json:"psk_mode"`
	EarlyData  string `json:"early_data"`
	HelloRetry *bool  `json:"hello_retry_request"`
	Outcome    string
	Alert      string
	ECH        *bool    `json:"ech"`
	ClientPort int      `json:"client_port"`
	Upgrade    string   // the last protocol before TLS
	Chain      []string `json:"upgrade_chain"` // all of them, if there are several
	Target     string   // the target that the proxy was asked for, host:port
	AlertFrom  string   `json:"alert_from"`
	QUIC       string   `json:"quic_version"`
	MovedTo    int      `json:"moved_to_port"`

	Encapsulation []string
}

// alerts are the numbers of the alerts in the captures, RFC 8446 section 6 and
// RFC 7507.
var alerts = map[string]string{
	"40": "handshake_failure", "42": "bad_certificate", "48": "unknown_ca", "70": "protocol_version", "86": "inappropriate_fallback", "116": "certificate_required", "120": "no_application_protocol",
}

func (want truth) compare(t *testing.T, got record) {
	t.Helper()
	is := func(field string, want any) {
		t.Helper()
		if !reflect.DeepEqual(got[field], want) {
			t.Errorf("%s says %s %v; the record has %v", strings.ToLower(want2stack(got)), field, want, got[field])
		}
	}
	if want.Version != "" {
		is("version", want.Version)
	}
	if want.Suite != "" {
		is("cipher_suite", want.Suite)
	}
	if want.SuiteID != "" {
		is("cipher_suite_id", want.SuiteID)
	}
	if want.AlertFrom != "" {
		is("alert_from", want.AlertFrom)
	}
	if want.QUIC != "" {
		is("quic_version", want.QUIC)
	}
	if want.PSKMode != "" {
		is("psk_mode", want.PSKMode)
	}
	if want.ClientPort != 0 {
		is("client_port", float64(want.ClientPort))
	}
	if want.Encapsulation != nil {
		var layers []any
		for _, e := range want.Encapsulation {
			layers = append(layers, e)
		}
		is("encapsulation", layers)
	}
	if want.MovedTo != 0 {
		is("migrated_to", got["client_ip"].(string)+":"+strconv.Itoa(want.MovedTo))
	} else {
		is("migrated_to", nil)
	}
	if want.ECH != nil {
		is("ech", *want.ECH)
	}
	if want.Upgrade != "" {
		is("upgrade", want.Upgrade)
	} else {
		is("upgrade", nil)
	}
	if want.Target != "" {
		is("target", want.Target)
	}
	if want.Chain != nil {
		var chain []any
		for _, p := range want.Chain {
			chain = append(chain, p)
		}
		is("upgrade_chain", chain)
	}
	if want.Group != "" {
		is("group", want.Group)
	}
	if want.DHBits != 0 && want.Version != "TLS 1.3" { // TLS 1.3 has groups
		is("dh_bits", float64(want.DHBits))
	}
	if want.Resumed != nil && want.Version != "" {
		is("resumed", *want.Resumed)
	}
	if want.HelloRetry != nil && want.Version != "" {
		is("hello_retry_request", *want.HelloRetry)
	}
	switch want.EarlyData {
	case "accepted":
		is("early_data", "sent") // acceptance is encrypted
	case "rejected":
		if got["early_data"] != "rejected" && (got["early_data"] != "sent" || got["hello_retry_request"] == true) { // a HelloRetryRequest shows it
			t.Errorf("early data were rejected; the record has %v", got["early_data"])
		}
	case "none":
		is("early_data", nil)
	}
	is("outcome", want.Outcome)
	switch {
	case want.Alert == "" && want.Outcome == "established":
		is("alert", nil)
	case want.Alert != "" && got["alert"] == "encrypted" && want.Version == "TLS 1.3":
	case want.Alert != "":
		if alerts[want.Alert] == "" {
			t.Errorf("alert %s is not in the table", want.Alert)
		}
		is("alert", alerts[want.Alert])
	}
}

func want2stack(r record) string { return "the stack of " + r["source"].(string) }

// verdicts holds the verdict and the deciding reason of each connection of each
// capture, by the definition of forward secrecy.
var verdicts = merged(stackVerdicts, datagramVerdicts, map[string][]string{
	"rsa": {"no rsa_key_transport"}, "dhe-2048": {"yes ephemeral_key_exchange"}, "dhe-1024": {"yes ephemeral_key_exchange weak_dh"},
	"ecdhe-p256": {"yes ephemeral_key_exchange ticket_issued"}, "ecdhe-p384": {"yes ephemeral_key_exchange"}, "ecdhe-p521": {"yes ephemeral_key_exchange"},
	"ecdhe-x25519": {"yes ephemeral_key_exchange"}, "ecdhe-x448": {"yes ephemeral_key_exchange"},
	"ecdhe-ecdsa": {"yes ephemeral_key_exchange"}, "ecdhe-ed25519": {"yes ephemeral_key_exchange"},
	"adh": {"yes ephemeral_key_exchange anonymous"}, "aecdh": {"yes ephemeral_key_exchange anonymous"},
	"psk": {"no psk_only"}, "rsa-psk": {"no rsa_psk"}, "dhe-psk": {"yes ephemeral_key_exchange"}, "ecdhe-psk": {"yes ephemeral_key_exchange"},
	"gnutls-srp": {"yes ephemeral_key_exchange"}, "gnutls-srp-rsa": {"yes ephemeral_key_exchange"},
	"null": {"no null_encryption"}, "ecdhe-null": {"no null_encryption"},
	"tls10-rsa": {"no rsa_key_transport"}, "tls10-ecdhe": {"yes ephemeral_key_exchange"}, "tls11-dhe": {"yes ephemeral_key_exchange"},
	"tls13-x25519": {"yes tls13_key_share"}, "tls13-p256": {"yes tls13_key_share"}, "tls13-ffdhe2048": {"yes tls13_key_share"},
	"tls13-hrr": {"yes tls13_key_share"}, "tls13-chacha": {"yes tls13_key_share"},
	"tls13-psk-dhe-ke": {"yes tls13_key_share", "yes psk_dhe_ke"}, "tls13-early-data": {"yes tls13_key_share", "yes psk_dhe_ke early_data"},
	"session-id-rsa": {"no rsa_key_transport", "no rsa_key_transport resumed_not_forward_secret"}, "session-id-ecdhe": {"yes ephemeral_key_exchange", "conditional session_id_resumption"},
	"ticket-rsa": {"no rsa_key_transport", "no rsa_key_transport resumed_not_forward_secret"}, "ticket-ecdhe": {"yes ephemeral_key_exchange ticket_issued", "conditional ticket_resumption"},
	"client-certificate": {"yes ephemeral_key_exchange"}, "tls13-client-certificate": {"yes tls13_key_share"},
	"failed-version": {"unknown no_server_hello"}, "failed-suite": {"unknown no_server_hello"}, "failed-unknown-ca": {"yes ephemeral_key_exchange"},
	"failed-no-client-cert": {"yes ephemeral_key_exchange"}, "tls13-failed-group": {"unknown no_server_hello"}, "tls13-failed-unknown-ca": {"yes tls13_key_share"},
	"gnutls-rsa": {"no rsa_key_transport"}, "gnutls-dhe-ffdhe2048": {"yes ephemeral_key_exchange"},
	"gnutls-tls13-ffdhe3072": {"yes tls13_key_share"}, "gnutls-tls13-x448": {"yes tls13_key_share"},
	"gnutls-tls13-psk-ke": {"no psk_ke external_psk"}, "gnutls-tls13-psk-dhe-ke": {"yes psk_dhe_ke external_psk"},
	"gnutls-ticket": {"yes ephemeral_key_exchange", "conditional ticket_resumption"}, "gnutls-tls13-resume": {"yes tls13_key_share", "yes psk_dhe_ke"},
	"go-rsa": {"no rsa_key_transport", "no rsa_key_transport resumed_not_forward_secret"}, "go-rsa-3des": {"no rsa_key_transport"},
	"go-ecdhe": {"yes ephemeral_key_exchange", "conditional ticket_resumption"}, "go-tls13-mlkem": {"yes tls13_key_share", "yes psk_dhe_ke"},
	"go-tls13-hrr": {"yes tls13_key_share"}, "go-no-protocol": {"unknown no_server_hello"}, "go-bad-certificate": {"yes ephemeral_key_exchange"},
	"closed-without-answer":  {"unknown no_server_hello"},
	"failed-bad-certificate": {"yes ephemeral_key_exchange"}, "failed-fallback": {"unknown no_server_hello"}, "warning-alert": {"yes ephemeral_key_exchange"},
	"tls13-failed-no-client-cert": {"yes tls13_key_share"},
	"ecdhe-brainpool":             {"yes ephemeral_key_exchange"}, "ecdhe-secp256k1": {"yes ephemeral_key_exchange"}, "dhe-dss": {"yes ephemeral_key_exchange"},
	"ipv6-ecdhe": {"yes ephemeral_key_exchange"}, "ipv6-tls13": {"yes tls13_key_share"},
	"tls13-psk-ke": {"yes tls13_key_share", "no psk_ke"}, "tls13-early-data-rejected": {"yes tls13_key_share", "yes tls13_key_share"},
	"tls13-external-psk": {"yes psk_dhe_ke external_psk"}, "gnutls-adh": {"yes ephemeral_key_exchange anonymous"}, "gnutls-rsa-psk": {"no rsa_psk"},
	"go-tls13-p256-mlkem": {"yes tls13_key_share"}, "go-tls13-p384-mlkem": {"yes tls13_key_share"}, "go-tls13-mlkem-hrr": {"yes tls13_key_share"},
	"go-tls13-ech":   {"yes tls13_key_share"},
	"jsse-sslv3-rsa": {"no rsa_key_transport"}, "jsse-sslv3-dhe": {"yes ephemeral_key_exchange"}, "jsse-sslv2-hello": {"yes ephemeral_key_exchange"},
	"jsse-rsa-export": {"no rsa_key_transport export_grade"}, "jsse-dhe-export": {"yes ephemeral_key_exchange weak_dh export_grade"},
	"jsse-dh-anon-export": {"yes ephemeral_key_exchange export_grade anonymous"},
	"jsse-ecdh-ecdsa":     {"no static_dh", "no static_dh resumed_not_forward_secret"}, "jsse-ecdh-rsa": {"no static_dh"},
	"jsse-dhe-dss": {"yes ephemeral_key_exchange"}, "jsse-ecdh-anon-null": {"no null_encryption anonymous"}, "jsse-tls13": {"yes tls13_key_share", "yes psk_dhe_ke"},
})

// TestCaptures compares the records of real handshakes with the stacks' reports,
// with the definition of the verdict, and with the golden files.
func TestCaptures(t *testing.T) {
	files, _ := filepath.Glob(captures + "/*.truth.json")
	if len(files) < len(verdicts) {
		t.Fatalf("%d captures with a truth, but verdicts of %d", len(files), len(verdicts))
	}
	for _, file := range files {
		base := strings.TrimSuffix(file, ".truth.json")
		name := filepath.Base(base)
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var said []truth
			if err := json.Unmarshal(b, &said); err != nil {
				t.Fatal(err)
			}
			got := records(t, base+".pcap")
			want := verdicts[name]
			if len(got) != len(said) || len(got) != len(want) {
				t.Fatalf("%d connections; the stack had %d, and verdicts are known of %d", len(got), len(said), len(want))
			}
			compareGolden(t, base+".json", got)
			byPort(got, said)
			for i := range got {
				said[i].compare(t, got[i])
				words := strings.Fields(want[i])
				if got[i]["forward_secrecy"] != words[0] {
					t.Errorf("connection %d: verdict %v, want %s", i, got[i]["forward_secrecy"], words[0])
				}
				for _, reason := range words[1:] {
					if !slices.Contains(got[i]["reasons"].([]any), any(reason)) {
						t.Errorf("connection %d: reasons %v lack %s", i, got[i]["reasons"], reason)
					}
				}
			}
		})
	}
}

// byPort sorts records into the order of the truths, if these have client ports:
// two connections of one proxy begin in any order.
func byPort(got []record, said []truth) {
	place := map[any]int{}
	for i, s := range said {
		place[float64(s.ClientPort)] = i
	}
	if _, ok := place[0.0]; !ok && len(place) == len(got) {
		slices.SortFunc(got, func(a, b record) int { return place[a["client_port"]] - place[b["client_port"]] })
	}
}

func compareGolden(t *testing.T, path string, got []record) {
	t.Helper()
	b, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, '\n')
	if *update {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, want) {
		t.Errorf("the records differ from %s; see what changed with -update and git diff", path)
	}
}

// TestVariants compares captures that carry the same handshake differently with
// the original.
func TestVariants(t *testing.T) {
	b, err := os.ReadFile(captures + "/variants.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Files   []string
		Of      string
		Differs []string
		Expect  map[string]any
	}
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	// Fields that depend on the carrier.
	carriage := []string{"source", "time", "last_time", "client_hello_split", "gap", "packets", "client_hello_packet", "server_hello_packet", "bytes_to_client", "bytes_to_server", "problems"}
	for _, v := range list {
		t.Run(strings.Join(v.Files, "+"), func(t *testing.T) {
			var paths []string
			for _, f := range v.Files {
				paths = append(paths, filepath.Join(captures, f))
			}
			want := records(t, filepath.Join(captures, v.Of+".pcap"))
			for _, jobs := range []string{"1", "3"} {
				got := records(t, append(paths, "-j", jobs)...)
				if len(got) != len(want) {
					t.Fatalf("-j %s: %d connections, want %d", jobs, len(got), len(want))
				}
				for i := range got {
					for field := range merge(got[i], want[i]) {
						if slices.Contains(carriage, field) || slices.Contains(v.Differs, field) {
							continue
						}
						if !reflect.DeepEqual(got[i][field], want[i][field]) {
							t.Errorf("-j %s: %s is %v, want %v", jobs, field, got[i][field], want[i][field])
						}
					}
					for field, x := range v.Expect {
						anyOf, isList := x.([]any)
						if !isList {
							anyOf = []any{x}
						}
						if !slices.ContainsFunc(anyOf, func(x any) bool { return reflect.DeepEqual(got[i][field], x) }) {
							t.Errorf("-j %s: %s is %v, want %v", jobs, field, got[i][field], x)
						}
					}
				}
			}
		})
	}
}

// TestEveryCaptureIsHeld fails for captures that no test above reads.
func TestEveryCaptureIsHeld(t *testing.T) {
	b, err := os.ReadFile(captures + "/variants.json")
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(captures + "/*.pcap")
	for _, f := range files {
		if strings.HasPrefix(filepath.Base(f), "quic-") {
			continue // parse/quic reads them
		}
		if _, ok := verdicts[strings.TrimSuffix(filepath.Base(f), ".pcap")]; !ok && !bytes.Contains(b, []byte(`"`+filepath.Base(f)+`"`)) {
			t.Errorf("%s has no verdict and is no variant", f)
		}
	}
	for name := range verdicts {
		if _, err := os.Stat(captures + "/" + name + ".truth.json"); err != nil {
			t.Error(err)
		}
	}
}

func merge(a, b record) record {
	m := record{}
	for _, r := range []record{a, b} {
		for k, v := range r {
			m[k] = v
		}
	}
	return m
}

// TestBad reads files that are not captures, or incomplete ones.
func TestBad(t *testing.T) {
	for _, c := range []struct {
		file    string
		code    int
		message string // in the one line on stderr
		rows    int
	}{
		{"empty.pcap", 2, "the file is empty", 0},
		{"text.pcap", 2, "not a pcap or pcapng capture", 0},
		{"cut-in-header.pcap", 2, "offset 0: the file header is cut", 0},
		{"header-only.pcap", 0, "", 0},
		{"cut-in-packet.pcap", 3, "packet 16, offset", 1},
		{"lying-length.pcap", 3, "packet 14, offset", 1},
		{"lying-headers.pcap", 3, "missing: 1 handshake packet cut by the capture's snaplen or a mirror", 0}, // a length beyond the frame means a cut packet
		{"gzip-cut.pcap", 3, "the capture ends in the middle of a record", 1},
		{"pcapng-bad-block.pcap", 3, "a block of 7 bytes", 1},
	} {
		t.Run(c.file, func(t *testing.T) {
			path := filepath.Join(captures, "bad", c.file)
			code, out, stderr := pfsight(t, "", "--format", "jsonl", path)
			if code != c.code {
				t.Errorf("exit %d, want %d", code, c.code)
			}
			missing := strings.HasPrefix(c.message, "missing: ")
			if !strings.Contains(stderr, c.message) || (c.message != "" && !missing) != strings.Contains(stderr, path) || strings.Count(stderr, "\n") > 1 && !missing {
				t.Errorf("stderr %q, want one line with %q and the file", stderr, c.message)
			}
			if n := strings.Count(out, "\n"); n != c.rows {
				t.Errorf("%d records, want %s", n, strconv.Itoa(c.rows))
			}
		})
	}
	// All together: the readable ones are read, and each of the others is named.
	code, out, stderr := pfsight(t, "", filepath.Join(captures, "rsa.pcap"), filepath.Join(captures, "bad", "text.pcap"), filepath.Join(captures, "missing.pcap"))
	if code != 3 || !strings.Contains(out, "1 negotiated connection") || !strings.Contains(stderr, "text.pcap") || !strings.Contains(stderr, "missing.pcap") {
		t.Errorf("exit %d\n%s%s", code, out, stderr)
	}
}
