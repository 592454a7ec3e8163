package policy

import (
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"pfsight/parse/iana"
)

// opensslCiphers asks openssl for the suites of a string, without those of TLS
// 1.3. ok is false if it finds none.
func opensslCiphers(t testing.TB, text string) ([]string, bool) {
	t.Helper()
	if strings.HasPrefix(text, "-") {
		text = ":" + text // not an option
	}
	out, err := exec.Command("openssl", "ciphers", text).Output()
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

// TestOpenSSLNames compares the derived names with those of openssl.
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
		if got := openSSLName(s); got != f[4] {
			t.Errorf("%s is %s, not %q", s, f[4], got)
		}
		if s.Info().KeyExchange == iana.KexTLS13 {
			continue
		}
		n++
		if got, ok := lookupOpenSSL(f[4]); !ok || got != s {
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

// installed returns the classes that openssl supports.
func installed(t testing.TB) []*cipherClass {
	names, ok := opensslCiphers(t, "ALL:COMPLEMENTOFALL:@SECLEVEL=0")
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
	spec, err := expandCiphersOf(text, universe)
	if !ok || len(want) == 0 {
		if err == nil {
			t.Errorf("%q: %d suites, where openssl finds none", text, len(spec.suites))
		}
		return
	}
	if err != nil {
		t.Errorf("%q: %v", text, err)
		return
	}
	var got []string
	for _, s := range spec.suites {
		got = append(got, openSSLName(s))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q:\n got %v\nwant %v", text, got, want)
	}
}

// opensslSupported returns what a server with this string supports at its
// security level, without PSK and SRP: "openssl ciphers -s".
func opensslSupported(t testing.TB, text string) []string {
	t.Helper()
	if strings.HasPrefix(text, "-") {
		text = ":" + text
	}
	out, err := exec.Command("openssl", "ciphers", "-s", "-v", text).Output()
	if err != nil {
		return nil
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 1 && f[1] != "TLSv1.3" {
			list = append(list, f[0])
		}
	}
	return list
}

// compareSupported compares the suites that remain at the string's security
// level with those of openssl. A string without a level uses that of the build.
func compareSupported(t *testing.T, text string, universe []*cipherClass, build int) {
	t.Helper()
	spec, err := expandCiphersOf(text, universe)
	var got []string
	if err == nil {
		level := spec.level
		if level < 0 {
			level = build
		}
		for _, s := range spec.suites {
			c := classOf(s.Info(), openSSLName(s))
			if c.atLevel(level) && c.kex&(kPSK|kRSAPSK|kDHEPSK|kECDHEPSK|kSRP) == 0 {
				got = append(got, c.name)
			}
		}
	}
	if want := opensslSupported(t, text); !slices.Equal(got, want) {
		t.Errorf("%q supports\n got %v\nwant %v", text, got, want)
	}
}

// buildLevel returns the default security level of openssl: level 3 disables
// RSA key transport, level 2 disables RSA with 80 bits.
func buildLevel(t testing.TB) int {
	out, err := exec.Command("openssl", "ciphers", "-s", "-v", "ALL:eNULL").Output()
	if err != nil {
		t.Fatal(err)
	}
	switch text := string(out); {
	case strings.Contains(text, "NULL-SHA"):
		return 0
	case strings.Contains(text, "\nAES128-SHA "):
		return 2 // or 1: they differ only in RC4, which builds lack
	}
	return 3
}

var cipherWords = strings.Fields("ALL COMPLEMENTOFALL COMPLEMENTOFDEFAULT DEFAULT kRSA kDHE kEDH kECDHE kEECDH DH ECDH EDH DHE ECDHE EECDH PSK kPSK kRSAPSK kDHEPSK kECDHEPSK SRP kSRP aSRP RSA aRSA aNULL aECDSA aDSS DSS aPSK ECDSA ADH AECDH AES AES128 AES256 AESGCM AESCCM AESCCM8 CHACHA20 CAMELLIA CAMELLIA128 CAMELLIA256 ARIA ARIA128 ARIA256 ARIAGCM CBC MD5 SHA SHA1 SHA256 SHA384 SSLv3 TLSv1 TLSv1.0 TLSv1.2 HIGH MEDIUM LOW FIPS NULL eNULL AES128-SHA AES256-SHA ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 DHE-RSA-AES256-SHA PSK-AES128-CBC-SHA ADH-AES128-SHA NULL-SHA256 nonsense TLSv1.3 TLS_AES_128_GCM_SHA256 PROFILE=SYSTEM SUITEB128 kGOST 3DESX")

// randomCipherString returns a string of up to eight rules: words joined by +,
// operators with and without a separator, commands attached to words, and
// sometimes a syntax error.
func randomCipherString(r *rand.Rand) string {
	var b strings.Builder
	if r.IntN(6) == 0 {
		b.WriteString([]string{"DEFAULT", "DEFAULT:", "DEFAULTAES", "SUITEB128", "SUITEB128ONLY", "SUITEB128C2:", "SUITEB192x", ":"}[r.IntN(8)])
	}
	for i := range 1 + r.IntN(8) {
		if i > 0 && r.IntN(8) > 0 {
			b.WriteString([]string{":", ":", ":", ":", ",", " ", ";", "::"}[r.IntN(8)])
		}
		switch r.IntN(40) {
		case 0, 1:
			b.WriteString("@STRENGTH")
			continue
		case 2, 3, 4:
			b.WriteString("@SECLEVEL=" + string("00122345"[r.IntN(8)]))
			if r.IntN(4) == 0 {
				b.WriteString("+AES") // ignored
			}
			continue
		case 5:
			if r.IntN(4) == 0 {
				b.WriteString([]string{"@SECLEVEL=6", "@SECLEVEL=10", "@SECLEVEL", "@FOO", "@", "AES+", "!", "%", "AES*", "+:"}[r.IntN(10)])
				continue
			}
		}
		b.WriteString([]string{"", "", "", "", "+", "-", "!"}[r.IntN(7)])
		b.WriteString(cipherWords[r.IntN(len(cipherWords))])
		for r.IntN(3) == 0 {
			b.WriteString("+" + cipherWords[r.IntN(len(cipherWords))])
		}
	}
	return b.String()
}

// TestCipherStrings compares known and random strings with openssl: the list
// itself, and the suites that remain at the security level.
func TestCipherStrings(t *testing.T) {
	needOpenSSL(t)
	universe := installed(t)
	build := buildLevel(t)
	r := rand.New(rand.NewPCG(1, 2))
	n := 1000
	if testing.Short() {
		n = 20
	}
	list := slices.Clone(cipherStrings)
	for range n {
		list = append(list, randomCipherString(r))
	}
	for _, text := range list {
		compareCiphers(t, text, universe)
		compareSupported(t, text, universe, build)
	}
}

func TestCipherStringErrors(t *testing.T) {
	if spec, err := expandCiphers("AES128-SHA:RC4-SHA:what:@SECLEVEL=0"); err != nil || spec.level != 0 || !slices.Equal(spec.unknown, []string{"what"}) {
		t.Error(spec, err)
	}
	if spec, err := expandCiphers("DES-CBC3-SHA:EDH-RSA-DES-CBC3-SHA:EXP-RC4-MD5"); err != nil || !slices.Equal(spec.suites, []iana.CipherSuite{0x000a, 0x0016, 0x0003}) {
		t.Error(spec, err)
	}
	if spec, err := expandCiphers("AES128-SHA:DES-CBC3-SHA:RC4-SHA:!3DES:-RC4"); err != nil || !slices.Equal(spec.suites, []iana.CipherSuite{0x002f}) {
		t.Error(spec, err)
	}
	for _, text := range []string{"@SECLEVEL=9", "@FOO", "what", ":", "AES128-SHA%", strings.Repeat("A:", maxRules+1), strings.Repeat("A", maxCipherString+1)} {
		if _, err := expandCiphers(text); err == nil {
			t.Errorf("%.20q is taken", text)
		}
	}
}
