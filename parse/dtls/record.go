package dtls

import "encoding/binary"

const (
	recordHeader  = 13 // DTLSPlaintext, RFC 6347 section 4.1
	messageHeader = 12 // RFC 6347 section 4.2.2
	capwapHeader  = 4  // RFC 5415 section 4.2
	// maxRecord is the longest record body: 2^14 bytes of content, and 2048 of
	// expansion (RFC 6347 section 4.1, RFC 5246 section 6.2.3).
	maxRecord = 1<<14 + 2048
	// minUnified is the shortest body under a unified header: the record number
	// is encrypted with the help of 16 bytes of it (RFC 9147 section 4.2.3).
	minUnified = 16
)

// Versions of records and hellos. version01 is that of OpenSSL before the
// standard; some VPNs still use it.
const (
	version10 = 0xfeff
	version12 = 0xfefd
	version13 = 0xfefc
	version01 = 0x0100
)

func knownVersion(v uint16) bool {
	return v == version10 || v == version12 || v == version13 || v == version01
}

// A state is the result of reading a header.
type state uint8

const (
	have    state = iota
	cut           // the datagram ends in the header
	notDTLS       // not a record
)

// A record is the position and the header of a record.
type record struct {
	typ      uint8
	version  uint16 // 0 under a unified header
	epoch    uint16 // under a unified header the two low bits
	seq      uint32 // the low 32 bits of the sequence number, none under a unified header
	seqHigh  uint16 // the high 16 bits
	cid      int    // length of the connection ID
	hasCID   bool   // a connection ID is present, its length may be 0
	off      int    // of the header
	from, to int    // of the body; to may be behind the end of the datagram
}

// nextRecord reads the record header at offset off of the datagram b. cid is the
// length of the connection IDs, which only the endpoints know. With -1, a record
// with a connection ID has only what precedes it: from and to are 0.
func nextRecord(b []byte, off, cid int) (record, state) {
	h := b[min(off, len(b)):]
	if len(h) == 0 {
		return record{}, cut
	}
	r := record{typ: h[0], off: off}
	switch {
	case h[0]>>5 == 1:
		return unifiedRecord(h, r, cid, len(b))
	case h[0] < RecordChangeCipherSpec || h[0] > RecordACK:
		return record{}, notDTLS
	}
	if len(h) < recordHeader {
		return record{}, cut
	}
	r.version = binary.BigEndian.Uint16(h[1:])
	r.epoch = binary.BigEndian.Uint16(h[3:])
	r.seqHigh = binary.BigEndian.Uint16(h[5:])
	r.seq = binary.BigEndian.Uint32(h[7:])
	if !knownVersion(r.version) {
		return record{}, notDTLS
	}
	n := recordHeader
	if r.typ == RecordCID {
		// RFC 9146 section 4: the connection ID precedes the length.
		if r.epoch == 0 {
			return record{}, notDTLS
		}
		r.hasCID = true
		if cid < 0 {
			return r, have
		}
		r.cid = cid
		n += cid
		if len(h) < n {
			return record{}, cut
		}
	}
	length := int(binary.BigEndian.Uint16(h[n-2:]))
	if length > maxRecord {
		return record{}, notDTLS
	}
	r.from, r.to = off+n, off+n+length
	return r, have
}

// unifiedRecord reads a unified header, 001CSLEE, RFC 9147 section 4.
func unifiedRecord(h []byte, r record, cid, end int) (record, state) {
	r.typ = RecordUnified
	r.epoch = uint16(h[0] & 3)
	n := 1
	if h[0]&0x10 != 0 {
		r.hasCID = true
		if cid < 0 {
			return r, have
		}
		r.cid = cid
		n += cid
	}
	n++
	if h[0]&8 != 0 {
		n++
	}
	length := len(h) - n
	if h[0]&4 != 0 {
		n += 2
		if len(h) < n {
			return record{}, cut
		}
		length = int(binary.BigEndian.Uint16(h[n-2:]))
	}
	if length < minUnified || length > maxRecord {
		return record{}, notDTLS
	}
	r.from, r.to = r.off+n, r.off+n+length
	return r, have
}

// isCapwap reports whether a datagram begins with the CAPWAP DTLS header: a
// preamble of version 0 and type 1, and three reserved bytes.
func isCapwap(b []byte) bool {
	return len(b) > capwapHeader && b[0] == 1 && b[1] == 0 && b[2] == 0 && b[3] == 0
}

// A fragment is the header of a fragment of a handshake message.
type fragment struct {
	typ      uint8
	length   int // of the message
	seq      uint16
	off, len int
}

// readFragment reads the header at the start of b, which must hold it. It
// reports whether the fragment lies inside its message.
func readFragment(b []byte) (f fragment, ok bool) {
	_ = b[messageHeader-1]
	f = fragment{
		typ:    b[0],
		length: int(b[1])<<16 | int(b[2])<<8 | int(b[3]),
		seq:    binary.BigEndian.Uint16(b[4:]),
		off:    int(b[6])<<16 | int(b[7])<<8 | int(b[8]),
		len:    int(b[9])<<16 | int(b[10])<<8 | int(b[11]),
	}
	return f, f.off+f.len <= f.length && (f.len > 0 || f.length == 0)
}
