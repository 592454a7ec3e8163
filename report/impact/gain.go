package impact

import (
	"cmp"
	"slices"
)

// A Gain is a line of an Opening's table: additions, and what they buy when
// those of the lines before are there. One can stop after any line.
type Gain struct {
	Additions []Addition
	Opens     Tally // that no longer break
	Breaks    Tally // that still break after it
	// The price: what more is answered without forward secrecy, without
	// authentication and with less strength than TLS 1.2 and 128 bits, and what is
	// answered without a post-quantum group that was answered with one.
	NoForwardSecrecy, Unauthenticated, Weak, LosesPostQuantum uint64
}

// An Isolated is a client that is let in by nothing that may be added: it has to
// be upgraded, or kept apart.
type Isolated struct {
	Breaking
	// Needs are the kinds of weakness that would let it in; none where no
	// addition does.
	Needs Weakness
}

// maxRank is how many bundles of additions are held against each other for one
// line of the table.
const maxRank = 256

// rank puts the additions that were chosen in an order: those first that open
// the most connections, the cheaper ones where that is equal. Additions that
// open something only together are one line.
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
			if open(ways, have) {
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
					if !open(other, have) && open(other, then) {
						n += s.allConns[j]
					}
				}
				// Gain for each addition, so that a bundle does not hide a cheap one.
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
		next := with(current, g.Additions)
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
