package dtls

import (
	"encoding/binary"

	"pfsight/capture/stream"
)

// Bounds of what a hello may say of itself for Sign to believe it.
const (
	minClientHello = 2 + 32 + 1 + 1 + 2 + 2 + 1 + 1 // one suite, one compression method
	minServerHello = 2 + 32 + 1 + 2 + 1
	maxHello       = 1 << 16
	maxHelloSeq    = 8 // message_seq: each cookie or HelloRetryRequest costs one
)

// Sign tells from the first bytes of a datagram whether a DTLS handshake may
// begin or go on there; it is the stream.Signer of DTLS. A hello counts by
// any of its fragments, since they come in any order. It is asked for every
// datagram of a conversation that is not followed.
func Sign(b []byte) stream.Sign {
	if len(b) < recordHeader {
		return stream.NoSign
	}
	if b[0] == 1 {
		if !isCapwap(b) || len(b) < capwapHeader+recordHeader {
			return stream.NoSign
		}
		b = b[capwapHeader:]
	}
	// RFC 7983 gives 20 to 63 to DTLS; 27 to 31 are no record of it.
	if b[0] < RecordChangeCipherSpec || b[0] > 63 {
		return stream.NoSign
	}
	r, s := nextRecord(b, 0, -1)
	if s != have {
		return stream.NoSign
	}
	if r.typ == RecordUnified || r.typ == RecordCID {
		return signProtected(b, r)
	}
	n := r.to - r.from
	// The sequence number begins at 0 in each epoch, and epochs at 0.
	if r.epoch > 0xff || b[5] != 0 || n == 0 {
		return stream.NoSign
	}
	if r.to < len(b) && (b[r.to] < RecordChangeCipherSpec || b[r.to] > 63) {
		return stream.NoSign
	}
	if r.epoch == 0 && r.typ == RecordHandshake {
		return signHello(b, r)
	}
	if r.to > len(b) || r.epoch == 0 && !plainFits(r.typ, n) {
		return stream.NoSign
	}
	return stream.MaybeSign
}

// plainFits reports whether a record of epoch 0 may be that long.
func plainFits(typ uint8, n int) bool {
	switch typ {
	case RecordChangeCipherSpec:
		return n == 1 || n == 3 // the latter in version 0x0100
	case RecordAlert:
		return n == 2
	case RecordApplicationData:
		return false
	}
	return true
}

// signProtected looks at a record that shows neither its type nor, perhaps,
// its length.
func signProtected(b []byte, r record) stream.Sign {
	switch {
	case r.typ == RecordCID && r.version == version12 && r.epoch <= 0xff && b[5] == 0,
		r.typ == RecordUnified && r.hasCID && len(b) > minUnified,
		r.typ == RecordUnified && r.to <= len(b):
		return stream.MaybeSign
	}
	return stream.NoSign
}

func signHello(b []byte, r record) stream.Sign {
	if r.to-r.from < messageHeader || len(b) < recordHeader+messageHeader || b[6] != 0 {
		return stream.NoSign
	}
	f, ok := readFragment(b[recordHeader:])
	body := b[recordHeader+messageHeader : min(r.to, len(b))]
	if !ok || messageHeader+f.len > r.to-r.from {
		return stream.NoSign
	}
	if r.to > len(b) && (f.off != 0 || len(body) < 2) {
		return stream.NoSign // a capture with a snaplen shows the version at least
	}
	if f.typ != TypeClientHello && f.typ != TypeServerHello && f.typ != TypeHelloVerifyRequest {
		return stream.MaybeSign
	}
	if f.seq > maxHelloSeq || f.length > maxHello {
		return stream.NoSign
	}
	if f.off == 0 && len(body) >= 2 && !knownVersion(binary.BigEndian.Uint16(body)) {
		return stream.NoSign
	}
	session := f.off == 0 && len(body) > 34 && body[34] > 32
	switch f.typ {
	case TypeClientHello:
		if f.length >= minClientHello && !session {
			return stream.ClientSign
		}
	case TypeServerHello:
		if f.length >= minServerHello && !session {
			return stream.ServerSign
		}
	case TypeHelloVerifyRequest:
		if f.length >= 3 && f.length <= 3+255 && (f.off != 0 || len(body) < 3 || int(body[2]) == f.length-3) {
			return stream.ServerSign
		}
	}
	return stream.NoSign
}
