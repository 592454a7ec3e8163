package dtls

import (
	"encoding/binary"

	"pfsight/capture/stream"
	"pfsight/parse/turn"
)

// Limits of the fields of a hello that Sniff accepts.
const (
	minClientHello = 2 + 32 + 1 + 1 + 2 + 2 + 1 + 1 // one suite, one compression method
	minServerHello = 2 + 32 + 1 + 2 + 1
	maxHello       = 1 << 16
	maxHelloSeq    = 8 // message_seq: each cookie or HelloRetryRequest costs one
)

// Sniff is the stream.Sniffer of DTLS: it looks whether a DTLS handshake may begin
// or continue in a datagram. A message counts by any of its fragments, and a
// server's flight by any of its messages, since they come in any order. Sniff is
// called for every datagram of a conversation that is not followed.
func Sniff(b []byte) stream.Sniff {
	if len(b) < recordHeader {
		return stream.SniffNone
	}
	switch b[0] >> 4 {
	case 4, 0: // TURN: a channel, or an indication
		from, to, ok := turn.Unwrap(b)
		if ok && b[from]>>4 != 4 && b[from] > 1 {
			return Sniff(b[from:to])
		}
	}
	if b[0] == 1 {
		if !isCapwap(b) || len(b) < capwapHeader+recordHeader {
			return stream.SniffNone
		}
		b = b[capwapHeader:]
	}
	// RFC 7983 reserves 20 to 63 for DTLS; 27 to 31 are not records of it. The
	// header is parsed here again, because a copy of a record would take longer.
	typ := b[0]
	if typ < RecordChangeCipherSpec || typ > 63 {
		return stream.SniffNone
	}
	if typ >= RecordUnified {
		return sniffUnified(b)
	}
	version, epoch := binary.BigEndian.Uint16(b[1:]), binary.BigEndian.Uint16(b[3:])
	// Sequence numbers begin at 0 in each epoch, and epochs at 0.
	if typ > RecordACK || !knownVersion(version) || epoch > 0xff || b[5] != 0 {
		return stream.SniffNone
	}
	if typ == RecordCID {
		if version != version12 || epoch == 0 {
			return stream.SniffNone
		}
		return stream.SniffMaybe // a connection ID precedes the length
	}
	n := int(binary.BigEndian.Uint16(b[11:]))
	end := recordHeader + n
	if n == 0 || n > maxRecord || end < len(b) && !mayFollow(b[end]) {
		return stream.SniffNone
	}
	if epoch == 0 && typ == RecordHandshake {
		return sniffHello(b, n)
	}
	if end > len(b) || epoch == 0 && !plainFits(typ, n) {
		return stream.SniffNone
	}
	return stream.SniffMaybe
}

// mayFollow reports whether a record, or the CAPWAP DTLS header before one, may
// begin with this byte.
func mayFollow(b byte) bool {
	return b >= RecordChangeCipherSpec && b <= 63 || b == 1
}

// plainFits reports whether a record of this type in epoch 0 may have n bytes.
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

// sniffUnified checks a unified header, RFC 9147 section 4, which shows no content
// type and perhaps no length.
func sniffUnified(b []byte) stream.Sniff {
	n := 2
	if b[0]&8 != 0 {
		n++
	}
	length := len(b) - n
	if b[0]&0x10 != 0 { // a connection ID
		length--
	} else if b[0]&4 != 0 {
		length = int(binary.BigEndian.Uint16(b[n:]))
		n += 2
	}
	if length < minUnified || length > maxRecord || n+length > len(b) {
		return stream.SniffNone
	}
	return stream.SniffMaybe
}

// sniffHello checks a handshake record of epoch 0 with n bytes.
func sniffHello(b []byte, n int) stream.Sniff {
	if n < messageHeader || len(b) < recordHeader+messageHeader || b[6] != 0 {
		return stream.SniffNone
	}
	f, ok := readFragment(b[recordHeader:])
	end := recordHeader + n
	body := b[recordHeader+messageHeader : min(end, len(b))]
	if !ok || messageHeader+f.len > n {
		return stream.SniffNone
	}
	if end > len(b) && (f.off != 0 || len(body) < 2) {
		return stream.SniffNone // with a snaplen the version has to be there at least
	}
	switch f.typ {
	case TypeClientHello, TypeServerHello, TypeHelloVerifyRequest:
	case typeCertificate, typeServerKeyExchange, typeCertificateRequest, typeServerHelloDone:
		return stream.SniffServer // it may overtake the ServerHello
	default:
		return stream.SniffMaybe
	}
	if f.seq > maxHelloSeq || f.length > maxHello {
		return stream.SniffNone
	}
	if f.off == 0 && len(body) >= 2 && !knownVersion(binary.BigEndian.Uint16(body)) {
		return stream.SniffNone
	}
	session := f.off == 0 && len(body) > 34 && body[34] > 32
	switch f.typ {
	case TypeClientHello:
		if f.length >= minClientHello && !session {
			return stream.SniffClient
		}
	case TypeServerHello:
		if f.length >= minServerHello && !session {
			return stream.SniffServer
		}
	case TypeHelloVerifyRequest:
		if f.length >= 3 && f.length <= 3+255 && (f.off != 0 || len(body) < 3 || int(body[2]) == f.length-3) {
			return stream.SniffServer
		}
	}
	return stream.SniffNone
}
