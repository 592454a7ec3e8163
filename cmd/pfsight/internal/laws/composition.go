package laws

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// A Change is a Kind with its parameters.
type Change struct {
	*Kind
	Args []int
}

func (c Change) String() string {
	var b strings.Builder
	b.WriteString(c.Name)
	b.WriteByte('(')
	for i, a := range c.Args {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(a))
	}
	b.WriteByte(')')
	return b.String()
}

// A Composition is a part of a capture, and the changes that are made to it.
type Composition struct {
	Capture string
	Conn    int // only the packets of this connection, from 1; 0 means all
	To      int // only the first To packets of those; 0 means all
	Changes []Change
}

// String returns the composition as a line for ParseComposition.
func (c Composition) String() string {
	var b strings.Builder
	b.WriteString(c.Capture)
	if c.Conn != 0 || c.To != 0 {
		fmt.Fprintf(&b, "[%d:%d]", c.Conn, c.To)
	}
	for _, x := range c.Changes {
		b.WriteByte(' ')
		b.WriteString(x.String())
	}
	return b.String()
}

// Loses reports whether a change of the composition loses something.
func (c Composition) Loses() bool {
	return slices.ContainsFunc(c.Changes, func(x Change) bool { return x.Loss })
}

// ParseComposition parses the result of String.
func ParseComposition(s string) (Composition, error) {
	var c Composition
	words := strings.Fields(s)
	if len(words) == 0 {
		return c, fmt.Errorf("no composition")
	}
	name, part, ok := strings.Cut(words[0], "[")
	c.Capture = name
	if ok {
		if _, err := fmt.Sscanf(part, "%d:%d]", &c.Conn, &c.To); err != nil {
			return c, fmt.Errorf("%s: %w", words[0], err)
		}
	}
	for _, w := range words[1:] {
		name, args, _ := strings.Cut(strings.TrimSuffix(w, ")"), "(")
		k := kinds[name]
		if k == nil {
			return c, fmt.Errorf("%s: no such kind of change", name)
		}
		x := Change{Kind: k}
		for a := range strings.SplitSeq(args, ",") {
			if a == "" {
				continue
			}
			n, err := strconv.Atoi(a)
			if err != nil {
				return c, fmt.Errorf("%s: %w", w, err)
			}
			x.Args = append(x.Args, n)
		}
		if len(x.Args) != len(k.Params) {
			return c, fmt.Errorf("%s: %d parameters, not %d", w, len(x.Args), len(k.Params))
		}
		for i, p := range k.Params {
			if x.Args[i] < p.Min || x.Args[i] > p.Max {
				return c, fmt.Errorf("%s: parameter %d is %d to %d", w, i+1, p.Min, p.Max)
			}
		}
		c.Changes = append(c.Changes, x)
	}
	return c, nil
}

// draw returns a random value of p.
func (p Param) draw(r *rand.Rand) int {
	if !p.Log {
		return p.Min + r.IntN(p.Max-p.Min+1)
	}
	return p.Min + int(math.Exp(r.Float64()*math.Log(float64(p.Max-p.Min+1)))) - 1 + r.IntN(2)*boolInt(p.Max-p.Min > 1)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Draw returns a Change of this kind with random parameters.
func (k *Kind) Draw(r *rand.Rand) Change {
	c := Change{Kind: k}
	for _, p := range k.Params {
		c.Args = append(c.Args, min(p.draw(r), p.Max))
	}
	return c
}

// Draw returns a random composition over a capture, with or without a loss.
// Half of the compositions have a single change.
func Draw(r *rand.Rand, capture string, loss bool) Composition {
	c := Composition{Capture: capture}
	n := 1
	for n < 7 && r.IntN(2) == 0 {
		n++
	}
	if loss {
		n--
		c.Changes = append(c.Changes, draw(r, stageLoss))
	}
	for range n {
		stages := []int{stageAdd, stageStream, stageStream, stageReorder, stageOrder, stageOrder, stageIP, stageLink, stageLink, stageFile, stageFile}
		c.Changes = append(c.Changes, draw(r, stages[r.IntN(len(stages))]))
	}
	c.sort()
	return c
}

// draw returns a random change of a stage.
func draw(r *rand.Rand, stage int) Change {
	list := slices.DeleteFunc(Kinds(), func(k *Kind) bool { return k.Stage != stage })
	return list[r.IntN(len(list))].Draw(r)
}

// sort orders the changes by stage.
func (c *Composition) sort() {
	slices.SortStableFunc(c.Changes, func(a, b Change) int { return a.Stage - b.Stage })
}

// FromBytes returns the composition that b encodes: the capture, and changes
// with their parameters.
func FromBytes(all []*Capture, b []byte) Composition {
	next := func() int {
		if len(b) == 0 {
			return 0
		}
		x := int(b[0])
		b = b[1:]
		return x
	}
	c := Composition{Capture: all[(next()<<8|next())%len(all)].Name}
	list := Kinds()
	for len(b) > 0 && len(c.Changes) < 8 {
		k := list[next()%len(list)]
		x := Change{Kind: k}
		for _, p := range k.Params {
			n := p.Max - p.Min + 1
			v := next()
			if n > 256 {
				v = v<<8 | next()
			}
			x.Args = append(x.Args, p.Min+v%n)
		}
		c.Changes = append(c.Changes, x)
	}
	c.sort()
	return c
}

// Part returns the part of the capture that the composition uses.
func (c Composition) Part(base *Capture) []Packet {
	var list []Packet
	for i := range base.Packets {
		if p := &base.Packets[i]; c.Conn == 0 || p.conn == c.Conn {
			list = append(list, *p)
		}
	}
	if c.To > 0 && c.To < len(list) {
		list = list[:c.To]
	}
	return list
}

// Make applies the changes. It returns those that could be applied.
func (c Composition) Make(all []*Capture) (w *Work, applied Composition, err error) {
	i := slices.IndexFunc(all, func(x *Capture) bool { return x.Name == c.Capture })
	if i < 0 {
		return nil, c, fmt.Errorf("%s: no such capture", c.Capture)
	}
	base := all[i]
	w = &Work{Packets: c.Part(base), all: all}
	w.conns = survey(w.Packets, 0)
	w.part = slices.Clone(w.Packets)
	applied = c
	applied.Changes = nil
	for _, x := range c.Changes {
		if len(w.Packets) > 0 && x.Apply(w, base, x.Args) {
			applied.Changes = append(applied.Changes, x)
		}
	}
	if len(w.Packets) > 0 {
		w.finish()
	}
	return w, applied, nil
}
