//go:build !pcap

package live

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pfsight/capture/filter"
	"pfsight/capture/live/livetest"
	"pfsight/capture/packet"
)

// A listener collects the frames of a Source.
type listener struct {
	src  *Source
	done chan struct{}

	mu    sync.Mutex
	recs  []packet.Record // copies
	names []string
	ticks int
	log   []string
}

func listen(t *testing.T, opt Options) *listener {
	t.Helper()
	l := &listener{done: make(chan struct{})}
	opt.Log = func(format string, args ...any) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.log = append(l.log, fmt.Sprintf(format, args...))
	}
	src, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	l.src = src
	go l.read()
	t.Cleanup(func() {
		l.end()
		src.Close()
	})
	return l
}

func (l *listener) read() {
	defer close(l.done)
	// Two blocks, so that one is held while the next is claimed.
	blocks := [2]packet.Block{}
	for i := 0; ; i++ {
		b := &blocks[i%2]
		l.src.Claim(b)
		l.src.Load(b)
		if l.src.Walk(b) == io.EOF {
			l.src.Release(b)
			if i > 0 {
				l.src.Release(&blocks[(i+1)%2])
			}
			return
		}
		l.mu.Lock()
		if len(b.Records) == 0 {
			l.ticks++
		}
		for _, r := range b.Records {
			r.Data = bytes.Clone(r.Data)
			l.recs = append(l.recs, r)
			l.names = append(l.names, b.Inputs[r.Input])
		}
		l.mu.Unlock()
		if i > 0 {
			l.src.Release(&blocks[(i+1)%2])
		}
	}
}

// end stops the capture and returns all frames.
func (l *listener) end() []packet.Record {
	l.src.Stop()
	<-l.done
	return l.recs
}

// wait waits until n frames were seen.
func (l *listener) wait(t *testing.T, n int) {
	t.Helper()
	for range 500 {
		l.mu.Lock()
		have := len(l.recs)
		l.mu.Unlock()
		if have >= n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("captured %d frames, want %d", len(l.recs), n)
}

func (l *listener) said(t *testing.T, what string) {
	t.Helper()
	for range 500 {
		l.mu.Lock()
		for _, s := range l.log {
			if strings.Contains(s, what) {
				l.mu.Unlock()
				return
			}
		}
		l.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no message with %q: %q", what, l.log)
}

func tagged(b []byte, tpid, tci uint16) []byte {
	out := slices.Clone(b[:12])
	out = binary.BigEndian.AppendUint16(out, tpid)
	out = binary.BigEndian.AppendUint16(out, tci)
	return append(out, b[12:]...)
}

var (
	client = netip.MustParseAddrPort("10.0.0.1:40000")
	server = netip.MustParseAddrPort("10.0.0.2:443")
)

// frames returns frames of every kind that filters distinguish, with and
// without tags.
func frames() [][]byte {
	six := netip.MustParseAddrPort("[2001:db8::1]:443")
	var plain [][]byte
	for _, n := range []int{0, 1, 100, 1400} {
		for _, flags := range []byte{0x02, 0x12, 0x10, 0x18} {
			plain = append(plain, frame(client, server, flags, n), frame(server, client, flags, n))
		}
	}
	plain = append(plain, frame(six, netip.MustParseAddrPort("[2001:db8::2]:5000"), 0x18, 30))
	udp := frame(client, server, 0, 30)
	udp[23] = 17
	arp := append(slices.Clone(udp[:12]), 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	plain = append(plain, udp, append(arp, make([]byte, 40)...))
	out := slices.Clone(plain)
	for i, f := range plain {
		out = append(out, tagged(f, 0x8100, uint16(i%3+1)))
		if i%4 == 0 {
			out = append(out, tagged(f, 0x88a8, 0x2005), tagged(tagged(f, 0x8100, 7), 0x88a8, 5), tagged(tagged(f, 0x8100, 7), 0x8100, 0xe002))
		}
	}
	return out
}

// TestFilter compares the frames that the kernel passes with those that the
// expression accepts. All frames arrive unchanged, including tags that the
// kernel removed.
func TestFilter(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	send := livetest.NewSender(t, "va")
	list := frames()
	for _, expr := range []string{
		"", "tcp", "tcp port 443", "src host 10.0.0.1", "vlan", "vlan 2", "vlan and tcp port 443", "vlan 7", "vlan and vlan 7", "not vlan", "vlan 5 and vlan 7 and tcp",
		"ip6", "arp", "udp", "not tcp", "tcp[13] & 2 != 0", "greater 500", "less 70", "len > 1000", "vlan and greater 500", "net 10.0.0.0/30 and tcp[tcpflags] & tcp-push != 0",
		"ether[0] & 1 = 0", "ether[14:2] = 1", "ether src 02:00:00:00:00:02", "portrange 400-500", "ip[8] = 64", "host 2001:db8::1",
	} {
		l := listen(t, Options{Interfaces: []string{"vb"}, Filter: expr, Rings: 2})
		want := map[string]int{}
		n := 0
		p, err := filter.Compile(orElse(expr, "greater 0"), 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			send.Send(f)
			if p.Match(f, len(f)) {
				want[string(f)]++
				n++
			}
		}
		got := map[string]int{}
		m := 0
		time.Sleep(50 * time.Millisecond)
		for _, r := range l.end() {
			if !l.src.Judged() && !p.Match(r.Data, r.WireLen) {
				continue
			}
			if got[string(r.Data)]++; want[string(r.Data)] == 0 {
				t.Errorf("%q: the kernel passed %x, want it rejected", expr, r.Data[:min(40, len(r.Data))])
			}
			if r.WireLen != len(r.Data) || r.Link != packet.LinkEthernet || time.Since(time.Unix(0, r.Time)).Abs() > time.Minute {
				t.Errorf("%q: got %d of %d bytes, link type %v, time %v", expr, len(r.Data), r.WireLen, r.Link, r.Time)
			}
			m++
		}
		if m != n {
			t.Errorf("%q: captured %d frames, want %d", expr, m, n)
		}
		if !l.src.Judged() && strings.Contains(expr, "tcp port") {
			t.Errorf("%q: Judged is false, want true", expr)
		}
	}
}

func orElse(expr, otherwise string) string {
	if expr == "" {
		return otherwise
	}
	return expr
}

// TestSnaplen checks the captured bytes and the lengths of cut frames.
func TestSnaplen(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	send := livetest.NewSender(t, "va")
	l := listen(t, Options{Interfaces: []string{"vb"}, Snaplen: 100})
	f := frame(client, server, 0x18, 1400)
	send.Send(f)
	send.Send(tagged(f, 0x8100, 3))
	l.wait(t, 2)
	for i, r := range l.end() {
		want := f[:100]
		wire := len(f)
		if i == 1 {
			want, wire = tagged(f, 0x8100, 3)[:104], wire+4
		}
		if !bytes.Equal(r.Data, want) || r.WireLen != wire {
			t.Errorf("frame %d: got %d of %d bytes, want %d of %d", i, len(r.Data), r.WireLen, len(want), wire)
		}
	}
}

// TestOrder alternates between two interfaces. The frames arrive in the order
// of time, each with its interface.
func TestOrder(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	livetest.Veth(t, "vc", "vd")
	senders := []*livetest.Sender{livetest.NewSender(t, "va"), livetest.NewSender(t, "vc")}
	l := listen(t, Options{Interfaces: []string{"vb", "vd"}, Rings: 2, BlockSize: MinBlock, Blocks: 64})
	const n = 20000
	for i := range n {
		a := netip.AddrPortFrom(client.Addr(), uint16(i))
		senders[i%2].Send(frame(a, server, 0x10, i%500))
		if i%1000 == 0 {
			time.Sleep(3 * time.Millisecond) // so that blocks are returned before they are full
		}
	}
	l.wait(t, n)
	recs := l.end()
	for i, r := range recs {
		if i > 0 && r.Time < recs[i-1].Time {
			t.Fatalf("frame %d is %d ns older than the previous one", i, recs[i-1].Time-r.Time)
		}
		port := binary.BigEndian.Uint16(r.Data[34:])
		if want := []string{"vb", "vd"}[port%2]; l.names[i] != want {
			t.Fatalf("frame %d is of interface %s, got %s", i, want, l.names[i])
		}
	}
	var seen uint64
	for _, st := range l.src.Interfaces() {
		seen += st.Packets
		if st.Drops != 0 || !st.Up {
			t.Errorf("%+v", st)
		}
	}
	if len(recs) != n || seen != n {
		t.Errorf("captured %d frames, counted %d, sent %d", len(recs), seen, n)
	}
}

// TestLoss sends more than a ring holds without reading. Received and dropped
// frames must add up to those sent.
func TestLoss(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	send := livetest.NewSender(t, "va")
	src, err := Open(Options{Interfaces: []string{"vb"}, BlockSize: MinBlock, Blocks: 4, Rings: 2})
	if err != nil {
		t.Fatal(err)
	}
	const n = 2000
	f := frame(client, server, 0x10, 1400)
	for range n {
		send.Send(f)
	}
	src.Stop()
	var b packet.Block
	got := 0
	for {
		src.Claim(&b)
		if src.Walk(&b) == io.EOF {
			break
		}
		got += len(b.Records)
		src.Release(&b)
	}
	st := src.Interfaces()[0]
	src.Close()
	if st.Drops == 0 || st.Freezes == 0 || src.Lost() != st.Drops || st.Packets != n || uint64(got)+st.Drops != n {
		t.Errorf("sent %d frames, captured %d, statistics %+v, lost %d", n, got, st, src.Lost())
	}
}

// TestInterface takes the interface down, removes it and brings it back.
func TestInterface(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	l := listen(t, Options{Interfaces: []string{"vb"}, Rings: 2, Filter: "tcp"})
	f := frame(client, server, 0x10, 100)
	livetest.NewSender(t, "va").Send(f)
	l.wait(t, 1)
	livetest.IP(t, "link", "set", "vb", "down")
	l.said(t, "vb: the interface is down")
	if l.src.Interfaces()[0].Up {
		t.Error("the interface is up, want down")
	}
	livetest.IP(t, "link", "set", "vb", "up")
	l.said(t, "vb: the interface is up again")
	livetest.Ready(t, "va", "vb")
	livetest.NewSender(t, "va").Send(f)
	l.wait(t, 2)
	livetest.IP(t, "link", "del", "vb")
	l.said(t, "vb: the interface is gone")
	livetest.Veth(t, "va", "vb")
	l.said(t, "vb: the interface is back")
	livetest.NewSender(t, "va").Send(f)
	l.wait(t, 3)
	if n := len(l.end()); n != 3 {
		t.Errorf("captured %d frames, want 3", n)
	}
	if st := l.src.Interfaces()[0]; st.Packets != 3 || !st.Up {
		t.Errorf("%+v", st)
	}
	if l.ticks == 0 {
		t.Error("no empty Block with the time arrived")
	}
}

// TestBulk reports a bulk transfer. From then on only headers arrive, with the
// lengths of whole packets.
func TestBulk(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	send := livetest.NewSender(t, "va")
	l := listen(t, Options{Interfaces: []string{"vb"}, Filter: "tcp or vlan"})
	f, other := frame(client, server, 0x10, 1400), frame(server, netip.MustParseAddrPort("10.0.0.3:40000"), 0x10, 1400)
	for range 100 {
		l.src.Bulk(client, server)
	}
	time.Sleep(watchEvery + 2*tickEvery)
	send.Send(f)
	send.Send(other)
	send.Send(tagged(f, 0x8100, 1))
	l.wait(t, 3)
	time.Sleep(watchEvery + 2*tickEvery) // no more samples
	send.Send(f)
	l.wait(t, 4)
	recs := l.end()
	for i, want := range []int{cutIPv4, len(other), cutIPv4 + 4, len(f)} {
		wire := len(f)
		if i == 2 {
			wire += 4
		}
		if len(recs[i].Data) != want || recs[i].WireLen != wire {
			t.Errorf("frame %d: got %d of %d bytes, want %d of %d", i, len(recs[i].Data), recs[i].WireLen, want, wire)
		}
	}
}

// TestClockStep moves the clock offset that the Source remembers, which looks
// like a clock step.
func TestClockStep(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	src, err := Open(Options{Interfaces: []string{"vb"}})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	src.clock -= 3600e9 // as if the clock had been an hour behind
	var b packet.Block
	src.Claim(&b)
	if err := src.Walk(&b); err != nil || b.Step < 3599e9 || b.Step > 3601e9 || b.Now < time.Now().Add(-time.Minute).UnixNano() {
		t.Errorf("got error %v, step %d, now %d", err, b.Step, b.Now)
	}
	src.Release(&b)
}

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		opt  Options
		want string
	}{
		{Options{}, "no interface"},
		{Options{Interfaces: []string{"lo", "lo"}}, "twice"},
		{Options{Interfaces: []string{"lo", Any}}, "twice"},
		{Options{Interfaces: []string{"lo"}, Snaplen: 10}, "snaplen"},
		{Options{Interfaces: []string{"lo"}, BlockSize: 100000}, "power of two"},
		{Options{Interfaces: []string{"lo"}, Blocks: 1}, "blocks"},
		{Options{Interfaces: []string{"lo"}, Rings: 1000}, "rings"},
	} {
		if _, err := Open(c.opt); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got error %v, want %q", c.opt, err, c.want)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("no right to capture")
	}
	if _, err := Open(Options{Interfaces: []string{"no-such-one"}}); err == nil || !strings.Contains(err.Error(), "no such interface") {
		t.Errorf("%v", err)
	}
}
