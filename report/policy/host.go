package policy

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A Host describes which connections a server of a configuration takes: those
// to one of its sockets with one of its names.
type Host struct {
	// Config names the configuration. All hosts of a configuration share it.
	Config string
	// Names are exact names, wildcard names and, after a ~, regular
	// expressions, in the order of the configuration.
	Names   []string
	Listens []Listen
	rules   *rules
}

// rules are how the server software maps a connection to a host.
type rules struct {
	// apache selects Apache's rules: wildcards match any string, and the first
	// matching host is taken. Otherwise nginx's rules apply.
	apache bool
	// underDefault returns the effective policy of a host on a socket whose
	// default host is def: what is chosen before the name is known comes from
	// def.
	underDefault func(host, def *Policy) *Policy
}

// A Listen is a listening socket.
type Listen struct {
	Addr    netip.Addr // invalid: every address
	Family  int        // if Addr is invalid: 4 or 6 for one address family, 0 for both
	Port    uint16     // 0: every port
	Default bool       // the host is the default host of the socket
}

func (l Listen) String() string {
	host := "*"
	switch {
	case l.Addr.IsValid() && l.Addr.Is6():
		host = "[" + l.Addr.String() + "]"
	case l.Addr.IsValid():
		host = l.Addr.String()
	case l.Family == 6:
		host = "[::]"
	}
	if l.Port == 0 {
		return host + ":*"
	}
	return host + ":" + strconv.Itoa(int(l.Port))
}

// socket returns l without Default, as a map key.
func (l Listen) socket() Listen { l.Default = false; return l }

// fits ranks how specifically l matches an address; 0 means no match.
func (l Listen) fits(a netip.AddrPort) int {
	addr := a.Addr().Unmap()
	if l.Port != 0 && l.Port != a.Port() {
		return 0
	}
	n := 1
	if l.Port != 0 {
		n = 2
	}
	switch {
	case l.Addr.IsValid() && l.Addr != addr:
		return 0
	case l.Addr.IsValid():
		return n + 4
	case l.Family == 4 && addr.Is6(), l.Family == 6 && addr.Is4():
		return 0
	case l.Family != 0:
		return n + 2
	}
	return n
}

// A Match says how an address matches a configuration.
type Match uint8

// The matches.
const (
	NoMatch   Match = iota // nothing listens there
	NameMatch              // nothing listens at any observed address and port, so only the name counts
	PortMatch              // only the port matches, as behind address translation
	SocketMatch
)

// A Site is the hosts of one configuration.
type Site struct {
	Name  string
	Hosts []*Policy // each with a Host
	cache map[under]*Policy
}

type under struct{ host, def *Policy }

// Sites groups policies by their configuration, in the order of list. others
// are the policies without a Host.
func Sites(list []*Policy) (sites []*Site, others []*Policy) {
	at := map[string]*Site{}
	for _, p := range list {
		if p.Host == nil {
			others = append(others, p)
			continue
		}
		s := at[p.Host.Config]
		if s == nil {
			s = &Site{Name: p.Host.Config, cache: map[under]*Policy{}}
			at[p.Host.Config] = s
			sites = append(sites, s)
		}
		s.Hosts = append(s.Hosts, p)
	}
	return sites, others
}

// Match returns the best match of the site's sockets with an address:
// SocketMatch, PortMatch or NoMatch.
func (s *Site) Match(a netip.AddrPort) Match {
	best := NoMatch
	for _, h := range s.Hosts {
		for _, l := range h.Host.Listens {
			switch {
			case l.fits(a) > 0:
				return SocketMatch
			case l.Port == a.Port():
				best = PortMatch
			}
		}
	}
	return best
}

// Route returns the host that takes a connection to the address with the server
// name ("" for none), and the effective policy, which may include settings of
// the default host. how is the part of the address that counts. With NoMatch
// both results are nil.
func (s *Site) Route(a netip.AddrPort, name string, how Match) (host, p *Policy) {
	if how == NoMatch {
		return nil, nil
	}
	var list []*Policy
	var def *Policy
	best, bestSocket := 0, Listen{}
	for _, h := range s.Hosts {
		for _, l := range h.Host.Listens {
			n := 1
			if how == SocketMatch {
				n = l.fits(a)
			} else if how == PortMatch && l.Port != 0 && l.Port != a.Port() {
				n = 0
			}
			if n == 0 || n < best {
				continue
			}
			if n > best || how == SocketMatch && l.socket() != bestSocket && !s.apache() {
				best, bestSocket, list, def = n, l.socket(), nil, nil
			}
			if len(list) == 0 || list[len(list)-1] != h {
				list = append(list, h)
			}
			if l.Default && def == nil {
				def = h
			}
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	if def == nil {
		def = list[0]
	}
	host = findHost(list, normalName(name), s.apache())
	if host == nil {
		host = def
	}
	r := host.Host.rules
	if host == def || r == nil || r.underDefault == nil {
		return host, host
	}
	k := under{host, def}
	if s.cache[k] == nil {
		s.cache[k] = r.underDefault(host, def)
	}
	return host, s.cache[k]
}

func (s *Site) apache() bool { r := s.Hosts[0].Host.rules; return r != nil && r.apache }

// ConfigName derives a policy name from a file name.
func ConfigName(path string) string { return policyName(filepath.Base(path)) }

func normalName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// findHost returns the first host with the name, by the rules of the server
// software; nil for none.
func findHost(list []*Policy, name string, apache bool) *Policy {
	if name == "" {
		return nil
	}
	if apache {
		for _, h := range list {
			for _, n := range h.Host.Names {
				if matchWildcard(strings.ToLower(n), name) {
					return h
				}
			}
		}
		return nil
	}
	// nginx: exact names, then the longest leading wildcard, then the longest
	// trailing wildcard, then the first regular expression.
	var best *Policy
	score := 0
	for _, h := range list {
		for _, n := range h.Host.Names {
			if v := nginxScore(strings.ToLower(n), name); v > score {
				best, score = h, v
			}
		}
	}
	if best != nil {
		return best
	}
	for _, h := range list {
		for _, n := range h.Host.Names {
			if expr, ok := strings.CutPrefix(n, "~"); ok && matchExpression(expr, name) {
				return h
			}
		}
	}
	return nil
}

// nginxScore ranks how well a server_name matches; 0 means no match.
func nginxScore(pattern, name string) int {
	switch {
	case strings.HasPrefix(pattern, "~"):
		return 0
	case pattern == name:
		return 1 << 20
	case strings.HasPrefix(pattern, "*."):
		if strings.HasSuffix(name, pattern[1:]) {
			return 1<<18 + len(pattern)
		}
	case strings.HasPrefix(pattern, "."): // a name and all its subdomains
		if name == pattern[1:] {
			return 1 << 20
		}
		if strings.HasSuffix(name, pattern) {
			return 1<<18 + len(pattern)
		}
	case strings.HasSuffix(pattern, ".*"):
		if strings.HasPrefix(name, pattern[:len(pattern)-1]) {
			return 1<<16 + len(pattern)
		}
	}
	return 0
}

// matchExpression reports whether a regular expression of a configuration matches.
// PCRE syntax that Go does not support never matches.
func matchExpression(expr, name string) bool {
	if len(expr) > 1<<10 {
		return false
	}
	re, err := regexp.Compile("(?i)" + expr)
	return err == nil && re.MatchString(name)
}

// matchWildcard matches * and ? anywhere, as Apache does.
func matchWildcard(pattern, name string) bool {
	p, n, star, mark := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// parseListen reads an address and a port as nginx, Apache and HAProxy write
// them. port is the default port. A host name means every address. ok is false
// if text is not an Internet socket.
func parseListen(text string, port uint16) (l Listen, ok bool) {
	if strings.HasPrefix(text, "unix:") || strings.HasPrefix(text, "/") || strings.HasPrefix(text, "fd@") || strings.HasPrefix(text, "abns@") {
		return l, false
	}
	host := text
	l.Port = port
	if n, err := strconv.ParseUint(text, 10, 16); err == nil {
		l.Port, l.Family = uint16(n), 4
		return l, n != 0
	}
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.HasSuffix(text, "]") {
		host = text[:i]
		switch p := text[i+1:]; {
		case p == "*":
			l.Port = 0
		default:
			n, err := strconv.ParseUint(p, 10, 16)
			if err != nil || n == 0 {
				return l, false
			}
			l.Port = uint16(n)
		}
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	switch a, err := netip.ParseAddr(inner); {
	case err == nil && a.IsUnspecified():
		l.Family = 4
		if a.Is6() {
			l.Family = 6
		}
	case err == nil:
		l.Addr = a.Unmap()
	case inner == "*" || inner == "" || strings.EqualFold(inner, "_default_"):
	case strings.EqualFold(inner, "localhost"):
		l.Addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return l, true
}

// unreadable returns the policy of a server whose configuration cannot be read.
func unreadable(name, title, source string, err error) *Policy {
	return &Policy{Name: policyName(name), Title: title, Source: source, Unread: err.Error(), Note: fmt.Sprintf("This server's configuration cannot be read: %v.", err)}
}

// checkRead returns the first error if no server of the list can be read.
// Otherwise it returns nil: one unreadable server does not make the others
// unusable.
func checkRead(list []*Policy, errs []error) error {
	if len(errs) > 0 && len(errs) == len(list) {
		return errs[0]
	}
	return nil
}
