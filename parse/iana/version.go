package iana

import "strconv"

// A Version is a ProtocolVersion as sent on the wire.
type Version uint16

// The versions of SSL, TLS, TLCP (GB/T 38636) and DTLS.
const (
	SSL20  Version = 0x0002
	TLCP11 Version = 0x0101
	SSL30  Version = 0x0300
	TLS10  Version = 0x0301
	TLS11  Version = 0x0302
	TLS12  Version = 0x0303
	TLS13  Version = 0x0304
	DTLS10 Version = 0xfeff
	DTLS12 Version = 0xfefd
	DTLS13 Version = 0xfefc
)

// String returns the name of v as used in reports, such as "TLS 1.2", "SSLv3" or
// "TLS 1.3 (draft 23)". For a version without a name it returns the number.
func (v Version) String() string {
	switch v {
	case SSL20:
		return "SSLv2"
	case TLCP11:
		return "TLCP 1.1"
	case SSL30:
		return "SSLv3"
	case TLS10:
		return "TLS 1.0"
	case TLS11:
		return "TLS 1.1"
	case TLS12:
		return "TLS 1.2"
	case TLS13:
		return "TLS 1.3"
	case DTLS10, 0x0100: // 0x0100 is sent by OpenSSL before 0.9.8f
		return "DTLS 1.0"
	case DTLS12:
		return "DTLS 1.2"
	case DTLS13:
		return "DTLS 1.3"
	}
	switch v >> 8 {
	case 0x7f:
		return "TLS 1.3 (draft " + strconv.Itoa(int(v&0xff)) + ")"
	case 0xfb:
		return "TLS 1.3 (Facebook draft " + strconv.Itoa(int(v&0xff)) + ")"
	case 0x7e:
		return "TLS 1.3 (experiment 0x" + hexDigits(uint32(v), 4) + ")"
	}
	return "0x" + hexDigits(uint32(v), 4)
}

// Known reports whether v has a name.
func (v Version) Known() bool { s := v.String(); return s[0] != '0' }

// IsTLS13 reports whether v is TLS 1.3, DTLS 1.3, one of their drafts, or a
// vendor's experimental version of a draft.
func (v Version) IsTLS13() bool {
	if v == TLS13 || v == DTLS13 {
		return true
	}
	switch v >> 8 {
	case 0x7f, 0xfb, 0x7e:
		return true
	}
	return false
}

// IsDTLS reports whether v is a version of DTLS.
func (v Version) IsDTLS() bool { return v>>8 == 0xfe || v == 0x0100 }

// IsGREASE reports whether v is one of the reserved values of RFC 8701.
func (v Version) IsGREASE() bool { return isGREASE(uint16(v)) }
