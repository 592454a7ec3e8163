package quic

import "fmt"

// A Version is a version of QUIC in a long header, RFC 9000 section 15.
type Version uint32

// Versions whose Initial packets can be opened. The drafts 22 to 34 of version 1
// are 0xff000000 and their number.
const (
	Version1       Version = 1
	Version2       Version = 0x6b3343cf // RFC 9369
	version2Draft  Version = 0x709a50c4 // draft-ietf-quic-v2-01 to -04
	draft          Version = 0xff000000
	googleT050     Version = 0x54303530
	googleT051     Version = 0x54303531
	facebookMvfst  Version = 0xfaceb000 // and a number
	reservedMask   Version = 0x0f0f0f0f
	reservedMarker Version = 0x0a0a0a0a
)

// A dialect is how a version differs in its Initial packets.
type dialect struct {
	salt   *[20]byte
	v2     bool // packet types and labels of RFC 9369
	google bool // frames of Google's versions
}

// Salts of the Initial secret: RFC 9001 section 5.2, RFC 9369 section 3.3.1,
// their drafts, and those in the sources of Google's and Facebook's versions.
var (
	salt22      = [20]byte{0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a, 0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd, 0x7a, 0x02, 0x64, 0x4a}
	salt23      = [20]byte{0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02}
	salt29      = [20]byte{0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99}
	salt1       = [20]byte{0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a}
	salt2Draft  = [20]byte{0xa7, 0x07, 0xc2, 0x03, 0xa5, 0x9b, 0x47, 0x18, 0x4a, 0x1d, 0x62, 0xca, 0x57, 0x04, 0x06, 0xea, 0x7a, 0xe3, 0xe5, 0xd3}
	salt2       = [20]byte{0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9}
	saltT050    = [20]byte{0x7f, 0xf5, 0x79, 0xe5, 0xac, 0xd0, 0x72, 0x91, 0x55, 0x80, 0x30, 0x4c, 0x43, 0xa2, 0x36, 0x7c, 0x60, 0x48, 0x83, 0x10}
	saltT051    = [20]byte{0x7a, 0x4e, 0xde, 0xf4, 0xe7, 0xcc, 0xee, 0x5f, 0xa4, 0x50, 0x6c, 0x19, 0x12, 0x4f, 0xc8, 0xcc, 0xda, 0x6e, 0x03, 0x3d}
	dialect1    = dialect{salt: &salt1}
	dialect2    = dialect{salt: &salt2, v2: true}
	dialect2D   = dialect{salt: &salt2Draft, v2: true}
	dialect22   = dialect{salt: &salt22}
	dialect23   = dialect{salt: &salt23}
	dialect29   = dialect{salt: &salt29}
	dialectT050 = dialect{salt: &saltT050, google: true}
	dialectT051 = dialect{salt: &saltT051, google: true}
)

// dialect returns the dialect of a version, nil if it is unknown.
func (v Version) dialect() *dialect {
	switch {
	case v == Version1:
		return &dialect1
	case v == Version2:
		return &dialect2
	case v >= draft+22 && v <= draft+34:
		switch n := v - draft; {
		case n >= 33:
			return &dialect1
		case n >= 29:
			return &dialect29
		case n >= 23:
			return &dialect23
		}
		return &dialect22
	case v&^0xff == facebookMvfst:
		switch v & 0xff {
		case 0x01:
			return &dialect22
		case 0x02, 0x0e, 0x10, 0x11, 0x13:
			return &dialect23
		case 0x03:
			return &dialect1
		}
	case v == version2Draft:
		return &dialect2D
	case v == googleT050:
		return &dialectT050
	case v == googleT051:
		return &dialectT051
	}
	return nil
}

// Known reports whether Initial packets of the version can be opened.
func (v Version) Known() bool { return v.dialect() != nil }

// IsReserved reports whether the version is one of those that force a
// version negotiation, RFC 9000 section 15.
func (v Version) IsReserved() bool { return v&reservedMask == reservedMarker }

// listed reports whether the version may be in the list of a Version Negotiation
// packet, as far as is known.
func (v Version) listed() bool {
	return v.Known() || v.IsReserved() || v>>8 == draft>>8 && v&0xff <= 34 || v&^0xff == facebookMvfst || v>>24 == 'Q' || v>>24 == 'T'
}

// String returns the common name of the version, or its number.
func (v Version) String() string {
	switch {
	case v == Version1:
		return "QUIC v1"
	case v == Version2:
		return "QUIC v2"
	case v == version2Draft:
		return "QUIC v2 (draft)"
	case v > draft && v <= draft+34:
		return fmt.Sprintf("QUIC draft-%d", v-draft)
	case v&^0xff == facebookMvfst:
		return fmt.Sprintf("QUIC mvfst-%d", v&0xff)
	case v == googleT050:
		return "QUIC T050"
	case v == googleT051:
		return "QUIC T051"
	}
	return fmt.Sprintf("QUIC 0x%08x", uint32(v))
}
