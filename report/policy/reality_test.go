package policy_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/parse/iana"
	"pfsight/report"
	. "pfsight/report/policy"
	"pfsight/report/secrecy"
)

// realityPolicies are configured on real servers. What a stack does not support
// is removed for it.
var realityPolicies = []string{
	"mozilla-intermediate-6-0", "mozilla-old-5-7", "mozilla-modern-6-0", "chacha20-first", "key-transport-first", "mozilla-intermediate-4-0", "forward-secrecy-only", "tls13-only",
	"post-quantum-preferred", "windows-server-2022", "windows-server-2012r2", "aws-elb-2016-08", "nist-sp800-52r2", "bsi-tr-02102-2-2025",
}

// TestReality sends real ClientHellos, byte for byte, to real servers with a
// policy, and compares their answers with Answer.
//
// PFSIGHT_HELLOS names more directories of captures, PFSIGHT_REALITY a file for
// the table and the disagreements. Without them the run is small.
func TestReality(t *testing.T) {
	if testing.Short() {
		t.Skip("runs servers")
	}
	folders := []string{"../../testdata/captures"}
	policies := realityPolicies[:4]
	more := os.Getenv("PFSIGHT_HELLOS")
	if more != "" {
		folders = append(folders, filepath.SplitList(more)...)
		policies = realityPolicies
	}
	hellos := corpus(t, folders...)
	files := keyFiles(t)
	var table strings.Builder
	fmt.Fprintf(&table, "%d ClientHellos\n\n%-26s %-10s %-8s %9s %9s %9s %9s %9s %9s\n", len(hellos), "policy", "keys", "stack", "asked", "the same", "served", "alert", "flawed", "other")
	diffs := map[string]int{}
	samples := map[string][]string{}
	total := [5]int{}
	flaws := map[string]int{}
	for _, h := range hellos {
		if h.flaw != "" {
			flaws[h.flaw]++
		}
	}
	for _, name := range policies {
		p := realityPolicy(t, name)
		sets := [][]KeyType{{KeyRSA}, {KeyECDSAP256}, {KeyRSA, KeyECDSAP256}}
		if more != "" && slices.Index(policies, name) < 2 {
			sets = append(sets, []KeyType{KeyECDSAP384}, []KeyType{KeyEd25519})
		}
		for _, keys := range sets {
			for _, st := range stacks(t, files) {
				settled, args, err := st.settle(t, p, keys)
				if err != nil {
					fmt.Fprintf(&table, "%-26s %-10s %-8s cannot: %v\n", name, keyNames(keys), st.name, err)
					continue
				}
				addr, stop := st.serve(t, settled, keys, args)
				var same, served, alert, other, flawed int
				for _, r := range hellos {
					inForce, have := settled, keys
					if st.adapt != nil {
						inForce, have = st.adapt(settled, keys, &r)
					}
					want := inForce.Answer(r.hello, &Server{Keys: have})
					got := ask(t, addr, r.raw)
					if got.hasAlert && slices.Contains(st.alerts[want.Failure], got.alert) {
						want.Alert = got.alert
					}
					d := compare(&want, got)
					if d != "" && st.name == "Go" && r.early && got.alert == 110 {
						d = "" // crypto/tls supports early data only with QUIC, and refuses it otherwise
					}
					before := [3]int{same, alert, other}
					switch {
					case d == "":
						same++
						if want.OK {
							served++
						}
					case strings.HasPrefix(d, "alert "):
						alert++
					default:
						other++
					}
					if d != "" {
						if r.flaw != "" {
							flawed++
							same, alert, other = before[0], before[1], before[2]
							continue
						}
						key := st.name + ": " + d
						diffs[key]++
						if len(samples[key]) < 4 {
							samples[key] = append(samples[key], fmt.Sprintf("%s %s %s\n      want %+v\n      got  %s\n      %+v", name, keyNames(keys), r.from, want, got, *r.hello))
						}
					}
				}
				stop()
				for i, n := range [5]int{same, served, alert, flawed, other} {
					total[i] += n
				}
				fmt.Fprintf(&table, "%-26s %-10s %-8s %9d %9d %9d %9d %9d %9d\n", name, keyNames(keys), st.name, len(hellos), same, served, alert, flawed, other)
			}
		}
	}
	fmt.Fprintf(&table, "%-26s %-10s %-8s %9d %9d %9d %9d %9d %9d\n", "all", "", "", total[0]+total[2]+total[3]+total[4], total[0], total[1], total[2], total[3], total[4])
	fmt.Fprintf(&table, "\nflaws of ClientHellos, for which a server may refuse them whatever its policy:\n")
	for _, f := range slices.Sorted(maps.Keys(flaws)) {
		fmt.Fprintf(&table, "%6d  %s\n", flaws[f], f)
	}
	for _, key := range slices.Sorted(maps.Keys(diffs)) {
		fmt.Fprintf(&table, "\n%6d  %s\n", diffs[key], key)
		for _, s := range samples[key] {
			fmt.Fprintf(&table, "    %s\n", s)
		}
	}
	if out := os.Getenv("PFSIGHT_REALITY"); out != "" {
		if err := os.WriteFile(out, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Log(table.String())
	if len(diffs) > 0 {
		t.Errorf("%d disagreements that nothing explains", total[2]+total[4])
	}
}

// realityPolicy returns a built-in policy, or one with unusual settings.
func realityPolicy(t testing.TB, name string) *Policy {
	switch name {
	case "chacha20-first":
		p := *builtin(t, "mozilla-intermediate-5-7")
		p.Name, p.Order, p.ChaChaFirst = name, ServerOrder, true
		return &p
	case "key-transport-first":
		p := *builtin(t, "mozilla-old-5-7")
		p.Name, p.Order, p.Suites = name, ServerOrder, slices.Clone(p.Suites)
		slices.Reverse(p.Suites)
		return &p
	}
	return builtin(t, name)
}

func keyNames(keys []KeyType) string {
	var out []string
	for _, k := range keys {
		out = append(out, strings.TrimSuffix(k.String(), "-p256"))
	}
	return strings.Join(out, "+")
}

// A reply is a server's answer to a ClientHello.
type reply struct {
	row       *report.Connection
	retry     bool
	signature iana.SignatureScheme
	alert     iana.Alert
	hasAlert  bool
	silent    bool
}

func (r *reply) String() string {
	if r.hasAlert {
		return "alert " + r.alert.String()
	}
	if r.silent {
		return "nothing"
	}
	return fmt.Sprintf("%s %s %s(%v) DH %d %s retry %v signed %s", r.row.Version, r.row.CipherSuite, r.row.Group, r.row.HasGroup, r.row.DHBits, r.row.DHPrime, r.retry, r.signature)
}

// ask sends a ClientHello and reads the answer, up to the end of the server's
// flight.
func ask(t testing.TB, addr string, raw []byte) *reply {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var sent []byte
	for rest := raw; len(rest) > 0; {
		n := min(len(rest), 1<<14)
		sent = append(sent, 22, 3, 1, byte(n>>8), byte(n))
		sent = append(sent, rest[:n]...)
		rest = rest[n:]
	}
	c.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := c.Write(sent); err != nil {
		t.Fatal(err)
	}
	var got []byte
	buf := make([]byte, 1<<14)
	r := &reply{}
	for !r.done(got) {
		n, err := c.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			break
		}
	}
	r.done(got)
	conv := &stream.Conversation{Transport: stream.TCP, ClientKnown: true}
	conv.Half[stream.ToServer] = stream.Half{Data: sent, SYN: true}
	conv.Half[stream.ToClient] = stream.Half{Data: got, SYN: true}
	var p parse.Parser
	h := p.Parse(conv)
	if h == nil {
		t.Fatalf("%x is not taken for a ClientHello", raw[:min(len(raw), 64)])
	}
	for _, a := range h.Alerts {
		if a.From == stream.ToClient && a.Fatal && !a.Encrypted {
			r.alert, r.hasAlert = a.Code, true
		}
	}
	r.row = report.NewBuilder().Connection(h, conv)
	r.retry = h.RetryRequest != nil
	if h.ServerHello == nil && h.RetryRequest != nil {
		r.row.Version, r.row.CipherSuite, r.row.Group, r.row.HasGroup = h.RetryRequest.Version(), h.RetryRequest.CipherSuite, h.RetryRequest.Group, true
	}
	if h.ServerHello == nil && h.RetryRequest == nil && !r.hasAlert {
		r.silent = true
	}
	return r
}

// done reports whether the server's flight is complete. It also reads the
// scheme of the ServerKeyExchange, RFC 5246 section 7.4.3.
func (r *reply) done(b []byte) bool {
	var msgs []byte
	sh := false
	for len(b) >= 5 {
		n := int(binary.BigEndian.Uint16(b[3:]))
		if len(b) < 5+n {
			return false
		}
		switch b[0] {
		case 21, 23:
			return true
		case 20:
			return true // the rest is encrypted, or follows a HelloRetryRequest
		case 22:
			msgs = append(msgs, b[5:5+n]...)
		}
		b = b[5+n:]
	}
	for len(msgs) >= 4 {
		n := int(msgs[1])<<16 + int(msgs[2])<<8 + int(msgs[3])
		if len(msgs) < 4+n {
			return false
		}
		body := msgs[4 : 4+n]
		switch msgs[0] {
		case 2:
			sh = true
			if len(body) > 34 && string(body[2:34]) == retryRandom {
				return true
			}
		case 12:
			r.signature = schemeOf(body)
		case 14:
			return sh
		}
		msgs = msgs[4+n:]
	}
	return false
}

const retryRandom = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"

// schemeOf returns the scheme of a ServerKeyExchange of TLS 1.2.
func schemeOf(body []byte) iana.SignatureScheme {
	at := 0
	if len(body) > 4 && body[0] == 3 { // named_curve; no prime is this short
		at = 4 + int(body[3])
	} else {
		for range 3 {
			if at+2 > len(body) {
				return 0
			}
			at += 2 + int(binary.BigEndian.Uint16(body[at:]))
		}
	}
	if at+2 > len(body) {
		return 0
	}
	return iana.SignatureScheme(binary.BigEndian.Uint16(body[at:]))
}

// compare describes how the predicted and the real answer differ; "" if they do
// not.
func compare(want *Answer, got *reply) string {
	switch {
	case got.silent:
		return "nothing said, want " + outcome(want)
	case got.hasAlert && want.OK:
		return "other: alert " + got.alert.String() + ", want OK"
	case got.hasAlert:
		if got.alert != want.Alert {
			return fmt.Sprintf("alert %s, want %s (%s)", got.alert, want.Alert, want.Failure)
		}
		return ""
	case want.Failure == NoCommonSignature && want.HelloRetryRequest && got.retry:
		return "" // the failure comes after the second ClientHello
	case !want.OK:
		return "other: OK, want " + want.Failure.String()
	}
	var d []string
	if got.row.Version != want.Version {
		d = append(d, "version")
	}
	if got.row.CipherSuite != want.Suite {
		d = append(d, "suite")
	}
	if got.retry != want.HelloRetryRequest {
		d = append(d, "retry")
	}
	g, has := got.row.Group, got.row.HasGroup
	if name, ok := strings.CutPrefix(got.row.DHPrime, "RFC 7919 "); ok && !has && want.HasGroup {
		g, has = mustGroup(name), true
	}
	if !want.HasGroup && got.row.DHBits > 0 {
		has = false // a group chosen without a code point may still match a named one
	}
	if has != want.HasGroup || has && g != want.Group {
		d = append(d, "group")
	}
	if want.Version == iana.TLS12 && got.row.Version == iana.TLS12 && got.row.CipherSuite == want.Suite && got.signature != want.Signature && want.Signature != 0 {
		d = append(d, "signature")
	}
	if len(d) > 0 {
		return "other: " + strings.Join(d, "+")
	}
	// The verdict must match the prediction.
	if !got.retry && got.row.ForwardSecrecy != want.ForwardSecrecy {
		return fmt.Sprintf("other: forward secrecy %s, want %s", got.row.ForwardSecrecy, want.ForwardSecrecy)
	}
	if !got.retry && got.row.PostQuantum != want.PostQuantum && got.row.PostQuantum != secrecy.Undetermined {
		return "other: post-quantum"
	}
	return ""
}

func mustGroup(name string) iana.Group {
	g, _ := iana.LookupGroup(name)
	return g
}

func outcome(a *Answer) string {
	if a.OK {
		return "OK"
	}
	return a.Failure.String()
}
