package impact

import (
	"slices"

	"pfsight/parse/iana"
	"pfsight/report/policy"
)

// Limits of the search for the smallest change.
const (
	maxWays  = 128     // for one ClientHello
	maxNodes = 200_000 // nodes of the branch and bound
	maxOpen  = 256     // distinct ClientHellos to let in
	maxTries = 200_000 // policies evaluated, for all ClientHellos together
	maxRound = 256     // ways compared in one greedy step
)

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
				if certainlyOffers(h, v) && !s.p.Has(v) && !slices.ContainsFunc(add, func(x Addition) bool { return x.Version != 0 }) {
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

// certainlyOffers reports whether h certainly offers v. Without supported_versions the
// client names only its highest version; whether it accepts lower ones is
// undetermined.
func certainlyOffers(h *policy.Hello, v iana.Version) bool {
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
