package filter

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"pfsight/capture/packet"
)

// Syntax describes the supported expressions, for help texts.
const Syntax = `host, net, port, portrange, each with src, dst, "src or dst", "src and dst"
ip, ip6, arp, rarp, tcp, udp, icmp, icmp6, sctp, alone or before those
proto N, ip proto N, ip6 proto N; broadcast, multicast, ip multicast
ether host, ether src, ether dst, ether broadcast, ether multicast (link types
with station addresses: Ethernet, 802.11, PKTAP), ether proto
vlan [ID] (Ethernet, 802.11, PKTAP; what follows looks inside the tag)
less N, greater N
ip[0], ip6[6], tcp[13], udp[4:2], icmp[0], ether[12:2], len, with + - * / % &
| ^ << >> and = == != < > <= >=; names such as tcpflags, tcp-syn, icmp-echo
and or not, && || !, parentheses; "and" and "or" have equal precedence and
associate to the left
bytecode as printed by tcpdump -ddd
Addresses are numeric; names are not looked up. Not supported: gateway, mpls,
pppoes, geneve, wlan, decnet, iso, inbound, protochain, ip broadcast and others.
All supported link types can be filtered. Packets of a link type without a field
that the expression uses, such as "vlan" for raw IP, are reported and not read.
A packet that is cut inside a header used by the expression does not match.`

// Compile compiles an expression for frames of a LINKTYPE_ value. An empty
// expression accepts every frame. A text whose first line is a number is taken
// for the output of `tcpdump -ddd`.
func Compile(expr string, linkType uint32) (*Program, error) {
	if p, ok, err := bytecode(expr); ok {
		return p, err
	}
	l, err := newLink(linkType)
	if err != nil && strings.TrimSpace(expr) != "" {
		return nil, err
	}
	n, err := parse(expr, l)
	if err != nil {
		return nil, err
	}
	p, err := generate(n)
	if err == nil && l.located {
		p.located, p.link = true, packet.LinkType(linkType)
	}
	return p, err
}

// Validate returns the error of an expression that is invalid for every link
// type.
func Validate(expr string) error {
	if _, ok, err := bytecode(expr); ok {
		return err
	}
	_, err := Compile(expr, linkEthernet)
	return err
}

func bytecode(expr string) (*Program, bool, error) {
	line, _, more := strings.Cut(strings.TrimSpace(expr), "\n")
	if _, err := strconv.Atoi(strings.TrimSpace(line)); err != nil || !more {
		return nil, false, nil
	}
	p, err := parseBytecode(expr)
	return p, true, err
}

// qualifiers are the words before an address or number.
type qualifiers struct {
	proto string // "": any
	dir   string // "", src, dst, src or dst, src and dst
	typ   string // "", host, net, port, portrange, proto
}

func (q qualifiers) direction(src, dst node) node {
	switch q.dir {
	case "src":
		return src
	case "dst":
		return dst
	case "src and dst":
		return and{src, dst}
	}
	return or{src, dst}
}

var transports = map[string]uint32{"tcp": 6, "udp": 17, "sctp": 132}

// protocols are the names of protocols above IP.
var protocols = map[string]uint32{"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "icmp6": 58, "sctp": 132, "esp": 50, "ah": 51, "pim": 103, "vrrp": 112}

var etherTypes = map[string]uint32{"ip": etherIP, "arp": etherARP, "rarp": etherRARP, "ip6": etherIPv6}

var services = map[string]uint32{"ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "http": 80, "pop3": 110, "imap2": 143, "ldap": 389, "https": 443,
	"submission": 587, "ldaps": 636, "ftps": 990, "imaps": 993, "pop3s": 995, "mysql": 3306, "postgresql": 5432, "sips": 5061, "amqps": 5671}

type parser struct {
	tokens []token
	i      int
	depth  int
	link   link
	last   qualifiers // qualifiers of the previous primitive, for "port 80 or 443"
	hasQ   bool
}

func parse(expr string, l link) (node, error) {
	tokens, err := lex(expr)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, link: l}
	if p.peek().kind == tEnd {
		return nil, nil
	}
	n, err := p.expr()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tEnd {
		return nil, p.fail("unexpected %q", t.text)
	}
	return n, nil
}

func (p *parser) peek() token { return p.tokens[p.i] }

func (p *parser) at(k int) token { return p.tokens[min(p.i+k, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.tokens[p.i]
	if t.kind != tEnd {
		p.i++
	}
	return t
}

func (p *parser) is(text string) bool {
	t := p.peek()
	return t.text == text && t.kind != tEnd && !t.escaped
}

func (p *parser) take(texts ...string) bool {
	for _, s := range texts {
		if p.is(s) {
			p.i++
			return true
		}
	}
	return false
}

func (p *parser) fail(format string, args ...any) error {
	return &Error{p.peek().pos, fmt.Sprintf(format, args...)}
}

// expr parses terms joined by and and or, which have equal precedence and
// associate to the left.
func (p *parser) expr() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	n, err := p.term(false)
	for err == nil {
		var r node
		switch {
		case p.take("and", "&&"):
			if r, err = p.term(true); err == nil {
				n = and{n, r}
			}
		case p.take("or", "||"):
			if r, err = p.term(true); err == nil {
				n = or{n, r}
			}
		default:
			return n, nil
		}
	}
	return nil, err
}

// term parses one condition. If joined, an address alone takes the qualifiers
// of the previous condition.
func (p *parser) term(joined bool) (node, error) {
	if p.take("not", "!") {
		if p.depth++; p.depth > maxDepth {
			return nil, p.fail("nested deeper than %d", maxDepth)
		}
		defer func() { p.depth-- }()
		n, err := p.term(joined)
		if err != nil {
			return nil, err
		}
		return not{n}, nil
	}
	if p.relational() {
		return p.relation()
	}
	if p.take("(") {
		n, err := p.expr()
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, p.fail("a parenthesis is not closed")
		}
		return n, nil
	}
	t := p.peek()
	if t.kind != tWord {
		return nil, p.fail("an expression is missing")
	}
	return p.primitive(joined)
}

// primitive parses qualifiers and their operand, or a word without operand.
func (p *parser) primitive(joined bool) (node, error) {
	start := p.i
	if n, ok, err := p.alone(); ok || err != nil {
		return n, err
	}
	var q qualifiers
	t := p.peek()
	if _, ok := protocols[t.text]; !t.escaped && (ok || etherTypes[t.text] != 0 || t.text == "ether") {
		q.proto = p.next().text
	}
	switch {
	case p.is("src") && (p.at(1).text == "or" || p.at(1).text == "and") && p.at(2).text == "dst":
		q.dir = "src " + p.at(1).text + " dst"
		p.i += 3
	case p.take("src"):
		q.dir = "src"
	case p.take("dst"):
		q.dir = "dst"
	}
	for _, s := range []string{"host", "net", "port", "portrange", "proto"} {
		if p.take(s) {
			q.typ = s
			break
		}
	}
	if p.i == start {
		if !joined || !p.hasQ {
			return nil, p.fail("unexpected %q", t.text)
		}
		q = p.last
	} else if q.dir == "" && q.typ == "" {
		return p.protocol(q.proto)
	}
	p.last, p.hasQ = q, true
	if p.take("(") {
		return p.group(q)
	}
	return p.id(q)
}

// group parses addresses in parentheses, which share their qualifiers.
func (p *parser) group(q qualifiers) (node, error) {
	one := func() (node, error) {
		if p.take("not", "!") {
			n, err := p.id(q)
			return not{n}, err
		}
		return p.id(q)
	}
	n, err := one()
	for err == nil {
		var r node
		switch {
		case p.take("and", "&&"):
			r, err = one()
			n = and{n, r}
		case p.take("or", "||"):
			r, err = one()
			n = or{n, r}
		case p.take(")"):
			return n, nil
		default:
			err = p.fail("a parenthesis is not closed")
		}
	}
	return nil, err
}

// alone parses a word without operand.
func (p *parser) alone() (node, bool, error) {
	t, second := p.peek(), p.at(1)
	if t.escaped {
		return nil, false, nil
	}
	only := func(has bool) error {
		if !has {
			return &Error{t.pos, fmt.Sprintf("%q is not available for %s", t.text, packet.LinkType(p.link.typ).Numbered())}
		}
		return nil
	}
	switch t.text {
	case "vlan":
		if err := only(p.link.vlans); err != nil {
			return nil, true, err
		}
		p.i++
		id := -1
		if v, err := strconv.ParseUint(p.peek().text, 0, 32); err == nil {
			if v > 4095 {
				return nil, true, p.fail("a VLAN ID is at most 4095")
			}
			id = int(v)
			p.i++
		}
		p.hasQ = false
		return p.link.vlan(id), true, nil
	case "less", "greater":
		p.i++
		v, err := strconv.ParseUint(p.peek().text, 0, 32)
		if err != nil {
			return nil, true, p.fail("%s needs a length", t.text)
		}
		p.i++
		p.hasQ = false
		if t.text == "less" {
			return not{length{opJGT, uint32(v)}}, true, nil
		}
		return length{opJGE, uint32(v)}, true, nil
	case "broadcast", "multicast":
		p.i++
		return p.cast(t, only(p.link.macs))
	case "ether":
		switch second.text {
		case "broadcast", "multicast":
			p.i += 2
			return p.cast(second, only(p.link.macs))
		}
	case "ip", "ip6":
		if second.text == "multicast" {
			p.i += 2
			if t.text == "ip" {
				return and{p.link.proto(etherIP), cmp{off: p.link.netOff + 16, size: sizeB, op: opJGE, val: 224}}, true, nil
			}
			return and{p.link.proto(etherIPv6), cmp{off: p.link.netOff + 24, size: sizeB, op: opJEQ, val: 255}}, true, nil
		}
	case "gateway", "mpls", "pppoed", "pppoes", "geneve", "wlan", "decnet", "iso", "atalk", "aarp", "inbound", "outbound", "protochain", "ifname",
		"ether-host", "link", "ppp", "slip", "fddi", "tr", "llc", "stp", "ipx", "netbeui", "lat", "moprc", "mopdl", "type", "subtype", "dir", "igrp", "ifindex", "vxlan", "clns", "esis", "isis":
		return nil, true, p.fail("%q is not supported", t.text)
	}
	return nil, false, nil
}

func (p *parser) cast(t token, err error) (node, bool, error) {
	if err != nil {
		return nil, true, err
	}
	p.hasQ = false
	if t.text == "broadcast" {
		return mac(p.link.dstOff, []byte{255, 255, 255, 255, 255, 255}), true, nil
	}
	return cmp{off: p.link.dstOff, size: sizeB, op: opJSET, val: 1}, true, nil
}

// protocol returns the condition of a protocol name without operand.
func (p *parser) protocol(name string) (node, error) {
	p.hasQ = false
	l := &p.link
	if t, ok := etherTypes[name]; ok {
		return l.proto(t), nil
	}
	if name == "ether" {
		return nil, p.fail("ether needs host, src, dst or proto")
	}
	n := protocols[name]
	switch name {
	case "icmp", "igmp", "vrrp":
		return l.ipProto(n), nil
	case "icmp6":
		return l.ip6Proto(n), nil
	}
	return or{l.ipProto(n), l.ip6Proto(n)}, nil
}

// id parses an address, network, port or number, and returns its condition.
func (p *parser) id(q qualifiers) (node, error) {
	t := p.next()
	if t.kind != tWord {
		p.i = max(p.i-1, 0)
		return nil, p.fail("an address or a number is missing")
	}
	bad := func(format string, args ...any) (node, error) {
		return nil, &Error{t.pos, fmt.Sprintf(format, args...)}
	}
	switch q.typ {
	case "port", "portrange":
		if _, ok := transports[q.proto]; !ok && q.proto != "" {
			return bad("%s has no ports", q.proto)
		}
		lo, hi, ranged := strings.Cut(t.text, "-")
		if ranged != (q.typ == "portrange") && q.typ == "port" {
			return bad("use portrange for a range of ports")
		}
		if !ranged {
			hi = lo
		}
		from, ok1 := port(lo)
		to, ok2 := port(hi)
		if !ok1 || !ok2 {
			return bad("%q is not a port", t.text)
		}
		if from > to {
			from, to = to, from
		}
		return p.link.ports(q, from, to), nil
	case "proto":
		return p.protoNumber(q, t)
	}
	if q.proto == "ether" {
		if q.typ == "net" {
			return bad("ether has no networks")
		}
		a, err := net.ParseMAC(t.text)
		if err != nil || len(a) != 6 || !p.link.macs {
			return bad("%q is not an Ethernet address", t.text)
		}
		return q.direction(mac(p.link.srcOff, a), mac(p.link.dstOff, a)), nil
	}
	if _, ok := etherTypes[q.proto]; q.proto != "" && !ok {
		return bad("%q is not supported before an address", q.proto)
	}
	return p.address(q, t)
}

// protoNumber parses the operand of proto.
func (p *parser) protoNumber(q qualifiers, t token) (node, error) {
	if q.dir != "" {
		return nil, &Error{t.pos, "a protocol has no direction"}
	}
	v, err := strconv.ParseUint(t.text, 0, 32)
	n := uint32(v)
	l := &p.link
	if err != nil {
		var ok bool
		if n, ok = protocols[t.text]; q.proto == "ether" {
			n, ok = etherTypes[t.text]
		}
		if !ok || !t.escaped {
			return nil, &Error{t.pos, fmt.Sprintf("%q is not a protocol number (write a name with a backslash)", t.text)}
		}
	}
	if n > 255 && q.proto != "ether" {
		return nil, &Error{t.pos, "a protocol number is at most 255"}
	}
	switch q.proto {
	case "ether":
		if n < 0x600 {
			return nil, &Error{t.pos, "ether proto supports EtherTypes only, from 0x600"}
		}
		return l.proto(n), nil
	case "ip":
		return l.ipProto(n), nil
	case "ip6":
		return l.ip6Proto(n), nil
	case "":
		return or{l.ipProto(n), l.ip6Proto(n)}, nil
	}
	return nil, &Error{t.pos, fmt.Sprintf("%q is not supported before proto", q.proto)}
}

func port(s string) (uint32, bool) {
	if v, err := strconv.ParseUint(s, 0, 32); err == nil {
		return uint32(v), v <= 65535
	}
	v, ok := services[s]
	return v, ok
}
