package impact

import (
	"cmp"
	"slices"
)

// A Gain is one line of an Opening's table: a bundle of additions and its
// effect, given the lines before it. An operator can stop after any line.
type Gain struct {
	Additions []Addition
	Opens     Tally // that the bundle lets in
	Breaks    Tally // that still break with the bundle
	// The price in connections: answered without forward secrecy, without
	// authentication, below TLS 1.2 and 128 bits, or without the post-quantum
	// group that they had.
	NoForwardSecrecy, Unauthenticated, Weak, LosesPostQuantum uint64
}

// An Isolated is a client that no allowed addition lets in. It has to be
// upgraded or isolated.
type Isolated struct {
	Breaking
	// Needs are the weaknesses that would let it in; 0 if no addition does.
	Needs Weakness
}

// maxRank is the number of bundles compared for one line of the table.
const maxRank = 256

// rank orders the chosen additions by the connections that they let in, then by
// price. Additions that let clients in only together form one bundle.
func (s *search) rank(o *Opening, used []bool) {
	have := make([]bool, len(s.atoms))
	before := s.st.step(s.p)
	current := s.p
	for {
		var best way
		var most uint64
		price := 0
		seen := map[string]bool{}
		for _, ways := range s.all {
			if admits(ways, have) {
				continue
			}
			for _, w := range ways {
				var missing way
				ok := true
				for _, a := range w {
					ok = ok && used[a]
					if !have[a] {
						missing = append(missing, a)
					}
				}
				key := make([]byte, 0, 32)
				for _, a := range missing {
					key = append(key, byte(a), byte(a>>8))
				}
				if !ok || seen[string(key)] || len(seen) == maxRank {
					continue
				}
				seen[string(key)] = true
				then := slices.Clone(have)
				for _, a := range missing {
					then[a] = true
				}
				var n uint64
				for j, other := range s.all {
					if !admits(other, have) && admits(other, then) {
						n += s.allConns[j]
					}
				}
				// The gain for each addition, so that a bundle does not hide a
				// cheap one.
				n /= uint64(len(missing))
				if p := s.sum(missing); best == nil || n > most || n == most && p < price {
					best, most, price = missing, n, p
				}
			}
		}
		if best == nil {
			return
		}
		g := Gain{}
		for _, a := range best {
			have[a] = true
			g.Additions = append(g.Additions, s.atoms[a])
		}
		slices.SortFunc(g.Additions, func(a, b Addition) int {
			return cmp.Or(cmp.Compare(a.Kind(), b.Kind()), cmp.Compare(a.String(), b.String()))
		})
		next := extend(current, g.Additions)
		after := s.st.step(next)
		g.Breaks = after.Breaks
		g.Opens = s.st.opened(current, next)
		more := func(a, b Tally) uint64 {
			if b.Connections > a.Connections {
				return b.Connections - a.Connections
			}
			return 0
		}
		g.NoForwardSecrecy = more(before.NoForwardSecrecy, after.NoForwardSecrecy)
		g.Unauthenticated = more(before.Unauthenticated, after.Unauthenticated)
		g.Weak = more(before.Weak, after.Weak)
		g.LosesPostQuantum = more(after.PostQuantum, before.PostQuantum)
		o.Gains = append(o.Gains, g)
		current, before = next, after
	}
}
