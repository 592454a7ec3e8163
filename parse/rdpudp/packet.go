package rdpudp

import (
	"encoding/binary"

	"pfsight/capture/stream"
)

// uFlags of RDPUDP_FEC_HEADER, MS-RDPEUDP section 2.2.2.1.
const (
	flagSYN         = 0x0001
	flagFIN         = 0x0002
	flagACK         = 0x0004
	flagDATA        = 0x0008
	flagFEC         = 0x0010
	flagCN          = 0x0020
	flagCWR         = 0x0040
	flagAckOfAcks   = 0x0100
	flagSYNLossy    = 0x0200
	flagAckDelayed  = 0x0400
	flagCorrelation = 0x0800
	flagSYNEX       = 0x1000
)

// The smallest and the largest MTU, section 2.2.2.5. A SYN is padded to the
// smaller of the two that it proposes, section 3.1.5.1.1.
const (
	minMTU = 1132
	maxMTU = 1232
)

// Versions of the transport with different formats, section 2.2.2.9.
const (
	version1 = 1 // RDPUDP_PROTOCOL_VERSION_1 and _2
	version2 = 2 // RDPUDP_PROTOCOL_VERSION_3: MS-RDPEUDP2
)

// A syn is a SYN or a SYN+ACK.
type syn struct {
	ack     bool
	lossy   bool
	first   uint32 // the initial sequence number; that of the first source packet is one more
	version uint8
}

// readSYN reads the datagrams that open a connection, sections 2.2.2.1,
// 2.2.2.5, 2.2.2.8 and 2.2.2.9:
//
//	snSourceAck(4) uReceiveWindowSize(2) uFlags(2)
//	snInitialSequenceNumber(4) uUpStreamMtu(2) uDownStreamMtu(2)
//	[uCorrelationId(16) uReserved(16)] [uSynExFlags(2) uUdpVer(2) [cookieHash(32)]]
func readSYN(b []byte) (s syn, ok bool) {
	if len(b) < 16 {
		return s, false
	}
	flags := binary.BigEndian.Uint16(b[6:])
	const others = flagSYN | flagACK | flagSYNLossy | flagCorrelation | flagSYNEX | flagAckDelayed | flagCN
	if flags&flagSYN == 0 || flags&^others != 0 {
		return s, false
	}
	s.ack, s.lossy, s.version = flags&flagACK != 0, flags&flagSYNLossy != 0, version1
	if !s.ack && binary.BigEndian.Uint32(b) != 0xffffffff {
		return s, false // section 3.1.5.1.1
	}
	up, down := binary.BigEndian.Uint16(b[12:]), binary.BigEndian.Uint16(b[14:])
	if up < minMTU || up > maxMTU || down < minMTU || down > maxMTU {
		return s, false
	}
	s.first = binary.BigEndian.Uint32(b[8:])
	b = b[16:]
	if flags&flagCorrelation != 0 {
		b = b[min(32, len(b)):]
	}
	if flags&flagSYNEX != 0 && len(b) >= 4 && b[1]&1 != 0 && binary.BigEndian.Uint16(b[2:]) >= 0x0101 {
		s.version = version2
	}
	return s, true
}

// A source is a packet with application data.
type source struct {
	seq     uint32 // sequence number
	payload []byte
}

// readV1 reads a source packet of MS-RDPEUDP, sections 2.2.2.1, 2.2.2.7,
// 2.2.2.6 and 2.2.2.4:
//
//	snSourceAck(4) uReceiveWindowSize(2) uFlags(2)
//	[uAckVectorSize(2) elements, padded to 4 bytes] [snResetSeqNum(4)]
//	snCoded(4) snSourceStart(4) data
func readV1(b []byte) (s source, ok bool) {
	if len(b) < 16 {
		return s, false
	}
	flags := binary.BigEndian.Uint16(b[6:])
	const others = flagACK | flagDATA | flagFIN | flagCN | flagCWR | flagAckOfAcks | flagAckDelayed
	if flags&flagDATA == 0 || flags&^others != 0 {
		return s, false // an acknowledgment, or FEC
	}
	b = b[8:]
	if flags&flagACK != 0 {
		n := 2 + int(binary.BigEndian.Uint16(b))
		n = (n + 3) &^ 3
		if n > len(b) {
			return s, false
		}
		b = b[n:]
	}
	if flags&flagAckOfAcks != 0 {
		if len(b) < 4 {
			return s, false
		}
		b = b[4:]
	}
	if len(b) <= 8 {
		return s, false
	}
	s.seq, s.payload = binary.BigEndian.Uint32(b[4:]), b[8:]
	return s, true
}

// Flags of MS-RDPEUDP2, section 2.2.1.1, the low 12 bits of the header.
const (
	flag2ACK       = 0x001
	flag2DATA      = 0x004
	flag2ACKVEC    = 0x008
	flag2AOA       = 0x010
	flag2Overhead  = 0x040
	flag2DelayInfo = 0x100
	flag2All       = flag2ACK | flag2DATA | flag2ACKVEC | flag2AOA | flag2Overhead | flag2DelayInfo
)

// readV2 reads a data packet of MS-RDPEUDP2, section 2.2. Its first byte
// and its eighth are exchanged on the wire; numbers are little-endian:
//
//	prefix(1) header(2) [ACK] [overhead(1)] [delay info(3)] [AOA(2)]
//	data sequence number(2) [ACK vector] channel sequence number(2) data
func readV2(b []byte) (s source, ok bool) {
	if len(b) < 12 {
		return s, false
	}
	var head [12]byte
	copy(head[:], b)
	head[0], head[7] = head[7], head[0]
	// prefix: reserved(1 bit), type(4), length of a short packet(3); of the
	// types 8 is a dummy, section 2.2.1.
	if head[0]&1 != 0 || head[0]>>1&0xf != 0 || head[0]>>5 != 7 {
		return s, false
	}
	at := func(i int) byte {
		if i < len(head) {
			return head[i]
		}
		return b[i]
	}
	flags := uint16(at(1)) | uint16(at(2))<<8
	flags &= 0xfff
	if flags&flag2DATA == 0 || flags&^flag2All != 0 {
		return s, false
	}
	i := 3
	if flags&flag2ACK != 0 {
		// sequence number(2) time(3) gap(1) number of delayed ACKs(4 bits) scale(4 bits) delayed ACKs
		i += 7
		if i > len(b) {
			return s, false
		}
		i += int(at(i-1) & 0xf)
	}
	if flags&flag2Overhead != 0 {
		i++
	}
	if flags&flag2DelayInfo != 0 {
		i += 3
	}
	if flags&flag2AOA != 0 {
		i += 2
	}
	i += 2
	if flags&flag2ACKVEC != 0 {
		// base(2) size of the vector(7 bits) time is there(1 bit) [time(3) gap(1)] vector
		i += 3
		if i > len(b) {
			return s, false
		}
		n := at(i - 1)
		i += int(n & 0x7f)
		if n&0x80 != 0 {
			i += 4
		}
	}
	if i+2 >= len(b) {
		return s, false
	}
	s.seq = uint32(at(i)) | uint32(at(i+1))<<8
	i += 2
	if i < 8 {
		return s, false // the eighth byte is in the payload, which no header of section 2.2 allows
	}
	s.payload = b[i:]
	return s, true
}

// hello returns the kind of hello that the payload of a source packet begins
// with: 1 is a ClientHello, 2 a ServerHello or HelloVerifyRequest, 0 neither.
func hello(b []byte) (typ uint8, dtls bool) {
	if len(b) >= 6 && b[0] == 22 && b[1] == 3 && b[2] <= 4 {
		typ = b[5]
	} else if len(b) >= 14 && b[0] == 22 && b[1] == 0xfe && b[2] >= 0xfc {
		typ, dtls = b[13], true
	}
	switch typ {
	case 1:
		return 1, dtls
	case 2, 3:
		return 2, dtls
	}
	return 0, dtls
}

// Sniff is the stream.Sniffer of RDP over UDP. It recognizes the SYN and the
// SYN+ACK by their fields and their padding, and a source packet with a hello.
// Other source packets may belong to a known connection.
func Sniff(b []byte) stream.Sniff {
	if len(b) < 16 {
		return stream.SniffNone
	}
	flags := binary.BigEndian.Uint16(b[6:])
	if flags&flagSYN != 0 {
		s, ok := readSYN(b)
		switch {
		case !ok || len(b) < minMTU:
			return stream.SniffNone
		case s.ack:
			return stream.SniffServer
		}
		return stream.SniffClient
	}
	s, ok := readV1(b)
	if !ok {
		if _, ok = readV2(b); ok {
			return stream.SniffMaybe
		}
		return stream.SniffNone
	}
	switch typ, _ := hello(s.payload); {
	case flags&flagACK == 0: // every source packet acknowledges
	case typ == 1:
		return stream.SniffClient
	case typ == 2:
		return stream.SniffServer
	}
	return stream.SniffMaybe
}
