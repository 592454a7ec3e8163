package policy

import (
	"slices"
	"strings"
	"sync"

	"pfsight/parse/iana"
)

// A mask is a set of values of one attribute of a suite. As in OpenSSL, an
// empty mask in a rule matches everything.
type mask uint32

// Key exchanges.
const (
	kRSA mask = 1 << iota
	kDHE
	kECDHE
	kPSK
	kRSAPSK
	kDHEPSK
	kECDHEPSK
	kSRP
	kFixed // fixed DH and ECDH, removed in OpenSSL 1.1.0
)

// Authentications.
const (
	aRSA mask = 1 << iota
	aDSS
	aNULL
	aECDSA
	aPSK
	aSRP
)

// Ciphers.
const (
	eAES128 mask = 1 << iota
	eAES256
	eAES128GCM
	eAES256GCM
	eAES128CCM
	eAES256CCM
	eAES128CCM8
	eAES256CCM8
	eCamellia128
	eCamellia256
	eARIA128
	eARIA256
	eChaCha20
	eSEED
	eIDEA
	eRC4
	eRC2
	e3DES
	eDES
	eNULL
)

const (
	eAESGCM = eAES128GCM | eAES256GCM
	eAESCCM = eAES128CCM | eAES256CCM | eAES128CCM8 | eAES256CCM8
	eAES    = eAES128 | eAES256 | eAESGCM | eAESCCM
)

// MACs.
const (
	mMD5 mask = 1 << iota
	mSHA1
	mSHA256
	mSHA384
	mAEAD
)

// Strengths.
const (
	strongLow mask = 1 << iota
	strongMedium
	strongHigh
	strongFIPS
	strongExport
	strongNone // without encryption; no keyword matches it
)

// A cipherClass holds the attributes of a suite that cipher strings match.
type cipherClass struct {
	suite      iana.CipherSuite
	name       string
	kex        mask
	auth       mask
	enc        mask
	mac        mask
	strong     mask
	notDefault bool
	bits       int // of the cipher, as OpenSSL counts them
	min        iana.Version
	weak       bool // not in default builds since OpenSSL 1.1.0, but still known by name
}

// ephemeral reports whether OpenSSL treats the suite as forward secret. It
// excludes DHE_PSK and ECDHE_PSK.
func (c *cipherClass) ephemeral() bool { return c.kex&(kDHE|kECDHE) != 0 }

// classes returns the suites of OpenSSL in descending order of code points,
// which is OpenSSL's order before any rule.
var classes = sync.OnceValue(func() []cipherClass {
	var out []cipherClass
	for i := range iana.Suites() {
		s := &iana.Suites()[i]
		name := openSSLName(s.ID)
		if name == "" || s.KeyExchange == iana.KexTLS13 {
			continue
		}
		if id, ok := lookupOpenSSL(name); !ok || id != s.ID {
			continue // an obsolete code point of the same suite
		}
		out = append(out, classOf(s, name))
	}
	slices.SortFunc(out, func(a, b cipherClass) int { return int(b.suite) - int(a.suite) })
	return out
})

var kexMasks = map[iana.KeyExchange]mask{
	iana.KexRSA: kRSA, iana.KexRSAExport: kRSA, iana.KexDHE: kDHE, iana.KexDHEExport: kDHE, iana.KexDHAnon: kDHE, iana.KexDHAnonExport: kDHE,
	iana.KexECDHE: kECDHE, iana.KexECDHAnon: kECDHE, iana.KexPSK: kPSK, iana.KexRSAPSK: kRSAPSK, iana.KexDHEPSK: kDHEPSK, iana.KexECDHEPSK: kECDHEPSK, iana.KexSRP: kSRP,
}

func classOf(s *iana.Suite, name string) cipherClass {
	c := cipherClass{suite: s.ID, name: name, min: iana.SSL30, strong: strongHigh}
	var known bool
	if c.kex, known = kexMasks[s.KeyExchange]; !known {
		c.kex, c.weak = kFixed, true
	}
	switch {
	case s.KeyExchange == iana.KexRSAPSK:
		c.auth = aRSA
	case s.Authentication == "anon":
		c.auth = aNULL
	case strings.Contains(s.Authentication, "PSK"):
		c.auth = aPSK
	default:
		c.auth = map[string]mask{"RSA": aRSA, "DSS": aDSS, "ECDSA": aECDSA, "SRP": aSRP}[s.Authentication[strings.LastIndexByte(s.Authentication, '+')+1:]]
	}
	e := s.Encryption
	wide := strings.Contains(e, "_256")
	pick := func(narrow, full mask) mask {
		if wide {
			return full
		}
		return narrow
	}
	c.bits = 128
	if wide {
		c.bits = 256
	}
	switch {
	case strings.HasPrefix(e, "AES_") && strings.Contains(e, "CCM_8"):
		c.enc = pick(eAES128CCM8, eAES256CCM8)
	case strings.HasPrefix(e, "AES_") && strings.Contains(e, "CCM"):
		c.enc = pick(eAES128CCM, eAES256CCM)
	case strings.HasPrefix(e, "AES_") && strings.Contains(e, "GCM"):
		c.enc = pick(eAES128GCM, eAES256GCM)
	case strings.HasPrefix(e, "AES_"):
		c.enc = pick(eAES128, eAES256)
	case strings.HasPrefix(e, "CAMELLIA"):
		c.enc = pick(eCamellia128, eCamellia256)
	case strings.HasPrefix(e, "ARIA"):
		c.enc = pick(eARIA128, eARIA256)
	case strings.HasPrefix(e, "CHACHA20"):
		c.enc, c.bits = eChaCha20, 256
	case strings.HasPrefix(e, "3DES"):
		c.enc, c.bits, c.strong, c.weak = e3DES, 112, strongMedium, true
	case strings.HasPrefix(e, "SEED"):
		c.enc, c.strong, c.weak = eSEED, strongMedium, true
	case strings.HasPrefix(e, "IDEA"):
		c.enc, c.strong, c.weak = eIDEA, strongMedium, true
	case strings.HasPrefix(e, "RC4"):
		c.enc, c.strong, c.weak = eRC4, strongMedium, true
	case strings.HasPrefix(e, "RC2"):
		c.enc, c.bits, c.strong, c.weak = eRC2, 56, strongLow, true
	case strings.HasPrefix(e, "DES"):
		c.enc, c.bits, c.strong, c.weak = eDES, 56, strongLow, true
	case e == "NULL":
		c.enc, c.bits, c.strong = eNULL, 0, strongNone
	}
	if s.Export {
		c.bits, c.strong, c.weak = 40, strongExport, true
	}
	if c.enc&(eAES128|eAES256|eAESGCM) != 0 && c.kex != kSRP {
		c.strong |= strongFIPS
	}
	switch c.mac = map[string]mask{"MD5": mMD5, "SHA": mSHA1, "SHA256": mSHA256, "SHA384": mSHA384}[s.MAC]; {
	case c.enc&(eAESGCM|eAESCCM|eChaCha20|eARIA128|eARIA256) != 0, s.MAC == "AEAD":
		c.mac = mAEAD
	}
	switch {
	case needs12(s):
		c.min = iana.TLS12
	case s.KeyExchange.UsesECParams() || s.KeyExchange.UsesPSK() && c.mac&(mSHA256|mSHA384) != 0:
		c.min = iana.TLS10
	}
	// OpenSSL does not include suites without encryption here. DEFAULT removes
	// them with !eNULL.
	c.notDefault = c.enc != eNULL && (c.weak || c.auth&(aNULL|aDSS) != 0 || c.enc&(eAESCCM|eARIA128|eARIA256|eCamellia128|eCamellia256) != 0)
	return c
}
