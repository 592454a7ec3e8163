package main

import (
	"bytes"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func scenes(t *testing.T) []*scene {
	t.Helper()
	s, err := readScenes("../captures")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func makeCorpus(t *testing.T, k *kind, scenes []*scene) *corpus {
	t.Helper()
	c, err := k.corpus(scenes, 1)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestLabels compares some labels with what the stacks are known to report.
func TestLabels(t *testing.T) {
	labels := map[string]label{}
	for _, s := range scenes(t) {
		for _, l := range s.labels {
			labels[s.name+"/"+string(rune('0'+l.number))] = l
		}
	}
	if len(labels) < 290 {
		t.Fatalf("got %d labels, want at least 290", len(labels))
	}
	for name, want := range map[string]label{
		"ecdhe-p256/1":              {family: "tls", want: answer{"yes", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "secp256r1", "TLS 1.2", "rsa.example", "false"}},
		"ticket-ecdhe/2":            {family: "tls", want: answer{"conditional", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "", "TLS 1.2", "", "true"}},
		"gnutls-rsa/1":              {family: "tls", want: answer{"no", "TLS_RSA_WITH_AES_256_GCM_SHA384", "", "TLS 1.2", "localhost", "false"}},
		"tls13-psk-ke/2":            {family: "tls", want: answer{"no", "TLS_AES_256_GCM_SHA384", "", "TLS 1.3", "", "true"}},
		"gnutls-tls13-psk-ke/1":     {family: "tls", want: answer{"", "TLS_CHACHA20_POLY1305_SHA256", "", "TLS 1.3", "localhost", "false"}}, // the stack does not report the PSK mode
		"ecdhe-null/1":              {family: "tls", want: answer{"no", "TLS_ECDHE_RSA_WITH_NULL_SHA", "x25519", "TLS 1.2", "", "false"}},
		"quic-v1/1":                 {family: "quic", want: answer{"yes", "TLS_AES_128_GCM_SHA256", "x25519", "TLS 1.3", "quic.example", "false"}},
		"eap-peap/1":                {family: "eap", want: answer{"yes", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "", "TLS 1.2", "", "false"}},
		"closed-without-answer/1":   {family: "tls", want: answer{sni: "closed.example"}},
		"proxy-connect-smtp/1":      {family: "starttls", want: answer{"", "TLS_AES_256_GCM_SHA384", "", "TLS 1.3", "mail.example", ""}},
		"openvpn-udp-rsa/1":         {family: "openvpn", want: answer{"no", "TLS_RSA_WITH_AES_128_GCM_SHA256", "", "TLS 1.2", "", ""}},
		"dtls12-pion-session-id/2":  {family: "dtls", want: answer{"conditional", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "", "DTLS 1.2", "ecdsa.example", "true"}},
		"jsse-dh-anon-export/1":     {family: "tls", want: answer{"yes", "TLS_DH_anon_EXPORT_WITH_RC4_40_MD5", "", "TLS 1.0", "", "false"}},
		"proxy-websocket/2":         {family: "proxy", want: answer{"yes", "TLS_AES_128_GCM_SHA256", "X25519MLKEM768", "TLS 1.3", "", "false"}},
		"gnutls-tls13-psk-dhe-ke/1": {family: "tls", want: answer{"", "TLS_CHACHA20_POLY1305_SHA256", "", "TLS 1.3", "localhost", "false"}},
	} {
		got := labels[name]
		if got.family != want.family || got.want != want.want {
			t.Errorf("%s: got %s %q, want %s %q", name, got.family, got.want, want.family, want.want)
		}
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		suite, group, version, resumed string
		groups                         bool
		want                           string
	}{
		{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "", "TLS 1.2", "", false, "yes"},
		{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "", "TLS 1.2", "false", false, "yes"},
		{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "", "TLS 1.2", "true", false, "conditional"},
		{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "", "", "", false, ""},
		{"TLS_DHE_PSK_WITH_AES_128_CBC_SHA", "", "DTLS 1.2", "", false, "yes"},
		{"TLS_DH_anon_WITH_AES_128_CBC_SHA", "", "TLS 1.2", "", false, "yes"},
		{"TLS_DH_ANON_WITH_AES_128_CBC_SHA", "", "TLS 1.2", "", false, "yes"},
		{"TLS_SRP_SHA_RSA_WITH_AES_128_CBC_SHA", "", "TLS 1.2", "", false, "yes"},
		{"TLS_RSA_WITH_AES_128_CBC_SHA", "", "TLS 1.2", "true", false, "no"},
		{"TLS_RSA_PSK_WITH_AES_128_CBC_SHA", "", "TLS 1.2", "", false, "no"},
		{"TLS_PSK_WITH_AES_128_CCM_8", "", "DTLS 1.2", "", false, "no"},
		{"TLS_ECDH_RSA_WITH_AES_128_CBC_SHA", "", "TLS 1.2", "", false, "no"},
		{"TLS_DH_DSS_WITH_AES_128_CBC_SHA", "", "TLS 1.2", "", false, "no"},
		{"TLS_KRB5_WITH_RC4_128_SHA", "", "TLS 1.0", "", false, "no"},
		{"TLS_ECDHE_RSA_WITH_NULL_SHA", "x25519", "TLS 1.2", "", false, "no"},
		{"TLS_AES_128_GCM_SHA256", "x25519", "TLS 1.3", "true", true, "yes"},
		{"TLS_AES_128_GCM_SHA256", "", "TLS 1.3", "true", true, "no"},
		{"TLS_AES_128_GCM_SHA256", "", "TLS 1.3", "true", false, ""},
		{"TLS_AES_128_GCM_SHA256", "", "TLS 1.3", "", false, "yes"},
		{"TLS_SM4_GCM_SM3", "", "", "false", false, "yes"},
		{"TLS_FALLBACK_SCSV", "", "TLS 1.2", "", false, ""},
		{"0xfefe", "", "TLS 1.2", "", false, ""},
		{"", "", "TLS 1.2", "", false, ""},
	} {
		a := answer{suite: c.suite, group: c.group, version: c.version, resumption: c.resumed}
		if got := a.judge(c.groups); got != c.want {
			t.Errorf("%+v: got %q, want %q", c, got, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"0x0303": "TLS 1.2", "771": "TLS 1.2", "TLSv12": "TLS 1.2", "TLSv1.2": "TLS 1.2", "TLS 1.2": "TLS 1.2", "TLSv1": "TLS 1.0", "TLSv10": "TLS 1.0",
		"DTLSv1.0": "DTLS 1.0", "DTLSv12": "DTLS 1.2", "0xfefd": "DTLS 1.2", "SSLv3": "SSLv3", "SSLv30": "SSLv3", "": "", "UNDETERMINED": "", "unknown-64282": "",
	} {
		if got := versionName(in); got != want {
			t.Errorf("version %q: got %q, want %q", in, got, want)
		}
	}
	if suiteName("0xc02f") != "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" || suiteName("SSL_RSA_WITH_RC4_128_SHA") != "TLS_RSA_WITH_RC4_128_SHA" || groupName("29") != "x25519" {
		t.Error("got a name that differs from the registry's")
	}
}

// TestDecode decodes encoded packets.
func TestDecode(t *testing.T) {
	for _, s := range scenes(t) {
		ps, _ := s.place(300, false, 7)
		for i := range ps {
			p := &ps[i]
			got, err := decode(ethernet(p))
			if err != nil {
				t.Fatalf("%s: packet %d: %v", s.name, i+1, err)
			}
			got.at, got.conv, got.fromServer = p.at, p.conv, p.fromServer
			if got.src != p.src || got.sport != p.sport || got.dport != p.dport || got.seq != p.seq || got.ack != p.ack || got.flags != p.flags || !bytes.Equal(got.data, p.data) || !bytes.Equal(got.options, p.options) {
				t.Fatalf("%s: packet %d: the decoded packet differs", s.name, i+1)
			}
			if p.eapol() {
				continue
			}
			if b := p.network(); p.src.Is4() && checksum(0, b[:20]) != 0 {
				t.Fatalf("%s: packet %d: wrong IP checksum", s.name, i+1)
			}
			if b := p.transport(); transportChecksum(p.src, p.dst, p.proto, b) != 0 {
				t.Fatalf("%s: packet %d: wrong transport checksum", s.name, i+1)
			}
		}
	}
	for _, b := range [][]byte{nil, make([]byte, 14), append(make([]byte, 12), 8, 0, 0x45, 0, 0, 200), append(make([]byte, 12), 0x86, 0xdd)} {
		if _, err := decode(b); err == nil {
			t.Errorf("frame of %d bytes: got no error", len(b))
		}
	}
}

// TestKinds makes all corpora. The same seed yields the same bytes, and the labels
// are distinguishable.
func TestKinds(t *testing.T) {
	all := scenes(t)
	names := map[string]bool{}
	total := 0
	for i := range kinds {
		k := &kinds[i]
		if names[k.name] {
			t.Errorf("two kinds have the name %s", k.name)
		}
		names[k.name] = true
		c := makeCorpus(t, k, all)
		total += len(c.labels)
		if len(c.labels) < 100 {
			t.Errorf("%s: got %d connections, want at least 100", k.name, len(c.labels))
		}
		if (k.name == "random segments" || k.name == "reordered" || k.name == "loss of 5 %") && !bytes.Equal(c.capture, makeCorpus(t, k, all).capture) {
			t.Errorf("%s: the same seed yields different bytes", k.name)
		}
		keys := map[string]int{}
		for _, l := range c.labels {
			keys[l.key]++
		}
		for key, n := range keys {
			if n > 3 {
				t.Errorf("%s: got %d connections between %s, want at most 3", k.name, n, key)
			}
		}
	}
	if total < 10000 {
		t.Errorf("got %d connections, want at least 10000", total)
	}
}

// TestChangesLoseNothing reassembles the TCP streams after each lossless change.
func TestChangesLoseNothing(t *testing.T) {
	for _, s := range scenes(t) {
		if !hasTCP(s) {
			continue
		}
		in, _ := s.place(1, false, 0)
		want := streamsOf(in)
		for i := range kinds {
			k := &kinds[i]
			if k.mayLack != "" || k.change == nil || k.name == "sequence wrap" {
				continue
			}
			out := k.change(random(), recut(in, func(*packet, int) int { return segmentSize }))
			for key, b := range streamsOf(out) {
				if !bytes.Equal(b, want[key]) {
					t.Errorf("%s, %s: got a different stream of %d bytes, want %d", s.name, k.name, len(b), len(want[key]))
				}
			}
		}
	}
}

func TestMatch(t *testing.T) {
	labels := []label{{key: "a", at: 100e9}, {key: "a", at: 10e9}, {key: "b", at: 5e9}, {key: "mac"}}
	got, extra := match(labels, []entry{
		{keys: []string{"a"}, at: 99e9, answer: answer{"late"}},
		{keys: []string{"group", "mac"}, answer: answer{"eapol"}},
		{keys: []string{"other"}},
		{keys: nil},
	})
	if got[0] == nil || got[0].answer[0] != "late" || got[1] != nil || got[2] != nil || got[3] == nil || extra != 2 {
		t.Errorf("got %v and %d extra", got, extra)
	}
	// As many entries as labels are matched in order, regardless of the distance.
	got, extra = match(labels[:2], []entry{{keys: []string{"a"}, at: 200e9, answer: answer{"second"}}, {keys: []string{"a"}, at: 150e9, answer: answer{"first"}}})
	if got[0].answer[0] != "second" || got[1].answer[0] != "first" || extra != 0 {
		t.Errorf("got %v and %d extra", got, extra)
	}
	// With more entries than labels, the closest one wins.
	got, extra = match(labels[2:3], []entry{{keys: []string{"b"}, at: 50e9}, {keys: []string{"b"}, at: 5e9, answer: answer{"near"}}})
	if got[0].answer[0] != "near" || extra != 1 {
		t.Errorf("got %v and %d extra", got, extra)
	}
}

func TestScore(t *testing.T) {
	c := &corpus{labels: []label{
		{key: "a", want: answer{"yes", "S", "x25519", "", "", ""}},
		{key: "b", want: answer{"no", "S", "", "", "", ""}},
		{key: "c", want: answer{"yes", "", "", "", "", ""}},
	}}
	r := score(c, []entry{{keys: []string{"a"}, answer: answer{"yes", "", "X25519", "TLS 1.2", "", ""}}, {keys: []string{"b"}, answer: answer{"yes", "S", "", "", "", ""}}})
	if v := r.fields[verdict]; v != (tally{right: 1, missed: 1, wrong: 1}) {
		t.Errorf("verdict: got %v", v)
	}
	if v := r.fields[suite]; v != (tally{unscored: 1, right: 1, undetermined: 1}) {
		t.Errorf("suite: got %v", v)
	}
	if v := r.fields[group]; v != (tally{unscored: 2, right: 1}) {
		t.Errorf("group: got %v", v)
	}
	if r.found[right] != 2 || r.found[missed] != 1 {
		t.Errorf("connections: got %v", r.found)
	}
}

// TestAccuracy runs pfsight on three corpora. Without loss it is always right.
func TestAccuracy(t *testing.T) {
	if testing.Short() {
		t.Skip("builds pfsight")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	all := scenes(t)
	ours := pfsight
	var err error
	if ours.program, err = program("", t.TempDir()); err != nil {
		t.Fatal(err)
	}
	r := &report{tools: []*tool{&ours}, scenes: all}
	for _, name := range []string{"plain", "port reuse", "snaplen 160"} {
		k := &kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })]
		c := makeCorpus(t, k, all)
		path := t.TempDir() + "/c.pcap"
		if err := writeFile(path, c.capture); err != nil {
			t.Fatal(err)
		}
		found, err := ours.run(path, k)
		if err != nil {
			t.Fatal(err)
		}
		res := score(c, found)
		for f, n := range res.fields {
			if n[wrong] != 0 || k.mayLack == "" && (n[undetermined] != 0 || n[missed] != 0) {
				t.Errorf("%s: %s: %d right, %d undetermined, %d missed, %d wrong", name, fieldNames[f], n[right], n[undetermined], n[missed], n[wrong])
			}
		}
		if k.mayLack == "" && res.extra != 0 {
			t.Errorf("%s: %d connections that do not exist", name, res.extra)
		}
		r.corpora, r.results = append(r.corpora, c), append(r.results, []*result{res})
	}
	var out bytes.Buffer
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Kinds that lose nothing", "Kinds that lose something", "Verdicts by kind", "  plain ", "  quic ", "100.0 %", time.Now().UTC().Format("2006")} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report has no %q:\n%s", want, out.String())
		}
	}
}

func TestKey(t *testing.T) {
	a, b := netip.MustParseAddrPort("10.0.0.1:1000"), netip.MustParseAddrPort("10.0.0.2:443")
	if tupleKey(a, b) != tupleKey(b, a) || tupleKey(a, b) != endpoints("10.0.0.2", 443, "10.0.0.1", 1000)[0] {
		t.Error("keys of the two directions differ")
	}
	if endpoints("", 0, "10.0.0.1", 1) != nil {
		t.Error("empty address: got a key")
	}
	if seconds("1795541670.800641000") != 1795541670800641000 || seconds("1795541670.5") != 1795541670500000000 || seconds("7") != 7e9 || seconds("x") != 0 {
		t.Error("seconds returned a wrong time")
	}
}
