package policy

import (
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"pfsight/parse/iana"
)

// opensslCiphers asks the program for the suites of a string, those of TLS 1.3
// left out; ok is false where it finds none.
func opensslCiphers(t testing.TB, text string) ([]string, bool) {
	t.Helper()
	if strings.HasPrefix(text, "-") {
		text = ":" + text // no option
	}
	out, err := exec.Command("openssl", "ciphers", text+":@SECLEVEL=0").Output()
	if err != nil {
		return nil, false
	}
	list := strings.Split(strings.TrimSpace(string(out)), ":")
	return slices.DeleteFunc(list, func(s string) bool { return strings.HasPrefix(s, "TLS_") }), true
}

func needOpenSSL(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("no openssl here")
	}
}

// TestOpenSSLNames holds the names that are made against the program's.
func TestOpenSSLNames(t *testing.T) {
	needOpenSSL(t)
	out, err := exec.Command("openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0").Output()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line) // 0xC0,0x2C - TLS_... - ECDHE-... TLSv1.2 Kx=...
		id, err := number("0x" + strings.ReplaceAll(strings.ReplaceAll(f[0], "0x", ""), ",", ""))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		s := iana.CipherSuite(id)
		if got := OpenSSLName(s); got != f[4] {
			t.Errorf("%s is %s, not %q", s, f[4], got)
		}
		if s.Info().KeyExchange == iana.KexTLS13 {
			continue
		}
		n++
		if got, ok := LookupOpenSSL(f[4]); !ok || got != s {
			t.Errorf("%s is found as %s", f[4], got)
		}
		c := classOf(s.Info(), f[4])
		version := map[iana.Version]string{iana.SSL30: "SSLv3", iana.TLS10: "TLSv1", iana.TLS12: "TLSv1.2"}[c.min]
		if version != f[5] {
			t.Errorf("%s: %s, not %s", f[4], f[5], version)
		}
	}
	if n < 100 {
		t.Errorf("only %d suites", n)
	}
}

var cipherStrings = []string{
	"DEFAULT", "ALL", "ALL:COMPLEMENTOFALL", "HIGH:!aNULL:!MD5", "ECDHE+AESGCM:!aNULL", "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM",
	"HIGH:!aNULL:@STRENGTH", "ALL:!aNULL:+kRSA", "kRSA:ECDHE:-AES256:AES256", "AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256", "DEFAULT:!kRSA:-CHACHA20:CHACHA20",
	"EECDH+AESGCM:EDH+AESGCM:AES256+EECDH:AES256+EDH", "ECDH+AESGCM:DH+AESGCM:ECDH+AES256:DH+AES256:ECDH+AES128:DH+AES:RSA+AESGCM:RSA+AES:!aNULL:!MD5:!DSS",
	"EECDH+CHACHA20:EECDH+AES128:RSA+AES128:EECDH+AES256:RSA+AES256:EECDH+3DES:RSA+3DES:!MD5", "TLSv1.2:!aNULL:!eNULL", "SSLv3:+AES256:@STRENGTH",
	"PROFILE=SYSTEM:FOO:AES256-SHA", "ALL:!ADH:!LOW:!EXP:!MD5:@STRENGTH", "kEECDH:kEDH:!PSK:!SRP:+SHA1", "ECDHE-ECDSA-AES128-GCM-SHA256:AES128-SHA+FOO:AESCCM8",
	"ALL:-ALL:AES:+AESGCM:-AES256:AES256-SHA:ALL", "PSK:!kRSAPSK:SRP:ARIA:CAMELLIA128:@STRENGTH", "eNULL:aNULL:!SHA256", "DEFAULT:DEFAULT", "!ALL:AES128-SHA", "",
}

// installed returns those of the classes that the program has.
func installed(t testing.TB) []*cipherClass {
	names, ok := opensslCiphers(t, "ALL:COMPLEMENTOFALL")
	if !ok {
		t.Fatal("openssl ciphers fails")
	}
	table := classes()
	var out []*cipherClass
	for i := range table {
		if slices.Contains(names, table[i].name) {
			out = append(out, &table[i])
		}
	}
	return out
}

func compareCiphers(t *testing.T, text string, universe []*cipherClass) {
	t.Helper()
	want, ok := opensslCiphers(t, text)
	suites, _, _, err := expandCiphersOf(text, universe)
	if !ok || len(want) == 0 {
		if err == nil {
			t.Errorf("%q: %d suites, where openssl finds none", text, len(suites))
		}
		return
	}
	if err != nil {
		t.Errorf("%q: %v", text, err)
		return
	}
	var got []string
	for _, s := range suites {
		got = append(got, OpenSSLName(s))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q:\n got %v\nwant %v", text, got, want)
	}
}

// TestCipherStrings compares strings, well known and made at random, with the
// program.
func TestCipherStrings(t *testing.T) {
	needOpenSSL(t)
	universe := installed(t)
	for _, text := range cipherStrings {
		compareCiphers(t, text, universe)
	}
	words := strings.Fields("ALL COMPLEMENTOFALL COMPLEMENTOFDEFAULT kRSA kDHE kECDHE DH ECDH EDH EECDH PSK kPSK kDHEPSK SRP RSA aRSA aNULL aECDSA aDSS aPSK ECDSA ADH AECDH AES AES128 AES256 AESGCM AESCCM AESCCM8 CHACHA20 CAMELLIA CAMELLIA128 ARIA ARIA256 ARIAGCM MD5 SHA SHA1 SHA256 SHA384 SSLv3 TLSv1 TLSv1.0 TLSv1.2 HIGH MEDIUM LOW eNULL AES128-SHA ECDHE-RSA-AES128-GCM-SHA256 DHE-RSA-AES256-SHA PSK-AES128-CBC-SHA nonsense")
	r := rand.New(rand.NewPCG(1, 2))
	n := 300
	if testing.Short() {
		n = 20
	}
	for range n {
		var rules []string
		for range 1 + r.IntN(7) {
			if r.IntN(12) == 0 {
				rules = append(rules, "@STRENGTH")
				continue
			}
			rule := []string{"", "", "", "+", "-", "!"}[r.IntN(6)] + words[r.IntN(len(words))]
			// COMPLEMENTOFDEFAULT does not narrow a suite named in the same rule.
			for r.IntN(3) == 0 && !strings.Contains(rule, "COMPLEMENTOFDEFAULT") {
				rule += "+" + words[r.IntN(len(words))]
			}
			rules = append(rules, rule)
		}
		compareCiphers(t, strings.Join(rules, ":"), universe)
	}
}

func TestCipherStringErrors(t *testing.T) {
	if _, level, unknown, err := expandCiphers("AES128-SHA:RC4-SHA:what:@SECLEVEL=0"); err != nil || level != 0 || !slices.Equal(unknown, []string{"what"}) {
		t.Error(level, unknown, err)
	}
	if got, _, _, err := expandCiphers("DES-CBC3-SHA:EDH-RSA-DES-CBC3-SHA:EXP-RC4-MD5"); err != nil || !slices.Equal(got, []iana.CipherSuite{0x000a, 0x0016, 0x0003}) {
		t.Error(got, err)
	}
	for _, text := range []string{"@SECLEVEL=9", "@FOO", "what", ":", strings.Repeat("A:", maxRules+1), strings.Repeat("A", maxCipherString+1)} {
		if _, _, _, err := expandCiphers(text); err == nil {
			t.Errorf("%.20q is taken", text)
		}
	}
}
