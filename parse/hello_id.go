package parse

import (
	"encoding/binary"

	"pfsight/capture/stream"
)

// helloID is the stream.Identifier of TLS over TCP: a hash of a part of the
// Random in the ClientHello or ServerHello that b begins with, or of the
// challenge in a hello of SSL 2.0. The second ClientHello after a
// HelloRetryRequest has the Random of the first (RFC 8446 section 4.1.2). A
// HelloRetryRequest has no identity.
func helloID(b []byte) uint32 {
	const random = recordHeader + messageHeader + 2 // offset: the version precedes it
	if len(b) > 0 {
		if hello := behindCCS(b); hello != nil {
			b = hello
		}
	}
	if len(b) < random+32 || b[0] != recHandshake {
		return sslv2ID(b)
	}
	if b[5] != msgClientHello && b[5] != msgServerHello || sniffTLS(b) < stream.SniffClient || isRetry(b[recordHeader:]) {
		return 0
	}
	// Eight of its bytes are as random as all.
	return mixID(binary.BigEndian.Uint64(b[random+8:]))
}

// sslv2ID is helloID of a hello of SSL 2.0, whose last bytes are its challenge
// or connection ID.
func sslv2ID(b []byte) uint32 {
	if len(b) == 0 || b[0]&0x80 == 0 || sniffSSLv2(b) < stream.SniffClient {
		return 0
	}
	n := 2 + (int(b[0]&0x7f)<<8 | int(b[1]))
	if n > len(b) || n < 10 {
		return 0
	}
	return mixID(binary.BigEndian.Uint64(b[n-8:]))
}

// mixID returns a hash of 8 bytes that is not 0.
func mixID(x uint64) uint32 { return uint32(x*0x9e3779b97f4a7c15>>32) | 1 }
