package diff

import (
	"cmp"
	"math"
	"slices"

	"pfsight/report"
	"pfsight/report/secrecy"
)

// A Change says how a share changed.
type Change string

// The changes of a share.
const (
	Same         Change = "same"
	More         Change = "more"
	Less         Change = "less"
	Chance       Change = "chance" // a difference that is not significant
	Undetermined Change = "untold" // a side has no base, or a single client, so there is no test
)

// A Counted is a share with its base.
type Counted struct {
	N       uint64 `json:"n"`
	Of      uint64 `json:"of"`
	Clients uint64 `json:"clients"` // distinct clients among Of, up to the limit
}

// Share returns N/Of. It is NaN if Of is 0.
func (c Counted) Share() float64 { return float64(c.N) / float64(c.Of) }

// A Share is a share before and after.
type Share struct {
	Kind   Kind    `json:"-"`
	Name   string  `json:"kind"`
	Label  string  `json:"label"` // may hold any byte
	Of     string  `json:"share_of"`
	Before Counted `json:"before"`
	After  Counted `json:"after"`
	Change Change  `json:"change"`
	// P is the two-sided p-value of the difference, after Holm's correction for
	// the number of tests; -1 without a test.
	P float64 `json:"p"`
}

// A Moved is a server or a client, before and after.
type Moved struct {
	Name   string `json:"name"` // may hold any byte
	Before Party  `json:"before"`
	After  Party  `json:"after"`
}

// Parties compares the servers, or the clients, of both sides. Only connections
// whose verdict is yes or no count for Gained, Lost and StillNot; resumed ones
// usually are conditional.
//
// Refused: negotiated before; not negotiated after, though there were
// connections. Answered: the reverse. Gained: some connections were not forward
// secret before; after, some were forward secret and none was not. Lost: the
// reverse. New and Gone: seen on one side only.
type Parties struct {
	Refused   []Moved `json:"refused"`
	Answered  []Moved `json:"answered"`
	Gained    []Moved `json:"gained"`
	Lost      []Moved `json:"lost"`
	New       []Moved `json:"new"`
	Gone      []Moved `json:"gone"`
	StillNot  []Moved `json:"still_not"` // some connections were not forward secret, on both sides
	Before    uint64  `json:"before"`    // distinct
	After     uint64  `json:"after"`
	Unchanged uint64  `json:"unchanged"` // in none of the lists above
}

// A Diff is a comparison of two sides.
type Diff struct {
	Before  SideInput
	After   SideInput
	Alpha   float64
	Tests   int
	Shares  []Share // by kind; within a kind the greatest differences first
	Servers Parties
	Clients Parties
}

// A SideInput describes the input of a side.
type SideInput struct {
	Input       report.Input
	Connections uint64
	Negotiated  uint64
	Lost        Lost
}

// Compare compares two sides.
func Compare(before, after *Side) *Diff {
	d := &Diff{Before: before.input(), After: after.input(), Alpha: alpha}
	d.shares(before, after)
	d.Servers = parties(before.servers, after.servers, Server.String, func(p *Party) *Party { return p })
	d.Clients = parties(before.clients, after.clients, report.Host.String, func(c *client) *Party { return &c.Party })
	return d
}

func (s *Side) input() SideInput {
	return SideInput{Input: s.Input, Connections: s.of[connections], Negotiated: s.of[negotiated], Lost: s.lost}
}

// A view is a Side with the sums that the tests need.
type view struct {
	s    *Side
	base [numBases]sums
	with []sums // by label: xx and xn
}

func (s *Side) view() *view {
	v := &view{s: s, with: make([]sums, len(s.labels))}
	for _, c := range s.clients {
		for b, n := range c.of {
			if n > 0 {
				v.base[b].clients++
				v.base[b].n += float64(n)
				v.base[b].nn += float64(n) * float64(n)
			}
		}
		for _, h := range c.has {
			x := float64(h.n)
			v.with[h.label].xx += x * x
			v.with[h.label].xn += x * float64(c.of[s.labels[h.label].base])
		}
	}
	return v
}

// share returns the share of l and its sample. ok reports whether the sample
// can be tested.
func (v *view) share(l label) (c Counted, s sample, ok bool) {
	of := v.base[l.base]
	c = Counted{Of: v.s.of[l.base], Clients: uint64(of.clients)}
	if id, known := v.s.ids[l]; known {
		c.N = v.s.totals[id]
		of.xx, of.xn = v.with[id].xx, v.with[id].xn
	}
	if c.Of == 0 {
		return c, s, false
	}
	s, ok = effective(float64(c.N), float64(c.Of), of)
	return c, s, ok
}

func (d *Diff) shares(before, after *Side) {
	b, a := before.view(), after.view()
	seen := map[label]bool{}
	var tested []*Share
	for _, l := range slices.Concat(before.labels, after.labels) {
		if seen[l] {
			continue
		}
		seen[l] = true
		sh := Share{Kind: l.kind, Name: l.kind.String(), Label: l.name, Of: baseNames[l.base], P: -1}
		var x, y sample
		var okX, okY bool
		sh.Before, x, okX = b.share(l)
		sh.After, y, okY = a.share(l)
		switch {
		case sh.Before.Of == 0 || sh.After.Of == 0:
			sh.Change = Undetermined
		case sh.Before.Share() == sh.After.Share():
			sh.Change = Same
		case !okX || !okY:
			sh.Change = Undetermined
		default:
			sh.P = pValue(x, y)
		}
		d.Shares = append(d.Shares, sh)
	}
	slices.SortFunc(d.Shares, func(x, y Share) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(y.moved(), x.moved()), cmp.Compare(x.Label, y.Label), cmp.Compare(x.Of, y.Of))
	})
	for i := range d.Shares {
		if d.Shares[i].P >= 0 {
			tested = append(tested, &d.Shares[i])
		}
	}
	slices.SortStableFunc(tested, func(x, y *Share) int { return cmp.Compare(x.P, y.P) })
	p := make([]float64, len(tested))
	for i, t := range tested {
		p[i] = t.P
	}
	holm(p)
	for i, t := range tested {
		t.P = p[i]
		switch {
		case p[i] >= alpha:
			t.Change = Chance
		case t.After.Share() > t.Before.Share():
			t.Change = More
		default:
			t.Change = Less
		}
	}
	d.Tests = len(tested)
}

// moved returns the absolute difference of a share; 0 if a side has no base.
func (s *Share) moved() float64 {
	if m := math.Abs(s.After.Share() - s.Before.Share()); !math.IsNaN(m) {
		return m
	}
	return 0
}

// Find returns the share with this kind and label.
func (d *Diff) Find(k Kind, label string) (Share, bool) {
	for _, s := range d.Shares {
		if s.Kind == k && s.Label == label {
			return s, true
		}
	}
	return Share{}, false
}

func parties[K comparable, V any](before, after map[K]V, name func(K) string, party func(V) *Party) Parties {
	out := Parties{Before: uint64(len(before)), After: uint64(len(after))}
	for k, v := range before {
		m := Moved{Name: name(k), Before: *party(v)}
		w, ok := after[k]
		if !ok {
			out.Gone = append(out.Gone, m)
			continue
		}
		m.After = *party(w)
		switch b, a := m.Before.state(), m.After.state(); {
		case m.Before.Negotiated() > 0 && m.After.Negotiated() == 0:
			out.Refused = append(out.Refused, m)
		case m.Before.Negotiated() == 0 && m.After.Negotiated() > 0:
			out.Answered = append(out.Answered, m)
		case b == secrecy.No && a == secrecy.Yes:
			out.Gained = append(out.Gained, m)
		case b == secrecy.Yes && a == secrecy.No:
			out.Lost = append(out.Lost, m)
		case b == secrecy.No && a == secrecy.No:
			out.StillNot = append(out.StillNot, m)
		default:
			out.Unchanged++
		}
	}
	for k, v := range after {
		if _, ok := before[k]; !ok {
			out.New = append(out.New, Moved{Name: name(k), After: *party(v)})
		}
	}
	for _, l := range [][]Moved{out.Refused, out.Answered, out.Gained, out.Lost, out.New, out.Gone, out.StillNot} {
		slices.SortFunc(l, func(a, b Moved) int {
			no := func(m *Moved) uint64 { return m.Before.Verdicts[secrecy.No] + m.After.Verdicts[secrecy.No] }
			return cmp.Or(cmp.Compare(no(&b), no(&a)), cmp.Compare(b.Before.Connections+b.After.Connections, a.Before.Connections+a.After.Connections), cmp.Compare(a.Name, b.Name))
		})
	}
	return out
}
