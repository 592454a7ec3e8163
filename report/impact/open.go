package impact

import (
	"cmp"
	"slices"

	"pfsight/parse/iana"
	"pfsight/report/policy"
	"pfsight/report/secrecy"
)

// Limits of the search for the smallest change.
const (
	maxWays  = 128     // for one ClientHello
	maxNodes = 200_000 // nodes of the branch and bound
	maxOpen  = 256     // distinct ClientHellos to let in
	maxTries = 200_000 // policies evaluated, for all ClientHellos together
	maxRound = 256     // ways compared in one greedy step
)

// An Addition is one thing added to a policy. Exactly one field is set.
type Addition struct {
	Version   iana.Version
	Suite     iana.CipherSuite
	HasSuite  bool
	Group     iana.Group
	Signature iana.SignatureScheme
	// Dropped is a requirement that is removed: extended_master_secret or
	// renegotiation_info.
	Dropped string
}

func (a Addition) String() string {
	switch {
	case a.Version != 0:
		return a.Version.String()
	case a.HasSuite:
		return a.Suite.String()
	case a.Group != 0:
		return a.Group.String()
	case a.Signature != 0:
		return a.Signature.String()
	}
	return "no demand for " + a.Dropped
}

// Kind returns the kind of the addition, as the output names it.
func (a Addition) Kind() string {
	switch {
	case a.Version != 0:
		return "version"
	case a.HasSuite:
		return "cipher_suite"
	case a.Group != 0:
		return "group"
	case a.Signature != 0:
		return "signature_algorithm"
	}
	return "demand"
}

// price orders changes of the same size: additions without forward secrecy cost
// most, then old versions, then weak algorithms.
func (a Addition) price() int {
	switch {
	case a.Version != 0 && a.Version < iana.TLS12:
		return 20 + 10*int(iana.TLS12-a.Version)
	case a.HasSuite:
		i := a.Suite.Info()
		n := 0
		if _, v, _ := secrecy.Family(i.KeyExchange); v == secrecy.No || i.NoEncryption {
			n += 100
		}
		if i.NoEncryption || i.Export {
			n += 1000
		}
		if !isAEAD(i) && i.KeyExchange != iana.KexTLS13 {
			n += 5
		}
		return n
	case a.Group != 0 && !a.Group.Info().PostQuantum && a.Group.Info().SecurityBits < 112:
		return 30
	case a.Signature>>8 == 2: // SHA-1
		return 10
	case a.Dropped != "":
		return 15
	}
	return 0
}

// An Opening is the smallest change to a policy that lets in every observed
// client that can be let in without a weakness; see Weakness.
type Opening struct {
	Policy    *policy.Policy // the requested policy
	Opened    *policy.Policy // with the additions; nil if there are none
	Additions []Addition
	// Exact reports whether no smaller set of the considered additions
	// suffices. Otherwise the search reached a limit, and a smaller set may
	// exist.
	Exact bool
	// Price is the connections that the opened policy would answer without
	// forward secrecy.
	Price Tally
	// Left is the connections that no allowed addition lets in, such as those
	// that need a certificate of another type.
	Left Tally
	// Gains are the additions in a greedy order of their effect.
	Gains []Gain
	// Isolate are the clients of Left, most connections first.
	Isolate []Isolated
	// Hellos is the number of distinct pairs of ClientHello and server keys to
	// let in.
	Hellos int
}

// extend returns p with additions at the ends of its lists. Post-quantum groups
// stay before other groups.
func extend(p *policy.Policy, add []Addition) *policy.Policy {
	q := *p
	q.Variants = nil
	for _, v := range p.Variants {
		q.Variants = append(q.Variants, extend(v, add))
	}
	q.GroupTuples = slices.Clone(p.GroupTuples)
	q.Versions, q.Suites, q.Suites13, q.Groups, q.SuiteGroups = slices.Clone(p.Versions), slices.Clone(p.Suites), slices.Clone(p.Suites13), slices.Clone(p.Groups), slices.Clone(p.SuiteGroups)
	q.Signatures = slices.Clone(p.Signatures)
	// Stronger suites go before weaker ones.
	add = slices.SortedStableFunc(slices.Values(add), func(a, b Addition) int {
		return cmp.Or(cmp.Compare(a.price(), b.price()), cmp.Compare(a.String(), b.String()))
	})
	for _, a := range add {
		switch {
		case a.Version != 0:
			q.Versions = append(q.Versions, a.Version)
		case a.HasSuite && a.Suite>>8 == 0x13:
			q.Suites13 = append(q.Suites13, a.Suite)
		case a.HasSuite:
			q.Suites = append(q.Suites, a.Suite)
			if q.SuiteGroups != nil {
				q.SuiteGroups = append(q.SuiteGroups, 0)
			}
		case a.Group != 0 && slices.Contains(q.Groups, a.Group): // in a variant only
		case a.Group != 0 && a.Group.Info().PostQuantum:
			at := 0
			for at < len(q.Groups) && q.Groups[at].Info().PostQuantum {
				at++
			}
			if q.GroupTuples != nil {
				at = 0
				q.GroupTuples = slices.Insert(q.GroupTuples, 0, 1)
			}
			q.Groups = slices.Insert(q.Groups, at, a.Group)
		case a.Group != 0:
			q.Groups = append(q.Groups, a.Group)
			if q.GroupTuples != nil {
				q.GroupTuples = append(q.GroupTuples, 1)
			}
		case a.Signature != 0:
			q.Signatures = append(q.Signatures, a.Signature)
		case a.Dropped == "extended_master_secret":
			q.RequireExtendedMaster = false
		case a.Dropped == "renegotiation_info":
			q.RequireRenegotiationInfo = false
		}
	}
	slices.Sort(q.Versions)
	return &q
}

// A way is a set of additions that lets a ClientHello in, as ascending atom
// numbers.
type way []int

// A search finds the smallest set of additions that contains a way for every
// ClientHello.
type search struct {
	st    *Study
	p     *policy.Policy
	allow Weakness
	ids   map[Addition]int
	atoms []Addition
	ways  [][]way // of each ClientHello to let in; sorted and without duplicates after solve
	all   [][]way // as ways, parallel to allConns
	// allConns are the connections of each ClientHello.
	allConns []uint64
	tries    int
	nodes    int
	best     []bool // by atom
	cost     int
	exact    bool
}

// open finds the smallest change to p. It may add the weaknesses in allow.
func (st *Study) open(p *policy.Policy, allow Weakness) Opening {
	o := Opening{Policy: p, Exact: true}
	if p.Unread != "" {
		return o
	}
	answers := st.answers(p)
	s := &search{st: st, p: p, allow: allow, ids: map[Addition]int{}, exact: true}
	conns := map[uint32]uint64{} // by question that breaks
	var order []uint32
	for i := range st.parties {
		x := &st.parties[i]
		if a := &answers[x.question]; !a.OK && !a.Undetermined() && st.states[x.state].negotiated {
			if conns[x.question] == 0 {
				order = append(order, x.question)
			}
			conns[x.question] += x.n
		}
	}
	if len(order) > maxOpen {
		s.exact, order = false, order[:maxOpen]
	}
	for _, n := range order {
		m := st.questions[n]
		if w := s.findWays(st.hello[m.hello], st.servers[m.keys]); len(w) > 0 {
			s.ways, s.all, s.allConns = append(s.ways, w), append(s.all, w), append(s.allConns, conns[n])
		}
	}
	o.Hellos = len(s.ways)
	opened := p
	if len(s.ways) > 0 {
		used := s.solve()
		for i, u := range used {
			if u {
				o.Additions = append(o.Additions, s.atoms[i])
			}
		}
		slices.SortFunc(o.Additions, func(a, b Addition) int {
			return cmp.Or(cmp.Compare(a.Kind(), b.Kind()), cmp.Compare(a.String(), b.String()))
		})
		o.Exact = s.exact
		opened = extend(p, o.Additions)
		opened.Name, opened.Title = p.Name+"-opened", p.Title+", opened to all clients that were observed"
		o.Opened = opened
		s.rank(&o, used)
	}
	then := st.step(opened)
	o.Left = then.Breaks
	if o.Opened != nil {
		o.Price = then.NoForwardSecrecy
	}
	st.isolate(&o, opened, allow)
	return o
}

// isolate lists the clients that still break, with the weakness that would let
// each in.
func (st *Study) isolate(o *Opening, opened *policy.Policy, allow Weakness) {
	answers := st.answers(opened)
	all := &search{st: st, p: opened, allow: ^Weakness(0), ids: map[Addition]int{}}
	needs := map[uint32]Weakness{}
	for i := range st.parties {
		x := &st.parties[i]
		a := &answers[x.question]
		if a.OK || a.Undetermined() || !st.states[x.state].negotiated {
			continue
		}
		need, known := needs[x.question]
		if !known && len(needs) < maxOpen {
			m := st.questions[x.question]
			cheapest := -1
			for _, w := range all.findWays(st.hello[m.hello], st.servers[m.keys]) {
				var kinds Weakness
				for _, i := range w {
					kinds |= all.atoms[i].weakness()
				}
				if c := all.sum(w); cheapest < 0 || c < cheapest {
					cheapest, need = c, kinds
				}
			}
			need &^= allow
			needs[x.question] = need
		}
		var list []Breaking
		(&Outcome{}).list(&list, st, x, a)
		if len(o.Isolate) < maxBreaking {
			o.Isolate = append(o.Isolate, Isolated{list[0], need})
		}
	}
}

// opened counts the connections that break with p but not with q.
func (st *Study) opened(p, q *policy.Policy) Tally {
	before, after := st.answers(p), st.answers(q)
	c := st.counter()
	for i := range st.parties {
		x := &st.parties[i]
		a, b := &before[x.question], &after[x.question]
		if st.states[x.state].negotiated && !a.OK && !a.Undetermined() && b.OK && !b.Undetermined() {
			c.add(x)
		}
	}
	return c.tally()
}

// findWays returns the ways to let h in. Each has at most one version, suite,
// group, scheme and requirement, and none contains another one.
func (s *search) findWays(h *policy.Hello, sv *policy.Server) []way {
	var out []way
	var try func(add []Addition, depth int)
	try = func(add []Addition, depth int) {
		if s.tries++; len(out) >= maxWays || s.tries > maxTries {
			return
		}
		a := extend(s.p, add).Answer(h, sv)
		if a.OK && !a.Undetermined() {
			s.add(&out, add)
			return
		}
		if depth == 0 {
			return
		}
		more := func(x Addition) {
			if x.weakness()&^s.allow == 0 {
				try(append(slices.Clone(add), x), depth-1)
			}
		}
		switch a.Failure {
		case policy.NoCommonVersion:
			for _, v := range []iana.Version{iana.TLS13, iana.TLS12, iana.TLS11, iana.TLS10, iana.SSL30} {
				if sure(h, v) && !s.p.Has(v) && !slices.ContainsFunc(add, func(x Addition) bool { return x.Version != 0 }) {
					more(Addition{Version: v})
				}
			}
		case policy.NoCommonSuite, policy.NoCertificate, policy.NoCommonSignature:
			for _, c := range h.Suites {
				i := c.Info()
				if i.Kind == "" || c.IsGREASE() || c.IsSCSV() || slices.ContainsFunc(add, func(x Addition) bool { return x.HasSuite }) ||
					(c>>8 == 0x13) != a.Version.IsTLS13() || slices.Contains(s.p.Suites, c) || slices.Contains(s.p.Suites13, c) {
					continue
				}
				more(Addition{Suite: c, HasSuite: true})
			}
			if a.Failure == policy.NoCommonSignature && s.p.Signatures != nil {
				for _, g := range h.Signatures {
					if !slices.Contains(s.p.Signatures, g) && !g.IsGREASE() {
						more(Addition{Signature: g})
					}
				}
			}
		case policy.NoCommonGroup:
			for _, g := range h.Groups {
				if !slices.Contains(s.p.Groups, g) && g.Known() && !g.IsGREASE() {
					more(Addition{Group: g})
				}
			}
			for _, c := range h.Suites { // or a suite that needs no group
				if !a.Version.IsTLS13() && c.Known() && !c.IsSCSV() && !c.IsGREASE() && c>>8 != 0x13 && !slices.Contains(s.p.Suites, c) && !slices.ContainsFunc(add, func(x Addition) bool { return x.HasSuite }) {
					more(Addition{Suite: c, HasSuite: true})
				}
			}
		case policy.NoExtendedMaster:
			more(Addition{Dropped: "extended_master_secret"})
		case policy.NoRenegotiationInfo:
			more(Addition{Dropped: "renegotiation_info"})
		}
	}
	for depth := 1; depth <= 4 && len(out) == 0; depth++ {
		try(nil, depth)
	}
	if len(out) >= maxWays || s.tries > maxTries {
		s.exact = false
	}
	return out
}

// sure reports whether h certainly offers v. Without supported_versions the
// client names only its highest version; whether it accepts lower ones is
// undetermined.
func sure(h *policy.Hello, v iana.Version) bool {
	if h.HasVersions || len(h.Versions) == 0 {
		return true // Answer decides
	}
	highest := h.Versions[0]
	switch {
	case highest == iana.DTLS10:
		highest = iana.TLS11
	case highest.IsDTLS():
		highest = iana.TLS12
	}
	return v == min(highest, iana.TLS12)
}

// add appends a way to list unless list has a subset of it.
func (s *search) add(list *[]way, add []Addition) {
	var w way
	for _, a := range add {
		i, ok := s.ids[a]
		if !ok {
			i = len(s.atoms)
			s.ids[a] = i
			s.atoms = append(s.atoms, a)
		}
		w = append(w, i)
	}
	slices.Sort(w)
	for _, old := range *list {
		if !slices.ContainsFunc(old, func(i int) bool { return !slices.Contains(w, i) }) {
			return
		}
	}
	*list = append(*list, w)
}

// weight ranks sets by size first, then by price.
func (s *search) weight(i int) int { return 100_000 + s.atoms[i].price() }

// solve returns the additions to use. It starts from a greedy solution and
// improves it by branch and bound.
func (s *search) solve() []bool {
	slices.SortStableFunc(s.ways, func(a, b []way) int { return len(a) - len(b) })
	s.ways = slices.CompactFunc(s.ways, func(a, b []way) bool { return slices.EqualFunc(a, b, slices.Equal[way]) })
	for _, w := range s.ways {
		slices.SortStableFunc(w, func(a, b way) int { return s.sum(a) - s.sum(b) })
	}
	s.best = s.greedy()
	s.cost = 0
	for i, used := range s.best {
		if used {
			s.cost += s.weight(i)
		}
	}
	s.branch(make([]bool, len(s.atoms)), 0)
	if s.nodes >= maxNodes {
		s.exact = false
	}
	return s.best
}

func (s *search) sum(w way) (n int) {
	for _, i := range w {
		n += s.weight(i)
	}
	return n
}

// admits reports whether used contains one of the ways of a ClientHello.
func admits(ways []way, used []bool) bool {
	for _, w := range ways {
		if !slices.ContainsFunc(w, func(i int) bool { return !used[i] }) {
			return true
		}
	}
	return false
}

// missing returns the weight of the atoms of w that used lacks.
func (s *search) missing(w way, used []bool) (n int) {
	for _, i := range w {
		if !used[i] {
			n += s.weight(i)
		}
	}
	return n
}

// greedy repeatedly takes the way that lets in the most ClientHellos for its
// weight.
func (s *search) greedy() []bool {
	used := make([]bool, len(s.atoms))
	for {
		var best way
		most := 0.0
		seen := map[string]bool{}
		for _, ways := range s.ways {
			if admits(ways, used) {
				continue
			}
			for _, w := range ways {
				key := make([]byte, 0, 32)
				for _, i := range w {
					key = append(key, byte(i), byte(i>>8))
				}
				if seen[string(key)] || len(seen) == maxRound {
					continue
				}
				seen[string(key)] = true
				then := slices.Clone(used)
				for _, i := range w {
					then[i] = true
				}
				n := 0
				for _, other := range s.ways {
					if !admits(other, used) && admits(other, then) {
						n++
					}
				}
				if v := float64(n) / float64(s.missing(w, used)); v > most {
					most, best = v, w
				}
			}
		}
		if best == nil {
			return used
		}
		for _, i := range best {
			used[i] = true
		}
	}
}

// branch tries each way of the first ClientHello that used does not let in.
func (s *search) branch(used []bool, cost int) {
	if s.nodes++; s.nodes >= maxNodes {
		return
	}
	var first []way
	least := 0
	for _, ways := range s.ways {
		if admits(ways, used) {
			continue
		}
		if first == nil {
			first = ways
		}
		cheapest := s.missing(ways[0], used)
		for _, w := range ways[1:] {
			cheapest = min(cheapest, s.missing(w, used))
		}
		least = max(least, cheapest) // lower bound of the remaining cost
	}
	if first == nil {
		if cost < s.cost {
			s.cost, s.best = cost, slices.Clone(used)
		}
		return
	}
	if cost+least >= s.cost {
		return
	}
	for _, w := range first {
		then := slices.Clone(used)
		for _, i := range w {
			then[i] = true
		}
		s.branch(then, cost+s.missing(w, used))
	}
}
