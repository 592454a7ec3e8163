package parse

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"pfsight/parse/iana"
)

// readUint8Prefixed reads opaque out<0..2^8-1>.
func readUint8Prefixed(s *cryptobyte.String, out *[]byte) bool {
	var v cryptobyte.String
	if !s.ReadUint8LengthPrefixed(&v) {
		return false
	}
	*out = v
	return true
}

// readUint16Prefixed reads opaque out<0..2^16-1>.
func readUint16Prefixed(s *cryptobyte.String, out *[]byte) bool {
	var v cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&v) {
		return false
	}
	*out = v
	return true
}

// appendUint16s appends 16-bit values while s holds one. An odd byte stays in s.
func appendUint16s[T ~uint16](list []T, s *cryptobyte.String) []T {
	var v uint16
	for len(*s) >= 2 && s.ReadUint16(&v) {
		list = append(list, T(v))
	}
	return list
}

// malformed notes that field could not be read at the start of s. If the message
// was cut, it is not malformed.
func (p *Parser) malformed(m *message, s cryptobyte.String, name, field string) {
	what := "malformed"
	if m.cut() {
		what = "cut"
	}
	// Every child of a cryptobyte.String shares the end of its parent's array.
	at := min(max(cap(m.body)-cap(s), 0), len(m.body))
	p.problem(m.off+messageHeader+at, name+"."+field, what)
}

// extensionField names an extension in a Problem.
func extensionField(t iana.ExtensionType) string {
	switch t {
	case iana.ExtServerName:
		return "server_name"
	case iana.ExtSupportedGroups:
		return "supported_groups"
	case iana.ExtPointFormats:
		return "ec_point_formats"
	case iana.ExtSignatureAlgorithms:
		return "signature_algorithms"
	case iana.ExtALPN:
		return "application_layer_protocol_negotiation"
	case iana.ExtPreSharedKey:
		return "pre_shared_key"
	case iana.ExtEarlyData:
		return "early_data"
	case iana.ExtSupportedVersions:
		return "supported_versions"
	case iana.ExtPSKModes:
		return "psk_key_exchange_modes"
	case iana.ExtKeyShare, iana.ExtKeyShareDraft:
		return "key_share"
	case iana.ExtExtendedMasterSecret:
		return "extended_master_secret"
	case iana.ExtEncryptThenMAC:
		return "encrypt_then_mac"
	}
	return fmt.Sprintf("extension %d", uint16(t))
}
