package pcapfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"pfsight/capture/packet"
)

// Block types, draft-ietf-opsawg-pcapng section 11.1.
const (
	blockSection    = 0x0a0d0d0a
	blockInterface  = 1
	blockPacket     = 2 // obsolete
	blockSimple     = 3
	blockStatistics = 5
	blockEnhanced   = 6
)

// sectionHeader reads a Section Header Block, section 4.1, which begins a new
// byte order and a new list of interfaces.
func (r *Reader) sectionHeader() error {
	if !r.need(28) {
		if r.packets == 0 && r.inErr == nil && len(r.ifaces) == 0 && r.w-r.r < 12 {
			return ErrNotCapture
		}
		return r.ended()
	}
	b := r.buf[r.r:]
	switch {
	case binary.LittleEndian.Uint32(b[8:]) == 0x1a2b3c4d:
		r.setOrder(false)
	case binary.BigEndian.Uint32(b[8:]) == 0x1a2b3c4d:
		r.setOrder(true)
	case r.packets == 0 && len(r.ifaces) == 0:
		return ErrNotCapture
	default:
		return r.damaged(0, "a section without a byte order")
	}
	n := r.order.Uint32(b[4:])
	if n < 28 || n%4 != 0 || n > maxBlock {
		return r.damaged(0, "a section header of %d bytes", n)
	}
	r.section = len(r.ifaces)
	if !r.skip(int(n)) {
		return r.cut()
	}
	return nil
}

func (r *Reader) batchNG(recs []packet.Record) (int, error) {
	n := 0
	for n < len(recs) {
		b := r.buf[r.r:r.w]
		if len(b) < 12 {
			if n > 0 {
				return n, nil
			}
			if !r.need(12) {
				return 0, r.ended()
			}
			b = r.buf[r.r:r.w]
		}
		kind := r.u32(b)
		if kind == blockSection {
			if n > 0 {
				return n, nil
			}
			if err := r.sectionHeader(); err != nil {
				return 0, err
			}
			continue
		}
		size := int(r.u32(b[4:]))
		if size < 12 || size%4 != 0 || size > maxBlock {
			return n, r.damaged(n, "a block of %d bytes", size)
		}
		switch kind {
		case blockEnhanced, blockPacket, blockSimple, blockInterface, blockStatistics:
		default:
			if n > 0 && len(b) < size {
				return n, nil
			}
			if !r.skip(size) {
				return n, r.cut()
			}
			continue
		}
		if len(b) < size {
			if n > 0 {
				return n, nil
			}
			if !r.need(size) {
				return 0, r.ended()
			}
			b = r.buf[r.r:r.w]
		}
		body := b[8 : size-4]
		var err error
		switch kind {
		case blockEnhanced:
			err = r.enhanced(body, &recs[n])
		case blockPacket:
			err = r.obsolete(body, &recs[n])
		case blockSimple:
			err = r.simple(body, &recs[n])
		case blockInterface:
			err = r.describe(body)
		default:
			r.statistics(body)
		}
		if err != nil {
			return n, fmt.Errorf("packet %d, offset %d: %w: %w", r.packets+uint64(n)+1, r.base+int64(r.r), ErrDamaged, err)
		}
		if kind != blockInterface && kind != blockStatistics {
			n++
		}
		r.r += size
	}
	return n, nil
}

// enhanced reads an Enhanced Packet Block, section 4.3.
func (r *Reader) enhanced(b []byte, rec *packet.Record) error {
	if len(b) < 20 {
		return fmt.Errorf("a packet block of %d bytes", len(b)+12)
	}
	return r.packet(int(r.u32(b)), uint64(r.u32(b[4:]))<<32|uint64(r.u32(b[8:])), r.u32(b[12:]), r.u32(b[16:]), b[20:], rec)
}

// obsolete reads a Packet Block, appendix A, whose interface and drop count
// have 16 bits.
func (r *Reader) obsolete(b []byte, rec *packet.Record) error {
	if len(b) < 20 {
		return fmt.Errorf("a packet block of %d bytes", len(b)+12)
	}
	return r.packet(int(r.order.Uint16(b)), uint64(r.u32(b[4:]))<<32|uint64(r.u32(b[8:])), r.u32(b[12:]), r.u32(b[16:]), b[20:], rec)
}

// simple reads a Simple Packet Block, section 4.4. It has no time, belongs to
// the section's first interface, and is cut at that interface's snaplen.
func (r *Reader) simple(b []byte, rec *packet.Record) error {
	if len(b) < 4 {
		return fmt.Errorf("a simple packet block of %d bytes", len(b)+12)
	}
	wire := r.u32(b)
	caplen := min(wire, uint32(len(b)-4))
	if r.section < len(r.ifaces) {
		if s := r.ifaces[r.section].snaplen; s > 0 {
			caplen = min(caplen, s)
		}
	}
	last := r.last
	if err := r.packet(0, 0, caplen, wire, b[4:], rec); err != nil {
		return err
	}
	rec.Time, r.last = last, last // without the time offset of the interface
	return nil
}

func (r *Reader) packet(iface int, ts uint64, caplen, wire uint32, data []byte, rec *packet.Record) error {
	i := r.section + iface
	if i >= len(r.ifaces) {
		return fmt.Errorf("interface %d is not described", iface)
	}
	if uint64(caplen) > uint64(len(data)) {
		return fmt.Errorf("a frame of %d bytes in a block with room for %d", caplen, len(data))
	}
	f := &r.ifaces[i]
	if ts < f.fits {
		rec.Time = int64(ts * f.scale)
	} else {
		rec.Time = f.nanoseconds(ts)
	}
	if rec.Time == 0 {
		rec.Time = r.last
	}
	r.last = rec.Time
	rec.Data = data[:caplen:caplen]
	rec.WireLen = int(max(caplen, min(wire, 1<<30)))
	rec.Link = f.link
	return nil
}

// nanoseconds converts a time stamp. One that does not fit becomes the latest
// time.
func (f *iface) nanoseconds(ts uint64) int64 {
	hi, lo := bits.Mul64(ts, 1e9)
	if hi >= f.unit {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, f.unit)
	if q > math.MaxInt64 {
		return math.MaxInt64
	}
	t := int64(q)
	const most = math.MaxInt64 / int64(1e9)
	if off := f.offset; off > most || off < -most || off > 0 && t > math.MaxInt64-off*1e9 {
		return math.MaxInt64
	}
	return t + f.offset*1e9
}

// describe reads an Interface Description Block, section 4.2.
func (r *Reader) describe(b []byte) error {
	if len(b) < 8 {
		return fmt.Errorf("an interface block of %d bytes", len(b)+12)
	}
	if len(r.ifaces) >= maxInterfaces {
		return fmt.Errorf("more than %d interfaces", maxInterfaces)
	}
	f := iface{link: packet.LinkType(r.order.Uint16(b)), snaplen: r.u32(b[4:]), unit: 1e6}
	r.options(b[8:], func(code uint16, v []byte) {
		switch {
		case code == 9 && len(v) >= 1: // if_tsresol
			f.unit = resolution(v[0])
		case code == 14 && len(v) >= 8: // if_tsoffset
			f.offset = int64(r.order.Uint64(v))
		}
	})
	if f.offset == 0 && 1e9%f.unit == 0 {
		f.scale = 1e9 / f.unit
		f.fits = math.MaxInt64 / f.scale
	}
	r.ifaces = append(r.ifaces, f)
	return nil
}

// resolution returns the units per second of an if_tsresol. A resolution
// beyond 64 bits becomes the finest one that fits.
func resolution(v byte) uint64 {
	if v&0x80 != 0 {
		return 1 << min(v&0x7f, 63)
	}
	u := uint64(1)
	for range min(v, 19) {
		u *= 10
	}
	return u
}

// statistics reads an Interface Statistics Block, section 4.6, whose counts
// are totals so far.
func (r *Reader) statistics(b []byte) {
	if len(b) < 12 {
		return
	}
	i := r.section + int(r.u32(b))
	if i >= len(r.ifaces) {
		return
	}
	var drops uint64
	r.options(b[12:], func(code uint16, v []byte) {
		if (code == 5 || code == 7) && len(v) >= 8 { // isb_ifdrop, isb_osdrop
			drops += r.order.Uint64(v)
		}
	})
	r.ifaces[i].drops = max(r.ifaces[i].drops, drops)
}

// options calls f for each option, section 3.5. A malformed list ends early.
func (r *Reader) options(b []byte, f func(code uint16, v []byte)) {
	for len(b) >= 4 {
		code, n := r.order.Uint16(b), int(r.order.Uint16(b[2:]))
		if b = b[4:]; code == 0 || n > len(b) {
			return
		}
		f(code, b[:n])
		b = b[min((n+3)&^3, len(b)):]
	}
}
