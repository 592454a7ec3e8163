package impact

import (
	"cmp"
	"slices"

	"pfsight/parse/iana"
	"pfsight/report/policy"
	"pfsight/report/secrecy"
)

// A Step is a policy and what it would break: a point of the curve of
// strictness against breakage.
type Step struct {
	Policy           *policy.Policy `json:"-"`
	Name             string         `json:"policy"`
	ForwardSecret    string         `json:"forward_secret"` // what the policy accepts: all, some or nothing of it
	MinVersion       string         `json:"min_version"`
	Suites           int            `json:"cipher_suites"`
	Breaks           Tally          `json:"breaks"`
	Depends          Tally          `json:"depends"`
	NoForwardSecrecy Tally          `json:"no_forward_secrecy"` // would be answered without it
}

// Advice says how far one can go.
type Advice struct {
	// Steps are the policies, the strictest first; see Strictness.
	Steps []Step
	// Strictest is the first of Steps that breaks no observed client, nil for
	// none; Next is the one of the stricter ones that breaks the fewest
	// clients, and NextBreaking are those.
	Strictest    *Step
	Next         *Step
	NextBreaking []Breaking
	// Openings say, of each policy that was asked for, what would let all in.
	Openings []Opening
}

// A strictness orders policies, field by field: forward secrecy of all that
// is accepted; the lowest version; post-quantum groups alone; AEAD alone; few
// suites. It is a convention: no order of policies is the only one.
type strictness struct{ secret, version, quantum, aead, suites int }

// Strictness says by what policies are ordered.
const Strictness = "forward secrecy of all that is accepted, then the lowest version, post-quantum groups alone, AEAD alone, fewer suites"

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

// compareStrictness orders the stricter one first.
func compareStrictness(p, q *policy.Policy) int {
	a, b := strictnessOf(p), strictnessOf(q)
	return cmp.Or(cmp.Compare(b.secret, a.secret), cmp.Compare(b.version, a.version), cmp.Compare(b.quantum, a.quantum), cmp.Compare(b.aead, a.aead), cmp.Compare(b.suites, a.suites), cmp.Compare(p.Name, q.Name))
}

// step says what p would break.
func (st *Study) step(p *policy.Policy) Step {
	answers := st.answers(p)
	breaks, depends, without := st.counter(), st.counter(), st.counter()
	for i := range st.parties {
		x := &st.parties[i]
		switch a := &answers[x.meeting]; {
		case a.Untold():
			depends.add(x)
		case !a.OK && st.states[x.state].negotiated:
			breaks.add(x)
		case a.OK && a.ForwardSecrecy == secrecy.No:
			without.add(x)
		}
	}
	secret := map[secrecy.Verdict]string{secrecy.Yes: "all", secrecy.Conditional: "some", secrecy.No: "nothing", secrecy.Unknown: "not stated"}[p.ForwardSecret()]
	n := len(p.Suites13)
	if p.MinVersion() < iana.TLS13 {
		n += len(p.Suites)
	}
	return Step{Policy: p, Name: p.Name, ForwardSecret: secret, MinVersion: p.MinVersion().String(), Suites: n, Breaks: breaks.tally(), Depends: depends.tally(), NoForwardSecrecy: without.tally()}
}

// Advise looks for the strictest of candidates that breaks no client, and for
// what would open each of chosen to all of them.
func (st *Study) Advise(candidates, chosen []*policy.Policy) *Advice {
	adv := new(Advice)
	list := slices.Clone(candidates)
	slices.SortFunc(list, compareStrictness)
	for _, p := range list {
		adv.Steps = append(adv.Steps, st.step(p))
	}
	for i := range adv.Steps {
		s := &adv.Steps[i]
		if len(st.parties) == 0 {
			break // nobody to break: no advice
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
		adv.Openings = append(adv.Openings, st.open(p))
	}
	return adv
}
