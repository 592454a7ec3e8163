package laws

import (
	"maps"
	"slices"
	"strings"
)

// Stages of changes. A composition applies its changes in this order.
const (
	stageAdd     = iota // other connections
	stageStream         // splitting and copying data
	stageReorder        // order within a direction
	stageOrder          // order of the directions, and time
	stageIP             // IP fragments
	stageLink           // encapsulation
	stageLoss
	stageFile
)

// A Param is a parameter of a Kind. Shrinking moves it towards Min.
type Param struct {
	Min, Max int
	Log      bool // small values are as likely as large ones
}

// An Exception is a set of fields of the record that a change may change, and
// the reason. Only restricts it to some records: "datagrams" are those over
// UDP and EAPOL, "midstream" those over TCP without their SYN, "" means all.
type Exception struct {
	Fields string // names, separated by spaces
	Only   string
	Why    string
}

// A Kind is a kind of change.
type Kind struct {
	Name    string
	Stage   int
	Loss    bool
	Params  []Param
	Differs []Exception
	// Apply changes w. If the change is impossible, it returns false and does
	// not modify w.
	Apply func(w *Work, base *Capture, a []int) bool
}

// The exceptions of several kinds.
var (
	numbers  = Exception{"client_hello_packet server_hello_packet session_packet", "", "packet numbers change"}
	times    = Exception{"time last_time session_time", "", "packet times change"}
	counts   = Exception{"packets", "", "the number of packets changes, or that of the packets before the first one that counts"}
	doubled  = Exception{"bytes_to_server bytes_to_client", "datagrams", "datagrams have no sequence numbers, so copies count"}
	unbegun  = Exception{"packets bytes_to_server bytes_to_client", "datagrams", "datagrams before the one that begins the handshake do not count"}
	unbegunT = Exception{"packets bytes_to_server bytes_to_client one_direction upgrade upgrade_chain target", "midstream", "segments before the one that begins the handshake do not count"}
	unheard  = Exception{"packets bytes_to_server bytes_to_client last_time one_direction", "datagrams", "packets before the hello of the second connection count for the first"}
	pieces   = Exception{"client_hello_split", "", "it is the number of packets of the ClientHello"}
	joined   = Exception{"session_time session_packet session_source session_forward_secrecy", "", "the connection that established a session may follow the one that resumes it"}
	layered  = Exception{"encapsulation", "", "it is that of the first packet, with or without a tag"}
	sources  = Exception{"source session_source", "", "packets are in other files"}
)

var seed = Param{1, 1 << 20, true}

// kinds are all kinds of changes by name.
var kinds = map[string]*Kind{}

func register(list ...*Kind) {
	for _, k := range list {
		kinds[k.Name] = k
	}
}

// Kinds returns all kinds, sorted by name.
func Kinds() []*Kind {
	var list []*Kind
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		list = append(list, kinds[name])
	}
	return list
}

// Lookup returns the kind with this name, or nil.
func Lookup(name string) *Kind { return kinds[name] }

// inOrder lists captures, by the prefix of their name, whose order must not be
// changed, with the reason: without the order their content is undetermined.
var inOrder = []struct{ prefix, why string }{
	{"quic-rebind", "connection IDs are known from earlier packets only"},
	{"quic-version-negotiation", "only earlier packets of the server show which Initials belong to one client"},
	{"quic-compatible-version", "likewise"},
	{"openvpn-udp-same-port", "only the order distinguishes the key exchanges of one tunnel"},
	{"dtls12-pion-turn", "the peers behind a TURN relay are known from its earlier messages only"},
	{"eap-", "EAP is a lock-step protocol without acknowledgments, so only the order distinguishes simultaneous sessions"},
}

// moves reports whether the order of a capture must not be changed.
func moves(c *Capture) bool {
	for _, x := range inOrder {
		if strings.HasPrefix(c.Name, x.prefix) {
			return true
		}
	}
	return false
}

func init() {
	register(
		&Kind{Name: "earlier", Stage: stageAdd, Params: []Param{{0, 999, false}, {0, 9, true}, {1, 20000, true}, {0, 3, false}}, Differs: []Exception{numbers, unheard},
			Apply: func(w *Work, base *Capture, a []int) bool { return earlier(w, base, a[0], a[1], a[2], a[3]) }},
		&Kind{Name: "beside", Stage: stageAdd, Params: []Param{{0, 999, false}, seed}, Differs: []Exception{numbers},
			Apply: func(w *Work, base *Capture, a []int) bool { return merge(w, base, a[0], rng(a[1])) }},

		&Kind{Name: "resegment", Stage: stageStream, Params: []Param{{1, 2000, true}}, Differs: []Exception{numbers, counts, pieces},
			Apply: func(w *Work, _ *Capture, a []int) bool { return resegment(w, func() int { return a[0] }) }},
		&Kind{Name: "resegment-random", Stage: stageStream, Params: []Param{seed, {1, 2000, true}}, Differs: []Exception{numbers, counts, pieces},
			Apply: func(w *Work, _ *Capture, a []int) bool {
				r := rng(a[0])
				return resegment(w, func() int { return 1 + r.IntN(a[1]) })
			}},
		&Kind{Name: "coalesce", Stage: stageStream, Params: []Param{{2, 60000, true}}, Differs: []Exception{numbers, counts, pieces, times},
			Apply: func(w *Work, _ *Capture, a []int) bool { return coalesce(w, a[0]) }},
		&Kind{Name: "retransmit", Stage: stageStream, Params: []Param{seed, {1, 20, true}, {0, 20, true}}, Differs: []Exception{numbers, counts, times, pieces, unbegunT},
			Apply: func(w *Work, _ *Capture, a []int) bool { return retransmit(w, rng(a[0]), a[1], a[2]) }},
		&Kind{Name: "duplicate", Stage: stageStream, Params: []Param{seed, {1, 1000, true}, {0, 20, true}}, Differs: []Exception{numbers, counts, doubled, times, unbegunT},
			Apply: func(w *Work, base *Capture, a []int) bool {
				w.fixed = w.fixed || w.moves(base) // a late copy of a lost packet changes the order
				return duplicate(w, rng(a[0]), a[1], a[2])
			}},

		&Kind{Name: "lag", Stage: stageOrder, Params: []Param{{0, 1, false}, {1, 4000, true}}, Differs: []Exception{numbers, times, counts, joined, unbegun, unbegunT},
			Apply: func(w *Work, base *Capture, a []int) bool {
				return w.ordered(base, func() bool { return lagPackets(w, a[0], a[1], false) })
			}},
		&Kind{Name: "lag-unsorted", Stage: stageOrder, Params: []Param{{0, 1, false}, {1, 4000, true}}, Differs: []Exception{numbers, times, counts, joined, unbegun, unbegunT},
			Apply: func(w *Work, base *Capture, a []int) bool {
				return w.ordered(base, func() bool { return lagPackets(w, a[0], a[1], true) })
			}},
		&Kind{Name: "lag-time", Stage: stageOrder, Params: []Param{{0, 1, false}, {1, 4000, true}}, Differs: []Exception{numbers, times, counts, joined, unbegun, unbegunT},
			Apply: func(w *Work, base *Capture, a []int) bool {
				done := !w.moves(base) && lagTime(w, a[0], int64(a[1])*1e6, true)
				w.shifted = w.shifted || done
				return done
			}},
		&Kind{Name: "lag-clock", Stage: stageOrder, Params: []Param{{0, 1, false}, {1, 4000, true}}, Differs: []Exception{times, counts, joined, unbegun, unbegunT},
			Apply: func(w *Work, base *Capture, a []int) bool {
				return !w.moves(base) && lagTime(w, a[0], int64(a[1])*1e6, false)
			}},
		&Kind{Name: "reorder", Stage: stageReorder, Params: []Param{seed, {1, 20, true}}, Differs: []Exception{numbers, times, counts, joined, unbegun, unbegunT},
			Apply: func(w *Work, base *Capture, a []int) bool {
				return w.ordered(base, func() bool { return reorder(w, rng(a[0]), a[1]) })
			}},
		&Kind{Name: "shift", Stage: stageOrder, Params: []Param{{-55, 79, false}, {0, 86400, true}},
			Apply: func(w *Work, _ *Capture, a []int) bool { return shift(w, a[0], a[1]) }},
		&Kind{Name: "stretch", Stage: stageOrder, Params: []Param{{2, 1 << 20, true}},
			Apply: func(w *Work, _ *Capture, a []int) bool { return stretch(w, a[0]) }},

		&Kind{Name: "fragment", Stage: stageIP, Params: []Param{{8, 1400, true}, {0, 2, false}}, Differs: []Exception{numbers, pieces},
			Apply: func(w *Work, _ *Capture, a []int) bool { return fragment(w, a[0], a[1]) }},
	)
	registerLinks()
	registerLoss()
	registerFiles()
}

func registerLinks() {
	for name, t := range tunnels {
		register(&Kind{Name: name, Stage: stageLink, Params: []Param{{0, 7, false}}, Apply: around(t)})
	}
	for name, t := range links {
		register(&Kind{Name: "link-" + name, Stage: stageLink, Params: []Param{{0, 7, false}}, Apply: around(t)})
	}
	tags := map[string][]string{"vlan": {"802.1q"}, "qinq": {"802.1ad", "802.1q"}}
	for name, names := range tags {
		register(
			&Kind{Name: name, Stage: stageLink, Params: []Param{{1, 4094, true}}, Apply: func(w *Work, _ *Capture, a []int) bool {
				return tag(w, names, a[0], func(*Packet) bool { return true })
			}},
			&Kind{Name: name + "-one-way", Stage: stageLink, Params: []Param{{1, 4094, true}, {0, 1, false}}, Differs: []Exception{layered}, Apply: func(w *Work, _ *Capture, a []int) bool {
				return tag(w, names, a[0], func(p *Packet) bool { return p.dir == a[1] })
			}})
	}
}

// around returns the change that wraps all packets in t.
func around(t tunnel) func(w *Work, _ *Capture, a []int) bool {
	return func(w *Work, _ *Capture, a []int) bool {
		if !w.allIP() {
			return false
		}
		for i := range w.Packets {
			if p := &w.Packets[i]; t.ok != nil && !t.ok(p) || p.wireLen() > 60000 {
				return false
			}
		}
		w.wrap(t.link, t.names, func(p *Packet) []byte { return t.make(p, a[0]) })
		return true
	}
}

// tag adds VLAN tags to the Ethernet frames for which which returns true.
func tag(w *Work, names []string, id int, which func(*Packet) bool) bool {
	done, all := false, true
	for i := range w.Packets {
		p := &w.Packets[i]
		if p.Link != linkEthernet || len(p.Data) < 14 {
			return false
		}
		done, all = done || which(p), all && which(p)
	}
	if !done {
		return false
	}
	if all {
		w.edits = append(w.edits, edit{add: names})
	}
	for i := range w.Packets {
		p := &w.Packets[i]
		if !which(p) {
			continue
		}
		w.Packets[i] = rewrap(p, linkEthernet, func(p *Packet) []byte {
			b := append([]byte{}, p.Data[:12]...)
			for _, n := range names {
				t := uint16(etherVLAN)
				if n == "802.1ad" {
					t = etherQinQ
				}
				b = be.AppendUint16(be.AppendUint16(b, t), uint16(id))
			}
			return append(b, p.Data[12:]...)
		})
	}
	return true
}

func registerLoss() {
	register(
		&Kind{Name: "snaplen", Loss: true, Stage: stageLoss, Params: []Param{{60, 1600, true}},
			Apply: func(w *Work, _ *Capture, a []int) bool { return snaplen(w, a[0]) }},
		&Kind{Name: "without", Loss: true, Stage: stageLoss, Params: []Param{{0, 4000, true}},
			Apply: func(w *Work, _ *Capture, a []int) bool {
				return w.keep(func(i int, _ *Packet) bool { return i != a[0]%len(w.Packets) })
			}},
		&Kind{Name: "lose", Loss: true, Stage: stageLoss, Params: []Param{seed, {1, 700, true}},
			Apply: func(w *Work, _ *Capture, a []int) bool {
				r := rng(a[0])
				return w.keep(func(int, *Packet) bool { return r.IntN(1000) >= a[1] })
			}},
		&Kind{Name: "burst", Loss: true, Stage: stageLoss, Params: []Param{{0, 1000, true}, {1, 30, true}},
			Apply: func(w *Work, _ *Capture, a []int) bool {
				from := a[0] % len(w.Packets)
				return w.keep(func(i int, _ *Packet) bool { return i < from || i >= from+a[1] })
			}},
		&Kind{Name: "one-way", Loss: true, Stage: stageLoss, Params: []Param{{0, 1, false}},
			Apply: func(w *Work, _ *Capture, a []int) bool {
				return w.keep(func(_ int, p *Packet) bool { return p.conn == 0 || p.dir == a[0] })
			}},
		&Kind{Name: "only-handshake-records", Loss: true, Stage: stageLoss,
			Apply: func(w *Work, _ *Capture, _ []int) bool {
				return w.plain() && w.keep(func(_ int, p *Packet) bool { return handshakeRecord(p) })
			}},
		&Kind{Name: "from-packet", Loss: true, Stage: stageLoss, Params: []Param{{1, 1000, true}},
			Apply: func(w *Work, _ *Capture, a []int) bool {
				return w.keep(func(i int, _ *Packet) bool { return i >= a[0]%len(w.Packets) })
			}},
		&Kind{Name: "to-packet", Loss: true, Stage: stageLoss, Params: []Param{{1, 1000, true}},
			Apply: func(w *Work, _ *Capture, a []int) bool {
				return w.keep(func(i int, _ *Packet) bool { return i < a[0]%len(w.Packets) })
			}},
		&Kind{Name: "cut-file", Loss: true, Stage: stageLoss, Params: []Param{{1, 999, false}},
			Apply: func(w *Work, _ *Capture, a []int) bool { w.cutAt = a[0]; return true }},
	)
}
