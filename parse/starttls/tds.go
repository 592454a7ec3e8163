package starttls

import "encoding/binary"

// TDS packets, MS-TDS section 2.2.3.1.
const (
	tdsHeader   = 8
	tdsPrelogin = 0x12 // from the client; with TLS from both sides
	tdsTabular  = 0x04 // the server's response
	tdsVersion  = 0x00 // the first option of PRELOGIN, 6 bytes
)

// tds reads PRELOGIN or its response. TLS follows in PRELOGIN packets.
func (w *walker) tds() result {
	b := w.rest()
	kind := byte(tdsPrelogin)
	if w.dir == dirServer && w.phase == first {
		kind = tdsTabular
	}
	if w.phase == first && b[0] == tdsPrelogin {
		// If the beginning is missing, the first packet may carry TLS.
		if len(b) < tdsHeader+recordStart {
			return w.need(tdsHeader + recordStart)
		}
		if recordAt(b[tdsHeader:], w.dir) == tls {
			w.phase = switched
			return tls
		}
	}
	if b[0] != kind && (w.dir == dirClient || b[0] != tdsTabular) {
		return no
	}
	if len(b) < tdsHeader {
		return w.need(tdsHeader)
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n <= tdsHeader || n > maxPacket || b[1]&1 == 0 && w.phase == first {
		return no
	}
	if w.phase == switched {
		r := recordAt(b[tdsHeader:min(n, len(b))], w.dir)
		if r == next || r == more && len(b) >= n {
			return no // too short for a record header
		}
		return r
	}
	if len(b) < n {
		return w.need(n)
	}
	if !isPrelogin(b[tdsHeader:n]) {
		return no
	}
	w.phase = switched
	return w.pass(n)
}

// isPrelogin reports whether b is a list of options as in MS-TDS section 2.2.6.5:
// the version is first, and all options are within b.
func isPrelogin(b []byte) bool {
	for i := 0; i+5 <= len(b) && b[i] != 0xff; i += 5 {
		from, n := int(binary.BigEndian.Uint16(b[i+1:])), int(binary.BigEndian.Uint16(b[i+3:]))
		if from+n > len(b) || i == 0 && (b[0] != tdsVersion || n != 6) {
			return false
		}
	}
	return len(b) > 5 && b[0] == tdsVersion
}

// A place is a position in the data, and the length of data needed to continue.
type place struct{ at, want int }

// frames skips the TDS packets that carry the handshake, starting at at, up to
// maxPreamble + maxFramed. done reports that the handshake does not continue.
func frames(b []byte, at int) (to place, done bool) {
	for {
		if at > maxPreamble+maxFramed {
			return place{at, at}, true
		}
		if len(b) < at+tdsHeader+2 {
			if len(b) <= at {
				return place{at, at + 1}, false
			}
			if b[at] != tdsPrelogin && b[at] != tdsTabular {
				return place{at, at}, true
			}
			return place{at, at + tdsHeader + 2}, false
		}
		n, ok := frame(b[at:])
		if !ok {
			return place{at, at}, true
		}
		if len(b) < at+n {
			return place{at, at + n}, false
		}
		at += n
	}
}

// frame returns the length of the TDS packet at the start of b, at least ten bytes.
// ok reports whether the packet carries a part of a TLS handshake.
func frame(b []byte) (n int, ok bool) {
	n = int(binary.BigEndian.Uint16(b[2:]))
	if n <= tdsHeader+1 {
		return 0, false
	}
	switch b[0] {
	case tdsPrelogin:
		return n, true
	case tdsTabular:
		c := b[tdsHeader]
		return n, c >= 0x14 && c <= 0x17 && b[tdsHeader+1] == 3
	}
	return 0, false
}
