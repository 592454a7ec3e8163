package quic

import "pfsight/capture/stream"

// Frame types that an Initial may carry, RFC 9000 section 12.4.
const (
	framePadding = 0x00
	framePing    = 0x01
	frameACK     = 0x02
	frameACKECN  = 0x03
	frameCrypto  = 0x06
	frameClose   = 0x1c
)

// badFrame is the one problem of frames that a cut does not cause.
const badFrame = "frame that may not be in an Initial"

// A frame is one CRYPTO or CONNECTION_CLOSE frame.
type frame struct {
	typ   uint64
	off   uint64 // CRYPTO: of data in the stream
	data  []byte // CRYPTO: as much of it as there is
	code  uint64 // CONNECTION_CLOSE: the error code
	cause uint64 // CONNECTION_CLOSE: type of the frame that caused it
}

// nextFrame returns the next CRYPTO or CONNECTION_CLOSE frame at b[at:] and skips
// others. ok is false at the end of b, and if a frame is malformed or not allowed
// in an Initial; then bad is not empty.
func nextFrame(b []byte, at int, d *dialect) (f frame, next int, bad string, ok bool) {
	if d.google {
		return nextGoogleFrame(b, at)
	}
	for at < len(b) {
		if b[at] == framePadding {
			at++
			continue
		}
		typ, n, ok := varint(b, at)
		if !ok {
			return f, at, "frame type is cut", false
		}
		f.typ = typ
		switch typ {
		case framePadding, framePing: // PADDING in a longer encoding
			at = n
		case frameACK, frameACKECN:
			if at, ok = skipACK(b, n, typ == frameACKECN); !ok {
				return f, at, "ACK is malformed", false
			}
		case frameCrypto:
			return cryptoAt(b, n)
		case frameClose:
			var length uint64
			if f.code, n, ok = varint(b, n); ok {
				if f.cause, n, ok = varint(b, n); ok {
					length, n, ok = varint(b, n)
				}
			}
			if !ok {
				return f, at, "CONNECTION_CLOSE is malformed", false
			}
			return f, n + int(min(length, uint64(len(b)-n))), "", true
		default:
			return f, at, badFrame, false
		}
	}
	return f, at, "", false
}

// cryptoAt reads what follows the type of a CRYPTO frame, RFC 9000 section 19.6.
func cryptoAt(b []byte, at int) (f frame, next int, bad string, ok bool) {
	f.typ = frameCrypto
	var length uint64
	if f.off, at, ok = varint(b, at); ok {
		length, at, ok = varint(b, at)
	}
	if !ok {
		return f, at, "CRYPTO is malformed", false
	}
	f.data = b[at:]
	if length > uint64(len(f.data)) {
		return f, len(b), "CRYPTO is cut", true
	}
	f.data = f.data[:length]
	return f, at + int(length), "", true
}

// skipACK skips what follows the type of an ACK frame, RFC 9000 section 19.3.
func skipACK(b []byte, at int, ecn bool) (next int, ok bool) {
	var ranges uint64
	for i := range 4 { // Largest Acknowledged, ACK Delay, ACK Range Count, First ACK Range
		var v uint64
		if v, at, ok = varint(b, at); !ok {
			return at, false
		}
		if i == 2 {
			ranges = v
		}
	}
	if ranges > uint64(len(b)) {
		return at, false
	}
	n := 2 * int(ranges)
	if ecn {
		n += 3
	}
	for range n {
		if _, at, ok = varint(b, at); !ok {
			return at, false
		}
	}
	return at, true
}

// plausible reports whether frames that could not be authenticated may be those
// of an Initial of this role.
func plausible(b []byte, role stream.Dir, d *dialect) bool {
	any := false
	for at := 0; ; {
		f, next, bad, ok := nextFrame(b, at, d)
		if !ok {
			return any && bad != badFrame
		}
		if f.typ == frameCrypto {
			if f.off+uint64(len(f.data)) > maxCrypto || f.off == 0 && len(f.data) > 0 && f.data[0] != msgClientHello+byte(role) {
				return false
			}
		}
		any, at = true, next
	}
}
