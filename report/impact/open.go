package impact

import (
	"cmp"
	"slices"

	"pfsight/report/policy"
)

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
