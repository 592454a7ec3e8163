package filter

import "fmt"

// A generator turns conditions into instructions. Targets of jumps are labels
// until link.
type generator struct {
	code   []jump
	labels []int // index of the instruction at each label
	err    error
}

type jump struct {
	Instruction
	yes, no int // targets of a conditional jump, as label numbers; 0: none
}

const acceptLen = 262144 // tcpdump's snaplen; any value but 0 means yes

// generate returns the program of a condition. A nil condition accepts
// everything.
func generate(n node) (*Program, error) {
	g := &generator{}
	accept, reject := g.label(), g.label()
	if n != nil {
		g.cond(n, accept, reject)
	}
	g.place(accept)
	g.emit(classRET, acceptLen)
	g.place(reject)
	g.emit(classRET, 0)
	if g.err != nil {
		return nil, g.err
	}
	return g.link()
}

func (g *generator) label() int {
	g.labels = append(g.labels, -1)
	return len(g.labels)
}

func (g *generator) place(l int) { g.labels[l-1] = len(g.code) }

func (g *generator) emit(code uint16, k uint32) {
	g.code = append(g.code, jump{Instruction: Instruction{Code: code, K: k}})
	if len(g.code) > maxInstructions && g.err == nil {
		g.err = fmt.Errorf("the expression makes more than %d instructions", maxInstructions)
	}
}

func (g *generator) branch(op uint16, k uint32, yes, no int) {
	g.code = append(g.code, jump{Instruction{Code: classJMP | op, K: k}, yes, no})
}

// cond emits code that jumps to yes or no.
func (g *generator) cond(n node, yes, no int) {
	if g.err != nil {
		return
	}
	switch n := n.(type) {
	case and:
		mid := g.label()
		g.cond(n.l, mid, no)
		g.place(mid)
		g.cond(n.r, yes, no)
	case or:
		mid := g.label()
		g.cond(n.l, yes, mid)
		g.place(mid)
		g.cond(n.r, yes, no)
	case not:
		g.cond(n.x, no, yes)
	case constant:
		if !n {
			yes = no
		}
		g.emit(classLD|modeIMM, 0)
		g.branch(opJEQ, 0, yes, yes)
	case cmp:
		mode := uint16(modeABS)
		off := n.off
		if n.base == fromTransport {
			g.emit(classLDX|sizeB|modeMSH, n.add)
			mode, off = modeIND, n.add+n.off
		}
		g.emit(classLD|mode|n.size, off)
		if n.mask != 0 {
			g.emit(classALU|opAND, n.mask)
		}
		g.branch(n.op, n.val, yes, no)
	case length:
		g.emit(classLD|modeLEN, 0)
		g.branch(n.op, n.val, yes, no)
	case relation:
		g.value(n.l, 0)
		g.emit(classST, 0)
		g.value(n.r, 1)
		g.emit(classMISC|miscTAX, 0)
		g.emit(classLD|modeMEM, 0)
		g.branch(n.op|srcX, 0, yes, no)
	}
}

// value emits code that leaves v in the accumulator. It may use the scratch
// words from mem on.
func (g *generator) value(v value, mem uint32) {
	if mem >= memWords-1 {
		if g.err == nil {
			g.err = fmt.Errorf("an arithmetic expression is nested deeper than %d", memWords-2)
		}
		return
	}
	switch v := v.(type) {
	case number:
		g.emit(classLD|modeIMM, uint32(v))
	case wire:
		g.emit(classLD|modeLEN, 0)
	case negate:
		g.value(v.x, mem)
		g.emit(classALU|opNEG, 0)
	case binop:
		g.value(v.l, mem)
		g.emit(classST, mem)
		g.value(v.r, mem+1)
		g.emit(classMISC|miscTAX, 0)
		g.emit(classLD|modeMEM, mem)
		g.emit(classALU|v.op|srcX, 0)
	case load:
		k, isConst := v.off.(number)
		if isConst && !v.transport {
			g.emit(classLD|modeABS|v.size, v.add+uint32(k))
			return
		}
		g.value(v.off, mem)
		if v.transport {
			g.emit(classLDX|sizeB|modeMSH, v.add)
			g.emit(classALU|opADD|srcX, 0)
		}
		g.emit(classMISC|miscTAX, 0)
		g.emit(classLD|modeIND|v.size, v.add)
	}
}

// link resolves the labels. A target more than 255 instructions away is
// reached by an unconditional jump after the conditional one.
func (g *generator) link() (*Program, error) {
	long := make([]bool, len(g.code))
	for {
		at := make([]int, len(g.code)+1)
		n := 0
		for i := range g.code {
			at[i] = n
			n++
			if long[i] {
				n += 2
			}
		}
		at[len(g.code)] = n
		again := false
		for i := range g.code {
			j := &g.code[i]
			if j.yes == 0 || long[i] {
				continue
			}
			if at[g.labels[j.yes-1]]-at[i]-1 > 255 || at[g.labels[j.no-1]]-at[i]-1 > 255 {
				long[i], again = true, true
			}
		}
		if again {
			continue
		}
		out := make([]Instruction, 0, n)
		for i := range g.code {
			j := g.code[i]
			if j.yes != 0 {
				yes, no := at[g.labels[j.yes-1]]-at[i]-1, at[g.labels[j.no-1]]-at[i]-1
				if long[i] {
					j.Jt, j.Jf = 0, 1
					out = append(out, j.Instruction, Instruction{Code: classJMP | opJA, K: uint32(yes - 1)}, Instruction{Code: classJMP | opJA, K: uint32(no - 2)})
					continue
				}
				j.Jt, j.Jf = uint8(yes), uint8(no)
			}
			out = append(out, j.Instruction)
		}
		return check(out)
	}
}
