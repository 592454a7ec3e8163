package main

import (
	"cmp"
	"hash/fnv"
	"math/rand/v2"
	"slices"
)

// A kind is one way to transform or encapsulate the scenes.
type kind struct {
	name  string
	about string // description for the list of kinds
	// mayLack describes what a capture of this kind may lack, "" for nothing.
	// Such a field may be undetermined, but must not be wrong.
	mayLack string

	change   func(r *rand.Rand, in []packet) []packet
	carry    carrier // nil: ethernet
	pieces   bool    // as IPv4 fragments
	link     uint32  // 0: Ethernet
	snaplen  int     // 0: none
	pcapng   bool
	v6       bool
	shift    uint16 // added to server ports
	original bool   // keep the segments of the loopback interface, which may exceed segmentSize
	applies  func(s *scene) bool
	earlier  func(r *rand.Rand, in []packet) []packet // makes an earlier connection on the same 5-tuple
}

var kinds = []kind{
	{name: "plain", about: "as the stacks sent it, servers at their standard ports", original: true},
	{name: "other ports", about: "servers at the standard port plus 20000", shift: otherPorts},
	{name: "segments of one byte", about: "the first 1,500 bytes of each direction one by one", change: oneByte, applies: hasTCP},
	{name: "random segments", about: "of 1 to 60 bytes", change: randomSegments, applies: hasTCP},
	{name: "coalesced", about: "segments of one direction joined up to 60,000 bytes, as GRO does", change: coalesce, applies: hasTCP},
	{name: "reordered", about: "the packets of each flight in random order, TCP in segments of 200 bytes", change: reorder},
	{name: "server late", about: "the server's packets 2 s late", change: late(true)},
	{name: "client late", about: "the client's packets 2 s late", change: late(false)},
	{name: "duplicated", about: "each packet twice", change: duplicate},
	{name: "overlapping", about: "TCP segments of 150 bytes that overlap by half", change: overlap, applies: hasTCP},
	{name: "sequence wrap", about: "TCP sequence numbers that pass 2^32 in the handshake", change: wrap, applies: hasTCP},
	{name: "no SYN", about: "without the packets that have a SYN", change: without(func(p *packet) bool { return p.tcp() && p.flags&flagSYN != 0 }), applies: hasTCP},
	{name: "IPv6", about: "over IPv6", v6: true, applies: notEAPOL},
	{name: "IP fragments", about: "IPv4 fragments of 256 bytes, the last first", pieces: true, applies: isIPv4},
	{name: "VLAN", about: "an 802.1Q tag", carry: vlan},
	{name: "VLAN one direction", about: "an 802.1Q tag on the client's packets only", carry: vlanOneDirection},
	{name: "QinQ", about: "an 802.1ad and an 802.1Q tag", carry: qinq},
	{name: "MPLS", about: "one label", carry: mpls},
	{name: "PPPoE", about: "session packets", carry: pppoe},
	{name: "GRE", about: "IP in GRE", carry: gre},
	{name: "IP in IP", about: "protocols 4 and 41", carry: ipInIP},
	{name: "VXLAN", about: "port 4789", carry: vxlan},
	{name: "Geneve", about: "port 6081", carry: geneve},
	{name: "GTP-U", about: "port 2152", carry: gtpu},
	{name: "ERSPAN", about: "type II", carry: erspan},
	{name: "raw IP", about: "link type 101", carry: rawIP, link: 101},
	{name: "Linux cooked", about: "link type 276 (SLL2)", carry: cooked, link: 276},
	{name: "pcapng", about: "with nanoseconds", pcapng: true},
	{name: "port reuse", about: "30 s after another connection on the same 5-tuple", applies: reusable, earlier: func(_ *rand.Rand, in []packet) []packet { return in }},
	{name: "port reuse without an end", about: "the same, the earlier TCP connection without FIN or RST", applies: both(reusable, hasTCP),
		earlier: without(func(p *packet) bool { return p.flags&(flagFIN|flagRST) != 0 })},

	{name: "client's side", about: "the client's packets only", mayLack: "all but the server name",
		change: without(func(p *packet) bool { return p.fromServer })},
	{name: "server's side", about: "the server's packets only", mayLack: "the server name and what needs the ClientHello",
		change: without(func(p *packet) bool { return !p.fromServer })},
	{name: "snaplen 96", about: "packets cut to 96 bytes", mayLack: "all", snaplen: 96},
	{name: "snaplen 160", about: "packets cut to 160 bytes", mayLack: "all", snaplen: 160},
	{name: "snaplen 256", about: "packets cut to 256 bytes", mayLack: "all", snaplen: 256},
	{name: "loss of 5 %", about: "of the packets, at random", mayLack: "all", change: lose},
	{name: "server's first lost", about: "the server's first packet with data missing", mayLack: "all", change: loseFirst},
	{name: "cut", about: "each scene ends after half its packets", mayLack: "all", change: func(_ *rand.Rand, in []packet) []packet { return in[:(len(in)+1)/2] }},
	{name: "filtered", about: "the TCP packets that begin with a handshake record, as a capture filter leaves them", mayLack: "all", applies: hasTCP,
		change: without(func(p *packet) bool { return !p.tcp() || len(p.data) == 0 || p.data[0] != 22 })},
}

const otherPorts = 20000

// segmentSize is the size of TCP segments that fit into an Ethernet frame.
const segmentSize = 1400

func hasTCP(s *scene) bool {
	return slices.ContainsFunc(s.labels, func(l label) bool { return s.convs[l.conv].proto == protoTCP })
}

func notEAPOL(s *scene) bool { return !s.packets[0].eapol() }
func isIPv4(s *scene) bool   { return notEAPOL(s) && !s.v6 }

func both(a, b func(*scene) bool) func(*scene) bool {
	return func(s *scene) bool { return a(s) && b(s) }
}

// first names the scene with the earlier connection of a port reuse, by family.
// STARTTLS ports are not reused: a server does not use TLS from the start on one
// connection and STARTTLS on the next.
var first = map[string]string{"tls": "rsa", "dtls": "dtls12-rsa", "quic": "quic-v1"}

func reusable(s *scene) bool {
	return len(s.labels) == 1 && len(s.convs) == 1 && first[s.labels[0].family] != "" && first[s.labels[0].family] != s.name
}

// A corpus is a capture of one kind with its labels.
type corpus struct {
	kind    *kind
	capture []byte
	packets int
	labels  []label
}

// corpus returns the corpus of a kind. The same seed yields the same bytes.
func (k *kind) corpus(scenes []*scene, seed uint64) (*corpus, error) {
	h := fnv.New64a()
	h.Write([]byte(k.name))
	r := rand.New(rand.NewPCG(seed, h.Sum64()))
	c := &corpus{kind: k}
	carry := k.carry
	if carry == nil {
		carry = ethernet
	}
	var frames []frame
	for n, s := range scenes {
		if k.applies != nil && !k.applies(s) {
			continue
		}
		ps, labels := s.place(n, k.v6, k.shift)
		if ps[0].eapol() && carry(&ps[0]) == nil {
			continue
		}
		if !k.original {
			ps = recut(ps, func(*packet, int) int { return segmentSize })
		}
		if k.change != nil {
			ps = k.change(r, ps)
		}
		if k.earlier != nil {
			ps, labels = k.reuse(scenes, n, ps, labels)
		}
		for i := range ps {
			p := &ps[i]
			data := [][]byte{nil}
			if k.pieces {
				data = fragments(p, uint16(i+1))
			} else {
				data[0] = carry(p)
			}
			for _, d := range data {
				frames = append(frames, frame{p.at, d, len(d)})
			}
		}
		c.labels = append(c.labels, labels...)
	}
	slices.SortStableFunc(frames, func(a, b frame) int { return cmp.Compare(a.at, b.at) })
	c.packets = len(frames)
	var err error
	if k.pcapng {
		c.capture, err = writePcapng(frames)
	} else {
		c.capture, err = writePcap(cmp.Or(k.link, 1), cmp.Or(k.snaplen, 262144), frames)
	}
	return c, err
}

// reuse adds another connection on the same 5-tuple 30 s before that of a scene.
// It removes TCP options, because timestamps would decrease.
func (k *kind) reuse(scenes []*scene, n int, ps []packet, labels []label) ([]packet, []label) {
	const gap = 30e9
	i := slices.IndexFunc(scenes, func(s *scene) bool { return s.name == first[labels[0].family] })
	before := *scenes[i]
	before.convs = scenes[n].convs
	before.v6 = scenes[n].v6
	old, oldLabels := before.place(n, k.v6, k.shift)
	old = k.earlier(nil, recut(old, func(*packet, int) int { return segmentSize }))
	oldLabels[0].family, oldLabels[0].number = labels[0].family, 1
	labels[0].number = 2
	for i := range old {
		old[i].options = nil
		old[i].seq += 1 << 30
		if old[i].flags&flagACK != 0 {
			old[i].ack += 1 << 30
		}
	}
	for i := range ps {
		ps[i].options = nil
		ps[i].at += gap
	}
	labels[0].at += gap
	return append(old, ps...), append(oldLabels, labels...)
}

// recut splits TCP segments. size returns the size of the next segment, given the
// packet and the offset of the segment in its data.
func recut(in []packet, size func(p *packet, at int) int) []packet {
	var out []packet
	for i := range in {
		p := in[i]
		if !p.tcp() || len(p.data) == 0 {
			out = append(out, p)
			continue
		}
		for at := 0; at < len(p.data); {
			x := p
			n := min(size(&p, at), len(p.data)-at)
			x.data = p.data[at : at+n]
			x.seq += uint32(at)
			x.at += int64(at) // keeps the order
			at += n
			if at < len(p.data) {
				x.flags &^= flagFIN
			}
			out = append(out, x)
		}
	}
	return out
}

func oneByte(_ *rand.Rand, in []packet) []packet {
	type half struct {
		conv       int
		fromServer bool
	}
	sent := map[half]int{}
	return recut(in, func(p *packet, _ int) int {
		h := half{p.conv, p.fromServer}
		if sent[h]++; sent[h] <= 1500 {
			return 1
		}
		return segmentSize
	})
}

func randomSegments(r *rand.Rand, in []packet) []packet {
	return recut(in, func(*packet, int) int { return 1 + r.IntN(60) })
}

// coalesce joins consecutive segments of one direction if the other side sent no
// data in between.
func coalesce(_ *rand.Rand, in []packet) []packet {
	var out []packet
	last := map[int]int{} // conversation -> index in out of its last segment with data
	for _, p := range in {
		if p.tcp() && len(p.data) > 0 {
			if i, ok := last[p.conv]; ok {
				l := &out[i]
				if l.fromServer == p.fromServer && l.end() == p.seq && l.flags&flagFIN == 0 && len(l.data)+len(p.data) <= 60000 {
					l.data = append(slices.Clip(l.data), p.data...)
					l.flags |= p.flags
					l.ack = p.ack
					continue
				}
			}
			last[p.conv] = len(out)
		}
		out = append(out, p)
	}
	return out
}

// reorder shuffles the data packets of each flight. Times stay in order.
func reorder(r *rand.Rand, in []packet) []packet {
	out := recut(in, func(*packet, int) int { return 200 })
	moves := func(p *packet) bool { return len(p.data) > 0 && !p.eapol() && p.flags&(flagSYN|flagFIN|flagRST) == 0 }
	for i := 0; i < len(out); {
		j := i
		for j < len(out) && moves(&out[j]) && out[j].conv == out[i].conv && out[j].fromServer == out[i].fromServer {
			j++
		}
		if j-i > 1 {
			times := make([]int64, j-i)
			for k := range times {
				times[k] = out[i+k].at
			}
			r.Shuffle(j-i, func(a, b int) { out[i+a], out[i+b] = out[i+b], out[i+a] })
			for k, t := range times {
				out[i+k].at = t
			}
		}
		i = max(j, i+1)
	}
	return out
}

// late delays the packets of one direction.
func late(server bool) func(*rand.Rand, []packet) []packet {
	return func(_ *rand.Rand, in []packet) []packet {
		out := clone(in)
		for i := range out {
			if out[i].fromServer == server {
				out[i].at += 2e9
			}
		}
		return out
	}
}

func duplicate(_ *rand.Rand, in []packet) []packet {
	var out []packet
	for _, p := range in {
		out = append(out, p, p)
	}
	return out
}

func overlap(_ *rand.Rand, in []packet) []packet {
	const n = 150
	var out []packet
	for _, p := range in {
		if !p.tcp() || len(p.data) <= n {
			out = append(out, p)
			continue
		}
		for at := 0; at < len(p.data); at += n / 2 {
			x := p
			x.seq += uint32(at)
			x.at += int64(at)
			x.data = p.data[at:min(at+n, len(p.data))]
			if at+n < len(p.data) {
				x.flags &^= flagFIN
			}
			out = append(out, x)
		}
	}
	return out
}

// wrap changes the sequence numbers of each TCP conversation so that those of both
// directions wrap around 128 bytes after the SYN.
func wrap(_ *rand.Rand, in []packet) []packet {
	type half struct {
		conv       int
		fromServer bool
	}
	move := map[half]uint32{}
	for _, p := range in {
		if p.tcp() && p.flags&flagSYN != 0 {
			move[half{p.conv, p.fromServer}] = 0xffffff80 - p.seq
		}
	}
	out := clone(in)
	for i := range out {
		p := &out[i]
		p.seq += move[half{p.conv, p.fromServer}]
		if p.flags&flagACK != 0 {
			p.ack += move[half{p.conv, !p.fromServer}]
		}
	}
	return out
}

func lose(r *rand.Rand, in []packet) []packet {
	return slices.DeleteFunc(clone(in), func(packet) bool { return r.IntN(20) == 0 })
}

// loseFirst removes the first data packet of each server.
func loseFirst(_ *rand.Rand, in []packet) []packet {
	done := map[int]bool{}
	return slices.DeleteFunc(clone(in), func(p packet) bool {
		if !p.fromServer || len(p.data) == 0 || done[p.conv] {
			return false
		}
		done[p.conv] = true
		return true
	})
}

func without(drop func(*packet) bool) func(*rand.Rand, []packet) []packet {
	return func(_ *rand.Rand, in []packet) []packet {
		return slices.DeleteFunc(clone(in), func(p packet) bool { return drop(&p) })
	}
}
