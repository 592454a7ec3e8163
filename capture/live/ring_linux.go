//go:build !pcap

package live

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"pfsight/capture/filter"
	"pfsight/capture/packet"
)

// vlanLen is the length of a VLAN tag, IEEE 802.1Q. The kernel removes the
// outer tag from the frame. It reserves this much space before each frame, to
// restore the tag.
const vlanLen = 4

// A ring is an AF_PACKET socket and the memory it shares with the kernel.
type ring struct {
	fd     int
	mem    []byte
	size   int // of a block
	blocks []block
	input  uint16 // index of its interface
	link   linkKind

	next  int // next block to be returned by the kernel
	noted int // blocks from next on that are known to be returned
	cur   *block
	at    uintptr // offset in mem of the current frame
	left  uint32  // frames of cur left to read
	head  int64   // time of the current frame, if cur != nil
	used  atomic.Int32
	dead  bool // the interface is gone: close when all frames are read
}

// A block is the part of a ring that the kernel hands over at once.
type block struct {
	ring *ring
	desc *unix.TpacketHdrV1
	off  uintptr       // in mem
	refs atomic.Int32  // references by the ring and by claims
	busy atomic.Bool   // taken and not yet returned to the kernel
	seen time.Duration // when it was noted, since the Source began
}

// newRing opens a socket that does not capture yet.
func newRing(o *Options, input uint16) (*ring, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			return nil, ErrNoRight
		}
		return nil, fmt.Errorf("socket: %w", err)
	}
	r := &ring{fd: fd, input: input, size: o.BlockSize}
	if err := r.setup(o); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *ring) setup(o *Options) error {
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("TPACKET_V3: %w", err)
	}
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_RESERVE, vlanLen); err != nil {
		return fmt.Errorf("PACKET_RESERVE: %w", err)
	}
	const frame = 2048 // must divide the block, no other meaning for TPACKET_V3
	req := unix.TpacketReq3{
		Block_size: uint32(o.BlockSize), Block_nr: uint32(o.Blocks), Frame_size: frame, Frame_nr: uint32(o.BlockSize / frame * o.Blocks),
		Retire_blk_tov: uint32(retire / time.Millisecond),
	}
	if err := unix.SetsockoptTpacketReq3(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return fmt.Errorf("a ring of %d blocks of %d bytes: %w", o.Blocks, o.BlockSize, err)
	}
	mem, err := unix.Mmap(r.fd, 0, o.BlockSize*o.Blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mapping the ring: %w", err)
	}
	r.mem = mem
	r.blocks = make([]block, o.Blocks)
	for i := range r.blocks {
		b := &r.blocks[i]
		b.ring, b.off = r, uintptr(i*o.BlockSize)
		d := (*unix.TpacketBlockDesc)(r.pointer(b.off))
		b.desc = (*unix.TpacketHdrV1)(unsafe.Pointer(&d.Hdr))
	}
	return nil
}

func (r *ring) pointer(off uintptr) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(&r.mem[0]), off) }

// attach sets the filter. nil rejects everything.
func (r *ring) attach(code []filter.Instruction) error {
	if len(code) == 0 {
		code = []filter.Instruction{{Code: bpfRET, K: 0}}
	}
	out := make([]unix.SockFilter, len(code))
	for i, c := range code {
		out[i] = unix.SockFilter{Code: c.Code, Jt: c.Jt, Jf: c.Jf, K: c.K}
	}
	return unix.SetsockoptSockFprog(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(out)), Filter: &out[0]})
}

// bind starts the capture on an interface; index 0 means all.
func (r *ring) bind(index int) error {
	protocol := binary.NativeEndian.Uint16([]byte{unix.ETH_P_ALL >> 8, unix.ETH_P_ALL & 0xff}) // in network byte order
	return unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: index})
}

// join puts the rings into one fanout group. The kernel distributes the frames
// by a hash that is equal for both directions of a connection, and uses
// another ring if one is full. incoming excludes outgoing frames.
func join(rings []*ring, incoming bool) error {
	if len(rings) < 2 {
		return nil
	}
	mode := unix.PACKET_FANOUT_HASH | unix.PACKET_FANOUT_FLAG_ROLLOVER
	if incoming {
		mode |= unix.PACKET_FANOUT_FLAG_IGNORE_OUTGOING
	}
	if err := unix.SetsockoptInt(rings[0].fd, unix.SOL_PACKET, unix.PACKET_FANOUT, (mode|unix.PACKET_FANOUT_FLAG_UNIQUEID)<<16); err != nil {
		return err
	}
	id, err := unix.GetsockoptInt(rings[0].fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	if err != nil {
		return err
	}
	for _, r := range rings[1:] {
		if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, id&0xffff|mode<<16); err != nil {
			return err
		}
	}
	return nil
}

func (r *ring) promiscuous(index int) error {
	return unix.SetsockoptPacketMreq(r.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC})
}

// statistics returns the kernel's counts since the last call.
func (r *ring) statistics() (packets, drops, freezes uint64) {
	st, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, 0, 0
	}
	return uint64(st.Packets), uint64(st.Drops), uint64(st.Freeze_q_cnt)
}

// note records when blocks were first seen to be returned.
func (r *ring) note(now time.Duration) {
	for r.noted < len(r.blocks) {
		b := &r.blocks[(r.next+r.noted)%len(r.blocks)]
		if b.busy.Load() || atomic.LoadUint32(&b.desc.Block_status)&unix.TP_STATUS_USER == 0 {
			return
		}
		b.seen = now
		r.noted++
	}
}

// ready reports whether there is a frame to read.
func (r *ring) ready() bool {
	for r.cur == nil && r.noted > 0 {
		b := &r.blocks[r.next]
		r.next = (r.next + 1) % len(r.blocks)
		r.noted--
		b.busy.Store(true)
		b.refs.Store(1)
		r.used.Add(1)
		r.cur, r.left = b, b.desc.Num_pkts
		r.at = b.off + uintptr(b.desc.Offset_to_first_pkt)
		r.step(0)
	}
	return r.cur != nil
}

// step moves to the next frame of the block, offset bytes after the current
// one, or releases the block at its end.
func (r *ring) step(offset uint32) {
	r.at += uintptr(offset)
	end := r.cur.off + uintptr(r.size)
	if r.left == 0 || r.at+unix.SizeofTpacket3Hdr+unix.SizeofSockaddrLinklayer > end {
		r.cur.release()
		r.cur = nil
		return
	}
	h := (*unix.Tpacket3Hdr)(r.pointer(r.at))
	r.head = int64(h.Sec)*1e9 + int64(h.Nsec)
}

// release returns the block to the kernel after the last reference.
func (b *block) release() {
	if b.refs.Add(-1) == 0 {
		atomic.StoreUint32(&b.desc.Block_status, unix.TP_STATUS_KERNEL)
		b.busy.Store(false)
		b.ring.used.Add(-1)
	}
}

// full reports whether so many blocks are waiting that frames may soon be
// lost.
func (r *ring) full() bool { return r.noted >= len(r.blocks)/2 }

// read sets rec to the current frame, without copying it, and moves to the
// next one. It reports whether rec is to be used.
func (r *ring) read(rec *packet.Record) bool {
	h := (*unix.Tpacket3Hdr)(r.pointer(r.at))
	end := r.cur.off + uintptr(r.size)
	start, n, wire := r.at+uintptr(h.Mac), uintptr(h.Snaplen), int(h.Len)
	r.left--
	rec.Time = r.head
	rec.Input = r.input
	if start+n > end || start < r.at {
		r.step(h.Next_offset)
		return false // never done by the kernel
	}
	link := r.link
	addr := (*unix.RawSockaddrLinklayer)(r.pointer(r.at + unix.SizeofTpacket3Hdr))
	if link == linkEach {
		link = kindOf(addr.Hatype)
	}
	ok := addr.Pkttype != unix.PACKET_OUTGOING || addr.Hatype != unix.ARPHRD_LOOPBACK // outgoing frames of a loopback come in next
	switch link {
	case linkOther:
		// An unsupported link header. The kernel knows where it ends.
		rec.Link = packet.LinkRaw
		if h.Net >= h.Mac && uintptr(h.Net-h.Mac) <= n {
			skip := uintptr(h.Net - h.Mac)
			start, n, wire = start+skip, n-skip, wire-int(skip)
		}
	default:
		rec.Link = packet.LinkType(link)
	}
	rec.Data = unsafe.Slice((*byte)(r.pointer(start)), n)
	if h.Status&unix.TP_STATUS_VLAN_VALID != 0 && rec.Link == packet.LinkEthernet && n >= 12 && start-r.at >= unix.SizeofTpacket3Hdr+unix.SizeofSockaddrLinklayer+vlanLen {
		tpid := uint16(unix.ETH_P_8021Q)
		if h.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
			tpid = h.Hv1.Vlan_tpid
		}
		b := unsafe.Slice((*byte)(r.pointer(start-vlanLen)), n+vlanLen)
		copy(b, b[vlanLen:vlanLen+12])
		b[12], b[13], b[14], b[15] = byte(tpid>>8), byte(tpid), byte(h.Hv1.Vlan_tci>>8), byte(h.Hv1.Vlan_tci)
		rec.Data = b
		wire += vlanLen
	}
	rec.WireLen = max(wire, len(rec.Data))
	r.step(h.Next_offset)
	return ok
}

// close ends the capture. No block may be in use.
func (r *ring) close() {
	if r.mem != nil {
		_ = unix.Munmap(r.mem)
		r.mem = nil
	}
	if r.fd >= 0 {
		_ = unix.Close(r.fd)
		r.fd = -1
	}
}
