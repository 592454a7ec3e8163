//go:build !pcap

package live

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pfsight/capture/live/livetest"
	"pfsight/capture/packet"
)

// TestAny captures on all interfaces: each frame on lo once, frames of an
// interface without a link header, and frames of an interface that appears
// later.
func TestAny(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	l := listen(t, Options{Interfaces: []string{Any}})
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	to := &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}
	if err := unix.Sendto(fd, []byte("one"), 0, to); err != nil {
		t.Fatal(err)
	}
	l.wait(t, 1)
	tun, err := unix.Open("/dev/net/tun", unix.O_RDWR, 0)
	if err != nil {
		t.Skip("no tun device")
	}
	defer unix.Close(tun)
	ifr, _ := unix.NewIfreq("tun9")
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(tun, unix.TUNSETIFF, ifr); err != nil {
		t.Fatal(err)
	}
	livetest.IP(t, "link", "set", "tun9", "up")
	ip := append(frame(client, server, 0x10, 10)[14:], "two"...)
	ip[3] += 3
	if _, err := unix.Write(tun, ip); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	udp, raw := 0, 0
	recs := l.end()
	if st := l.src.Interfaces()[0]; int(st.Packets) != len(recs) {
		t.Errorf("captured %d frames, counted %d", len(recs), st.Packets)
	}
	for _, r := range recs {
		if bytes.HasSuffix(r.Data, []byte("one")) && r.Data[23] == unix.IPPROTO_UDP {
			udp++
		}
		if r.Link == packet.LinkRaw && bytes.HasSuffix(r.Data, []byte("two")) && r.Data[0] == 0x45 {
			raw++
		}
	}
	if udp != 1 || raw != 1 {
		t.Errorf("captured the datagram %d times and the packet of the tunnel %d times, want once each", udp, raw)
	}
}

// TestStop ends the capture while frames arrive. All counted frames must have
// been read.
func TestStop(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	send := livetest.NewSender(t, "va")
	var stop atomic.Bool
	done := make(chan struct{})
	f := frame(client, server, 0x10, 100)
	go func() {
		defer close(done)
		for !stop.Load() {
			send.Send(f)
		}
	}()
	for _, names := range [][]string{{"vb"}, {Any}} {
		l := listen(t, Options{Interfaces: names, Rings: 2})
		l.wait(t, 1000)
		if got, st := len(l.end()), l.src.Interfaces()[0]; got+int(st.Drops) != int(st.Packets) {
			t.Errorf("%q: captured %d and dropped %d frames, counted %d", names, got, st.Drops, st.Packets)
		}
	}
	stop.Store(true)
	<-done
}

// TestLoopback checks that each packet is captured and counted once.
func TestLoopback(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, rings := range []int{1, 2} {
		l := listen(t, Options{Interfaces: []string{"lo"}, Filter: "udp", Rings: rings})
		const n = 50
		for range n {
			_ = unix.Sendto(fd, []byte("one"), 0, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}) // may return the error that answers the previous packet
		}
		time.Sleep(100 * time.Millisecond)
		got, st := len(l.end()), l.src.Interfaces()[0]
		if got != int(st.Packets) || got < n/2 || got > n {
			t.Errorf("%d rings: sent %d frames, captured %d, counted %d", rings, n, got, st.Packets)
		}
	}
}
