package diff

import (
	"encoding/json"
	"net/netip"
	"strconv"

	"pfsight/report"
	"pfsight/report/secrecy"
)

// Limits of a Side. Connections beyond them count in the shares, but not for
// the client, server or label.
const (
	maxClients = 1 << 16
	maxServers = 1 << 16
	maxLabels  = 1 << 12 // distinct labels of shares
	maxHas     = 1 << 8  // labels of one client
)

// A Kind is a group of shares.
type Kind uint8

// The kinds, in the order of the output.
const (
	KindVerdict Kind = iota
	KindQuality
	KindKeyExchange
	KindVersion
	KindGroup
	KindCipherSuite
	KindHandshake
	numKinds
)

var kindNames = [numKinds]string{"forward_secrecy", "quality", "key_exchange", "version", "group", "cipher_suite", "handshake"}

func (k Kind) String() string { return kindNames[k%numKinds] }

// A base is the denominator of a share.
type base uint8

const (
	negotiated base = iota
	connections
	hellos
	numBases
)

var baseNames = [numBases]string{"negotiated connections", "connections", "ClientHellos"}

// A label identifies a share.
type label struct {
	kind Kind
	base base
	name string
}

// A Server is a name and a port, or an address and a port if the client sent no
// name.
type Server struct {
	Name string // may hold any byte
	Addr report.Host
	Port uint16
}

func (s Server) String() string {
	if s.Name != "" {
		return s.Name + ":" + strconv.Itoa(int(s.Port))
	}
	if !s.Addr.IsValid() {
		return s.Addr.String() // a MAC address
	}
	return netip.AddrPortFrom(s.Addr.Addr, s.Port).String()
}

func serverOf(c *report.Connection) Server {
	if c.ServerName != "" {
		return Server{Name: c.ServerName, Port: c.Server.Port()}
	}
	return Server{Addr: c.Server.Host(), Port: c.Server.Port()}
}

// A Party is the sums of a server or a client.
type Party struct {
	Connections uint64
	Verdicts    [4]uint64 // by secrecy.Verdict, of the negotiated connections
}

// MarshalJSON writes the verdicts under their names.
func (p Party) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]uint64{
		"connections": p.Connections, "yes": p.Verdicts[secrecy.Yes], "no": p.Verdicts[secrecy.No],
		"conditional": p.Verdicts[secrecy.Conditional], "unknown": p.Verdicts[secrecy.Unknown],
	})
}

// Negotiated returns the number of connections with a ServerHello.
func (p *Party) Negotiated() uint64 {
	return p.Verdicts[0] + p.Verdicts[1] + p.Verdicts[2] + p.Verdicts[3]
}

// state returns No if some connection was not forward secret, else Yes if some
// was forward secret, else Unknown.
func (p *Party) state() secrecy.Verdict {
	switch {
	case p.Verdicts[secrecy.No] > 0:
		return secrecy.No
	case p.Verdicts[secrecy.Yes] > 0:
		return secrecy.Yes
	}
	return secrecy.Unknown // all are conditional or unknown
}

func (p *Party) add(o *Party) {
	p.Connections += o.Connections
	for i, n := range o.Verdicts {
		p.Verdicts[i] += n
	}
}

func (p *Party) count(c *report.Connection) {
	p.Connections++
	if c.HasServerHello {
		p.Verdicts[c.ForwardSecrecy]++
	}
}

// A client is the sums of a client, with its count in each share.
type client struct {
	Party
	of  [numBases]uint32
	has []has
}

type has struct {
	label uint16
	n     uint32
}

// A Side sums up one side of a comparison. Use NewSide to make one. It is not
// safe for concurrent use.
type Side struct {
	Input   report.Input
	of      [numBases]uint64
	ids     map[label]uint16
	labels  []label
	totals  []uint64 // by label
	clients map[report.Host]*client
	servers map[Server]*Party
	lost    Lost
}

// Lost counts the connections beyond the limits: their client, server or label
// is not kept.
type Lost struct {
	Clients uint64 `json:"clients"`
	Servers uint64 `json:"servers"`
	Labels  uint64 `json:"labels"`
}

// NewSide returns an empty Side.
func NewSide() *Side {
	return &Side{ids: map[label]uint16{}, clients: map[report.Host]*client{}, servers: map[Server]*Party{}}
}

// id returns the number of a label. It reports false if the table of labels is
// full.
func (s *Side) id(l label) (uint16, bool) {
	id, ok := s.ids[l]
	if !ok {
		if len(s.labels) == maxLabels {
			return 0, false
		}
		id = uint16(len(s.labels))
		s.ids[l] = id
		s.labels, s.totals = append(s.labels, l), append(s.totals, 0)
	}
	return id, true
}

// Add counts a connection.
func (s *Side) Add(c *report.Connection) {
	addr := c.Client.Host()
	cl := s.clients[addr]
	if cl == nil && len(s.clients) < maxClients {
		cl = new(client)
		s.clients[addr] = cl
	}
	if cl == nil {
		s.lost.Clients++
		cl = new(client) // counts in the totals only
	}
	cl.count(c)
	key := serverOf(c)
	sv := s.servers[key]
	if sv == nil && len(s.servers) < maxServers {
		sv = new(Party)
		s.servers[key] = sv
	}
	if sv != nil {
		sv.count(c)
	} else {
		s.lost.Servers++
	}
	count := func(b base) {
		s.of[b]++
		cl.of[b]++
	}
	in := func(k Kind, b base, name string) { s.in(cl, label{k, b, name}) }
	count(connections)
	if c.Outcome == report.Rejected {
		in(KindHandshake, connections, "rejected")
	}
	if o := c.Offered; o != nil {
		count(hellos)
		for _, g := range o.Groups {
			if g.Info().PostQuantum {
				in(KindHandshake, hellos, "post-quantum group offered")
				break
			}
		}
		if c.FirstHelloSplit {
			in(KindHandshake, hellos, "ClientHello in more than one packet")
		}
	}
	if !c.HasServerHello {
		return
	}
	count(negotiated)
	in(KindVerdict, negotiated, c.ForwardSecrecy.String())
	if c.PostQuantum == secrecy.True {
		in(KindQuality, negotiated, "post-quantum")
	}
	if c.Reasons.Has(secrecy.TicketIssued) {
		in(KindQuality, negotiated, "rests on a ticket key")
	}
	if c.Reasons.Has(secrecy.WeakDH) {
		in(KindQuality, negotiated, "weak_dh")
	}
	if c.Resumed == secrecy.True {
		in(KindHandshake, negotiated, "resumed")
	}
	if c.HelloRetryRequest == secrecy.True {
		in(KindHandshake, negotiated, "HelloRetryRequest")
	}
	in(KindKeyExchange, negotiated, c.KeyExchange)
	in(KindVersion, negotiated, c.Version.String())
	in(KindCipherSuite, negotiated, c.CipherSuite.String())
	switch {
	case c.HasGroup:
		in(KindGroup, negotiated, c.Group.String())
	case c.DHBits > 0:
		in(KindGroup, negotiated, "DH "+strconv.Itoa(c.DHBits)+" bits")
	}
}

// in counts a connection of cl in the share l.
func (s *Side) in(cl *client, l label) {
	id, ok := s.id(l)
	if !ok {
		s.lost.Labels++
		return
	}
	s.totals[id]++
	cl.see(id, 1)
}

func (cl *client) see(id uint16, n uint32) {
	for i := range cl.has {
		if cl.has[i].label == id {
			cl.has[i].n += n
			return
		}
	}
	if len(cl.has) < maxHas {
		cl.has = append(cl.has, has{id, n})
	}
}

// Merge adds the sums of o to s. Which entries are kept at a limit depends on
// the order of calls. o must not be used afterwards.
func (s *Side) Merge(o *Side) {
	for i, n := range o.of {
		s.of[i] += n
	}
	s.lost.Clients += o.lost.Clients
	s.lost.Servers += o.lost.Servers
	s.lost.Labels += o.lost.Labels
	ids := make([]int, len(o.labels)) // IDs in s by ID in o; -1 beyond the limit
	for i, l := range o.labels {
		ids[i] = -1
		if id, ok := s.id(l); ok {
			ids[i] = int(id)
			s.totals[id] += o.totals[i]
		} else {
			s.lost.Labels += o.totals[i]
		}
	}
	for addr, from := range o.clients {
		to := s.clients[addr]
		if to == nil {
			if len(s.clients) == maxClients {
				s.lost.Clients += from.Connections
				continue
			}
			to = new(client)
			s.clients[addr] = to
		}
		to.add(&from.Party)
		for i, n := range from.of {
			to.of[i] += n
		}
		for _, h := range from.has {
			if id := ids[h.label]; id >= 0 {
				to.see(uint16(id), h.n)
			}
		}
	}
	for key, from := range o.servers {
		to := s.servers[key]
		if to == nil {
			if len(s.servers) == maxServers {
				s.lost.Servers += from.Connections
				continue
			}
			to = new(Party)
			s.servers[key] = to
		}
		to.add(from)
	}
}
