package filter

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// address parses an IP address or network.
func (p *parser) address(q qualifiers, t token) (node, error) {
	bad := func(format string, args ...any) (node, error) {
		return nil, &Error{t.pos, fmt.Sprintf(format, args...)}
	}
	if strings.Contains(t.text, ":") {
		a, err := netip.ParseAddr(t.text)
		if err != nil || a.Is4() {
			return bad("%q is no IPv6 address", t.text)
		}
		if q.proto != "" && q.proto != "ip6" {
			return bad("%s has no IPv6 addresses", q.proto)
		}
		bits := 128
		if p.take("/") {
			n, err := strconv.Atoi(p.next().text)
			if err != nil || n < 0 || n > 128 {
				return bad("a prefix of IPv6 is 0 to 128 bits long")
			}
			if pre := netip.PrefixFrom(a, n); pre.Masked() != pre {
				return bad("%s/%d has bits set beyond its prefix", t.text, n)
			}
			bits = n
		}
		if q.typ == "host" && bits != 128 {
			return bad("a network wants net, not host")
		}
		return p.link.host6(q, a.As16(), bits), nil
	}
	addr, bits, err := dotted(t.text)
	if err != nil {
		return bad("%q: %v", t.text, err)
	}
	if q.proto == "ip6" {
		return bad("ip6 has no IPv4 addresses")
	}
	mask := ^uint32(0)
	switch {
	case p.take("/"):
		n, err := strconv.Atoi(p.next().text)
		if err != nil || n < 0 || n > 32 {
			return bad("a prefix of IPv4 is 0 to 32 bits long")
		}
		if bits != 32 {
			return bad("write all four numbers of %s/%d", t.text, n)
		}
		mask = uint32(uint64(0xffffffff) << (32 - n))
		if q.typ == "host" || q.typ == "" {
			return bad("a network wants net before it")
		}
	case p.take("mask"):
		m, mbits, err := dotted(p.next().text)
		if err != nil || mbits != 32 || q.typ != "net" {
			return bad("mask wants a whole address behind a net")
		}
		mask = m
	case q.typ == "net":
		mask = uint32(uint64(0xffffffff) << (32 - bits))
	case bits != 32:
		return bad("an address has four numbers; a network wants net before it")
	}
	if addr&^mask != 0 {
		return bad("%s has bits set beyond its mask", t.text)
	}
	return p.link.host4(q, addr, mask), nil
}

// dotted parses one to four numbers separated by dots, and returns how many
// bits they are.
func dotted(s string) (addr uint32, bits int, err error) {
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return 0, 0, errors.New("not an address")
	}
	for i, part := range parts {
		v, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return 0, 0, errors.New("not a numeric address (names are not looked up)")
		}
		addr |= uint32(v) << (24 - 8*i)
	}
	return addr, 8 * len(parts), nil
}
