package impact

import (
	"cmp"
	"math/bits"
	"slices"

	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/policy"
	"pfsight/report/secrecy"
)

// A Tally counts connections, and their distinct clients and servers.
type Tally struct {
	Connections uint64 `json:"connections"`
	Clients     uint64 `json:"clients"`
	Servers     uint64 `json:"servers"`
	Bytes       uint64 `json:"bytes"`
}

// Now is what was observed.
type Now struct {
	Connections uint64    `json:"connections"`
	Complete    Tally     `json:"told"`            // with a complete ClientHello: the base of the answers
	NoHello     uint64    `json:"no_hello"`        // connections without a ClientHello
	Incomplete  uint64    `json:"hello_cut"`       // connections with an incomplete ClientHello
	Beyond      uint64    `json:"beyond_limits"`   // connections beyond the limits
	ECH         uint64    `json:"ech"`             // of Complete: with encrypted_client_hello, real or GREASE; answers are for the outer ClientHello
	Hellos      uint64    `json:"distinct_hellos"` // distinct in what an answer depends on
	Verdicts    [4]uint64 `json:"-"`               // by secrecy.Verdict, of Complete that were negotiated
	Negotiated  uint64    `json:"negotiated"`      // of Complete
	First       int64     `json:"-"`               // nanoseconds since 1970 UTC
	Last        int64     `json:"-"`
	KeysUnknown uint64    `json:"certificate_unknown"` // of Complete: at servers whose certificate was not seen
}

// An Outcome is the effect of a policy on the observed connections.
type Outcome struct {
	Policy *policy.Policy `json:"-"`
	Name   string         `json:"policy"`
	Title  string         `json:"title"`

	// Asked are the connections that the policy was evaluated for: all with a
	// complete ClientHello, or those that its host of a configuration takes.
	Asked Tally `json:"asked"`
	// Elsewhere are connections to addresses where the configuration does not
	// listen. They have no answer.
	Elsewhere Tally `json:"elsewhere"`

	// Each connection of Asked is in exactly one of these six.
	Keeps   Tally `json:"keeps"`       // same version, suite and group
	Changes Tally `json:"changes"`     // another version, suite or group
	Mends   Tally `json:"mends"`       // no ServerHello was seen; would be answered
	Breaks  Tally `json:"breaks"`      // was negotiated; would be refused
	Fails   Tally `json:"still_fails"` // no ServerHello was seen; would be refused
	Depends Tally `json:"depends"`     // undetermined, because of unknown facts such as the server's certificate

	// These overlap with the six above.
	GainsForwardSecrecy Tally `json:"gains_forward_secrecy"` // no before, yes after
	LosesForwardSecrecy Tally `json:"loses_forward_secrecy"`
	NoForwardSecrecy    Tally `json:"no_forward_secrecy"` // would be answered without forward secrecy
	GainsPostQuantum    Tally `json:"gains_post_quantum"`
	LosesPostQuantum    Tally `json:"loses_post_quantum"`
	RoundTrip           Tally `json:"round_trip"` // would need a HelloRetryRequest, and did not before
	Doubtful            Tally `json:"doubtful"`   // would be answered, but parts of the answer are undetermined
	// Doubts are the causes of Doubtful, Causes those of Depends.
	Doubts policy.Cause `json:"-"`
	Causes policy.Cause `json:"-"`

	Verdicts [4]uint64 `json:"-"` // by secrecy.Verdict, of the connections that would be answered

	Failures    []Failure    `json:"failures"`    // why connections break, most first
	Transitions []Transition `json:"transitions"` // of Changes and Mends, most first
	Breaking    []Breaking   `json:"breaking"`    // most connections first
	Depending   []Breaking   `json:"depending"`
	More        uint64       `json:"breaking_more"` // entries beyond the limits of the lists above
}

// maxBreaking is the limit of each list of clients in an Outcome.
const maxBreaking = 1 << 16

// A Failure is a reason why connections break.
type Failure struct {
	Failure policy.Failure `json:"-"`
	Code    string         `json:"code"`
	Text    string         `json:"text"`
	Alert   string         `json:"alert"`
	Tally
}

// A Side is one side of a Transition.
type Side struct {
	Version     string `json:"version"`
	KeyExchange string `json:"key_exchange"`
	CipherSuite string `json:"cipher_suite"`
	Group       string `json:"group,omitempty"`
}

// A Transition is a change from one Side to another.
type Transition struct {
	From Side `json:"from"` // zero: no ServerHello was seen
	To   Side `json:"to"`
	Tally
}

// A Breaking is a client that a policy would refuse at a server.
type Breaking struct {
	Client      report.Host
	JA4         string
	ServerName  string // may hold any byte
	Server      report.Endpoint
	Connections uint64
	Bytes       uint64
	First, Last int64 // starts of the first and last connection, nanoseconds since 1970 UTC
	// Packet numbers of the ClientHellos in their files; 0 if unknown.
	FirstPacket, LastPacket uint64
	FirstSource, LastSource string
	Failure                 policy.Failure // why it breaks, or may break
	Cause                   policy.Cause   // why it is undetermined
	Alert                   iana.Alert
	Version                 iana.Version // at which it fails; 0 for none
	Offered                 *report.Offer
}

// bitmap is a set of small numbers.
type bitmap []uint64

func (b bitmap) set(i uint32) { b[i/64] |= 1 << (i % 64) }

func (b bitmap) count() (n uint64) {
	for _, w := range b {
		n += uint64(bits.OnesCount64(w))
	}
	return n
}

// A counter accumulates a Tally.
type counter struct {
	n, bytes         uint64
	clients, servers bitmap
}

func (st *Study) counter() *counter {
	return &counter{clients: make(bitmap, (len(st.clients)+63)/64), servers: make(bitmap, (len(st.Sum.servers)+63)/64)}
}

func (c *counter) add(p *askedParty) {
	c.n += p.n
	c.bytes += p.bytes
	c.clients.set(p.client)
	c.servers.set(p.server)
}

func (c *counter) tally() Tally { return Tally{c.n, c.clients.count(), c.servers.count(), c.bytes} }

func (st *Study) count() {
	s := st.Sum
	now := Now{Connections: s.connections, NoHello: s.noHello, Incomplete: s.incomplete, Beyond: s.lost, Hellos: uint64(len(s.hellos)), First: s.first, Last: s.last}
	complete := st.counter()
	for i := range st.parties {
		p := &st.parties[i]
		complete.add(p)
		now.ECH += p.ech
		if x := &s.states[p.state]; x.negotiated {
			now.Negotiated += p.n
			now.Verdicts[x.verdict] += p.n
		}
		if st.questions[p.question].keys&^pskKey == 0 {
			now.KeysUnknown += p.n
		}
	}
	now.Complete = complete.tally()
	st.now = now
}

// Now returns what was observed.
func (st *Study) Now() Now { return st.now }

// maxTransitions limits the distinct transitions. Others are summed in one
// entry.
const maxTransitions = 1 << 10

type transitionKey struct {
	from sideKey
	kex  string // key exchange of from
	to   sideKey
}

// A sideKey is a Side in numbers. Version 0 means no ServerHello.
type sideKey struct {
	version iana.Version
	suite   iana.CipherSuite
	group   iana.Group
	has     bool
}

// Ask returns the effect of p on all connections, regardless of the hosts of a
// configuration; see AskSite.
func (st *Study) Ask(p *policy.Policy) *Outcome {
	answers := st.answers(p)
	return st.ask(p, func(i int) *policy.Answer { return &answers[st.parties[i].question] })
}

// ask sums up the answers, which answer returns by the index of a party. A nil
// answer leaves the party out.
func (st *Study) ask(p *policy.Policy, answer func(i int) *policy.Answer) *Outcome {
	out := &Outcome{Policy: p, Name: p.Name, Title: p.Title}
	asked := st.counter()
	var keeps, changes, mends, breaks, fails, depends, gain, lose, without, gainPQ, losePQ, trip, doubt = st.counter(), st.counter(), st.counter(), st.counter(), st.counter(),
		st.counter(), st.counter(), st.counter(), st.counter(), st.counter(), st.counter(), st.counter(), st.counter()
	failures := map[policy.Failure]*counter{}
	moves := map[transitionKey]*counter{}
	for i := range st.parties {
		x := &st.parties[i]
		a, now := answer(i), &st.states[x.state]
		if a == nil {
			continue
		}
		asked.add(x)
		switch {
		case a.Undetermined():
			depends.add(x)
			out.Causes |= a.Cause
			out.list(&out.Depending, st, x, a)
			continue
		case !a.OK && now.negotiated:
			breaks.add(x)
			f := failures[a.Failure]
			if f == nil {
				f = st.counter()
				failures[a.Failure] = f
			}
			f.add(x)
			out.list(&out.Breaking, st, x, a)
			continue
		case !a.OK:
			fails.add(x)
			continue
		}
		out.Verdicts[a.ForwardSecrecy] += x.n
		if a.Doubt != 0 {
			doubt.add(x)
			out.Doubts |= a.Cause
		}
		if a.ForwardSecrecy == secrecy.No {
			without.add(x)
		}
		if a.HelloRetryRequest && now.retried != secrecy.True {
			trip.add(x)
		}
		if now.negotiated && keepsAll(now, a) {
			keeps.add(x)
			continue
		}
		k := transitionKey{to: sideKey{a.Version, a.Suite, a.Group, a.HasGroup}}
		if now.negotiated {
			k.from, k.kex = sideKey{now.version, now.suite, now.group, now.hasGroup}, now.kex
		}
		m := moves[k]
		if m == nil && len(moves) == maxTransitions {
			k = transitionKey{kex: "other"}
			m = moves[k]
		}
		if m == nil {
			m = st.counter()
			moves[k] = m
		}
		m.add(x)
		if !now.negotiated {
			mends.add(x)
			continue
		}
		changes.add(x)
		switch {
		case now.verdict == secrecy.No && a.ForwardSecrecy == secrecy.Yes:
			gain.add(x)
		case now.verdict == secrecy.Yes && a.ForwardSecrecy == secrecy.No:
			lose.add(x)
		}
		switch {
		case now.quantum == secrecy.False && a.PostQuantum == secrecy.True:
			gainPQ.add(x)
		case now.quantum == secrecy.True && a.PostQuantum == secrecy.False:
			losePQ.add(x)
		}
	}
	out.Asked = asked.tally()
	out.Keeps, out.Changes, out.Mends, out.Breaks, out.Fails, out.Depends = keeps.tally(), changes.tally(), mends.tally(), breaks.tally(), fails.tally(), depends.tally()
	out.GainsForwardSecrecy, out.LosesForwardSecrecy, out.NoForwardSecrecy = gain.tally(), lose.tally(), without.tally()
	out.GainsPostQuantum, out.LosesPostQuantum, out.RoundTrip, out.Doubtful = gainPQ.tally(), losePQ.tally(), trip.tally(), doubt.tally()
	for f, c := range failures {
		out.Failures = append(out.Failures, Failure{f, f.String(), f.Text(), f.Alert().String(), c.tally()})
	}
	slices.SortFunc(out.Failures, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.Connections, a.Connections), cmp.Compare(a.Failure, b.Failure))
	})
	out.transitions(moves)
	return out
}

// keepsAll reports whether the answer equals what the connection negotiated. A
// resumed connection of TLS 1.2 or older has no key exchange to compare. A
// connection of TLS 1.3 without a group was resumed with psk_ke: an answer with
// a group is a change, unless the record may lack the group.
func keepsAll(now *state, a *policy.Answer) bool {
	if now.version != a.Version || now.suite != a.Suite {
		return false
	}
	switch {
	case now.hasGroup && a.HasGroup:
		return now.group == a.Group
	case a.Version.IsTLS13() && a.HasGroup && now.verdict == secrecy.No && a.ForwardSecrecy == secrecy.Yes:
		return false
	}
	return true
}

// list appends a client to one of the lists.
func (out *Outcome) list(to *[]Breaking, st *Study, x *askedParty, a *policy.Answer) {
	if len(*to) == maxBreaking {
		out.More++
		return
	}
	sv := &st.Sum.servers[x.server]
	*to = append(*to, Breaking{
		Client: st.clients[x.client], JA4: st.ja4s[x.ja4], ServerName: sv.name, Server: sv.addr, Connections: x.n, Bytes: x.bytes, First: x.first, Last: x.last,
		FirstPacket: x.firstPacket, LastPacket: x.lastPacket, FirstSource: st.sources[x.firstSource], LastSource: st.sources[x.lastSource],
		Failure: a.Failure, Cause: a.Cause, Alert: a.Alert, Version: a.Version, Offered: st.hellos[x.hello],
	})
}

// transitions fills the list of changes.
func (out *Outcome) transitions(moves map[transitionKey]*counter) {
	for k, c := range moves {
		t := Transition{Tally: c.tally()}
		switch {
		case k.kex == "other" && k.to.version == 0:
			t.From.Version, t.To.Version = "other", "other"
		default:
			t.To = k.to.side(kexOf(k.to))
			if k.from.version != 0 || k.kex != "" {
				t.From = k.from.side(k.kex)
			}
		}
		out.Transitions = append(out.Transitions, t)
	}
	text := func(s *Side) string { return s.Version + s.CipherSuite + s.Group + s.KeyExchange }
	slices.SortFunc(out.Transitions, func(a, b Transition) int {
		return cmp.Or(cmp.Compare(b.Connections, a.Connections), cmp.Compare(text(&a.From), text(&b.From)), cmp.Compare(text(&a.To), text(&b.To)))
	})
}

func (k sideKey) side(kex string) Side {
	s := Side{Version: k.version.String(), KeyExchange: kex, CipherSuite: k.suite.String()}
	if k.has {
		s.Group = k.group.String()
	}
	return s
}

// kexOf returns the key exchange of an answer under the record's name.
func kexOf(a sideKey) string {
	if !a.version.IsTLS13() {
		return a.suite.Info().KeyExchange.String()
	}
	switch a.group.Info().Kind {
	case "ff":
		return "DHE"
	case "pq":
		return "KEM"
	case "hybrid":
		return "hybrid"
	}
	return "ECDHE"
}
