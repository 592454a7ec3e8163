package quic

// Frame types of Google's versions, which have the headers and the protection of
// the IETF's versions, but other frames.
const (
	googleClose  = 0x02
	googlePing   = 0x07
	googleCrypto = 0x08
	googleACK    = 0x40 // and six bits with its layout
)

// nextGoogleFrame is nextFrame for T050 and T051. It stops at a CONNECTION_CLOSE,
// whose error codes are not those of RFC 9000.
func nextGoogleFrame(b []byte, at int) (f frame, next int, bad string, ok bool) {
	for at < len(b) {
		switch typ := b[at]; {
		case typ == framePadding, typ == googlePing:
			at++
		case typ == googleCrypto:
			return cryptoAt(b, at+1)
		case typ&0xc0 == googleACK:
			if at, ok = skipGoogleACK(b, at); !ok {
				return f, at, "ACK is malformed", false
			}
		case typ == googleClose:
			return f, at, "", false
		default:
			return f, at, badFrame, false
		}
	}
	return f, at, "", false
}

// skipGoogleACK skips an ACK frame: 01ntllmm, where n says that there are several
// blocks, and ll and mm the length of its numbers; the largest one acknowledged,
// a delay of two bytes, the blocks, and receive timestamps.
func skipGoogleACK(b []byte, at int) (next int, ok bool) {
	sizes := [4]int{1, 2, 4, 6}
	typ := b[at]
	block := sizes[typ&3]
	at += 1 + sizes[typ>>2&3] + 2
	if typ&0x20 != 0 {
		if at >= len(b) {
			return at, false
		}
		at += 1 + int(b[at])*(1+block)
	}
	at += block
	if at >= len(b) {
		return at, false
	}
	n := int(b[at])
	at++
	if n > 0 {
		at += 5 + 3*(n-1)
	}
	return at, at <= len(b)
}
