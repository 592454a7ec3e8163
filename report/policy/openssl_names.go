package policy

import (
	"strings"
	"sync"

	"pfsight/parse/iana"
)

// openSSLName returns OpenSSL's name of a suite, "" if it has none. TLS 1.3
// suites have their IANA names in OpenSSL.
func openSSLName(s iana.CipherSuite) string {
	i := s.Info()
	switch i.Kind {
	case "iana", "historic":
	default:
		return ""
	}
	if i.KeyExchange == iana.KexTLS13 {
		return i.Name
	}
	var prefix string
	psk, srp := i.KeyExchange.UsesPSK(), i.KeyExchange == iana.KexSRP
	switch i.KeyExchange {
	case iana.KexRSA:
	case iana.KexRSAExport:
		prefix = "EXP-"
	case iana.KexDHE, iana.KexECDHE, iana.KexECDH, iana.KexDH:
		prefix = i.KeyExchange.String() + "-" + i.Authentication + "-"
	case iana.KexDHEExport:
		prefix = "EXP-DHE-" + i.Authentication + "-"
	case iana.KexDHAnon:
		prefix = "ADH-"
	case iana.KexDHAnonExport:
		prefix = "EXP-ADH-"
	case iana.KexECDHAnon:
		prefix = "AECDH-"
	case iana.KexPSK, iana.KexRSAPSK, iana.KexDHEPSK, iana.KexECDHEPSK:
		prefix = strings.ReplaceAll(i.KeyExchange.String(), "_", "-") + "-"
	case iana.KexSRP:
		prefix = strings.ReplaceAll(i.Authentication, "+", "-") + "-"
	default:
		return ""
	}
	enc := i.Encryption
	mac := "-" + i.MAC
	switch {
	case strings.HasPrefix(enc, "AES_") || strings.HasPrefix(enc, "CAMELLIA_") || strings.HasPrefix(enc, "ARIA_"):
		f := strings.Split(enc, "_") // such as AES 256 CCM 8
		if len(f) < 3 {
			return ""
		}
		mode := f[2] + strings.Join(f[3:], "")
		enc = f[0] + f[1]
		switch {
		case strings.HasPrefix(mode, "CCM"):
			enc, mac = enc+"-"+mode, ""
		case mode == "GCM":
			if f[0] == "ARIA" && i.KeyExchange == iana.KexECDHE && i.Authentication == "RSA" {
				prefix = "ECDHE-"
			}
			enc += "-GCM"
		case mode != "CBC" || f[0] == "ARIA":
			return ""
		case srp:
			enc = f[0] + "-" + f[1] + "-CBC"
		case psk && f[0] == "AES":
			enc += "-CBC"
		}
	case enc == "CHACHA20_POLY1305":
		enc, mac = "CHACHA20-POLY1305", ""
	case enc == "3DES_EDE_CBC" && (srp || psk):
		enc = "3DES-EDE-CBC"
	case enc == "3DES_EDE_CBC":
		enc = "DES-CBC3"
	case enc == "DES_CBC" || enc == "DES40_CBC" || enc == "DES_CBC_40":
		enc = "DES-CBC"
	case enc == "RC4_128" || enc == "RC4_40":
		enc = "RC4"
	case enc == "RC2_CBC_40":
		enc = "RC2-CBC"
	case enc == "SEED_CBC":
		enc = "SEED"
	case enc == "IDEA_CBC":
		enc = "IDEA-CBC"
	case enc == "NULL":
	default:
		return ""
	}
	return prefix + enc + mac
}

// openSSLNames maps OpenSSL's names to suites, including names of old releases.
var openSSLNames = sync.OnceValue(func() map[string]iana.CipherSuite {
	m := map[string]iana.CipherSuite{}
	for i := range iana.Suites() {
		s := iana.Suites()[i].ID
		name := openSSLName(s)
		if name == "" {
			continue
		}
		if _, ok := m[name]; !ok {
			m[name] = s
		}
		if old, ok := strings.CutPrefix(name, "DHE-"); ok && strings.Contains(name, "-DES-") {
			m["EDH-"+old] = s // before 1.1.0
		}
		if old, ok := strings.CutPrefix(name, "EXP-DHE-"); ok {
			m["EXP-EDH-"+old] = s
		}
	}
	return m
})

// lookupOpenSSL finds a suite by OpenSSL's name, which is case-sensitive.
func lookupOpenSSL(name string) (iana.CipherSuite, bool) {
	s, ok := openSSLNames()[name]
	return s, ok
}
