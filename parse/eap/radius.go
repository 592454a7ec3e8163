package eap

import (
	"encoding/binary"

	"pfsight/capture/stream"
)

// Codes of RADIUS packets, RFC 2865 section 3.
const (
	accessRequest   = 1
	accessAccept    = 2
	accessReject    = 3
	accessChallenge = 11
)

// RADIUS attributes, RFC 2865 section 5, RFC 3579 section 3.1.
const (
	attrUserName         = 1
	attrState            = 24
	attrCallingStationID = 31
	attrEAPMessage       = 79
)

// radiusHeader is the length of the header, RFC 2865 section 3: code (1),
// identifier (1), length (2), authenticator (16).
const radiusHeader = 20

// maxRADIUS is the maximum length of a packet, RFC 2865 section 3.
const maxRADIUS = 4096

// radiusLength returns the length in the header of a RADIUS authentication packet, or
// 0 if b is none.
func radiusLength(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	switch b[0] {
	case accessRequest, accessAccept, accessReject, accessChallenge:
		if n := int(binary.BigEndian.Uint16(b[2:])); n > radiusHeader && n <= maxRADIUS {
			return n
		}
	}
	return 0
}

// isRADIUS reports whether b begins like a RADIUS authentication packet with at
// least one attribute.
func isRADIUS(b []byte) bool {
	if len(b) < radiusHeader+2 {
		return false
	}
	return radiusLength(b) != 0 && b[radiusHeader] != 0 && b[radiusHeader+1] >= 2
}

// attributes iterates over the attributes of a packet. At the end next returns
// false; cut reports that the last attribute is truncated, malformed that its
// length is below 2.
type attributes struct {
	b         []byte
	typ       uint8
	value     []byte
	malformed bool
	cut       bool
}

// radiusAttributes returns the attributes of b, for which isRADIUS is true.
func radiusAttributes(b []byte) attributes {
	return attributes{b: b[radiusHeader:min(len(b), int(binary.BigEndian.Uint16(b[2:])))]}
}

func (a *attributes) next() bool {
	if len(a.b) == 0 {
		return false
	}
	if len(a.b) < 2 {
		a.cut = true
		return false
	}
	n := int(a.b[1])
	if n < 2 {
		a.malformed = true
		return false
	}
	a.typ = a.b[0]
	if n > len(a.b) {
		a.cut = true
		n = len(a.b)
	}
	a.value, a.b = a.b[2:n], a.b[n:]
	return true
}

// joinEAP appends the EAP packet in a RADIUS packet to out. The packet is the
// concatenation of the EAP-Message attributes, RFC 3579 section 3.1.
func joinEAP(out, b []byte) (joined []byte, found bool) {
	if !isRADIUS(b) {
		return out, false
	}
	for a := radiusAttributes(b); a.next(); {
		if a.typ == attrEAPMessage {
			out, found = append(out, a.value...), true
			if a.cut {
				break
			}
		}
	}
	return out, found
}

// firstEAP returns the first EAP-Message attribute of a RADIUS packet. It contains
// the header and the type of the EAP packet.
func firstEAP(b []byte) (value []byte, found bool) {
	for a := radiusAttributes(b); a.next(); {
		if a.typ == attrEAPMessage {
			return a.value, true
		}
	}
	return nil, false
}

// Sniff is the stream.Sniffer of EAP in RADIUS. It recognizes complete, well-formed
// RADIUS authentication packets with an EAP-Message attribute. It returns
// SniffMaybe for Accept and Reject, which end a session. (EAPOL frames are
// recognized by their EtherType.)
func Sniff(b []byte) stream.Sniff {
	if !isRADIUS(b) || int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return stream.SniffNone
	}
	found := false
	a := radiusAttributes(b)
	for a.next() {
		if a.typ == attrEAPMessage && !found {
			// RFC 3579 section 2.1: an empty attribute is EAP-Start.
			if n := len(a.value); n > 0 && (n < 4 || a.value[0] < codeRequest || a.value[0] > Failure) {
				return stream.SniffNone
			}
			found = true
		}
	}
	switch {
	case !found || a.cut || a.malformed:
		return stream.SniffNone
	case b[0] == accessRequest:
		return stream.SniffClient
	case b[0] == accessChallenge:
		return stream.SniffServer
	}
	return stream.SniffMaybe
}
