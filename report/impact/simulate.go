package impact

import (
	"slices"

	"pfsight/report"
	"pfsight/report/policy"
	"pfsight/report/secrecy"
)

// HelloOf returns an offer as a policy sees it.
func HelloOf(o *report.Offer) *policy.Hello {
	h := &policy.Hello{
		Versions: o.Versions, Suites: o.CipherSuites, Groups: o.Groups, HasGroups: len(o.Groups) > 0, KeyShares: o.KeyShares,
		Signatures: o.SignatureAlgorithms, HasSignatures: len(o.SignatureAlgorithms) > 0, ALPN: o.ALPN, PSKModes: o.PSKModes,
		NoPointFormat: o.CompressedPointsOnly, ExtendedMaster: o.ExtendedMaster, RenegotiationInfo: o.RenegotiationInfo,
	}
	switch o.SupportedVersions {
	case secrecy.True:
		h.HasVersions = true
	case secrecy.Undetermined: // the record does not state it; legacy_version is a single version, at most TLS 1.2
		h.HasVersions = len(o.Versions) > 1 || len(o.Versions) == 1 && o.Versions[0].IsTLS13()
	}
	return h
}

// serverOf returns a server with keys k.
func serverOf(k keySet) *policy.Server {
	s := &policy.Server{PSK: k&pskKey != 0}
	// The preference among several certificates is not observed. ECDSA goes
	// first, as on most servers.
	for _, t := range []policy.KeyType{policy.KeyECDSAP256, policy.KeyECDSAP384, policy.KeyECDSAP521, policy.KeyEd25519, policy.KeyEd448, policy.KeyRSA, policy.KeyRSAPSS, policy.KeyDSA,
		policy.KeyMLDSA44, policy.KeyMLDSA65, policy.KeyMLDSA87} {
		if k>>t&1 != 0 {
			s.Keys = append(s.Keys, t)
		}
	}
	return s
}

// A question is a distinct pair of an offer and a set of server keys. It is
// simulated once.
type question struct {
	hello uint32
	keys  keySet
}

// A Study is a finished Sum. It is read only and safe for concurrent use.
type Study struct {
	*Sum
	hello     []*policy.Hello
	questions []question
	servers   map[keySet]*policy.Server
	parties   []askedParty // in a fixed order
	now       Now
}

// An askedParty is a party and the number of its question.
type askedParty struct {
	partyKey
	*party
	question uint32
}

// Study finishes s. If keys is not empty, every server has certificates of
// these types. Otherwise a server has those that were observed, and what
// depends on others is undetermined.
func (s *Sum) Study(keys []policy.KeyType) *Study {
	st := &Study{Sum: s, servers: map[keySet]*policy.Server{}}
	for _, o := range s.hellos {
		st.hello = append(st.hello, HelloOf(o))
	}
	var given keySet
	for _, k := range keys {
		given |= 1 << k
	}
	ids := map[question]uint32{}
	for k, p := range s.parties {
		m := question{k.hello, s.servers[k.server].keys}
		if given != 0 {
			m.keys = given | m.keys&pskKey
		}
		i, _ := id(ids, &st.questions, m, m, maxParties)
		if st.servers[m.keys] == nil {
			st.servers[m.keys] = serverOf(m.keys)
		}
		st.parties = append(st.parties, askedParty{k, p, i})
	}
	slices.SortFunc(st.parties, st.compare)
	st.count()
	return st
}

// compare orders parties by connections, most first, and then by content, so
// that the order does not depend on the numbers.
func (st *Study) compare(a, b askedParty) int {
	if a.n != b.n {
		if a.n > b.n {
			return -1
		}
		return 1
	}
	if c := st.clients[a.client].Compare(st.clients[b.client]); c != 0 {
		return c
	}
	x, y := &st.Sum.servers[a.server], &st.Sum.servers[b.server]
	if c := x.addr.Compare(y.addr); c != 0 {
		return c
	}
	for _, c := range []int{
		cmpString(x.name, y.name), cmpString(st.ja4s[a.ja4], st.ja4s[b.ja4]), cmpInt(a.first, b.first), cmpInt(a.last, b.last), cmpInt(int64(a.bytes), int64(b.bytes)),
		cmpInt(int64(a.firstPacket), int64(b.firstPacket)),
	} {
		if c != 0 {
			return c
		}
	}
	return slices.Compare(appendOffer(nil, st.hellos[a.hello]), appendOffer(nil, st.hellos[b.hello]))
}

func cmpString(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func cmpInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// answers evaluates p for every question.
func (st *Study) answers(p *policy.Policy) []policy.Answer {
	out := make([]policy.Answer, len(st.questions))
	for i, m := range st.questions {
		out[i] = p.Answer(st.hello[m.hello], st.servers[m.keys])
	}
	return out
}
