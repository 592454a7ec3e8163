package iana

import (
	"encoding/csv"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
)

// rows returns the rows of a CSV file without its header.
func rows(t *testing.T, file string) [][]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return r[1:]
}

func TestSuiteAttributes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		id                        CipherSuite
		name, kex, auth, enc, mac string
	}{
		{0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE", "RSA", "AES_128_GCM", "SHA256"},
		{0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256", "RSA", "RSA", "AES_128_GCM", "SHA256"},
		{0x0003, "TLS_RSA_EXPORT_WITH_RC4_40_MD5", "RSA_EXPORT", "RSA", "RC4_40", "MD5"},
		{0x1301, "TLS_AES_128_GCM_SHA256", "TLS 1.3", "", "AES_128_GCM", "SHA256"},
		{0xc09c, "TLS_RSA_WITH_AES_128_CCM", "RSA", "RSA", "AES_128_CCM", "AEAD"},
		{0xc0b4, "TLS_SHA256_SHA256", "TLS 1.3", "", "NULL", "SHA256"},
		{0x0034, "TLS_DH_anon_WITH_AES_128_CBC_SHA", "DH_anon", "anon", "AES_128_CBC", "SHA"},
		{0xe013, "ECC_SM4_CBC_SM3", "SM2", "SM2", "SM4_CBC", "SM3"},
		{0xabcd, "0xabcd", "unknown", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := c.id.Info()
			got := []string{c.id.String(), i.KeyExchange.String(), i.Authentication, i.Encryption, i.MAC}
			if want := []string{c.name, c.kex, c.auth, c.enc, c.mac}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestSSLv3Suite looks up the one code point that TLS reassigned.
func TestSSLv3Suite(t *testing.T) {
	t.Parallel()
	if got := SSLv3Suite(0x1e).KeyExchange; got != KexFortezza {
		t.Errorf("0x001e in SSL 3.0: got %v, want %v", got, KexFortezza)
	}
	if got := CipherSuite(0x1e).Info().KeyExchange; got != KexKRB5 {
		t.Errorf("0x001e in TLS: got %v, want %v", got, KexKRB5)
	}
}

// TestSuitesMatchCSV checks that every suite in the CSV file is in the tables.
func TestSuitesMatchCSV(t *testing.T) {
	t.Parallel()
	for _, r := range rows(t, "ciphersuites.csv") {
		id, err := strconv.ParseUint(r[0], 0, 32)
		if err != nil {
			t.Fatal(err)
		}
		var s Suite
		switch r[2] {
		case "sslv2":
			s, _ = SSLv2Kind(id).Info()
		case "historic":
			s = *SSLv3Suite(CipherSuite(id))
		default:
			s = *CipherSuite(id).Info()
		}
		if s.Name != r[1] {
			t.Errorf("%s: got name %q, want %q", r[0], s.Name, r[1])
		}
		if r[2] != "iana" {
			continue
		}
		if s.Encryption == "" || s.MAC == "" || s.KeyExchange == KexUnknown {
			t.Errorf("%s: an attribute is missing: %+v", r[1], s)
		}
		if got, ok := LookupSuite(r[1]); !ok || got != CipherSuite(id) {
			t.Errorf("LookupSuite(%q) = %v, %v; want %s, true", r[1], got, ok, r[0])
		}
	}
}

func TestIsGREASE(t *testing.T) {
	t.Parallel()
	n := 0
	for v := range 1 << 16 {
		if CipherSuite(v).IsGREASE() {
			n++
		}
	}
	if n != 16 {
		t.Errorf("got %d GREASE values, want 16", n)
	}
	if !Group(0x0a0a).IsGREASE() || Group(0x0a1a).IsGREASE() {
		t.Error("want 0x0a0a to be GREASE and 0x0a1a not")
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code fmt.Stringer
		want string
	}{
		{Group(29), "x25519"},
		{Group(0x11ec), "X25519MLKEM768"},
		{Group(0x7777), "0x7777"},
		{Version(0x0303), "TLS 1.2"},
		{Version(0x7f17), "TLS 1.3 (draft 23)"},
		{Version(0xfefd), "DTLS 1.2"},
		{Version(0x0002), "SSLv2"},
		{Version(0x0909), "0x0909"},
		{Version(0xfb1a), "TLS 1.3 (Facebook draft 26)"},
		{Alert(40), "handshake_failure"},
		{Alert(200), "0xc8"},
		{SignatureScheme(0x0804), "rsa_pss_rsae_sha256"},
		{SSLv2Kind(0x010080), "SSL_CK_RC4_128_WITH_MD5"},
		{SSLv2Kind(1), "0x000001"},
	} {
		t.Run(c.want, func(t *testing.T) {
			if got := c.code.String(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestGroup(t *testing.T) {
	t.Parallel()
	if g, ok := LookupGroup("P-256"); !ok || g != 23 {
		t.Errorf("LookupGroup(P-256) = %v, %v; want 23, true", g, ok)
	}
	for g, want := range map[Group]bool{0x11ec: true, 29: false, 0x7777: false} {
		if got := g.Info().PostQuantum; got != want {
			t.Errorf("%v: got PostQuantum %v, want %v", g, got, want)
		}
	}
	if got := Group(0x7777).Info().Kind; got != "" {
		t.Errorf("unknown group: got Kind %q, want none", got)
	}
}

func TestLookupsDoNotAllocate(t *testing.T) {
	sum := 0
	if n := testing.AllocsPerRun(100, func() {
		sum += len(CipherSuite(0xc02f).Info().Name) + len(CipherSuite(0xc02f).String()) + len(Group(29).String())
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func TestDHPrimes(t *testing.T) {
	t.Parallel()
	for _, r := range rows(t, "dhprimes.csv") {
		if d := dhPrimes[r[4]]; d.Name == "" {
			t.Errorf("%s is not in the table", r[1])
		}
	}
	if d, ok := LookupDHPrime([]byte{0, 1, 2, 3}); ok {
		t.Errorf("LookupDHPrime(0x010203) = %+v, want none", d)
	}
}

func BenchmarkInfo(b *testing.B) {
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_ = CipherSuite(0xc000 + i&0xff).Info()
	}
}
