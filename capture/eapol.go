package capture

import "encoding/binary"

// eapolPDU reads the header of IEEE 802.1X-2020 section 11.3: version(1)
// type(1) length(2). Only an EAP packet, type 0, is wanted; Start, Logoff,
// Key and MKA hold none. It always returns false, and leaves to the caller
// that knows the addresses to take the PDU with eapolBetween. A length beyond the
// frame says that the frame was cut.
func (d *decoder) eapolPDU(b []byte, s *segment) bool {
	if len(b) < 4 {
		return d.cutHeader()
	}
	n := 4 + int(be16(b[2:]))
	if b[0] == 0 || b[0] > 3 || b[1] != 0 {
		d.drops[NotIP]++
		return false
	}
	s.wire, s.payload = n, b[:min(n, len(b))] // without the padding of the frame
	d.eapol = true
	return false
}

// eapolBetween takes the PDU that eapolPDU read as one between two stations.
// A nil address is not known.
func (d *decoder) takeEAPOL(src, dst []byte, s *segment) bool {
	d.eapol = false
	s.seq, s.ack, s.flags, s.fromB = 0, 0, 0, 0
	s.key = flowKey{aHi: mac48(src), bHi: mac48(dst), proto: protoEAPOL}
	s.hash = 0 // split makes it
	return true
}

// notBetween drops a PDU that eapolPDU read where no addresses are. It returns
// false.
func (d *decoder) dropEAPOL() bool {
	if d.eapol {
		d.eapol = false
		d.drops[NotIP]++
	}
	return false
}

func mac48(b []byte) uint64 {
	if len(b) < 6 {
		return 0
	}
	return uint64(be16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}
