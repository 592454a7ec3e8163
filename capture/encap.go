package capture

import "encoding/binary"

// An encap identifies a layer of encapsulation around the innermost addresses.
// A segment has its layers in a uint64, one per byte, the outermost in the
// lowest byte.
type encap uint8

// The encapsulations. Their order has no meaning.
const (
	_ encap = iota
	encVLAN
	encQinQ
	encPPPoE
	encMPLS
	encPseudowire
	encGRE
	encERSPAN
	encVXLAN
	encVXLANGPE
	encGENEVE
	encGTPU
	encIPIP
	enc6in4
	enc4in6
	encTeredo
	encL2TP
	encMACsec
	encPBB
	encVNTag
	encNSH
	encEtherIP
	encCMD
	encIEEE80211
	encTZSP
	encWCCP
)

// maxEncaps is the maximum number of layers of a segment. Frames with more are
// dropped (TooDeep).
const maxEncaps = 8

var encapNames = [...]string{
	encVLAN: "802.1q", encQinQ: "802.1ad", encPPPoE: "pppoe", encMPLS: "mpls", encPseudowire: "mpls-pw", encGRE: "gre", encERSPAN: "erspan",
	encVXLAN: "vxlan", encVXLANGPE: "vxlan-gpe", encGENEVE: "geneve", encGTPU: "gtp-u", encIPIP: "ipip", enc6in4: "6in4", enc4in6: "4in6",
	encTeredo: "teredo", encL2TP: "l2tp", encMACsec: "macsec", encPBB: "802.1ah", encVNTag: "vn-tag", encNSH: "nsh", encEtherIP: "etherip",
	encCMD: "cmd", encIEEE80211: "802.11", encTZSP: "tzsp", encWCCP: "wccp",
}

// addLayer adds e to the layers of s and reports whether the limits allow it.
func (d *decoder) addLayer(e encap, s *segment) bool {
	if d.layers == maxEncaps {
		d.drops[TooDeep]++
		return false
	}
	s.encap |= uint64(e) << (8 * d.layers)
	d.layers++
	return d.deeper()
}

// names returns the names of the layers. Equal layers share one slice.
func (t *tracker) names(encaps uint64) []string {
	if encaps == 0 {
		return nil
	}
	if n, ok := t.encaps[encaps]; ok {
		return n
	}
	var n []string
	for x := encaps; x != 0; x >>= 8 {
		n = append(n, encapNames[x&0xff])
	}
	if len(t.encaps) < maxEncapLists {
		t.encaps[encaps] = n
	}
	return n
}

// maxEncapLists is the maximum number of slices that names keeps.
const maxEncapLists = 1024

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// cutHeader counts a header that ends too early: as CutHeader if the frame was
// cut, otherwise as BadHeader. It returns false.
func (d *decoder) cutHeader() bool {
	if d.short {
		d.drops[CutHeader]++
	} else {
		d.drops[BadHeader]++
	}
	return false
}

// ethernet decodes an Ethernet frame inside another protocol.
func (d *decoder) ethernet(b []byte, cut int, s *segment) bool {
	if len(b) < 14 {
		return d.cutHeader()
	}
	return d.etherType(be16(b[12:]), b[14:], cut, s) || d.eapol && d.takeEAPOL(b[6:12], b[:6], s)
}

// mpls decodes a label stack, RFC 3032 section 2.1, and its payload: IP
// according to the version field, otherwise an Ethernet pseudowire with or
// without a control word, RFC 4448 section 4.6.
func (d *decoder) mpls(b []byte, cut int, s *segment) bool {
	for {
		if len(b) < 4 {
			return d.cutHeader()
		}
		bottom := b[2]&1 != 0
		s.enterNetwork(be32(b) >> 12) // the label
		b = b[4:]
		if bottom {
			break
		}
		if !d.deeper() {
			return false
		}
	}
	if !d.addLayer(encMPLS, s) {
		return false
	}
	if len(b) == 0 {
		return d.cutHeader()
	}
	switch b[0] >> 4 {
	case 4:
		if plausibleIPv4(b) {
			return d.ipv4(b, cut, s)
		}
	case 6:
		if len(b) >= 40 {
			return d.ipv6(b, cut, s)
		}
	case 0:
		if len(b) >= 4+14 && knownEtherType(be16(b[4+12:])) {
			return d.addLayer(encPseudowire, s) && d.ethernet(b[4:], cut, s)
		}
	}
	return d.addLayer(encPseudowire, s) && d.ethernet(b, cut, s)
}

// plausibleIPv4 reports whether b may begin with an IPv4 header. MAC addresses
// may begin with the same four bits.
func plausibleIPv4(b []byte) bool {
	return len(b) >= 20 && b[0]&0x0f >= 5 && int(be16(b[2:])) >= int(b[0]&0x0f)*4 && b[8] != 0
}

func knownEtherType(t uint16) bool {
	switch t {
	case etherIPv4, etherIPv6, etherVLAN, etherQinQ, etherMPLS, etherMPLSMulti, etherPPPoE:
		return true
	}
	return t <= 1500
}

// gre decodes GRE: RFC 2784 with the key and sequence number of RFC 2890, and
// version 1 of RFC 2637, which carries PPP.
func (d *decoder) gre(b []byte, cut int, s *segment) bool {
	if len(b) < 4 {
		return d.cutHeader()
	}
	flags, proto := be16(b), be16(b[2:])
	n := 4
	for _, bit := range []uint16{0x8000, 0x2000, 0x1000} { // checksum, key, sequence number
		if flags&bit != 0 {
			n += 4
		}
	}
	if flags&7 == 1 && flags&0x0080 != 0 { // version 1: acknowledgment number
		n += 4
	}
	if flags&0x4000 != 0 || len(b) < n { // source routing, which is obsolete
		return d.cutHeader()
	}
	if flags&0x2000 != 0 { // the key
		at := 4
		if flags&0x8000 != 0 {
			at = 8
		}
		s.enterNetwork(be32(b[at:]))
	}
	b = b[n:]
	switch proto {
	case 0x6558: // transparent Ethernet bridging, and NVGRE
		return d.addLayer(encGRE, s) && d.ethernet(b, cut, s)
	case 0x880b:
		return d.addLayer(encGRE, s) && d.ppp(b, cut, s)
	case 0x88be: // ERSPAN; without a sequence number it is type I, which has no header
		if flags&0x1000 == 0 {
			return d.addLayer(encERSPAN, s) && d.ethernet(b, cut, s)
		}
		if len(b) < 8 {
			return d.cutHeader()
		}
		return d.addLayer(encERSPAN, s) && d.ethernet(b[8:], cut, s)
	case 0x22eb: // ERSPAN type III; a flag announces a subheader
		n := 12
		if len(b) >= 12 && b[11]&1 != 0 {
			n = 20
		}
		if len(b) < n {
			return d.cutHeader()
		}
		return d.addLayer(encERSPAN, s) && d.ethernet(b[n:], cut, s)
	}
	if proto == etherWCCP {
		return d.addLayer(encGRE, s) && d.wccp(b, cut, s)
	}
	return d.addLayer(encGRE, s) && d.etherType(proto, b, cut, s) || d.dropEAPOL()
}

// wccp decodes a packet redirected by WCCP. Version 2 inserts 4 bytes before
// the packet that do not look like the beginning of an IP header
// (draft-wilson-wrec-wccp-v2 section 4.12).
func (d *decoder) wccp(b []byte, cut int, s *segment) bool {
	if !d.addLayer(encWCCP, s) {
		return false
	}
	if len(b) < 4 {
		return d.cutHeader()
	}
	if b[0]>>4 != 4 && (b[0]>>4 != 6 || len(b) < 40) {
		b = b[4:]
	}
	return d.ip(b, cut, s)
}

// macsec decodes a SecTAG, IEEE 802.1AE section 9.3, of an unencrypted frame.
// The integrity check value follows the packet; the packet's own length
// excludes it.
func (d *decoder) macsec(b []byte, cut int, s *segment) bool {
	if len(b) < 8 {
		return d.cutHeader()
	}
	n := 6
	if b[0]&0x20 != 0 { // SC
		n += 8
	}
	if b[0]&0x0c != 0 || len(b) < n+2 { // E or C: encrypted or changed
		d.drops[NotIP]++
		return false
	}
	return d.addLayer(encMACsec, s) && d.etherType(be16(b[n:]), b[n+2:], cut, s)
}

// nsh decodes a Network Service Header, RFC 8300 section 2.
func (d *decoder) nsh(b []byte, cut int, s *segment) bool {
	if len(b) < 8 {
		return d.cutHeader()
	}
	n := int(b[1]&0x3f) * 4
	if n < 8 || len(b) < n {
		return d.cutHeader()
	}
	if !d.addLayer(encNSH, s) {
		return false
	}
	s.enterNetwork(be32(b[4:]) >> 8) // the service path identifier
	return d.nextProtocol(b[3], b[n:], cut, s)
}

// nextProtocol decodes a payload by the numbers that NSH and VXLAN-GPE share.
func (d *decoder) nextProtocol(p byte, b []byte, cut int, s *segment) bool {
	switch p {
	case 1:
		return d.ipv4(b, cut, s)
	case 2:
		return d.ipv6(b, cut, s)
	case 3:
		return d.ethernet(b, cut, s)
	case 4:
		return d.nsh(b, cut, s)
	case 5:
		return d.mpls(b, cut, s)
	}
	d.drops[NotIP]++
	return false
}
