package pcapfile

import (
	"encoding/binary"
	"fmt"

	"pfsight/capture/packet"
)

// pcapHeader reads the file header of draft-ietf-opsawg-pcap section 4. magic
// is in the byte order of the writer.
func (r *Reader) pcapHeader(big bool, magic uint32) error {
	if !r.need(24) {
		if r.inErr != nil {
			return r.inErr
		}
		return fmt.Errorf("offset 0: the file header is cut: %w", ErrTruncated)
	}
	b := r.buf[r.r:]
	r.setOrder(big)
	r.Format, r.next = "pcap", (*Reader).batchPcap
	r.hdr = 16
	switch magic {
	case 0xa1b23c4d:
		r.nano = true
	case 0xa1b2cd34: // libpcap modified by Alexey Kuznetzov: interface, protocol and packet type follow
		r.hdr = 24
	}
	// Before version 2.3 the two lengths of a record were swapped. Both orders
	// exist in version 2.3.
	switch minor := r.order.Uint16(b[6:]); {
	case minor < 3:
		r.swapped = 1
	case minor == 3:
		r.swapped = 2
	}
	// The upper half of the word is the length of the frame check sequence.
	r.ifaces = []iface{{link: packet.LinkType(r.order.Uint32(b[20:]) & 0xffff), snaplen: r.order.Uint32(b[16:])}}
	r.r += 24
	return nil
}

func (r *Reader) setOrder(big bool) {
	r.big = big
	r.order = binary.LittleEndian
	if big {
		r.order = binary.BigEndian
	}
}

func (r *Reader) u32(b []byte) uint32 {
	if r.big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (r *Reader) batchPcap(recs []packet.Record) (int, error) {
	scale := int64(1000)
	if r.nano {
		scale = 1
	}
	link, hdr, last := r.ifaces[0].link, r.hdr, r.last
	n := 0
	for {
		at := r.r
		for n < len(recs) {
			b := r.buf[at:r.w]
			if len(b) < hdr {
				break
			}
			caplen, wire := r.lengths(b)
			if caplen > uint32(r.frame) {
				r.r, r.last = at, last
				return n, r.damaged(n, "a frame of %d bytes", caplen)
			}
			end := hdr + int(caplen)
			if len(b) < end {
				break
			}
			rec := &recs[n]
			n++
			if rec.Time = int64(r.u32(b))*1e9 + int64(r.u32(b[4:]))*scale; rec.Time == 0 {
				rec.Time = last
			}
			last = rec.Time
			rec.Data = b[hdr:end:end]
			rec.WireLen = int(max(caplen, min(wire, 1<<30)))
			rec.Link = link
			at += end
		}
		r.r, r.last = at, last
		if n > 0 || len(recs) == 0 {
			return n, nil
		}
		if !r.need(hdr) {
			return 0, r.ended()
		}
		caplen, _ := r.lengths(r.buf[r.r:r.w])
		if caplen <= uint32(r.frame) && !r.need(hdr+int(caplen)) {
			return 0, r.ended()
		}
	}
}

// lengths returns the captured length of a record and its length on the wire.
func (r *Reader) lengths(b []byte) (caplen, wire uint32) {
	caplen, wire = r.u32(b[8:]), r.u32(b[12:])
	if r.swapped != 0 && (r.swapped == 1 || caplen > wire) {
		caplen, wire = wire, caplen
	}
	return caplen, wire
}
