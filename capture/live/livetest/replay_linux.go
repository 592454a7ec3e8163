package livetest

import (
	"errors"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// burst is how many frames a Replayer passes to the kernel at once.
const burst = 64

// mmsghdr is the kernel's struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// A Replayer sends the same frames repeatedly at a given rate. It is faster
// than tcpreplay(1): the frames stay in memory, one system call sends many,
// and they bypass the queue.
type Replayer struct {
	t      testing.TB
	fd     int
	frames [][]byte
	next   int
	addr   unix.RawSockaddrLinklayer
	msgs   [burst]mmsghdr
	vecs   [burst]unix.Iovec

	// Change, if not nil, is called with each frame before it is sent, and may
	// modify it. round is how often all frames were sent before.
	Change  func(frame []byte, round int)
	changed int // frames from next on that Change has seen
	Round   int // how often all frames were sent
}

// NewReplayer returns a Replayer of frames on an interface. No frame may be
// longer than the MTU plus the link header.
func NewReplayer(t testing.TB, name string, frames [][]byte) *Replayer {
	t.Helper()
	s := NewSender(t, name)
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		t.Fatal(err)
	}
	r := &Replayer{t: t, fd: s.fd, frames: frames}
	r.addr = unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Ifindex: int32(s.addr.Ifindex)}
	for i := range r.msgs {
		h := &r.msgs[i].hdr
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&r.addr)), unix.SizeofSockaddrLinklayer
		h.Iov = &r.vecs[i]
		h.SetIovlen(1)
	}
	return r
}

// Replay sends n frames at rate frames per second, or as fast as possible if
// rate is 0. It returns the duration.
func (r *Replayer) Replay(n int, rate float64) time.Duration {
	r.t.Helper()
	began := time.Now()
	for sent := 0; sent < n; {
		due := n - sent
		if rate > 0 {
			due = min(due, int(time.Since(began).Seconds()*rate)+1-sent)
			if due <= 0 {
				// A sleep is too long at a high rate, and spinning too expensive at a low
				// one.
				if rate < 100_000 {
					time.Sleep(200 * time.Microsecond)
				}
				continue
			}
		}
		sent += r.burst(min(due, burst))
	}
	return time.Since(began)
}

// burst sends up to n frames and returns how many.
func (r *Replayer) burst(n int) int {
	for i := range n {
		at := r.next + i
		f := r.frames[at%len(r.frames)]
		if r.Change != nil && i >= r.changed {
			r.Change(f, r.Round+at/len(r.frames))
		}
		r.vecs[i].Base = &f[0]
		r.vecs[i].SetLen(len(f))
	}
	r.changed = max(r.changed, n)
	m, _, e := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(r.fd), uintptr(unsafe.Pointer(&r.msgs[0])), uintptr(n), 0, 0, 0)
	switch {
	case e == 0:
	case errors.Is(e, unix.ENOBUFS), errors.Is(e, unix.EAGAIN), errors.Is(e, unix.EINTR):
		runtime.Gosched()
		return 0
	default:
		r.t.Fatalf("sending: %v", e)
	}
	r.changed -= int(m)
	if r.next += int(m); r.next >= len(r.frames) {
		r.Round += r.next / len(r.frames)
		r.next %= len(r.frames)
	}
	return int(m)
}

// Renew is a Change that gives each round new connections. It adds the round
// to both IPv4 addresses, so that the two directions of a connection still
// match.
func Renew(f []byte, round int) {
	if round == 0 || len(f) < 34 || f[12] != 8 || f[13] != 0 {
		return
	}
	step := round ^ (round - 1)
	for _, at := range []int{26, 30} { // the first bytes of the addresses stay
		f[at+1] ^= byte(step >> 16)
		f[at+2] ^= byte(step >> 8)
		f[at+3] ^= byte(step)
	}
}
