package laws

import (
	"bytes"
	"math/rand/v2"
)

// A Work is a capture that is being changed, and the effect of the changes on
// the records.
type Work struct {
	Packets []Packet
	// Added are other captures whose packets were added to Packets. Their
	// records are expected too.
	Added []Capture
	// Files are the resulting capture files in the order of the arguments.
	// Args are further arguments of the command.
	Files []File
	Args  []string
	Pack  string // compression of the files; "" for none
	Named bool   // a single file is read by its name, not from standard input

	edits     []edit
	part      []Packet // packets of the unchanged part of the capture
	all       []*Capture
	cutAt     int // truncation of the last file, in per mille; 0 for none
	form      Form
	parts     int
	way       int
	reordered bool
	shifted   bool           // packets are in another order
	fixed     bool           // no packet may be lost: the order matters, and there are late copies
	conns     int            // connections numbered so far
	merged    int            // captures merged in
	families  map[int]string // of the connections that were merged in
	behind    []behind
	ids       uint32
	late      int64 // maximum lag of a direction in nanoseconds
	copied    int64 // maximum time between a datagram and its copy in nanoseconds
}

// A behind is a pair of consecutive DTLS connections between the same
// endpoints, by number.
type behind struct{ first, next int }

// A File is an input file.
type File struct {
	Name string
	Data []byte
}

// An edit is the effect of a change on records, to be applied to the expected
// records.
type edit struct {
	origin, scale, shift int64    // of times
	cut                  int      // number of outermost layers of encapsulation that are removed
	add                  []string // layers that replace them
}

// Time returns the time t after the changes.
func (w *Work) Time(t int64) int64 {
	for _, e := range w.edits {
		if e.scale != 0 {
			t = e.origin + (t-e.origin)*e.scale + e.shift
		}
	}
	return t
}

// Encapsulation returns the layers of a record after the changes.
func (w *Work) Encapsulation(list []string) []string {
	for _, e := range w.edits {
		list = append(append([]string{}, e.add...), list[min(e.cut, len(list)):]...)
	}
	return list
}

// Midstream returns the pairs of endpoints, as address:port in ascending order,
// that have a TCP connection without its SYN.
func (w *Work) Midstream() map[[2]string]bool {
	out := map[[2]string]bool{}
	for _, list := range append([][]Packet{w.part}, added(w)...) {
		begun := map[int]bool{}
		for i := range list {
			p := &list[i]
			begun[p.conn] = begun[p.conn] || p.proto == protoTCP && p.flags()&flagSYN != 0
		}
		for i := range list {
			p := &list[i]
			if p.proto != protoTCP || begun[p.conn] {
				continue
			}
			key := [2]string{p.src().String(), p.dst().String()}
			if key[0] > key[1] {
				key[0], key[1] = key[1], key[0]
			}
			out[key] = true
		}
	}
	return out
}

func added(w *Work) (lists [][]Packet) {
	for _, a := range w.Added {
		lists = append(lists, a.Packets)
	}
	return lists
}

// rng returns a random number generator with this seed.
func rng(seed int) *rand.Rand { return rand.New(rand.NewPCG(uint64(seed), 0x6c617773)) }

// plain reports whether every packet is an uncut TCP or UDP packet in IP
// without encapsulation. Some changes require that.
func (w *Work) plain() bool {
	for i := range w.Packets {
		if p := &w.Packets[i]; !p.whole() || p.heads > 0 {
			return false
		}
	}
	return len(w.Packets) > 0
}

// allIP reports whether every packet contains IP, with the same number of
// layers before it.
func (w *Work) allIP() bool {
	for i := range w.Packets {
		if p := &w.Packets[i]; p.ip < 0 || p.heads != w.Packets[0].heads {
			return false
		}
	}
	return len(w.Packets) > 0
}

// has reports whether a packet has this transport.
func (w *Work) has(proto uint8) bool {
	for i := range w.Packets {
		if w.Packets[i].proto == proto {
			return true
		}
	}
	return false
}

// wrap puts every packet of the given directions into another frame. If f uses
// the IP packet only, the layers around it are removed.
func (w *Work) wrap(link uint16, names []string, f func(p *Packet) []byte) {
	w.edits = append(w.edits, edit{cut: w.Packets[0].heads, add: names})
	for i := range w.Packets {
		w.Packets[i] = rewrap(&w.Packets[i], link, f)
	}
}

// rewrap returns p in the frame that f makes of it. The frame ends with the
// captured bytes of p.
func rewrap(p *Packet, link uint16, f func(p *Packet) []byte) Packet {
	q := *p
	missing := max(p.Wire-len(p.Data), 0)
	q.Data = f(p)
	q.Link, q.Wire = link, len(q.Data)+missing
	conn, dir := q.conn, q.dir
	q.layers = parse(link, q.Data)
	if q.l4 >= 0 && q.proto == protoUDP && p.proto == 0 || q.proto != p.proto {
		q.proto = 0 // a tunnel: its content is no longer changed
	}
	q.conn, q.dir = conn, dir
	return q
}

// wireLen returns the length of the IP packet of p on the wire.
func (p *Packet) wireLen() int {
	if p.cut() {
		return p.Wire - p.ip
	}
	return len(p.inner())
}

// ipv4 returns an IPv4 header for n bytes of payload.
func ipv4(proto byte, n int) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, proto, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}
	be.PutUint16(b[2:], uint16(20+n))
	return b
}

// ipv6 returns an IPv6 header for n bytes of payload.
func ipv6(next byte, n int) []byte {
	b := append([]byte{0x60, 0, 0, 0, 0, 0, next, 64, 0x20, 1, 0xd, 0xb8}, make([]byte, 28)...)
	be.PutUint16(b[4:], uint16(n))
	b[23], b[39] = 1, 2
	return append(b[:24], append([]byte{0x20, 1, 0xd, 0xb8}, append(bytes.Repeat([]byte{0}, 11), 2)...)...)
}

// udp returns a UDP header for n bytes of payload.
func udp(src, dst uint16, n int) []byte {
	return be.AppendUint16(be.AppendUint16(be.AppendUint16(be.AppendUint16(nil, src), dst), uint16(8+n)), 0)
}

func join(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}
