package pcapfile

import (
	"encoding/binary"
	"strings"
)

// foreignMagic lists the first bytes of capture formats that are recognized
// but not supported.
var foreignMagic = []struct{ magic, name string }{
	{"snoop\x00\x00\x00", "a snoop file (RFC 1761)"},
	{"RTSS", "a capture of Microsoft Network Monitor 1"},
	{"GMBU", "a capture of Microsoft Network Monitor 2 or 3"},
	{"TRSNIFF data    \x1a", "a capture of Network General's Sniffer"},
	{"XCP\x00", "a capture of NetXRay or Sniffer"},
	{"\x7fver", "a capture of OmniPeek or EtherPeek"},
	{"\x05VNF", "a capture of Visual Networks"},
	{"ObserverPktBuffe", "a capture of Network Instruments' Observer"},
	{"\xaa\xaa\xaa\xaa", "a capture of InfoVista's 5View"},
	{"\x01\x10\x4c\x00\x01\x05Trace Display Trace File", "a capture of Novell's LANalyzer"},
	{"btsnoop\x00", "a btsnoop file of Bluetooth"},
	{"iptrace 1.0", "a capture of AIX' iptrace"},
	{"iptrace 2.0", "a capture of AIX' iptrace"},
	{"\x54\x52\x00\x64\x00", "a capture of HP-UX' nettl"},
}

// foreign returns the name of an unsupported capture format, or "" if the
// content is not recognized.
func (r *Reader) foreign() string {
	const look = 4 << 10
	r.need(look)
	b := r.buf[r.r:min(r.w, r.r+look)]
	for _, f := range foreignMagic {
		if strings.HasPrefix(string(b[:min(len(b), 64)]), f.magic) {
			return f.name
		}
	}
	if isERF(b, r.w-r.r <= look && r.eof) {
		return "an ERF file of an Endace DAG card"
	}
	return ""
}

// isERF reports whether b begins with at least three records of the Extensible
// Record Format, or with fewer if whole says that b is everything. The format
// has no magic number. A record begins with time(8, little endian, in 2^-32
// seconds) type(1) flags(1) length(2) losses(2) length on the wire(2), the
// last three big endian.
func isERF(b []byte, whole bool) bool {
	const (
		header   = 16
		enough   = 3
		lastType = 48
		maxClock = 3600 << 32 // between two records
	)
	var last uint64
	for n := 0; ; n++ {
		if n == enough {
			return true
		}
		if len(b) < header {
			return n > 0 && whole // the end, or a cut record
		}
		ts, typ, size, wire := binary.LittleEndian.Uint64(b), b[8]&0x7f, int(binary.BigEndian.Uint16(b[10:])), int(binary.BigEndian.Uint16(b[14:]))
		if typ == 0 || typ > lastType || size < header || wire == 0 || ts>>32 < 600_000_000 || n > 0 && ts-last > maxClock && last-ts > maxClock {
			return false
		}
		if len(b) < size {
			return n > 0 // the rest was not looked at
		}
		last, b = ts, b[size:]
	}
}
