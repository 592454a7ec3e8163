//go:build !pcap

package live

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"

	"pfsight/capture/filter"
)

// The payload of a bulk transfer would only be copied and discarded, because
// its handshake is already read. Source.Bulk receives a sample of the packets
// of such transfers. Once a second the kernel's filter is set to pass only the
// headers of the most frequent connections. The length on the wire is
// preserved, so byte counts stay the same. Packets with SYN, FIN or RST are
// never cut, and a connection without samples in the last second is no longer
// cut. So the only loss is the beginning of a new connection that reuses the
// endpoints within that second, and it is counted as cut.
const (
	// maxBulk is how many connections are cut at once. All other packets pay for
	// a search among them.
	maxBulk = 64
	// minSamples in a second make a connection bulk. One packet in 64 is a
	// sample, so this is about 500 packets.
	minSamples = 8
	// maxSampled is how many connections are counted in a second.
	maxSampled = 4096

	cutIPv4 = 14 + 60 + 60 // Ethernet, IPv4 with options, TCP with options
	cutIPv6 = 14 + 40 + 60
)

// A pair identifies a connection by its endpoints.
type pair struct{ a, b netip.AddrPort }

// A sampler counts the samples of each connection.
type sampler struct {
	mu     sync.Mutex
	counts map[pair]int
}

// Bulk reports a packet of a bulk transfer between two endpoints. It may run
// concurrently with other calls.
func (s *Source) Bulk(a, b netip.AddrPort) {
	s.bulk.mu.Lock()
	defer s.bulk.mu.Unlock()
	p := pair{a, b}
	if n, ok := s.bulk.counts[p]; ok || len(s.bulk.counts) < maxSampled {
		s.bulk.counts[p] = n + 1
	}
}

// take returns the most frequent connections since the last call, sorted by
// their endpoints.
func (s *sampler) take() []pair {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []pair
	for p, n := range s.counts {
		if n >= minSamples {
			out = append(out, p)
		}
	}
	if len(out) > maxBulk {
		slices.SortFunc(out, func(x, y pair) int { return cmp.Compare(s.counts[y], s.counts[x]) })
		out = out[:maxBulk]
	}
	slices.SortFunc(out, func(x, y pair) int { return cmp.Or(x.a.Compare(y.a), x.b.Compare(y.b)) })
	clear(s.counts)
	return out
}

// thin sets the kernel's filter to pass only headers of the most frequent
// connections.
func (s *Source) thin() {
	now := s.bulk.take()
	if s.opt.WholeBulk || slices.Equal(now, s.thinned) {
		return
	}
	s.thinned = now
	for _, f := range s.ifaces {
		code, _, err := program(s.opt.Filter, f.kind, s.opt.Snaplen, now)
		for _, r := range f.rings {
			if err == nil {
				err = r.attach(code)
			}
		}
		if err != nil {
			s.opt.Log("%s: capturing whole bulk transfers: %v", f.name, err)
			s.opt.WholeBulk = true
		}
	}
}

// thinner returns a program that passes snaplen bytes of an Ethernet frame, or
// only the headers if it belongs to one of the connections. The program has no
// loops and no labels: each test that decides is followed by a return.
func thinner(snaplen int, bulk []pair) []filter.Instruction {
	whole := filter.Instruction{Code: bpfRET, K: uint32(snaplen)}
	var v4, v6 []known
	for _, p := range bulk {
		k := know(p)
		if len(k.words) == 2 {
			v4 = append(v4, k)
		} else {
			v6 = append(v6, k)
		}
	}
	a := &assembler{whole: whole}
	a.add(bpfLDH, 12)
	four := &assembler{whole: whole}
	if len(v4) > 0 {
		four.add(bpfLDB, 23)
		four.require(bpfJEQ, 6)
		four.add(bpfLDH, 20)
		four.refuse(bpfJSET, 0x3fff) // fragments
		four.add(bpfLDXM, 14)
		four.add(bpfLDBX, 14+13)
		four.refuse(bpfJSET, 0x07) // FIN, SYN, RST
		four.endpoints(14, []uint32{26, 30}, bpfLDHX, bpfLDWX)
		four.search(v4, min(cutIPv4, snaplen))
	} else {
		four.code = append(four.code, whole)
	}
	a.code = append(a.code, filter.Instruction{Code: bpfJEQ, Jt: 0, Jf: 1, K: 0x0800}, filter.Instruction{Code: bpfJA, K: 1}, filter.Instruction{Code: bpfJA, K: uint32(len(four.code))})
	a.code = append(a.code, four.code...)
	if len(v6) == 0 {
		a.code = append(a.code, whole)
		return a.code
	}
	a.require(bpfJEQ, 0x86dd)
	a.add(bpfLDB, 20)
	a.require(bpfJEQ, 6)
	a.add(bpfLDB, 14+40+13)
	a.refuse(bpfJSET, 0x07)
	a.endpoints(14+40, []uint32{22, 26, 30, 34, 38, 42, 46, 50}, bpfLDH, bpfLDW)
	a.search(v6, min(cutIPv6, snaplen))
	return a.code
}

// A known holds the values of a pair that the program compares: the words of
// the addresses, source first, and the ports, for both directions.
type known struct {
	words, back  []uint32
	ports, other uint32
	sum          uint32 // equal for both directions
}

func know(p pair) known {
	words := func(x, y netip.Addr) []uint32 {
		var out []uint32
		for _, a := range []netip.Addr{x, y} {
			b := a.AsSlice()
			for ; len(b) >= 4; b = b[4:] {
				out = append(out, binary.BigEndian.Uint32(b))
			}
		}
		return out
	}
	a, b := p.a.Addr(), p.b.Addr()
	k := known{words: words(a, b), back: words(b, a)}
	k.ports = uint32(p.a.Port())<<16 | uint32(p.b.Port())
	k.other = uint32(p.b.Port())<<16 | uint32(p.a.Port())
	half := len(k.words) / 2
	k.sum = k.words[half-1] + k.words[len(k.words)-1] + uint32(p.a.Port()) + uint32(p.b.Port())
	return k
}

// Scratch words: the addresses start at 0, the ports follow.
const (
	memPorts = 8
	memPort  = 9
)

// An assembler appends instructions to a program.
type assembler struct {
	code  []filter.Instruction
	whole filter.Instruction // the return for a packet that is not cut
}

func (a *assembler) add(code uint16, k uint32) {
	a.code = append(a.code, filter.Instruction{Code: code, K: k})
}

// require returns whole unless the accumulator passes the test. refuse returns
// whole if it does.
func (a *assembler) require(op uint16, k uint32) {
	a.code = append(a.code, filter.Instruction{Code: op, Jt: 1, K: k}, a.whole)
}

func (a *assembler) refuse(op uint16, k uint32) {
	a.code = append(a.code, filter.Instruction{Code: op, Jf: 1, K: k}, a.whole)
}

// endpoints stores the addresses at the given offsets and the ports of the
// transport header, and leaves the sum of the last address words and the ports
// in the accumulator.
func (a *assembler) endpoints(transport uint32, at []uint32, half, word uint16) {
	a.add(word, transport)
	a.add(bpfST, memPorts)
	a.add(half, transport)
	a.add(bpfST, memPort)
	a.add(half, transport+2)
	a.add(bpfTAX, 0)
	a.add(bpfLDM, memPort)
	a.add(bpfADDX, 0)
	a.add(bpfTAX, 0)
	for i, off := range at {
		a.add(bpfLDW, off)
		a.add(bpfST, uint32(i))
		if i == len(at)/2-1 || i == len(at)-1 {
			a.add(bpfADDX, 0)
			a.add(bpfTAX, 0)
		}
	}
}

// search finds the sum among those of the connections by binary search, and
// then compares all fields.
func (a *assembler) search(list []known, cut int) {
	slices.SortStableFunc(list, func(x, y known) int { return cmp.Compare(x.sum, y.sum) })
	a.tree(list, cut)
}

func (a *assembler) tree(list []known, cut int) {
	mid := len(list) / 2
	for mid < len(list) && mid > 0 && list[mid].sum == list[mid-1].sum {
		mid++
	}
	if mid == 0 || mid == len(list) { // all have one sum, or the run of equal sums reaches the end
		a.leaf(list, cut)
		return
	}
	left := &assembler{whole: a.whole}
	left.tree(list[:mid], cut)
	a.code = append(a.code,
		filter.Instruction{Code: bpfJGE, Jf: 1, K: list[mid].sum},
		filter.Instruction{Code: bpfJA, K: uint32(len(left.code))})
	a.code = append(a.code, left.code...)
	a.tree(list[mid:], cut)
}

// leaf compares all fields with those of each connection in the list.
func (a *assembler) leaf(list []known, cut int) {
	for _, k := range list {
		a.compare(k.words, k.ports, cut)
		a.compare(k.back, k.other, cut)
	}
	a.code = append(a.code, a.whole)
}

// compare returns cut if the packet belongs to this direction of a connection.
func (a *assembler) compare(words []uint32, ports uint32, cut int) {
	n := 2*(len(words)+1) + 1 // instructions
	left := func() uint8 { n -= 2; return uint8(n) }
	a.add(bpfLDM, memPorts)
	a.code = append(a.code, filter.Instruction{Code: bpfJEQ, Jf: left(), K: ports})
	for i, w := range words {
		a.add(bpfLDM, uint32(i))
		a.code = append(a.code, filter.Instruction{Code: bpfJEQ, Jf: left(), K: w})
	}
	a.add(bpfRET, uint32(cut))
}
