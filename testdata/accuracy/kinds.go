package main

import (
	"cmp"
	"hash/fnv"
	"math/rand/v2"
	"slices"
)

// A kind is a way to carry the connections of every scene.
type kind struct {
	name string
	says string // one line for the list of kinds
	// may says what a capture of this kind may not hold; "" for a kind that
	// loses nothing. A field may be undetermined then, and never wrong.
	may string

	change  func(r *rand.Rand, in []packet) []packet
	carry   carrier // ethernet where nil
	pieces  bool    // IPv4 fragments
	link    uint32  // Ethernet where 0
	snaplen int     // none where 0
	pcapng  bool
	v6      bool
	shift   uint16 // of the servers' ports
	as      bool   // as the stacks sent it: not cut into segments of 1,400 bytes
	applies func(s *scene) bool
	earlier func(r *rand.Rand, in []packet) []packet // a connection before, on the same 5-tuple
}

var kinds = []kind{
	{name: "plain", says: "as the stacks sent it, servers at their standard ports", as: true},
	{name: "other ports", says: "servers at the standard port plus 20000", shift: otherPorts},
	{name: "segments of one byte", says: "the first 1,500 bytes of each direction one by one", change: oneByte, applies: hasTCP},
	{name: "random segments", says: "of 1 to 60 bytes", change: randomSegments, applies: hasTCP},
	{name: "coalesced", says: "segments of one direction joined up to 60,000 bytes, as GRO does", change: coalesce, applies: hasTCP},
	{name: "reordered", says: "the packets of each flight in random order, TCP in segments of 200 bytes", change: reorder},
	{name: "server late", says: "the server's packets 2 s late", change: late(true)},
	{name: "client late", says: "the client's packets 2 s late", change: late(false)},
	{name: "duplicated", says: "each packet twice", change: duplicate},
	{name: "overlapping", says: "TCP segments of 150 bytes that overlap by half", change: overlap, applies: hasTCP},
	{name: "sequence wrap", says: "TCP sequence numbers that pass 2^32 in the handshake", change: wrap, applies: hasTCP},
	{name: "no SYN", says: "without the packets that have a SYN", change: without(func(p *packet) bool { return p.tcp() && p.flags&flagSYN != 0 }), applies: hasTCP},
	{name: "IPv6", says: "over IPv6", v6: true, applies: notEAPOL},
	{name: "IP fragments", says: "IPv4 fragments of 256 bytes, the last first", pieces: true, applies: isIPv4},
	{name: "VLAN", says: "an 802.1Q tag", carry: vlan},
	{name: "VLAN one direction", says: "an 802.1Q tag on the client's packets only", carry: vlanOneDirection},
	{name: "QinQ", says: "an 802.1ad and an 802.1Q tag", carry: qinq},
	{name: "MPLS", says: "one label", carry: mpls},
	{name: "PPPoE", says: "session packets", carry: pppoe},
	{name: "GRE", says: "IP in GRE", carry: gre},
	{name: "IP in IP", says: "protocols 4 and 41", carry: ipInIP},
	{name: "VXLAN", says: "port 4789", carry: vxlan},
	{name: "Geneve", says: "port 6081", carry: geneve},
	{name: "GTP-U", says: "port 2152", carry: gtpu},
	{name: "ERSPAN", says: "type II", carry: erspan},
	{name: "raw IP", says: "link type 101", carry: rawIP, link: 101},
	{name: "Linux cooked", says: "link type 276 (SLL2)", carry: cooked, link: 276},
	{name: "pcapng", says: "with nanoseconds", pcapng: true},
	{name: "port reuse", says: "30 s after another connection on the same 5-tuple", applies: reusable, earlier: func(_ *rand.Rand, in []packet) []packet { return in }},
	{name: "port reuse without an end", says: "the same, the earlier TCP connection without FIN or RST", applies: both(reusable, hasTCP),
		earlier: without(func(p *packet) bool { return p.flags&(flagFIN|flagRST) != 0 })},

	{name: "client's side", says: "the client's packets only", may: "all but the server name",
		change: without(func(p *packet) bool { return p.fromServer })},
	{name: "server's side", says: "the server's packets only", may: "the server name and what needs the ClientHello",
		change: without(func(p *packet) bool { return !p.fromServer })},
	{name: "snaplen 96", says: "packets cut to 96 bytes", may: "all", snaplen: 96},
	{name: "snaplen 160", says: "packets cut to 160 bytes", may: "all", snaplen: 160},
	{name: "snaplen 256", says: "packets cut to 256 bytes", may: "all", snaplen: 256},
	{name: "loss of 5 %", says: "of the packets, at random", may: "all", change: lose},
	{name: "server's first lost", says: "the server's first packet with data missing", may: "all", change: loseFirst},
	{name: "cut", says: "each scene ends after half its packets", may: "all", change: func(_ *rand.Rand, in []packet) []packet { return in[:(len(in)+1)/2] }},
	{name: "filtered", says: "the TCP packets that begin with a handshake record, as a capture filter leaves them", may: "all", applies: hasTCP,
		change: without(func(p *packet) bool { return !p.tcp() || len(p.data) == 0 || p.data[0] != 22 })},
}

const otherPorts = 20000

// segmentSize is that of TCP segments on an Ethernet.
const segmentSize = 1400

func hasTCP(s *scene) bool {
	return slices.ContainsFunc(s.labels, func(l label) bool { return s.convs[l.conv].proto == protoTCP })
}

func notEAPOL(s *scene) bool { return !s.packets[0].eapol() }
func isIPv4(s *scene) bool   { return notEAPOL(s) && !s.v6 }

func both(a, b func(*scene) bool) func(*scene) bool {
	return func(s *scene) bool { return a(s) && b(s) }
}

// first names the scene whose connection is the earlier one of a port reuse,
// by family. A STARTTLS port is not reused: its server never speaks TLS first.
var first = map[string]string{"tls": "rsa", "dtls": "dtls12-rsa", "quic": "quic-v1"}

func reusable(s *scene) bool {
	return len(s.labels) == 1 && len(s.convs) == 1 && first[s.labels[0].family] != "" && first[s.labels[0].family] != s.name
}

// A corpus is the capture of a kind with its labels.
type corpus struct {
	kind    *kind
	capture []byte
	packets int
	labels  []label
}

// corpus makes the capture of a kind. The same seed makes the same bytes.
func (k *kind) corpus(scenes []*scene, seed uint64) *corpus {
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
		if !k.as {
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
	link := cmp.Or(k.link, 1)
	c.packets = len(frames)
	if k.pcapng {
		c.capture = writePcapng(uint16(link), frames)
	} else {
		c.capture = writePcap(link, cmp.Or(k.snaplen, 262144), frames)
	}
	return c
}

// reuse puts another connection 30 s before that of a scene, on the same
// 5-tuple. TCP options go, so that no timestamp goes back.
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

// recut cuts TCP segments; size says how many bytes the next may have, of the
// packet and from this offset in it on.
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
			x.at += int64(at) // a nanosecond a byte keeps the order
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

// coalesce joins a segment with the one before it of the same direction, if
// the other side sent no data in between.
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

// reorder shuffles the packets with data of each flight. Times stay in order.
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

// late moves the packets of one direction, in time and so in the capture.
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

// wrap moves the sequence numbers of each TCP conversation so that both
// directions pass 2^32 about 128 bytes after the SYN.
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

// loseFirst leaves out the first packet with data of each server.
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
