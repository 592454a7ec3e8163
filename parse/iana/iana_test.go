package iana

import (
	"encoding/csv"
	"os"
	"strconv"
	"testing"
)

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
	for _, c := range []struct {
		id                   CipherSuite
		name, kex, auth, enc string
		mac                  string
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
		i := c.id.Info()
		if c.id.String() != c.name || i.KeyExchange.String() != c.kex || i.Authentication != c.auth || i.Encryption != c.enc || i.MAC != c.mac {
			t.Errorf("%#04x: %s %+v", uint16(c.id), c.id, i)
		}
	}
	if SSLv3Suite(0x1e).KeyExchange != KexFortezza || CipherSuite(0x1e).Info().KeyExchange != KexKRB5 {
		t.Error("0x001e is FORTEZZA's in SSL 3.0 and Kerberos's later")
	}
}

func TestEverySuiteOfTheCSV(t *testing.T) {
	for _, r := range rows(t, "ciphersuites.csv") {
		id, err := strconv.ParseUint(r[0], 0, 32)
		if err != nil {
			t.Fatal(err)
		}
		var s Suite
		switch {
		case r[2] == "sslv2":
			s, _ = SSLv2Kind(id).Info()
		case r[2] == "historic":
			s = *SSLv3Suite(CipherSuite(id))
		default:
			s = *CipherSuite(id).Info()
		}
		if s.Name != r[1] {
			t.Errorf("%s: %q, want %q", r[0], s.Name, r[1])
		}
		if r[2] == "iana" && (s.Encryption == "" || s.MAC == "" || s.KeyExchange == KexUnknown) {
			t.Errorf("%s lacks an attribute: %+v", r[1], s)
		}
		if got, ok := LookupSuite(r[1]); r[2] == "iana" && (!ok || got != CipherSuite(id)) {
			t.Errorf("LookupSuite(%q) = %v, %v", r[1], got, ok)
		}
	}
}

func TestGREASE(t *testing.T) {
	n := 0
	for v := range 1 << 16 {
		if CipherSuite(v).IsGREASE() {
			n++
		}
	}
	if n != 16 || !Group(0x0a0a).IsGREASE() || Group(0x0a1a).IsGREASE() {
		t.Errorf("%d GREASE values, want 16", n)
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		Group(29).String(): "x25519", Group(0x11ec).String(): "X25519MLKEM768", Group(0x7777).String(): "0x7777",
		Version(0x0303).String(): "TLS 1.2", Version(0x7f17).String(): "TLS 1.3 (draft 23)", Version(0xfefd).String(): "DTLS 1.2",
		Version(0x0002).String(): "SSLv2", Version(0x0909).String(): "0x0909", Version(0xfb1a).String(): "TLS 1.3 (Facebook draft 26)",
		Alert(40).String(): "handshake_failure", Alert(200).String(): "0xc8", SignatureScheme(0x0804).String(): "rsa_pss_rsae_sha256",
		SSLv2Kind(0x010080).String(): "SSL_CK_RC4_128_WITH_MD5", SSLv2Kind(1).String(): "0x000001",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if g, ok := LookupGroup("P-256"); !ok || g != 23 {
		t.Error("P-256")
	}
	if !Group(0x11ec).Info().PostQuantum || Group(29).Info().PostQuantum || Group(0x7777).Info().Kind != "" {
		t.Error("post-quantum attribute")
	}
}

func TestLookupsDoNotAllocate(t *testing.T) {
	sum := 0
	if n := testing.AllocsPerRun(100, func() {
		sum += len(CipherSuite(0xc02f).Info().Name) + len(CipherSuite(0xc02f).String()) + len(Group(29).String())
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDHPrimes(t *testing.T) {
	for _, r := range rows(t, "dhprimes.csv") {
		if d := dhPrimes[r[4]]; d.Name == "" {
			t.Errorf("%s is not in the table", r[1])
		}
	}
	if _, ok := LookupDHPrime([]byte{0, 1, 2, 3}); ok {
		t.Error("found a prime that is none")
	}
}

func BenchmarkInfo(b *testing.B) {
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_ = CipherSuite(0xc000 + i&0xff).Info()
	}
}
