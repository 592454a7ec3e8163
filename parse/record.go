package parse

import (
	"encoding/binary"

	"pfsight/capture/stream"
	"pfsight/parse/starttls"
)

// Record types, RFC 8446 section 5.1, RFC 6520.
const (
	recCCS       = 20
	recAlert     = 21
	recHandshake = 22
	recData      = 23
	recHeartbeat = 24
)

const (
	recordHeader = 5
	// maxRecord is the longest record body: 2^14 bytes of content, and 2048 of
	// expansion (RFC 5246 section 6.2.3).
	maxRecord = 1<<14 + 2048
)

// A state is what can be said of the bytes at a place: there is a record or
// message, more bytes are needed to tell, or it is none.
type state uint8

const (
	have state = iota
	needMore
	notTLS
)

// A record is where a TLSPlaintext or TLSCiphertext lies in its half.
type record struct {
	typ      uint8
	off      int // of the header
	from, to int // of the body; to may lie behind the bytes that are there
}

// nextRecord reads the record header at off, RFC 8446 section 5.1. Only the
// header is asked for.
func nextRecord(b []byte, off int) (record, state) {
	h := b[min(off, len(b)):]
	if len(h) > 0 && (h[0] < recCCS || h[0] > recHeartbeat) {
		return record{}, notTLS
	}
	if len(h) > 2 && !recordVersion(h[1], h[2]) {
		return record{}, notTLS
	}
	if len(h) < recordHeader {
		return record{}, needMore
	}
	n := int(binary.BigEndian.Uint16(h[3:]))
	if n > maxRecord {
		return record{}, notTLS
	}
	return record{h[0], off, off + recordHeader, off + recordHeader + n}, have
}

// recordVersion reports whether these bytes are the version of a record: SSL
// 3.0 to TLS 1.3, or TLCP's 1.1 (GB/T 38636).
func recordVersion(major, minor byte) bool {
	return major == 3 && minor <= 4 || major == 1 && minor == 1
}

// sslv2Hello reads the header of a ClientHello in SSL 2.0's form, RFC 5246
// appendix E.2: its length without the two bytes of the record.
func sslv2Hello(b []byte) (length int, s state) {
	switch {
	case len(b) == 0:
		return 0, needMore
	case b[0]&0x80 == 0:
		return 0, notTLS
	case len(b) > 2 && b[2] != 1:
		return 0, notTLS
	case len(b) > 3 && b[3] != 3 && b[3] != 0, len(b) > 4 && (b[3] == 3 && b[4] > 4 || b[3] == 0 && b[4] != 2):
		return 0, notTLS
	case len(b) < 11:
		return 0, needMore
	}
	n := int(b[0]&0x7f)<<8 | int(b[1])
	suites := int(binary.BigEndian.Uint16(b[5:]))
	session := int(binary.BigEndian.Uint16(b[7:]))
	challenge := int(binary.BigEndian.Uint16(b[9:]))
	if suites == 0 || suites%3 != 0 || session != 0 && session != 16 || challenge < 16 || challenge > 32 || n != 9+suites+session+challenge {
		return 0, notTLS
	}
	return n, have
}

// Sign tells from the first bytes of a segment whether a handshake, or what
// precedes one, may begin there; it is the stream.Signer of TLS over TCP.
func Sign(b []byte) stream.Sign {
	if s := signTLS(b); s != stream.NoSign || len(b) == 0 {
		return s
	}
	return starttls.Sign(b)
}

func signTLS(b []byte) stream.Sign {
	if len(b) == 0 {
		return stream.NoSign
	}
	if b[0] < recCCS || b[0] > recHeartbeat {
		if b[0]&0x80 == 0 {
			return stream.NoSign
		}
		switch _, s := sslv2Hello(b); s {
		case have:
			return stream.ClientSign
		case needMore:
			return stream.MaybeSign
		}
		return stream.NoSign
	}
	r, s := nextRecord(b, 0)
	if s == notTLS {
		return stream.NoSign
	}
	if s == needMore || r.typ != recHandshake || len(b) < 11 {
		return stream.MaybeSign
	}
	n := int(b[6])<<16 | int(b[7])<<8 | int(b[8])
	if n < 34 || n > 1<<17 || !helloVersion(b[9], b[10]) {
		return stream.MaybeSign
	}
	switch b[5] {
	case msgClientHello:
		return stream.ClientSign
	case msgServerHello:
		return stream.ServerSign
	}
	return stream.MaybeSign
}

// helloVersion reports whether these bytes may be the version of a hello:
// those of records, and drafts of TLS 1.3, which put their own into the
// ServerHello.
func helloVersion(major, minor byte) bool {
	return recordVersion(major, minor) || major == 0x7f || major == 0xfb || major == 0x7e
}
