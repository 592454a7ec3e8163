package report

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strconv"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// Limits of a Report, so that it can run for months. Below them everything is
// exact. Above them the most frequent entries stay (see heavy), and a new entry
// is always accepted.
const (
	maxServers = 1 << 16 // distinct servers (address, port and name)
	maxKeys    = 1 << 17 // ephemeral values
	maxExposed = 1 << 14 // server keys with connections that are not forward secret
	// maxAllClients limits the clients of all servers together. Each server may
	// have leastClients in any case.
	maxAllClients = 1 << 20
	leastClients  = 16
	// insecureWeight is the weight of a connection that is not forward secret
	// when a server is evicted. Other connections have weight 1.
	insecureWeight = 16
)

// A Report sums up connections. Use NewReport to make one.
type Report struct {
	s            Summary
	versions     map[iana.Version]uint64
	suites       map[string]uint64
	groups       map[string]uint64
	kex          map[kexLabel]uint64
	reasons      [secrecy.NumReasons]uint64
	undetermined [secrecy.NumReasons]uint64
	servers      heavy[uint64, server] // keyed by hash; see serverAt
	keys         reuses[KeyID]
	ticketKeys   reuses[string]
	exposed      heavy[[32]byte, exposure]
	clients      int // sum over all client sets
	maxClients   int // limit of clients
	seed         maphash.Seed
}

type kexLabel struct {
	name    string
	verdict secrecy.Verdict
}

type server struct {
	addr     Endpoint
	name     string
	n        uint64
	verdicts [4]uint64
	bytes    uint64
	clients  clients
	why      [secrecy.NumReasons]uint32
}

type exposure struct {
	n, bytes    uint64
	first, last int64
	clients     clients
	cert        *Certificate
	addr        Endpoint
	name        string
}

// NewReport returns an empty Report.
func NewReport() *Report {
	return &Report{
		seed: maphash.MakeSeed(), maxClients: maxAllClients,
		versions: map[iana.Version]uint64{}, suites: map[string]uint64{}, groups: map[string]uint64{}, kex: map[kexLabel]uint64{},
		servers: newHeavy[uint64, server](maxServers), keys: newReuses[KeyID](maxKeys), ticketKeys: newReuses[string](maxTicketKey), exposed: newHeavy[[32]byte, exposure](maxExposed),
	}
}

// Add counts a connection that has ended.
func (r *Report) Add(c *Connection) {
	s := &r.s
	s.Connections++
	s.Outcomes[c.Outcome]++
	switch c.OneWay {
	case "client":
		s.ClientOnly++
	case "server":
		s.ServerOnly++
	}
	c.Reasons.All(func(x secrecy.Reason) { r.reasons[x]++ })
	if c.ForwardSecrecy == secrecy.Unknown {
		if why, ok := c.Reasons.First(); ok {
			r.undetermined[why]++
		}
	}
	if c.Gap {
		s.Gaps++
	}
	if c.FirstHelloSplit {
		s.HellosSplit++
	}
	if c.Offered != nil {
		s.ClientHellos++
		if c.Offered.PostQuantum() {
			s.PostQuantumOffered++
		}
	}
	if !c.HasServerHello {
		return
	}
	s.Negotiated++
	s.Verdicts[c.ForwardSecrecy]++
	if c.Reasons.Has(secrecy.TicketIssued) {
		s.TicketKey++
	}
	if c.PostQuantum == secrecy.True {
		s.PostQuantum++
	}
	if c.Resumed == secrecy.True {
		s.Resumed++
	}
	if c.HelloRetryRequest == secrecy.True {
		s.HelloRetryRequests++
	}
	r.versions[c.Version]++
	if name := c.suiteName(); name != "" {
		bump(r.suites, name)
	}
	r.kex[kexLabel{c.KeyExchange, c.ForwardSecrecy}]++
	switch {
	case c.HasGroup:
		bump(r.groups, c.Group.String())
	case c.DHBits > 0:
		bump(r.groups, dhLabel(c))
	}
	r.addServer(c)
	r.addKeys(c)
}

// maxLabels is the number of suites, and of groups, counted by name. It is
// above the number of registered ones. Others count as "other".
const maxLabels = 1 << 10

func bump(m map[string]uint64, label string) {
	if _, ok := m[label]; !ok && len(m) >= maxLabels {
		label = "other"
	}
	m[label]++
}

func dhLabel(c *Connection) string {
	return "DH " + strconv.Itoa(c.DHBits) + " bits"
}

// PostQuantum reports whether the offer has a post-quantum group.
func (o *Offer) PostQuantum() bool {
	for _, g := range o.Groups {
		if g.Info().PostQuantum {
			return true
		}
	}
	return false
}

func (r *Report) addServer(c *Connection) {
	insecure := c.ForwardSecrecy == secrecy.No || c.ForwardSecrecy == secrecy.Conditional
	weight := uint64(1)
	if insecure {
		weight = insecureWeight
	}
	at, entry := r.serverAt(c)
	v, fresh, evicted := r.servers.add(entry, at, weight)
	if evicted != nil {
		r.s.ServersLost += evicted.n
		r.clients -= evicted.clients.n
	}
	if fresh {
		v.addr, v.name = c.Server, c.ServerName
	}
	v.n++
	v.verdicts[c.ForwardSecrecy]++
	v.bytes += c.Totals.Bytes[0] + c.Totals.Bytes[1]
	r.addClient(&v.clients, c.Client)
	if insecure {
		if why, ok := c.Reasons.First(); ok {
			v.why[why]++
		}
	}
}

// serverAt returns the key of c's server in the table, and its entry or nil.
// The key is a hash, which a map finds faster than an address and a name. On a
// collision the next free number is the key.
func (r *Report) serverAt(c *Connection) (uint64, *heavyEntry[uint64, server]) {
	at := r.hash(&c.Server, c.Server.Port()) ^ maphash.String(r.seed, c.ServerName)*0x9e3779b97f4a7c15
	for ; ; at++ {
		e := r.servers.get(at)
		if e == nil || e.value.addr == c.Server && e.value.name == c.ServerName {
			return at, e
		}
	}
}

// hash mixes the host of an endpoint with a port.
func (r *Report) hash(e *Endpoint, port uint16) uint64 {
	var b [24]byte
	addr := e.Addr().As16()
	copy(b[:], addr[:])
	binary.BigEndian.PutUint16(b[16:], port)
	copy(b[18:], e.MAC[:])
	return maphash.Bytes(r.seed, b[:])
}

// addClient adds a client to set if there is room.
func (r *Report) addClient(set *clients, client Endpoint) {
	room := set.n < MaxClients && (r.clients < r.maxClients || set.n < leastClients)
	if set.add(r.hash(&client, 0), room) {
		r.clients++
	}
}

// Earlier returns the earlier of two times in nanoseconds since 1970 UTC. 0
// means no time.
func Earlier(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func (r *Report) addKeys(c *Connection) {
	end := max(c.Time, c.Totals.Last)
	// One handshake captured on both sides of a NAT is not a reuse of its key.
	// History has set ReusedEphemeralKey accordingly.
	if k := c.EphemeralKey; k != (KeyID{}) {
		if u := r.keys.get(k); u == nil || c.Reasons.Has(secrecy.ReusedEphemeralKey) {
			r.keys.see(u, k, c.Time, end)
		}
	}
	if k := c.TicketKey; k != "" {
		r.ticketKeys.see(r.ticketKeys.get(k), k, c.Time, end)
	}
	if !c.exposes() {
		return
	}
	e, fresh, evicted := r.exposed.add(r.exposed.get(c.Certificate.SPKI), c.Certificate.SPKI, 1)
	if evicted != nil {
		r.s.KeysLost += evicted.n
		r.clients -= evicted.clients.n
	}
	if fresh {
		*e = exposure{first: c.Time, cert: c.Certificate, addr: c.Server, name: c.ServerName}
	}
	e.n++
	e.bytes += c.Totals.Bytes[0] + c.Totals.Bytes[1]
	e.first, e.last = Earlier(e.first, c.Time), max(e.last, end)
	r.addClient(&e.clients, c.Client)
}

// exposes reports whether the server's long-term key decrypts the connection.
func (c *Connection) exposes() bool {
	return c.ForwardSecrecy == secrecy.No && c.Certificate != nil &&
		(c.Reasons.Has(secrecy.RSAKeyTransport) || c.Reasons.Has(secrecy.StaticDH) || c.Reasons.Has(secrecy.RSAPSK))
}

// Summary returns the sums. Its order does not depend on the order of Add.
func (r *Report) Summary() *Summary {
	s := r.s
	s.Versions = counts(r.versions, func(v iana.Version) (string, string) { return v.String(), "" })
	s.Suites = counts(r.suites, func(v string) (string, string) { return v, "" })
	s.Groups = counts(r.groups, func(v string) (string, string) { return v, "" })
	s.KeyExchanges = counts(r.kex, func(k kexLabel) (string, string) { return k.name, k.verdict.String() })
	s.Reasons = reasonCounts(&r.reasons)
	s.Undetermined = reasonCounts(&r.undetermined)
	for _, e := range r.servers.m {
		v := &e.value
		out := Server{Addr: v.addr, Name: v.name, N: v.n, Verdicts: v.verdicts, Bytes: v.bytes, Clients: uint64(v.clients.n)}
		var most uint32
		for why, n := range v.why {
			if n > most {
				most, out.Why = n, secrecy.Reason(why).String()
			}
		}
		s.Servers = append(s.Servers, out)
	}
	s.ServersTotal = uint64(len(s.Servers))
	slices.SortFunc(s.Servers, func(a, b Server) int {
		if c := cmp.Or(
			cmp.Compare(b.Verdicts[secrecy.No], a.Verdicts[secrecy.No]),
			cmp.Compare(b.Verdicts[secrecy.Conditional], a.Verdicts[secrecy.Conditional]),
			cmp.Compare(b.N, a.N)); c != 0 {
			return c
		}
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Name, b.Name))
	})
	s.ReusedKeys, s.ReusedKeyConnections, s.ReusedKeySpan = r.keys.again, r.keys.connections, r.keys.againSpan
	s.TicketKeys, s.TicketKeySpan = r.ticketKeys.values, r.ticketKeys.span
	s.KeysLost += r.keys.forgotten + r.ticketKeys.forgotten
	for spki, entry := range r.exposed.m {
		e := &entry.value
		s.Exposure = append(s.Exposure, Exposure{SPKI: spki, Subject: e.cert.Subject, Key: e.cert.Key, Bits: e.cert.Bits, Server: e.addr, Name: e.name,
			N: e.n, Bytes: e.bytes, Clients: uint64(e.clients.n), First: e.first, Last: e.last})
	}
	slices.SortFunc(s.Exposure, func(a, b Exposure) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(b.Bytes, a.Bytes), slices.Compare(a.SPKI[:], b.SPKI[:]))
	})
	return &s
}

func counts[K comparable](m map[K]uint64, name func(K) (string, string)) []Count {
	out := make([]Count, 0, len(m))
	at := map[[2]string]int{} // several version numbers may share one name, as for DTLS 1.0
	for k, n := range m {
		label, note := name(k)
		i, ok := at[[2]string{label, note}]
		if !ok {
			i = len(out)
			at[[2]string{label, note}] = i
			out = append(out, Count{Label: label, Note: note})
		}
		out[i].N += n
	}
	sortCounts(out)
	return out
}

func reasonCounts(a *[secrecy.NumReasons]uint64) []Count {
	var out []Count
	for i, n := range a {
		if n > 0 {
			d := secrecy.Reason(i).Doc()
			out = append(out, Count{d.Code, d.Title, n})
		}
	}
	sortCounts(out)
	return out
}

func sortCounts(c []Count) {
	slices.SortFunc(c, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Label, b.Label), cmp.Compare(a.Note, b.Note))
	})
}
