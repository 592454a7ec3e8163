package impact

import (
	"cmp"
	"reflect"
	"slices"

	"pfsight/parse/iana"
	"pfsight/report/policy"
	"pfsight/report/secrecy"
)

// A Step is a policy and what it breaks: a point of the curve of strictness
// against breakage.
type Step struct {
	Policy           *policy.Policy `json:"-"`
	Name             string         `json:"policy"`
	ForwardSecret    string         `json:"forward_secret"` // forward secrecy of what the policy accepts: all, some or nothing
	MinVersion       string         `json:"min_version"`
	Suites           int            `json:"cipher_suites"`
	Breaks           Tally          `json:"breaks"`
	Depends          Tally          `json:"depends"`
	NoForwardSecrecy Tally          `json:"no_forward_secrecy"` // would be answered without forward secrecy
	Affected         Tally          `json:"affected"`           // breaks or depends; a client may do both, and counts once
	Unauthenticated  Tally          `json:"unauthenticated"`    // would be answered without a certificate or a shared key
	Weak             Tally          `json:"weak"`               // would be answered below TLS 1.2, or with a cipher below 128 bits
	PostQuantum      Tally          `json:"post_quantum"`       // would be answered with a post-quantum group
	// Asked reports whether the policy was requested, and is not only a
	// candidate.
	Asked bool `json:"asked"`
	// Best reports whether the policy is on the Pareto front: no other policy
	// is at least as strict, affects at most as many clients and is better in
	// one of the two.
	Best bool `json:"best"`
}

// Advice says how strict a policy can be without breaking observed clients.
type Advice struct {
	// Steps are the policies, the strictest first; see Strictness.
	Steps []Step
	// Strictest is the first of Steps that breaks no observed client, or nil.
	// Next is the stricter one that breaks the fewest clients, and NextBreaking
	// lists these clients.
	Strictest    *Step
	Next         *Step
	NextBreaking []Breaking
	// Openings are the smallest changes that let all clients in, one for each
	// requested policy.
	Openings []Opening
}

// A strictness orders policies by its fields in turn. The order is a
// convention; others are possible.
type strictness struct{ secret, version, quantum, aead, suites int }

// Strictness describes the order of policies.
const Strictness = "forward secrecy, then the lowest version, only post-quantum groups, only AEAD, fewer suites"

func strictnessOf(p *policy.Policy) strictness {
	var s strictness
	switch p.ForwardSecret() {
	case secrecy.Yes:
		s.secret = 2
	case secrecy.Conditional:
		s.secret = 1
	}
	s.version = int(p.MinVersion())
	s.quantum, s.aead = 1, 1
	if len(p.Groups) == 0 || p.GroupsOpen {
		s.quantum = 0
	}
	for _, g := range p.Groups {
		if !g.Info().PostQuantum {
			s.quantum = 0
		}
	}
	old := 0
	if p.MinVersion() < iana.TLS13 {
		old = len(p.Suites)
		for _, x := range p.Suites {
			switch i := x.Info(); {
			case !isAEAD(i):
				s.aead = 0
			}
		}
	}
	s.suites = -old
	return s
}

func isAEAD(i *iana.Suite) bool {
	for _, end := range []string{"_GCM", "_CCM", "_CCM_8", "POLY1305"} {
		if len(i.Encryption) >= len(end) && i.Encryption[len(i.Encryption)-len(end):] == end {
			return true
		}
	}
	return false
}

// compareStrictness orders the stricter policy first.
func compareStrictness(p, q *policy.Policy) int {
	a, b := strictnessOf(p), strictnessOf(q)
	return cmp.Or(cmp.Compare(b.secret, a.secret), cmp.Compare(b.version, a.version), cmp.Compare(b.quantum, a.quantum), cmp.Compare(b.aead, a.aead), cmp.Compare(b.suites, a.suites), cmp.Compare(p.Name, q.Name))
}

// step returns what p would break.
func (st *Study) step(p *policy.Policy) Step {
	answers := st.answers(p)
	breaks, depends, without, affected, anonymous, weak, quantum := st.counter(), st.counter(), st.counter(), st.counter(), st.counter(), st.counter(), st.counter()
	for i := range st.parties {
		x := &st.parties[i]
		a := &answers[x.question]
		switch {
		case a.Undetermined():
			depends.add(x)
			affected.add(x)
			continue
		case !a.OK && st.states[x.state].negotiated:
			breaks.add(x)
			affected.add(x)
			continue
		case !a.OK:
			continue
		}
		if a.ForwardSecrecy == secrecy.No {
			without.add(x)
		}
		if weakness(a.Suite)&WeakAnonymous != 0 {
			anonymous.add(x)
		}
		if weakAnswer(a) {
			weak.add(x)
		}
		if a.PostQuantum == secrecy.True {
			quantum.add(x)
		}
	}
	secret := map[secrecy.Verdict]string{secrecy.Yes: "all", secrecy.Conditional: "some", secrecy.No: "nothing", secrecy.Unknown: "not stated"}[p.ForwardSecret()]
	n := len(p.Suites13)
	if p.MinVersion() < iana.TLS13 {
		n += len(p.Suites)
	}
	return Step{Policy: p, Name: p.Name, ForwardSecret: secret, MinVersion: p.MinVersion().String(), Suites: n, Breaks: breaks.tally(), Depends: depends.tally(), NoForwardSecrecy: without.tally(),
		Affected: affected.tally(), Unauthenticated: anonymous.tally(), Weak: weak.tally(), PostQuantum: quantum.tally()}
}

// markBest sets Best. The steps must be in the order of strictness, strictest
// first.
func markBest(steps []Step) {
	for i := range steps {
		s := &steps[i]
		s.Best = true
		for j := range steps {
			t := &steps[j]
			equal := strictnessOf(t.Policy) == strictnessOf(s.Policy)
			if (equal || j < i) && (t.Affected.Clients < s.Affected.Clients || t.Affected.Clients == s.Affected.Clients && !equal) {
				s.Best = false
				break
			}
		}
	}
}

// Advise finds the strictest of candidates that breaks no client, and for each
// of chosen the smallest change that lets all clients in. The change adds no
// weakness but those in allow. A host of a configuration is opened to the
// connections that it takes.
func (st *Study) Advise(candidates, chosen []*policy.Policy, allow Weakness) *Advice {
	adv := new(Advice)
	list := slices.Clone(candidates)
	asked := map[*policy.Policy]bool{}
	sites, others := policy.Sites(chosen)
	for _, s := range sites {
		if len(s.Hosts) == 1 {
			others = append(others, s.Hosts[0])
		}
	}
	for _, p := range others {
		if p.Unread != "" {
			continue
		}
		same := slices.IndexFunc(list, func(q *policy.Policy) bool { return q == p || q.Name == p.Name && reflect.DeepEqual(q, p) })
		if same < 0 {
			same = len(list)
			list = append(list, p)
		}
		asked[list[same]] = true
	}
	slices.SortFunc(list, compareStrictness)
	for _, p := range list {
		s := st.step(p)
		s.Asked = asked[p]
		adv.Steps = append(adv.Steps, s)
	}
	markBest(adv.Steps)
	for i := range adv.Steps {
		s := &adv.Steps[i]
		if len(st.parties) == 0 {
			break // no connections, so no advice
		}
		if !slices.Contains(candidates, s.Policy) {
			continue
		}
		if s.Breaks.Connections+s.Depends.Connections == 0 {
			adv.Strictest = s
			break
		}
		if s.Breaks.Clients > 0 && (adv.Next == nil || s.Breaks.Clients < adv.Next.Breaks.Clients) {
			adv.Next = s
		}
	}
	if adv.Next != nil {
		adv.NextBreaking = st.Ask(adv.Next.Policy).Breaking
	}
	for _, p := range chosen {
		part, in := st, p
		for _, s := range sites {
			if p.Host != nil && s.Name == p.Host.Config {
				part, in = st.Host(s, p)
			}
		}
		adv.Openings = append(adv.Openings, part.open(in, allow))
	}
	return adv
}
