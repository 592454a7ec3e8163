package eap

import "encoding/binary"

// Codes of EAP packets, RFC 3748 section 4.
const (
	codeRequest  = 1
	codeResponse = 2
	Success      = 3
	Failure      = 4
)

// Types of EAP methods, from the IANA registry "Method Types".
const (
	typeIdentity = 1
	typeTLS      = 13
	typeTTLS     = 21
	typePEAP     = 25
	typeFAST     = 43
	typeTEAP     = 55
	typeExpanded = 254
)

// Flags of the methods that carry TLS, RFC 5216 section 3.1, RFC 7170 section
// 4.1. The low three bits are the version of PEAP, EAP-TTLS, EAP-FAST or TEAP.
const (
	flagLength = 0x80 // the length of the complete message follows
	flagMore   = 0x40 // more fragments follow
	flagStart  = 0x20
	flagOuter  = 0x10 // TEAP: the length of the outer TLVs follows; they are after the TLS data
)

// A packet is an EAP packet.
type packet struct {
	code, id uint8
	length   int    // from the header
	method   uint8  // of a Request or Response; 0 if not captured
	tls      bool   // the method carries TLS; the next fields are set
	start    bool   // the first Request, without TLS data
	more     bool   // more fragments follow
	total    int    // length of the complete TLS message; -1 if not given
	data     []byte // the captured TLS data
	missing  int    // bytes of data after that which were not captured
}

// readPacket reads the EAP packet at the beginning of b, RFC 3748 section 4. Bytes
// after its length are padding. A truncated packet is read as far as possible.
func readPacket(b []byte) (p packet, ok bool) {
	if len(b) < 4 {
		return p, false
	}
	p.code, p.id, p.length, p.total = b[0], b[1], int(binary.BigEndian.Uint16(b[2:])), -1
	if p.code < codeRequest || p.code > Failure || p.length < 4 || p.code <= codeResponse && p.length < 5 {
		return p, false
	}
	cut := max(p.length-len(b), 0)
	b = b[4 : p.length-cut]
	if p.code > codeResponse || len(b) == 0 {
		return p, true
	}
	p.method, b = b[0], b[1:]
	if p.method == typeExpanded { // RFC 3748 section 5.7: vendor 0 has the same types
		if len(b) < 7 || b[0]|b[1]|b[2]|b[3]|b[4]|b[5] != 0 {
			return p, true
		}
		p.method, b = b[6], b[7:]
	}
	switch p.method {
	case typeTLS, typeTTLS, typePEAP, typeFAST, typeTEAP:
	default:
		return p, true
	}
	if len(b) == 0 {
		return p, true
	}
	p.tls = true
	flags := b[0]
	b = b[1:]
	p.more, p.start = flags&flagMore != 0, flags&flagStart != 0 && p.code == codeRequest
	if flags&flagLength != 0 {
		if len(b) < 4 {
			return p, cut > 0
		}
		p.total, b = int(min(binary.BigEndian.Uint32(b), maxMessage+1)), b[4:]
	}
	outer := 0
	if p.method == typeTEAP && flags&flagOuter != 0 {
		if len(b) < 4 {
			return p, cut > 0
		}
		outer, b = int(min(binary.BigEndian.Uint32(b), 1<<16)), b[4:]
	}
	if outer > len(b)+cut {
		return p, false
	}
	n := len(b) + cut - outer // length of the TLS data
	p.data = b[:min(n, len(b))]
	p.missing = n - len(p.data)
	return p, true
}

// maxMessage is the length limit of the TLS data of one direction, bytes. EAP
// carries handshakes only, and RFC 9190 section 2.1.9 limits messages to 64 KiB.
const maxMessage = 1 << 17

// methodName returns the name of a method that carries TLS, as in records.
func methodName(t uint8) string {
	switch t {
	case typeTTLS:
		return "eap-ttls"
	case typePEAP:
		return "peap"
	case typeFAST:
		return "eap-fast"
	case typeTEAP:
		return "teap"
	}
	return "eap-tls"
}

// eapol returns the EAP packet in an EAPOL PDU, IEEE 802.1X-2020 section 11.3, or
// nil.
func eapol(b []byte) []byte {
	if len(b) < 4 || b[1] != 0 {
		return nil
	}
	return b[4:min(len(b), 4+int(binary.BigEndian.Uint16(b[2:])))]
}
