package iana

import "strings"

// An Alert is an AlertDescription, RFC 8446 section 6.
type Alert uint8

// The alerts that other packages need by name.
const (
	AlertCloseNotify           Alert = 0
	AlertHandshakeFailure      Alert = 40
	AlertNoCert                Alert = 41 // SSL 3.0: sent in place of a Certificate message
	AlertProtocolVersion       Alert = 70
	AlertInternalError         Alert = 80
	AlertInappropriateFallback Alert = 86  // RFC 7507
	AlertUnrecognizedName      Alert = 112 // RFC 6066 section 3
	AlertMissingExtension      Alert = 109
)

func (a Alert) String() string {
	if n, ok := alerts[a]; ok {
		return n
	}
	return "0x" + hexDigits(uint32(a), 2)
}

// LookupAlert returns the alert with this name, in any case.
func LookupAlert(name string) (Alert, bool) {
	for a, n := range alerts {
		if n == strings.ToLower(name) {
			return a, true
		}
	}
	return 0, false
}
