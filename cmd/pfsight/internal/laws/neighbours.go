package laws

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
)

// family returns the protocol family of a capture. Connections between the
// same endpoints have the same one.
func family(c *Capture) string {
	if len(c.Packets) == 0 {
		return ""
	}
	switch {
	case strings.HasPrefix(c.Name, "quic-"):
		return "quic"
	case strings.HasPrefix(c.Name, "dtls"):
		return "dtls"
	case c.Packets[0].proto == protoTCP:
		return "tcp"
	}
	return ""
}

// single reports whether all packets belong to one connection.
func single(list []Packet) bool {
	for i := range list {
		if list[i].conn != list[0].conn || list[i].proto == 0 || list[i].Link != linkEthernet {
			return false
		}
	}
	return len(list) > 0
}

// holds reports whether the packets of a capture were already added. A second
// copy of a handshake would be a copy of the first.
func (w *Work) holds(c *Capture) bool {
	return slices.ContainsFunc(w.Added, func(a Capture) bool { return a.Name == c.Name })
}

// pick returns one of the captures for which ok returns true, or nil.
func pick(all []*Capture, n int, ok func(*Capture) bool) *Capture {
	list := slices.DeleteFunc(slices.Clone(all), func(c *Capture) bool { return !ok(c) })
	if len(list) == 0 {
		return nil
	}
	return list[n%len(list)]
}

// answered reports whether a capture has both directions.
func answered(c *Capture) bool {
	return slices.ContainsFunc(c.Packets, func(p Packet) bool { return p.dir == 1 })
}

// repeats reports whether a capture begins with a datagram of the other
// capture, possibly behind a CAPWAP header. Some captures consist of datagrams
// of others, and the same handshake twice is a copy.
func repeats(b, of *Capture) bool {
	first := b.Packets[0].payload()
	return slices.ContainsFunc(of.Packets, func(p Packet) bool {
		x := p.payload()
		return len(x) > 0 && (bytes.HasSuffix(x, first) || bytes.HasSuffix(first, x))
	})
}

// Missing parts of a preceding connection.
const (
	withoutEnd   = 1 // without its FIN or RST
	withoutBegin = 2 // without its SYN
)

// earlier inserts the only connection of another capture before a connection
// of this capture, between the same endpoints.
func earlier(w *Work, base *Capture, other, conn, gap, way int) bool {
	if !w.plain() || !base.Original || family(base) == "" || moves(base) {
		return false
	}
	conn = 1 + conn%w.conns
	kind, mixed := w.families[conn]
	if !mixed {
		kind = family(base)
	}
	b := pick(w.all, other, func(b *Capture) bool {
		return !w.holds(b) && !moves(b) && b.Original && b != base && family(b) == kind && single(b.Packets) && b.Packets[0].v6() == w.Packets[0].v6()
	})
	if b == nil {
		return false
	}
	if family(b) == "quic" && !answered(b) {
		return false // a client without an answer that sends another Initial retries
	}
	if family(b) == "dtls" && (repeats(b, base) || slices.ContainsFunc(w.Added, func(a Capture) bool { return repeats(b, &a) })) {
		return false
	}
	if slices.ContainsFunc(w.Added, func(a Capture) bool { return family(&a) != family(base) }) {
		return false // all connections between the same ports have the same protocol
	}
	// The first packet of the connection, and its endpoints.
	at := 0
	for at < len(w.Packets) && w.Packets[at].conn != conn {
		at++
	}
	if at == len(w.Packets) || w.Packets[at].v6() != b.Packets[0].v6() || w.Packets[at].Link != linkEthernet {
		return false
	}
	client, server := w.Packets[at].src(), w.Packets[at].dst()
	w.conns++
	first, last := span(b.Packets)
	begin, _ := span(w.Packets)
	move := begin - int64(gap)*1e6 - last
	if first+move < 1e9 {
		return false
	}
	var list []Packet
	for i := range b.Packets {
		p := &b.Packets[i]
		if p.proto == protoTCP && (way&withoutEnd != 0 && p.flags()&(flagFIN|flagRST) != 0 || way&withoutBegin != 0 && p.flags()&flagSYN != 0) {
			continue
		}
		q := p.rewrite(client, server)
		if p.dir == 1 {
			q = p.rewrite(server, client)
		}
		q.Time += move
		q.conn = w.conns
		list = append(list, q)
	}
	if len(list) == 0 {
		return false
	}
	w.far(list, at)
	w.Added = append(w.Added, Capture{Name: b.Name, Packets: list})
	w.Packets = append(append([]Packet{}, list...), w.Packets...)
	if family(b) == "dtls" {
		for i := range w.behind {
			if w.behind[i].next == conn {
				w.behind = append(w.behind, behind{w.conns, w.behind[i].first})
			}
		}
		w.behind = append(w.behind, behind{w.conns, conn})
	}
	return true
}

// far moves the sequence numbers of TCP packets away from those of all
// connections between the same endpoints as the packet with index at.
func (w *Work) far(list []Packet, at int) {
	if list[0].proto != protoTCP {
		return
	}
	const distance = 0x14000000
	for dir := range 2 {
		var seq, theirs uint32
		found := false
		for i := at; i < len(w.Packets) && !found; i++ {
			if p := &w.Packets[i]; p.conn == w.Packets[at].conn && p.dir == dir {
				seq, found = p.seq(), true
			}
		}
		known := false
		for i := range list {
			p := &list[i]
			if !known && p.dir == dir {
				theirs, known = p.seq(), true
			}
		}
		if !found || !known {
			continue
		}
		used := w.begins(at, dir)
		to := seq
		for slices.ContainsFunc(used, func(x uint32) bool { return x-to+distance/2 < distance }) {
			to += distance
		}
		d := to - theirs
		for i := range list {
			p := &list[i]
			if p.dir == dir {
				be.PutUint32(p.Data[p.l4+4:], p.seq()+d) // rewrite has copied Data
			} else if p.flags()&flagACK != 0 {
				be.PutUint32(p.Data[p.l4+8:], be.Uint32(p.Data[p.l4+8:])+d)
			}
		}
	}
}

// begins returns the first sequence numbers in a direction of the connections
// between the same endpoints as the packet with index at.
func (w *Work) begins(at, dir int) (list []uint32) {
	seen := map[int]bool{}
	for i := range w.Packets {
		if p := &w.Packets[i]; p.proto == protoTCP && p.dir == dir && !seen[p.conn] && flowOf(p) == flowOf(&w.Packets[at]) {
			seen[p.conn] = true
			list = append(list, p.seq())
		}
	}
	return list
}

// merge merges the packets of another capture, between other endpoints, with
// those of this one. Each capture keeps its order.
func merge(w *Work, base *Capture, other int, r *rand.Rand) bool {
	b := pick(w.all, other, func(b *Capture) bool { return !w.holds(b) && !moves(b) && b.Original && b != base && family(b) != "" })
	if !w.plain() || b == nil || !base.Original {
		return false
	}
	for i := range b.Packets {
		if p := &b.Packets[i]; !p.whole() || p.Link != linkEthernet || p.heads > 0 {
			return false
		}
	}
	for i := range w.Packets {
		if w.Packets[i].Link != linkEthernet {
			return false
		}
	}
	w.merged++
	moved := map[string]string{}
	other1 := func(e endpoint) endpoint {
		a := []byte(e.addr)
		if moved[e.addr] == "" {
			copy(a, []byte{10, 77, byte(w.merged), byte(len(moved))})
			if len(a) == 16 {
				copy(a, []byte{0x20, 1, 0xd, 0xb8, 0, 77, byte(w.merged), byte(len(moved))})
			}
			moved[e.addr] = string(a)
		}
		e.addr = moved[e.addr]
		return e
	}
	var list []Packet
	top := w.conns
	if w.families == nil {
		w.families = map[int]string{}
	}
	for i := range b.Packets {
		p := &b.Packets[i]
		q := p.rewrite(other1(p.src()), other1(p.dst()))
		q.conn += w.conns
		top = max(top, q.conn)
		w.families[q.conn] = family(b)
		list = append(list, q)
	}
	w.conns = top
	// The merge is random. Each added packet gets a time between its
	// neighbours.
	var out []Packet
	i, j, ties := 0, 0, int64(0)
	for i < len(w.Packets) || j < len(list) {
		if j == len(list) || i < len(w.Packets) && r.IntN(len(w.Packets)-i+len(list)-j) < len(w.Packets)-i {
			out = append(out, w.Packets[i])
			i++
			ties = 0
			continue
		}
		list[j].Time = w.Packets[max(i-1, 0)].Time
		if i > 0 && i < len(w.Packets) && w.Packets[i].Time > list[j].Time {
			ties++
			list[j].Time += min(ties, w.Packets[i].Time-list[j].Time-1)
		} else {
			ties = 0
		}
		out = append(out, list[j])
		j++
	}
	w.Packets = out
	w.Added = append(w.Added, Capture{Name: b.Name, Packets: list})
	return true
}
