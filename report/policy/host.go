package policy

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A Host says which connections a server of a configuration takes: those that
// come to one of its sockets and, of them, those with one of its names.
type Host struct {
	// Config names the configuration. The hosts of one configuration share it.
	Config string
	// Names are exact names, those with a wildcard and, after a ~, regular
	// expressions, in the order of the configuration.
	Names   []string
	Listens []Listen
	rules   *rules
}

// rules are how the program of a configuration finds the host of a connection.
type rules struct {
	// apache: wildcards stand for any string anywhere, and the first host that
	// has the name is taken; otherwise nginx's rules count.
	apache bool
	// underDefault returns the policy of a host that is not the default one of
	// the socket; what is chosen before the name is known comes from def.
	underDefault func(host, def *Policy) *Policy
}

// A Listen is a socket.
type Listen struct {
	Addr    netip.Addr // not valid: every address
	Family  int        // 4 or 6 with every address of one family, 0 of both
	Port    uint16     // 0: every port
	Default bool       // the host is the socket's default one
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

// socket is what tells sockets apart.
func (l Listen) socket() Listen { l.Default = false; return l }

// fits says how well l fits an address: 0 not at all, then by how much of it
// l names.
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

// A Match says how a connection was found to be one of a configuration.
type Match uint8

// The matches.
const (
	NoMatch   Match = iota // nothing listens there
	NameMatch              // nothing listens at any observed address and port; the name alone counts
	PortMatch              // nothing listens at the address, but at the port, as behind address translation
	SocketMatch
)

// A Site is the hosts of one configuration.
type Site struct {
	Name  string
	Hosts []*Policy // each with a Host
	cache map[under]*Policy
}

type under struct{ host, def *Policy }

// Sites returns the configurations that policies are of, in their order, and
// the policies that are of none.
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

// Match says how well the site's sockets fit an address: SocketMatch,
// PortMatch or NoMatch.
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

// Route returns the host that takes a connection to the address with the
// server name ("" for none), and the policy that the connection gets there,
// which may have parts of the default host's. How says what of the address
// counts; with NoMatch both are nil.
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
	host = find(list, normalName(name), s.apache())
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

// ConfigName makes a policy's name of a file's.
func ConfigName(path string) string { return policyName(filepath.Base(path)) }

func normalName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// find returns the first host that has the name, by the program's rules; nil
// for none.
func find(list []*Policy, name string, apache bool) *Policy {
	if name == "" {
		return nil
	}
	if apache {
		for _, h := range list {
			for _, n := range h.Host.Names {
				if wildcard(strings.ToLower(n), name) {
					return h
				}
			}
		}
		return nil
	}
	// nginx: exact names, the longest name that begins with a wildcard, the
	// longest that ends with one, the first regular expression.
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
			if expr, ok := strings.CutPrefix(n, "~"); ok && expression(expr, name) {
				return h
			}
		}
	}
	return nil
}

// nginxScore says how well a server_name fits; 0 not at all.
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
	case strings.HasPrefix(pattern, "."): // a name and all below it
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

// expression reports whether a regular expression of a configuration matches.
// One that Go cannot compile, as PCRE knows more, matches nothing.
func expression(expr, name string) bool {
	if len(expr) > 1<<10 {
		return false
	}
	re, err := regexp.Compile("(?i)" + expr)
	return err == nil && re.MatchString(name)
}

// wildcard matches * and ? anywhere, as Apache does.
func wildcard(pattern, name string) bool {
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
// them. Without a port it is port; a name is taken for every address. ok is
// false for what is no Internet socket.
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

// unreadable makes the policy of a server whose configuration cannot be read.
func unreadable(name, title, source string, err error) *Policy {
	return &Policy{Name: policyName(name), Title: title, Source: source, Unread: err.Error(), Note: fmt.Sprintf("This server's configuration cannot be read: %v.", err)}
}

// checkRead returns the error of the only server of a list, or that of the
// first where none can be read. Where some can, the others are left as they
// are: a server that cannot be read does not make the rest unusable.
func checkRead(list []*Policy, errs []error) error {
	if len(errs) > 0 && len(errs) == len(list) {
		return errs[0]
	}
	return nil
}
