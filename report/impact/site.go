package impact

import (
	"fmt"
	"strings"

	"pfsight/report/policy"
)

// A route is the server of a configuration that takes a party, and the policy
// that applies.
type route struct {
	host *policy.Policy // nil if the configuration does not listen there
	how  policy.Match
	ask  *policy.Policy
}

// A Routed is the effect of a configuration with several servers: the outcome
// of all, and of each host for the connections that it takes.
type Routed struct {
	Sum   *Outcome
	Hosts []*Outcome
}

// route finds the host of every party by address and port. If no address
// matches, as behind address translation, the port decides; if no port matches
// either, the names decide.
func (st *Study) route(site *policy.Site) (routes []route, note string) {
	routes = make([]route, len(st.parties))
	match := make([]policy.Match, len(st.Sum.servers))
	some := false
	for i := range st.parties {
		n := st.parties[i].server
		if sv := &st.Sum.servers[n]; match[n] == policy.NoMatch && sv.addr.IsValid() {
			match[n] = site.Match(sv.addr.AddrPort)
			some = some || match[n] != policy.NoMatch
		}
	}
	var ported uint64
	for i := range st.parties {
		x := &st.parties[i]
		sv := &st.Sum.servers[x.server]
		how := match[x.server]
		switch {
		case !some:
			how = policy.NameMatch
		case how == policy.PortMatch:
			ported += x.n
		}
		r := route{how: how}
		r.host, r.ask = site.Route(sv.addr.AddrPort, sv.name, how)
		routes[i] = r
	}
	switch {
	case !some && len(st.parties) > 0:
		note = "The configuration does not listen at any observed address and port, so connections are matched by server name only."
	case ported > 0:
		note = fmt.Sprintf("%d connections came to ports that the configuration listens at, but to other addresses: they are sent to its servers by port and server name.", ported)
	}
	return routes, note
}

// AskSite returns the effect of a configuration with several servers: each
// connection is answered by the server that takes it, by address, port and
// server name. For a configuration with one server, only the sum is filled in.
func (st *Study) AskSite(site *policy.Site) *Routed {
	routes, note := st.route(site)
	answers := map[*policy.Policy]map[uint32]*policy.Answer{}
	byParty := make([]*policy.Answer, len(st.parties))
	elsewhere := st.counter()
	for i := range st.parties {
		x, r := &st.parties[i], &routes[i]
		if r.host == nil {
			elsewhere.add(x)
			continue
		}
		known := answers[r.ask]
		if known == nil {
			known = map[uint32]*policy.Answer{}
			answers[r.ask] = known
		}
		a := known[x.question]
		if a == nil {
			m := st.questions[x.question]
			one := r.ask.Answer(st.hello[m.hello], st.servers[m.keys])
			a = &one
			known[x.question] = a
		}
		byParty[i] = a
	}
	all := &policy.Policy{
		Name: policy.ConfigName(site.Name), Title: fmt.Sprintf("all %d servers of %s, each with the connections that it takes", len(site.Hosts), site.Name),
		Source: site.Name, Note: note,
	}
	if len(site.Hosts) == 1 {
		one := *site.Hosts[0]
		one.Note = strings.TrimSpace(one.Note + " " + note)
		all = &one
	}
	out := &Routed{Sum: st.ask(all, func(i int) *policy.Answer { return byParty[i] })}
	out.Sum.Elsewhere = elsewhere.tally()
	if len(site.Hosts) == 1 {
		return out
	}
	for _, h := range site.Hosts {
		out.Hosts = append(out.Hosts, st.ask(h, func(i int) *policy.Answer {
			if routes[i].host != h {
				return nil
			}
			return byParty[i]
		}))
	}
	return out
}

// Host returns the part of a study that one server of a configuration takes,
// and the policy that most of these connections get; see policy.Site.Route.
func (st *Study) Host(site *policy.Site, host *policy.Policy) (*Study, *policy.Policy) {
	routes, _ := st.route(site)
	part := *st
	part.parties = nil
	in := host
	for i := range st.parties {
		if routes[i].host == host {
			if len(part.parties) == 0 { // parties are sorted by connections
				in = routes[i].ask
			}
			part.parties = append(part.parties, st.parties[i])
		}
	}
	part.count()
	return &part, in
}
