package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Release is a software release, such as 1.22.1. The zero value is unknown.
type Release [3]int

// Known reports whether r is not the zero value.
func (r Release) Known() bool { return r != Release{} }

// Before reports whether r is older than major.minor.patch.
func (r Release) Before(major, minor, patch int) bool {
	return slices.Compare(r[:], []int{major, minor, patch}) < 0
}

func (r Release) String() string { return fmt.Sprintf("%d.%d.%d", r[0], r[1], r[2]) }

// Software is the known releases of the server software. If an answer depends
// on an unknown release, it is undetermined.
type Software struct {
	Nginx, Apache, HAProxy, OpenSSL Release
	// CryptoPolicy is the system-wide policy of Red Hat and Fedora that
	// PROFILE=SYSTEM refers to, such as "DEFAULT"; "" if it is unknown.
	CryptoPolicy string
	// Defines are the parameters that Apache is started with (-D).
	Defines []string
}

// softwareForms lists the arguments of Set, for messages.
const softwareForms = "nginx/1.22.1, apache/2.4.62, haproxy/2.6, openssl/3.5, crypto-policies/DEFAULT, apache-define/NAME"

// Set parses an argument such as "nginx/1.22.1" or "openssl-3.5".
func (s *Software) Set(word string) error {
	if len(word) > 100 {
		return fmt.Errorf("%.40q: too long; want for example %s", word, softwareForms)
	}
	lower := strings.ToLower(word)
	for _, p := range []struct {
		name string
		to   *Release
	}{{"nginx", &s.Nginx}, {"apache", &s.Apache}, {"httpd", &s.Apache}, {"haproxy", &s.HAProxy}, {"openssl", &s.OpenSSL}} {
		if rest, ok := strings.CutPrefix(lower, p.name); ok && rest != "" && (rest[0] == '/' || rest[0] == '-') && rest[1:] != "" && rest[1] >= '0' && rest[1] <= '9' {
			r, err := parseRelease(rest[1:])
			if err != nil {
				return fmt.Errorf("%q: %w", word, err)
			}
			*p.to = r
			return nil
		}
	}
	for _, prefix := range []string{"crypto-policies/", "crypto-policies-"} {
		if strings.HasPrefix(lower, prefix) {
			name := strings.ToUpper(word[len(prefix):])
			if _, ok := cryptoPolicies[name]; !ok {
				return fmt.Errorf("%q: unknown crypto-policy; choose one of %s", word, strings.Join(cryptoPolicyNames(), ", "))
			}
			s.CryptoPolicy = name
			return nil
		}
	}
	if strings.HasPrefix(lower, "apache-define/") && len(word) > len("apache-define/") {
		s.Defines = append(s.Defines, word[len("apache-define/"):])
		return nil
	}
	return fmt.Errorf("%q: want for example %s", word, softwareForms)
}

// parseRelease reads up to three numbers with dots. It ignores a suffix of a
// number, such as the letter of 1.1.1w.
func parseRelease(text string) (Release, error) {
	var r Release
	for i, part := range strings.SplitN(text, ".", 4) {
		if i == 3 {
			break
		}
		digits := strings.IndexFunc(part, func(c rune) bool { return c < '0' || c > '9' })
		if digits < 0 {
			digits = len(part)
		}
		n, err := strconv.Atoi(part[:min(digits, 9)])
		if err != nil {
			return Release{}, fmt.Errorf("%q is not a version", text)
		}
		r[i] = n
	}
	if !r.Known() {
		return Release{}, fmt.Errorf("%q is not a version", text)
	}
	return r, nil
}

// A cryptoPolicy is what a system-wide policy sets for OpenSSL.
type cryptoPolicy struct {
	ciphers, suites13, min, sigalgs, groups string
}

// cryptoPolicies are the OpenSSL 3 back-end files of the crypto-policies
// package in RHEL 9 and Fedora 36 and later. Source: fedora-crypto-policies at
// 1a801177, tests/outputs/*-opensslcnf.txt.
var cryptoPolicies = map[string]cryptoPolicy{
	"DEFAULT": {
		"@SECLEVEL=2:kEECDH:kRSA:kEDH:kPSK:kDHEPSK:kECDHEPSK:kRSAPSK:-aDSS:-3DES:!DES:!RC4:!RC2:!IDEA:-SEED:!eNULL:!aNULL:!MD5:-SHA384:-CAMELLIA:-ARIA:-AESCCM8",
		"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256", "TLSv1.2", cryptoSignatures + ":ECDSA+SHA224:RSA+SHA224", cryptoGroups,
	},
	"LEGACY": {
		"@SECLEVEL=1:kEECDH:kRSA:kEDH:kPSK:kDHEPSK:kECDHEPSK:kRSAPSK:!DES:!RC4:!RC2:!IDEA:-SEED:!eNULL:!aNULL:!MD5:-SHA384:-CAMELLIA:-ARIA:-AESCCM8",
		"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256", "TLSv1",
		cryptoSignatures + ":ECDSA+SHA224:RSA+SHA224:DSA+SHA256:DSA+SHA384:DSA+SHA512:DSA+SHA224:ECDSA+SHA1:RSA+SHA1:DSA+SHA1", cryptoGroups,
	},
	"FUTURE": {
		"@SECLEVEL=3:kEECDH:kEDH:kPSK:kDHEPSK:kECDHEPSK:-kRSAPSK:-kRSA:-aDSS:-AES128:-SHA256:-3DES:!DES:!RC4:!RC2:!IDEA:-SEED:!eNULL:!aNULL:-SHA1:!MD5:-SHA384:-CAMELLIA:-ARIA:-AESCCM8",
		"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256", "TLSv1.2", cryptoSignatures,
		"X25519:X448:secp256r1:secp384r1:secp521r1:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192",
	},
	"FIPS": {
		"@SECLEVEL=2:kEECDH:kEDH:kPSK:kDHEPSK:kECDHEPSK:-kRSAPSK:-kRSA:-aDSS:-CHACHA20:-3DES:!DES:!RC4:!RC2:!IDEA:-SEED:!eNULL:!aNULL:!MD5:-SHA384:-CAMELLIA:-ARIA:-AESCCM8",
		"TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256", "TLSv1.2",
		"ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512:ECDSA+SHA224:RSA+SHA224",
		"secp256r1:secp384r1:secp521r1:ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192",
	},
}

const (
	cryptoSignatures = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512"
	cryptoGroups     = "X25519:X448:secp256r1:secp384r1:secp521r1:ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192"
)

func cryptoPolicyNames() []string {
	var out []string
	for name := range cryptoPolicies {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
