package iana

// A KeyExchange is a family of key exchanges: the part of a cipher suite's name
// before _WITH_, without the authentication.
type KeyExchange uint8

// The key exchanges.
const (
	KexUnknown KeyExchange = iota
	KexNULL
	KexRSA
	KexRSAExport
	KexDH
	KexDHE
	KexDHEExport
	KexDHAnon
	KexDHAnonExport
	KexECDH
	KexECDHE
	KexECDHAnon
	KexPSK
	KexRSAPSK
	KexDHEPSK
	KexECDHEPSK
	KexSRP
	KexKRB5
	KexKRB5Export
	KexGOST
	KexSM2Enc
	KexSM2DHE
	KexSM9Enc
	KexSM9DHE
	KexECCPWD
	KexECJPAKE
	KexCECPQ1
	KexFortezza
	KexTLS13 // TLS 1.3 suites name none; the extensions key_share and pre_shared_key decide
	numKex
)

var kexNames = [numKex]string{"unknown", "NULL", "RSA", "RSA_EXPORT", "DH", "DHE", "DHE_EXPORT", "DH_anon", "DH_anon_EXPORT",
	"ECDH", "ECDHE", "ECDH_anon", "PSK", "RSA_PSK", "DHE_PSK", "ECDHE_PSK", "SRP", "KRB5", "KRB5_EXPORT", "GOST",
	"SM2", "SM2DHE", "SM9", "SM9DHE", "ECCPWD", "ECJPAKE", "CECPQ1", "FORTEZZA_KEA", "TLS 1.3"}

func (k KeyExchange) String() string {
	if k < numKex {
		return kexNames[k]
	}
	return kexNames[KexUnknown]
}

// KeyExchanges returns all key exchanges.
func KeyExchanges() []KeyExchange {
	out := make([]KeyExchange, numKex)
	for i := range out {
		out[i] = KeyExchange(i)
	}
	return out
}

// UsesECParams reports whether the ServerKeyExchange contains ECDH parameters,
// RFC 8422 section 5.4.
func (k KeyExchange) UsesECParams() bool {
	return k == KexECDHE || k == KexECDHAnon || k == KexECDHEPSK
}

// UsesDHParams reports whether the ServerKeyExchange contains finite-field
// parameters, RFC 5246 section 7.4.3.
func (k KeyExchange) UsesDHParams() bool {
	switch k {
	case KexDHE, KexDHEExport, KexDHAnon, KexDHAnonExport, KexDHEPSK:
		return true
	}
	return false
}

// UsesPSK reports whether the key exchange messages contain a PSK identity and
// its hint, RFC 4279 section 2.
func (k KeyExchange) UsesPSK() bool {
	return k == KexPSK || k == KexRSAPSK || k == KexDHEPSK || k == KexECDHEPSK
}
