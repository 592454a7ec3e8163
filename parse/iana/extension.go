package iana

// An ExtensionType is a code point of the TLS ExtensionType Values registry,
// RFC 8447 section 7.
type ExtensionType uint16

// The extensions that the parser reads.
const (
	ExtServerName           ExtensionType = 0      // RFC 6066 section 3
	ExtSupportedGroups      ExtensionType = 10     // RFC 8422 section 5.1.1, RFC 7919
	ExtPointFormats         ExtensionType = 11     // RFC 8422 section 5.1.2
	ExtSRP                  ExtensionType = 12     // RFC 5054 section 2.8.1
	ExtSignatureAlgorithms  ExtensionType = 13     // RFC 8446 section 4.2.3
	ExtALPN                 ExtensionType = 16     // RFC 7301
	ExtPadding              ExtensionType = 21     // RFC 7685
	ExtEncryptThenMAC       ExtensionType = 22     // RFC 7366
	ExtExtendedMasterSecret ExtensionType = 23     // RFC 7627
	ExtSessionTicket        ExtensionType = 35     // RFC 5077 section 3.2
	ExtPreSharedKey         ExtensionType = 41     // RFC 8446 section 4.2.11
	ExtEarlyData            ExtensionType = 42     // RFC 8446 section 4.2.10
	ExtSupportedVersions    ExtensionType = 43     // RFC 8446 section 4.2.1
	ExtCookie               ExtensionType = 44     // RFC 8446 section 4.2.2
	ExtPSKModes             ExtensionType = 45     // RFC 8446 section 4.2.9
	ExtKeyShare             ExtensionType = 51     // RFC 8446 section 4.2.8
	ExtKeyShareDraft        ExtensionType = 40     // key_share before draft 23
	ExtECH                  ExtensionType = 0xfe0d // RFC 9849
	ExtRenegotiationInfo    ExtensionType = 0xff01 // RFC 5746
)

// IsGREASE reports whether t is one of the reserved values of RFC 8701.
func (t ExtensionType) IsGREASE() bool { return isGREASE(uint16(t)) }
