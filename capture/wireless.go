package capture

import (
	"encoding/binary"

	"pfsight/capture/pcapfile"
)

// otherLink reads the link layers that are rarer: what a driver or the kernel
// puts before a frame.
func (d *decoder) otherLink(link pcapfile.LinkType, b []byte, cut int, s *segment) bool {
	switch link {
	case pcapfile.LinkCHDLC:
		// address, control, EtherType
		if len(b) < 4 {
			return d.cutHeader()
		}
		return d.etherType(be16(b[2:]), b[4:], cut, s)
	case pcapfile.LinkIEEE80211:
		return d.ieee80211(b, cut, s)
	case pcapfile.LinkRadiotap:
		// radiotap.org: version, pad, length (little endian), present
		if len(b) < 8 {
			return d.cutHeader()
		}
		n := int(binary.LittleEndian.Uint16(b[2:]))
		if n < 8 || len(b) < n {
			return d.cutHeader()
		}
		return d.ieee80211(b[n:], cut, s)
	case pcapfile.LinkPPI:
		// version, flags, length (little endian), link type of what follows
		if len(b) < 8 {
			return d.cutHeader()
		}
		n := int(binary.LittleEndian.Uint16(b[2:]))
		inner := pcapfile.LinkType(binary.LittleEndian.Uint32(b[4:]))
		if n < 8 || len(b) < n || inner == pcapfile.LinkPPI || !d.deeper() {
			return d.cutHeader()
		}
		return d.link(inner, b[n:], cut, s)
	case pcapfile.LinkNFLOG:
		return d.nflog(b, cut, s)
	}
	d.drops[UnknownLink]++
	return false
}

// ieee80211 reads a data frame that is not encrypted, IEEE 802.11 section
// 9.3.2.1.
func (d *decoder) ieee80211(b []byte, cut int, s *segment) bool {
	if len(b) < 24 {
		return d.cutHeader()
	}
	typ, sub, flags := b[0]>>2&3, b[0]>>4, b[1]
	if typ != 2 || sub&4 != 0 || flags&0x40 != 0 || b[22]&0x0f != 0 || flags&0x04 != 0 {
		d.drops[NotIP]++ // not data, no data in it, protected, or a fragment
		return false
	}
	n := 24
	if flags&3 == 3 { // four addresses
		n += 6
	}
	if sub&8 != 0 { // QoS
		if len(b) < n+2 {
			return d.cutHeader()
		}
		if b[n]&0x80 != 0 { // several frames in one
			d.drops[NotIP]++
			return false
		}
		n += 2
		if flags&0x80 != 0 { // HT control
			n += 4
		}
	}
	if len(b) < n+8 {
		return d.cutHeader()
	}
	head, b := b[:n], b[n:]
	if b[0] != 0xaa || b[1] != 0xaa || b[2] != 3 {
		d.drops[NotIP]++
		return false
	}
	if d.etherType(be16(b[6:]), b[8:], cut, s) {
		return true
	}
	if !d.eapol {
		return false
	}
	// IEEE 802.11 section 9.3.2.1.2: where the source and the destination are.
	src, dst := head[10:16], head[4:10]
	switch flags & 3 {
	case 1: // to the distribution system
		dst = head[16:22]
	case 2: // from it
		src = head[16:22]
	case 3:
		src, dst = head[24:30], head[16:22]
	}
	return d.eapolBetween(src, dst, s)
}

// nflog reads Linux's netfilter log: a header of 4 bytes and then values with
// length and type in the byte order of the machine, of which 9 is the packet.
func (d *decoder) nflog(b []byte, cut int, s *segment) bool {
	if len(b) < 4 {
		return d.cutHeader()
	}
	family := b[0]
	for b = b[4:]; len(b) >= 4; {
		n, typ := int(binary.LittleEndian.Uint16(b)), binary.LittleEndian.Uint16(b[2:])&0x7fff
		if n < 4 || !d.deeper() {
			return d.cutHeader()
		}
		if typ == 9 {
			b = b[4:min(n, len(b))]
			if family == 2 || family == 10 {
				return d.ip(b, cut, s)
			}
			break
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	d.drops[NotIP]++
	return false
}
