package capture

import "encoding/binary"

// eapolPDU decodes the header of an EAPOL PDU, IEEE 802.1X-2020 section 11.3:
// version(1) type(1) length(2). Only type 0, an EAP packet, can contain a
// handshake. eapolPDU always returns false and sets d.eapol, so that the
// caller that knows the addresses calls takeEAPOL. If the length exceeds the
// frame, the frame was cut.
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

// takeEAPOL completes the segment of the PDU that eapolPDU found. A nil
// address is undetermined. It returns true.
func (d *decoder) takeEAPOL(src, dst []byte, s *segment) bool {
	d.eapol = false
	s.seq, s.ack, s.flags, s.fromB = 0, 0, 0, 0
	s.key = flowKey{aHi: mac48(src), bHi: mac48(dst), proto: protoEAPOL}
	s.hash = 0 // setSessionOf sets it
	return true
}

// dropEAPOL drops the PDU that eapolPDU found if its frame has no addresses.
// It returns false.
func (d *decoder) dropEAPOL() bool {
	if d.eapol {
		d.eapol = false
		d.drops[NotIP]++
	}
	return false
}

// mac48 returns a MAC address as a number, 0 if b is too short.
func mac48(b []byte) uint64 {
	if len(b) < 6 {
		return 0
	}
	return uint64(be16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}
