//go:build !pcap

package live

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"pfsight/capture/filter"
)

// frame returns an Ethernet frame with a TCP segment of n bytes of payload.
func frame(src, dst netip.AddrPort, flags byte, n int) []byte {
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	tcp := make([]byte, 20+n)
	binary.BigEndian.PutUint16(tcp, src.Port())
	binary.BigEndian.PutUint16(tcp[2:], dst.Port())
	tcp[12], tcp[13] = 5<<4, flags
	if src.Addr().Is4() {
		h := []byte{0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0}
		binary.BigEndian.PutUint16(h[2:], uint16(20+len(tcp)))
		b = append(append(b, 8, 0), h...)
	} else {
		h := []byte{0x60, 0, 0, 0, 0, 0, 6, 64}
		binary.BigEndian.PutUint16(h[4:], uint16(len(tcp)))
		b = append(append(b, 0x86, 0xdd), h...)
	}
	b = append(append(b, src.Addr().AsSlice()...), dst.Addr().AsSlice()...)
	return append(b, tcp...)
}

// vm returns a function that runs a program without ancillary loads, as the
// kernel does.
func vm(t *testing.T, code []filter.Instruction) func([]byte) int {
	t.Helper()
	raw := make([]bpf.RawInstruction, len(code))
	for i, c := range code {
		raw[i] = bpf.RawInstruction{Op: c.Code, Jt: c.Jt, Jf: c.Jf, K: c.K}
	}
	list, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatalf("bpf.Disassemble does not know all of the %d instructions", len(raw))
	}
	m, err := bpf.NewVM(list)
	if err != nil {
		t.Fatal(err)
	}
	return func(b []byte) int {
		n, err := m.Run(b)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
}

func endpoint(r *rand.Rand, six bool) netip.AddrPort {
	// Use few values, so that endpoints share parts.
	if six {
		b := [16]byte{0: 0x20, 1: 1, 2: 0xd, 3: 0xb8, 7: byte(r.IntN(3)), 15: byte(r.IntN(4))}
		return netip.AddrPortFrom(netip.AddrFrom16(b), uint16(r.IntN(3)+443))
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(3)), byte(r.IntN(4))}), uint16(r.IntN(3)+443))
}

// TestThinner compares the program with a map.
func TestThinner(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const snaplen = 4000
	for _, n := range []int{1, 2, 3, 7, maxBulk} {
		bulk := map[pair]bool{}
		var list []pair
		for len(list) < n {
			six := r.IntN(2) == 0
			p := pair{endpoint(r, six), endpoint(r, six)}
			if !bulk[p] && p.a != p.b {
				bulk[p] = true
				list = append(list, p)
			}
		}
		code := thinner(snaplen, list)
		if len(code) > unix.BPF_MAXINSNS {
			t.Fatalf("%d connections: the program has %d instructions", n, len(code))
		}
		run := vm(t, code)
		cut := 0
		for range 20000 {
			six := r.IntN(2) == 0
			p := pair{endpoint(r, six), endpoint(r, six)}
			flags := []byte{0x10, 0x18, 0x10, 0x02, 0x11, 0x14}[r.IntN(6)]
			f := frame(p.a, p.b, flags, 1000)
			want := snaplen
			if (bulk[p] || bulk[pair{p.b, p.a}]) && flags&7 == 0 {
				want = cutIPv4
				if six {
					want = cutIPv6
				}
				cut++
			}
			if got := run(f); got != want {
				t.Fatalf("%d connections: %v > %v flags %#x: got %d bytes, want %d", n, p.a, p.b, flags, got, want)
			}
		}
		if cut == 0 {
			t.Errorf("%d connections: no packet was cut", n)
		}
	}
	// Fragments, other transports and short frames pass whole.
	a, b := netip.MustParseAddrPort("10.0.0.1:443"), netip.MustParseAddrPort("10.0.0.2:5000")
	run := vm(t, thinner(snaplen, []pair{{a, b}}))
	f := frame(a, b, 0x10, 100)
	if got := run(f); got != cutIPv4 {
		t.Errorf("the connection itself: passed %d bytes, want the headers", got)
	}
	for name, change := range map[string]func(){"fragment": func() { f[20] = 0x20 }, "later fragment": func() { f[20], f[21] = 0, 9 }, "udp": func() { f[21], f[23] = 0, 17 }} {
		change()
		if got := run(f); got != snaplen {
			t.Errorf("%s: passed %d bytes, want all", name, got)
		}
		f = frame(a, b, 0x10, 100)
	}
}
