package parse

import "pfsight/capture/stream"

// HelloID is the stream.Identifier of TLS over TCP: a hash of the Random of the
// ClientHello or ServerHello that b begins with, or of a whole hello of SSL 2.0.
// The second ClientHello after a HelloRetryRequest has the Random of the first
// (RFC 8446 section 4.1.2), and a HelloRetryRequest has none of its own.
func HelloID(b []byte) uint32 {
	const random = recordHeader + messageHeader + 2 // offset: the version precedes it
	if signTLS(b) < stream.ClientSign {
		return 0
	}
	var id []byte
	switch {
	case b[0]&0x80 != 0:
		n := 2 + (int(b[0]&0x7f)<<8 | int(b[1]))
		if n > len(b) {
			return 0
		}
		id = b[:n]
	case len(b) < random+32:
		return 0
	default:
		id = b[random : random+32]
	}
	if string(id) == retryRandom {
		return 0
	}
	h := uint32(2166136261) // FNV-1a
	for _, x := range id {
		h = (h ^ uint32(x)) * 16777619
	}
	return h | 1
}
