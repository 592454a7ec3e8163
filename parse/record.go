package parse

import (
	"encoding/binary"

	"pfsight/capture/stream"
	"pfsight/parse/openvpn"
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

// A state is the result of reading a header: it is there, it needs more bytes, or
// it is not one.
type state uint8

const (
	have state = iota
	needMore
	notTLS
)

// A record is the position of a TLSPlaintext or TLSCiphertext in its half.
type record struct {
	typ      uint8
	off      int // of the header
	from, to int // of the body; to may be behind the captured bytes
}

// nextRecord reads the record header at off, RFC 8446 section 5.1. The body need
// not be there.
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

// sniffTCP is the stream.Sniffer of TLS over TCP: it looks whether a handshake, or
// what precedes one, may begin in a segment.
func sniffTCP(b []byte) stream.Sniff {
	if s := sniffTLS(b); s != stream.SniffNone || len(b) == 0 {
		return s
	}
	if b[0] < recCCS {
		if s := openvpn.Sniff(b); s != stream.SniffNone {
			return s
		}
	}
	return starttls.Sniff(b)
}

// behindCCS returns what follows a ChangeCipherSpec that b begins with, nil if it
// begins with none. A client of TLS 1.3 sends one before its second ClientHello,
// RFC 8446 appendix D.4.
func behindCCS(b []byte) []byte {
	const n = recordHeader + 1
	if b[0] != recCCS || len(b) < n || b[1] != 3 || b[3] != 0 || b[4] != 1 || b[5] != 1 {
		return nil
	}
	return b[n:]
}

func sniffTLS(b []byte) stream.Sniff {
	if len(b) == 0 {
		return stream.SniffNone
	}
	if hello := behindCCS(b); len(hello) > 0 && hello[0] == recHandshake {
		return max(sniffTLS(hello), stream.SniffMaybe)
	}
	if b[0] < recCCS || b[0] > recHeartbeat {
		return sniffSSLv2(b)
	}
	r, s := nextRecord(b, 0)
	if s == notTLS {
		return stream.SniffNone
	}
	if s == needMore || r.typ != recHandshake || len(b) < 11 {
		return stream.SniffMaybe
	}
	n := int(b[6])<<16 | int(b[7])<<8 | int(b[8])
	if n < 34 || n > 1<<17 || !helloVersion(b[9], b[10]) {
		return stream.SniffMaybe
	}
	switch b[5] {
	case msgClientHello:
		return stream.SniffClient
	case msgServerHello:
		return stream.SniffServer
	}
	return stream.SniffMaybe
}

// helloVersion reports whether these bytes may be the version of a hello: those
// of records, and those of the drafts of TLS 1.3 in a ServerHello.
func helloVersion(major, minor byte) bool {
	return recordVersion(major, minor) || major == 0x7f || major == 0xfb || major == 0x7e
}
