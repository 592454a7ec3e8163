package impact

import (
	"encoding/binary"

	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/policy"
	"pfsight/report/secrecy"
)

// Limits of a Sum. Connections beyond them are counted, but not evaluated.
const (
	maxHellos   = 1 << 14 // distinct offers
	maxClients  = 1 << 17 // addresses
	maxServers  = 1 << 16 // addresses, ports and names
	maxStates   = 1 << 14 // distinct outcomes
	maxJA4      = 1 << 16 // distinct fingerprints; a client beyond the limit has none
	maxParties  = 1 << 19 // clients at a server, by offer and outcome
	maxPointers = 1 << 15 // offers found by their pointer
	maxSources  = 1 << 12 // files; packets beyond the limit have no file
)

// A state is the outcome of a connection, as observed.
type state struct {
	negotiated bool // a ServerHello was seen
	version    iana.Version
	suite      iana.CipherSuite
	group      iana.Group
	hasGroup   bool
	verdict    secrecy.Verdict
	quantum    secrecy.Tri
	retried    secrecy.Tri
	resumed    secrecy.Tri
	kex        string
}

// A serverKey identifies a server.
type serverKey struct {
	addr report.Endpoint
	name string
}

// keySet is a bit set of policy.KeyType; one more bit stands for pre-shared
// keys.
type keySet uint32

const pskKey keySet = 1 << 31

// A server is a serverKey and its observed certificate types.
type server struct {
	serverKey
	keys keySet
}

// A partyKey identifies a party by the numbers of its parts.
type partyKey struct{ client, server, hello, state, ja4 uint32 }

// A party is the connections of one client to one server with the same offer
// and outcome.
type party struct {
	n, bytes    uint64
	ech         uint64
	first, last int64
	firstPacket uint64 // of the ClientHello, in the file source
	lastPacket  uint64
	firstSource uint32
	lastSource  uint32
}

// A Sum sums up connections. It is not safe for concurrent use.
type Sum struct {
	Input report.Input

	connections uint64
	noHello     uint64 // no ClientHello was seen
	incomplete  uint64 // the ClientHello is incomplete
	lost        uint64 // beyond the limits
	first, last int64

	pointers map[*report.Offer]uint32
	helloIDs map[string]uint32
	hellos   []*report.Offer
	clientID map[report.Host]uint32
	clients  []report.Host
	serverID map[serverKey]uint32
	servers  []server
	stateID  map[state]uint32
	states   []state
	ja4ID    map[string]uint32
	ja4s     []string // index 0 is none
	sourceID map[string]uint32
	sources  []string
	parties  map[partyKey]*party
	key      []byte
	slab     []party
}

// NewSum returns an empty Sum.
func NewSum() *Sum {
	return &Sum{
		pointers: map[*report.Offer]uint32{}, helloIDs: map[string]uint32{}, clientID: map[report.Host]uint32{}, serverID: map[serverKey]uint32{},
		stateID: map[state]uint32{}, ja4ID: map[string]uint32{"": 0}, ja4s: []string{""}, sourceID: map[string]uint32{"": 0}, sources: []string{""}, parties: map[partyKey]*party{},
	}
}

// id returns the number of k in m and list, and adds it if there is room.
func id[K comparable, V any](m map[K]uint32, list *[]V, k K, v V, limit int) (uint32, bool) {
	if i, ok := m[k]; ok {
		return i, true
	}
	if len(*list) >= limit {
		return 0, false
	}
	i := uint32(len(*list))
	m[k] = i
	*list = append(*list, v)
	return i, true
}

// Add counts a connection.
func (s *Sum) Add(c *report.Connection) {
	s.first = report.Earlier(s.first, c.Time)
	s.last = max(s.last, c.Time, c.Totals.Last)
	s.connections++
	sk := serverKey{c.Server, c.ServerName}
	sv, okServer := id(s.serverID, &s.servers, sk, server{serverKey: sk}, maxServers)
	if okServer {
		s.servers[sv].keys |= keysOf(c)
	}
	switch {
	case c.Offered == nil:
		s.noHello++
		return
	case c.Offered.Incomplete:
		s.incomplete++
		return
	}
	st := state{
		negotiated: c.HasServerHello, version: c.Version, suite: c.CipherSuite, group: c.Group, hasGroup: c.HasGroup, verdict: c.ForwardSecrecy,
		quantum: c.PostQuantum, retried: c.HelloRetryRequest, resumed: c.Resumed, kex: c.KeyExchange,
	}
	k := partyKey{server: sv}
	var ok [3]bool
	k.hello, ok[0] = s.hello(c.Offered)
	k.client, ok[1] = id(s.clientID, &s.clients, c.Client.Host(), c.Client.Host(), maxClients)
	k.state, ok[2] = id(s.stateID, &s.states, st, st, maxStates)
	if !okServer || !ok[0] || !ok[1] || !ok[2] {
		s.lost++
		return
	}
	k.ja4, _ = id(s.ja4ID, &s.ja4s, c.JA4, c.JA4, maxJA4)
	p := s.party(k)
	if p == nil {
		s.lost++
		return
	}
	source, known := id(s.sourceID, &s.sources, c.Source, c.Source, maxSources)
	packet := c.ClientHelloPacket
	if !known {
		packet = 0
	}
	one := party{n: 1, bytes: c.Totals.Bytes[0] + c.Totals.Bytes[1], first: c.Time, last: c.Time, firstPacket: packet, lastPacket: packet, firstSource: source, lastSource: source}
	if c.ECH == secrecy.True {
		one.ech = 1
	}
	p.merge(&one)
}

func (s *Sum) party(k partyKey) *party {
	p := s.parties[k]
	if p == nil && len(s.parties) < maxParties {
		if len(s.slab) == 0 {
			s.slab = make([]party, 256)
		}
		p, s.slab = &s.slab[0], s.slab[1:]
		s.parties[k] = p
	}
	return p
}

func (p *party) merge(o *party) {
	if p.n == 0 || o.first != 0 && (p.first == 0 || o.first < p.first) {
		p.first, p.firstPacket, p.firstSource = o.first, o.firstPacket, o.firstSource
	}
	if p.n == 0 || o.last > p.last {
		p.last, p.lastPacket, p.lastSource = o.last, o.lastPacket, o.lastSource
	}
	p.n += o.n
	p.bytes += o.bytes
	p.ech += o.ech
}

// hello returns the number of an offer. Equal offers have the same number.
func (s *Sum) hello(o *report.Offer) (uint32, bool) {
	if i, ok := s.pointers[o]; ok {
		return i, true
	}
	s.key = appendOffer(s.key[:0], o)
	i, ok := s.helloIDs[string(s.key)]
	if !ok {
		if len(s.hellos) == maxHellos {
			return 0, false
		}
		i = uint32(len(s.hellos))
		s.helloIDs[string(s.key)] = i
		s.hellos = append(s.hellos, o)
	}
	if len(s.pointers) < maxPointers {
		s.pointers[o] = i
	}
	return i, true
}

// appendOffer appends the parts of an offer that a server's answer depends on.
func appendOffer(b []byte, o *report.Offer) []byte {
	b = appendCodes(b, o.Versions)
	b = appendCodes(b, o.CipherSuites)
	b = appendCodes(b, o.Groups)
	b = appendCodes(b, o.KeyShares)
	b = appendCodes(b, o.SignatureAlgorithms)
	b = append(b, byte(o.SupportedVersions), byte(o.ExtendedMaster), byte(o.RenegotiationInfo))
	if o.CompressedPointsOnly {
		b = append(b, 1)
	}
	return b
}

// appendCodes appends a list. All GREASE values become one, because they change
// with every connection.
func appendCodes[T ~uint16](b []byte, list []T) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(list)))
	for _, v := range list {
		if v&0x0f0f == 0x0a0a && v>>8 == v&0xff {
			v = 0x0a0a
		}
		b = binary.BigEndian.AppendUint16(b, uint16(v))
	}
	return b
}

// keysOf returns the type of the server's certificate, from the certificate or
// from the suite.
func keysOf(c *report.Connection) keySet {
	var k keySet
	if x := c.Certificate; x != nil {
		switch x.Key {
		case "RSA":
			k = 1 << policy.KeyRSA
		case "RSA-PSS":
			k = 1 << policy.KeyRSAPSS
		case "Ed25519":
			k = 1 << policy.KeyEd25519
		case "Ed448":
			k = 1 << policy.KeyEd448
		case "DSA":
			k = 1 << policy.KeyDSA
		case "ECDSA":
			switch x.Bits {
			case 384:
				k = 1 << policy.KeyECDSAP384
			case 521:
				k = 1 << policy.KeyECDSAP521
			default:
				k = 1 << policy.KeyECDSAP256
			}
		}
		return k
	}
	if c.Reasons.Has(secrecy.ExternalPSK) {
		return pskKey
	}
	if !c.HasServerHello || c.Version.IsTLS13() {
		return 0
	}
	switch c.Authentication {
	case "RSA":
		return 1 << policy.KeyRSA
	case "ECDSA":
		return 1 << policy.KeyECDSAP256
	case "DSS":
		return 1 << policy.KeyDSA
	case "PSK", "PSK+RSA":
		return pskKey
	}
	return 0
}

// Merge adds the sums of o to s. Which entries are kept at a limit depends on
// the order of calls. o must not be used afterwards.
func (s *Sum) Merge(o *Sum) {
	s.first = report.Earlier(s.first, o.first)
	s.last = max(s.last, o.last)
	s.connections += o.connections
	s.noHello += o.noHello
	s.incomplete += o.incomplete
	s.lost += o.lost
	const none = ^uint32(0)
	orNone := func(i uint32, ok bool) uint32 {
		if !ok {
			return none
		}
		return i
	}
	hellos := make([]uint32, len(o.hellos))
	for i, x := range o.hellos {
		hellos[i] = orNone(s.hello(x))
	}
	clients := make([]uint32, len(o.clients))
	for i, x := range o.clients {
		clients[i] = orNone(id(s.clientID, &s.clients, x, x, maxClients))
	}
	servers := make([]uint32, len(o.servers))
	for i, x := range o.servers {
		n, ok := id(s.serverID, &s.servers, x.serverKey, server{serverKey: x.serverKey}, maxServers)
		if ok {
			s.servers[n].keys |= x.keys
		}
		servers[i] = orNone(n, ok)
	}
	states := make([]uint32, len(o.states))
	for i, x := range o.states {
		states[i] = orNone(id(s.stateID, &s.states, x, x, maxStates))
	}
	ja4s := make([]uint32, len(o.ja4s))
	for i, x := range o.ja4s {
		ja4s[i], _ = id(s.ja4ID, &s.ja4s, x, x, maxJA4)
	}
	sources := make([]uint32, len(o.sources))
	for i, x := range o.sources {
		sources[i], _ = id(s.sourceID, &s.sources, x, x, maxSources)
	}
	for k, from := range o.parties {
		k = partyKey{clients[k.client], servers[k.server], hellos[k.hello], states[k.state], ja4s[k.ja4]}
		var p *party
		if k.client != none && k.server != none && k.hello != none && k.state != none {
			p = s.party(k)
		}
		if p == nil {
			s.lost += from.n
			continue
		}
		from.firstSource, from.lastSource = sources[from.firstSource], sources[from.lastSource]
		p.merge(from)
	}
}
