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
	maxWays  = 128     // of one ClientHello
	maxNodes = 200_000 // looked at before the search is content with what it has
	maxOpen  = 256     // distinct ClientHellos that are to be let in
	maxTries = 200_000 // policies that are asked, for all of them
	maxRound = 256     // ways that a greedy choice looks at
)

// An Addition is one thing that is added to a policy. One of its fields is set.
type Addition struct {
	Version   iana.Version
	Suite     iana.CipherSuite
	HasSuite  bool
	Group     iana.Group
	Signature iana.SignatureScheme
	// Dropped is a demand that is given up: extended_master_secret or
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

// Kind says what a is.
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

// price orders changes of the same size: what is not forward secret is the
// dearest, then old versions, then what is weak.
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

// An Opening is the smallest change to a policy that lets every observed
// client in that can be let in without what is weak; see Weakness.
type Opening struct {
	Policy    *policy.Policy // that was asked for
	Opened    *policy.Policy // with the additions; nil where nothing has to be added
	Additions []Addition
	// Exact: no smaller set of additions does, of those that were considered.
	// Else the search was ended by its limit, and a smaller one may exist.
	Exact bool
	// Price is what the opened policy would answer without forward secrecy.
	Price Tally
	// Left are connections that no addition lets in that is allowed, such as
	// those that need a certificate of another type.
	Left Tally
	// Gains are the additions in the order of what they buy, chosen greedily.
	Gains []Gain
	// Isolate are the clients of Left, most connections first.
	Isolate []Isolated
	// Hellos is how many distinct ClientHellos at distinct certificates were
	// to be let in.
	Hellos int
}

// with returns p with additions at the ends of its lists; post-quantum groups
// stay before others.
func with(p *policy.Policy, add []Addition) *policy.Policy {
	q := *p
	q.Variants = nil
	for _, v := range p.Variants {
		q.Variants = append(q.Variants, with(v, add))
	}
	q.GroupTuples = slices.Clone(p.GroupTuples)
	q.Versions, q.Suites, q.Suites13, q.Groups, q.SuiteGroups = slices.Clone(p.Versions), slices.Clone(p.Suites), slices.Clone(p.Suites13), slices.Clone(p.Groups), slices.Clone(p.SuiteGroups)
	q.Signatures = slices.Clone(p.Signatures)
	// The stronger suites go before the weaker ones.
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
		case a.Group != 0 && slices.Contains(q.Groups, a.Group): // a variant has it
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

// A way is a set of additions, as their numbers, ascending.
type way []int

// A search looks for the smallest set of additions that holds a way for every
// ClientHello.
type search struct {
	st    *Study
	p     *policy.Policy
	allow Weakness
	ids   map[Addition]int
	atoms []Addition
	ways  [][]way // of each ClientHello that is to be let in
	all   [][]way // the same, one for each of allConns
	// allConns are the connections of each ClientHello.
	allConns []uint64
	tries    int
	nodes    int
	best     []bool // by atom
	cost     int
	exact    bool
}

// open looks for the smallest change to p. Kinds of weakness in allow may be
// added.
func (st *Study) open(p *policy.Policy, allow Weakness) Opening {
	o := Opening{Policy: p, Exact: true}
	if p.Unread != "" {
		return o
	}
	answers := st.answers(p)
	s := &search{st: st, p: p, allow: allow, ids: map[Addition]int{}, exact: true}
	conns := map[uint32]uint64{} // of the meetings that break
	var order []uint32
	for i := range st.parties {
		x := &st.parties[i]
		if a := &answers[x.meeting]; !a.OK && !a.Untold() && st.states[x.state].negotiated {
			if conns[x.meeting] == 0 {
				order = append(order, x.meeting)
			}
			conns[x.meeting] += x.n
		}
	}
	if len(order) > maxOpen {
		s.exact, order = false, order[:maxOpen]
	}
	for _, n := range order {
		m := st.meetings[n]
		if w := s.find(st.hello[m.hello], st.servers[m.keys]); len(w) > 0 {
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
		opened = with(p, o.Additions)
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

// isolate lists who still breaks, and what weakness would let them in.
func (st *Study) isolate(o *Opening, opened *policy.Policy, allow Weakness) {
	answers := st.answers(opened)
	all := &search{st: st, p: opened, allow: ^Weakness(0), ids: map[Addition]int{}}
	needs := map[uint32]Weakness{}
	for i := range st.parties {
		x := &st.parties[i]
		a := &answers[x.meeting]
		if a.OK || a.Untold() || !st.states[x.state].negotiated {
			continue
		}
		need, known := needs[x.meeting]
		if !known && len(needs) < maxOpen {
			m := st.meetings[x.meeting]
			cheapest := -1
			for _, w := range all.find(st.hello[m.hello], st.servers[m.keys]) {
				var kinds Weakness
				for _, i := range w {
					kinds |= all.atoms[i].weakness()
				}
				if c := all.sum(w); cheapest < 0 || c < cheapest {
					cheapest, need = c, kinds
				}
			}
			need &^= allow
			needs[x.meeting] = need
		}
		var list []Breaking
		(&Outcome{}).list(&list, st, x, a)
		if len(o.Isolate) < maxBreaking {
			o.Isolate = append(o.Isolate, Isolated{list[0], need})
		}
	}
}

// opened counts what breaks with p and not with q.
func (st *Study) opened(p, q *policy.Policy) Tally {
	before, after := st.answers(p), st.answers(q)
	c := st.counter()
	for i := range st.parties {
		x := &st.parties[i]
		a, b := &before[x.meeting], &after[x.meeting]
		if st.states[x.state].negotiated && !a.OK && !a.Untold() && b.OK && !b.Untold() {
			c.add(x)
		}
	}
	return c.tally()
}

// find returns the ways to let h in: sets of at most a version, a suite, a
// group, a scheme and a demand, none of which holds another one.
func (s *search) find(h *policy.Hello, sv *policy.Server) []way {
	var out []way
	var try func(add []Addition, depth int)
	try = func(add []Addition, depth int) {
		if s.tries++; len(out) >= maxWays || s.tries > maxTries {
			return
		}
		a := with(s.p, add).Answer(h, sv)
		if a.OK && !a.Untold() {
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
			for _, c := range h.Suites { // or a suite that needs none
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

// sure reports whether h offers v beyond doubt. Without supported_versions only
// the highest version is named, and that lower ones are taken is a guess.
func sure(h *policy.Hello, v iana.Version) bool {
	if h.HasVersions || len(h.Versions) == 0 {
		return true // the answer will tell
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

// add puts a way into list, if none that is there is a part of it.
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

// weight makes the number of additions count first, and their price then.
func (s *search) weight(i int) int { return 100_000 + s.atoms[i].price() }

// solve returns the additions to use. It begins with what a greedy choice
// gives, and looks for less by branch and bound.
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

// open reports whether used lets in the ClientHello of ways.
func open(ways []way, used []bool) bool {
	for _, w := range ways {
		if !slices.ContainsFunc(w, func(i int) bool { return !used[i] }) {
			return true
		}
	}
	return false
}

// missing is the weight of what way w adds to used.
func (s *search) missing(w way, used []bool) (n int) {
	for _, i := range w {
		if !used[i] {
			n += s.weight(i)
		}
	}
	return n
}

// greedy takes, again and again, the way that lets in the most for its weight.
func (s *search) greedy() []bool {
	used := make([]bool, len(s.atoms))
	for {
		var best way
		most := 0.0
		seen := map[string]bool{}
		for _, ways := range s.ways {
			if open(ways, used) {
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
					if !open(other, used) && open(other, then) {
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

// branch tries each way of the first ClientHello that is not let in.
func (s *search) branch(used []bool, cost int) {
	if s.nodes++; s.nodes >= maxNodes {
		return
	}
	var first []way
	least := 0
	for _, ways := range s.ways {
		if open(ways, used) {
			continue
		}
		if first == nil {
			first = ways
		}
		cheapest := s.missing(ways[0], used)
		for _, w := range ways[1:] {
			cheapest = min(cheapest, s.missing(w, used))
		}
		least = max(least, cheapest) // at least this is to be added
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
