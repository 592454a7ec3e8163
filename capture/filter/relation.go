package filter

import (
	"strconv"
)

// accessors are the headers whose bytes can be loaded.
var accessors = map[string]bool{"ether": true, "ip": true, "ip6": true, "tcp": true, "udp": true, "icmp": true, "icmp6": true, "sctp": true}

var constants = map[string]uint32{
	"tcpflags": 13, "icmptype": 0, "icmpcode": 1, "icmp6type": 0, "icmp6code": 1,
	"tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32, "tcp-ece": 64, "tcp-cwr": 128,
	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5, "icmp-echo": 8, "icmp-routeradvert": 9,
	"icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12, "icmp-tstamp": 13, "icmp-tstampreply": 14, "icmp-ireq": 15,
	"icmp-ireqreply": 16, "icmp-maskreq": 17, "icmp-maskreply": 18,
	"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3, "icmp6-parameterproblem": 4, "icmp6-echo": 128,
	"icmp6-echoreply": 129, "icmp6-multicastlistenerquery": 130, "icmp6-multicastlistenerreportv1": 131, "icmp6-multicastlistenerdone": 132,
	"icmp6-routersolicit": 133, "icmp6-routeradvert": 134, "icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136, "icmp6-redirect": 137,
	"icmp6-multicastlistenerreportv2": 143,
}

// comparisons are the comparison operators.
var comparisons = map[string]bool{"=": true, "==": true, "!=": true, "<": true, ">": true, "<=": true, ">=": true}

// relational reports whether a comparison of values begins here.
func (p *parser) relational() bool {
	t := p.peek()
	if t.kind == tWord {
		if t.escaped {
			return false
		}
		if accessors[t.text] {
			return p.at(1).text == "["
		}
		_, isConst := constants[t.text]
		if t.text == "len" || isConst {
			return true
		}
		if _, err := strconv.ParseUint(t.text, 0, 32); err != nil {
			return false
		}
		next := p.at(1).text
		return next == "/" && !p.hasQ || next != "/" && p.at(1).kind == tOp && (comparisons[next] || isBinary(next))
	}
	if t.text != "(" && t.text != "-" {
		return false
	}
	// A parenthesis may start a condition or a value. It starts a value if one
	// can be parsed and a comparison follows.
	was := *p
	defer func() { *p = was }()
	var conds node
	_, err := p.value(0, &conds)
	return err == nil && comparisons[p.peek().text]
}

func isBinary(op string) bool {
	for _, l := range levels {
		if _, ok := l[op]; ok {
			return true
		}
	}
	return false
}

// relation parses value operator value. The conditions for the existence of
// its bytes come first.
func (p *parser) relation() (node, error) {
	p.hasQ = false
	var conds node
	l, err := p.value(0, &conds)
	if err != nil {
		return nil, err
	}
	t := p.next()
	var r value
	if r, err = p.value(0, &conds); err != nil {
		return nil, err
	}
	var rel node
	switch t.text {
	case "=", "==":
		rel = relation{opJEQ, l, r}
	case "!=":
		rel = not{relation{opJEQ, l, r}}
	case ">":
		rel = relation{opJGT, l, r}
	case ">=":
		rel = relation{opJGE, l, r}
	case "<":
		rel = not{relation{opJGE, l, r}}
	case "<=":
		rel = not{relation{opJGT, l, r}}
	default:
		return nil, &Error{t.pos, "a comparison is missing"}
	}
	return conj(conds, rel), nil
}

// levels are the binary operators by precedence, lowest first.
var levels = []map[string]uint16{
	{"|": opOR, "^": opXOR},
	{"&": opAND},
	{"<<": opLSH, ">>": opRSH},
	{"+": opADD, "-": opSUB},
	{"*": opMUL, "/": opDIV, "%": opMOD},
}

func (p *parser) value(level int, conds *node) (value, error) {
	if p.depth++; p.depth > maxDepth+len(levels)*maxDepth {
		return nil, p.fail("nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	if level == len(levels) {
		return p.unary(conds)
	}
	l, err := p.value(level+1, conds)
	for err == nil {
		op, ok := levels[level][p.peek().text]
		if !ok || p.peek().kind != tOp {
			return l, nil
		}
		at := p.next()
		var r value
		// tcpdump tests only for the protocols of the left operand.
		var ignored node
		if r, err = p.value(level+1, &ignored); err == nil {
			if k, ok := r.(number); ok && (k == 0 && (op == opDIV || op == opMOD) || k > 31 && (op == opLSH || op == opRSH)) {
				return nil, &Error{at.pos, "a division by zero, or a shift by more than 31 bits"}
			}
			l = fold(op, l, r)
		}
	}
	return nil, err
}

// fold evaluates constant operations.
func fold(op uint16, l, r value) value {
	a, ok1 := l.(number)
	b, ok2 := r.(number)
	if !ok1 || !ok2 {
		return binop{op, l, r}
	}
	switch op {
	case opADD:
		return a + b
	case opSUB:
		return a - b
	case opMUL:
		return a * b
	case opDIV:
		return a / b
	case opMOD:
		return a % b
	case opAND:
		return a & b
	case opOR:
		return a | b
	case opXOR:
		return a ^ b
	case opLSH:
		return a << b
	}
	return a >> b
}

func (p *parser) unary(conds *node) (value, error) {
	switch {
	case p.take("-"):
		v, err := p.unary(conds)
		if k, ok := v.(number); ok {
			return -k, err
		}
		return negate{v}, err
	case p.take("("):
		v, err := p.value(0, conds)
		if err == nil && !p.take(")") {
			err = p.fail("a parenthesis is not closed")
		}
		return v, err
	}
	t := p.next()
	if t.kind != tWord {
		return nil, &Error{t.pos, "a value is missing"}
	}
	if accessors[t.text] && p.is("[") {
		return p.accessor(t.text, conds)
	}
	if t.text == "len" {
		return wire{}, nil
	}
	if k, ok := constants[t.text]; ok {
		return number(k), nil
	}
	k, err := strconv.ParseUint(t.text, 0, 32)
	if err != nil {
		return nil, &Error{t.pos, strconv.Quote(t.text) + " is not a value"}
	}
	return number(k), nil
}

// accessor parses proto[offset:size].
func (p *parser) accessor(proto string, conds *node) (value, error) {
	p.next()
	off, err := p.value(0, conds)
	if err != nil {
		return nil, err
	}
	v := load{off: off, size: sizeB}
	if p.take(":") {
		switch t := p.next(); t.text {
		case "1":
		case "2":
			v.size = sizeH
		case "4":
			v.size = sizeW
		default:
			return nil, &Error{t.pos, "a size is 1, 2 or 4"}
		}
	}
	if !p.take("]") {
		return nil, p.fail("a bracket is not closed")
	}
	l := &p.link
	var cond node
	switch proto {
	case "ether": // any link-layer header
	case "ip":
		cond, v.add = l.proto(etherIP), l.netOff
	case "ip6":
		cond, v.add = l.proto(etherIPv6), l.netOff
	case "icmp6":
		cond = and{l.proto(etherIPv6), cmp{off: l.netOff + 6, size: sizeB, op: opJEQ, val: 58}}
		v.add = l.netOff + 40
	default:
		cond, v.add, v.transport = and{l.ipProto(protocols[proto]), l.first()}, l.netOff, true
	}
	*conds = conj(*conds, cond)
	return v, nil
}
