package render

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pfsight/report"
	"pfsight/report/impact"
	"pfsight/report/policy"
	"pfsight/report/secrecy"
)

// A breakKey is what the members of a breakGroup have in common.
type breakKey struct{ client, ja4, lacks, offers string }

// A breakGroup sums up connections that break in the same way.
type breakGroup struct {
	breakKey
	n              uint64
	clients        map[report.Host]struct{}
	servers        map[report.Endpoint]string // with a name of each
	first, last    *impact.Breaking
	oneServer      report.Endpoint
	firstAt, until int64
}

// groupBreaking sums up clients with the same key, most connections first.
func groupBreaking(list []impact.Breaking, of func(b *impact.Breaking) breakKey) []*breakGroup {
	var out []*breakGroup
	at := map[breakKey]*breakGroup{}
	for i := range list {
		b := &list[i]
		k := of(b)
		g := at[k]
		if g == nil {
			g = &breakGroup{breakKey: k, clients: map[report.Host]struct{}{}, servers: map[report.Endpoint]string{}, first: b, last: b, oneServer: b.Server, firstAt: b.First, until: b.Last}
			at[k] = g
			out = append(out, g)
		}
		g.n += b.Connections
		g.clients[b.Client] = struct{}{}
		g.servers[b.Server] = b.ServerName
		if b.First < g.firstAt {
			g.first, g.firstAt = b, b.First
		}
		if b.Last > g.until {
			g.last, g.until = b, b.Last
		}
	}
	slices.SortStableFunc(out, func(a, b *breakGroup) int { return cmp.Compare(b.n, a.n) })
	return out
}

// breakingTables adds the tables of clients that break: by kind of client, and
// by client.
func breakingTables(doc *document, list []impact.Breaking, more uint64, opt Options, format string) {
	if len(list) == 0 {
		return
	}
	text := func(b *impact.Breaking) string { return offers(b, format) }
	kinds := &table{header: []string{"kind of client (JA4)", "clients", "conn.", "lacks", "offers"}, right: []bool{false, true, true}, drop: []int{0, 0, 0, 0, 0}, elastic: 4}
	for _, g := range groupBreaking(list, func(b *impact.Breaking) breakKey { return breakKey{"", b.JA4, lacks(b.Failure), text(b)} }) {
		kinds.rows = append(kinds.rows, []string{g.ja4, Number(uint64(len(g.clients))), Number(g.n), g.lacks, g.offers})
	}
	doc.add(kinds, opt.top())
	t := &table{
		header: []string{"client", "server", "name", "conn.", "first", "last", "packets", "lacks", "offers", "ja4"}, right: []bool{false, false, false, true},
		drop: []int{0, 0, 5, 0, 8, 3, 7, 0, 1, 6}, elastic: 8, more: more,
	}
	if format != "table" {
		t.drop = nil
	}
	for _, g := range groupBreaking(list, func(b *impact.Breaking) breakKey {
		return breakKey{b.Client.String(), b.JA4, lacks(b.Failure), text(b)}
	}) {
		server, name := g.oneServer.String(), g.servers[g.oneServer]
		if n := len(g.servers); n > 1 {
			server, name = Number(uint64(n))+" servers", "…"
		}
		t.rows = append(t.rows, []string{g.client, server, cut(name, 40), Number(g.n), stamp(g.firstAt), stamp(g.until), packets(g.first, g.last), g.lacks, g.offers, g.ja4})
	}
	doc.add(t, opt.top())
}

// packets returns the packet numbers of the first and the last ClientHello.
func packets(first, last *impact.Breaking) string {
	a, b := first.FirstPacket, last.LastPacket
	switch {
	case a == 0 || b == 0:
		return ""
	case first.FirstSource != last.LastSource:
		return fmt.Sprintf("%d, %s:%d", a, last.LastSource, b)
	case a == b:
		return strconv.FormatUint(a, 10)
	}
	return fmt.Sprintf("%d, %d", a, b)
}

// lacks names what a client and a policy do not have in common.
func lacks(f policy.Failure) string {
	switch f {
	case policy.NoCommonVersion:
		return "version"
	case policy.NoCommonSuite:
		return "suite"
	case policy.NoCommonGroup:
		return "group"
	case policy.NoCommonSignature:
		return "signature"
	case policy.NoCertificate:
		return "certificate"
	case policy.InappropriateFallback:
		return "fallback"
	}
	return strings.ReplaceAll(strings.TrimPrefix(f.String(), "no_"), "_", " ")
}

// offers returns what a client that breaks offers of the missing kind.
func offers(b *impact.Breaking, format string) string {
	o := b.Offered
	var list []string
	switch b.Failure {
	case policy.NoCommonVersion:
		return versionsText(o)
	case policy.NoCommonGroup:
		for _, g := range o.Groups {
			if !g.IsGREASE() {
				list = append(list, g.String())
			}
		}
	case policy.NoCommonSignature:
		for _, s := range o.SignatureAlgorithms {
			if !s.IsGREASE() {
				list = append(list, s.String())
			}
		}
	default:
		for _, s := range o.CipherSuites {
			if s.IsGREASE() || s.IsSCSV() {
				continue
			}
			name := s.String()
			if format == "table" {
				name = strings.ReplaceAll(strings.TrimPrefix(name, "TLS_"), "_WITH_", " ")
			}
			list = append(list, name)
		}
	}
	const most = 12
	if len(list) > most && format == "table" {
		list = append(list[:most], "…")
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func versionsText(o *report.Offer) string {
	var list []string
	for _, v := range o.Versions {
		if !v.IsGREASE() {
			list = append(list, v.String())
		}
	}
	if len(list) == 1 && o.SupportedVersions != secrecy.True {
		return "up to " + list[0]
	}
	slices.Reverse(list)
	return strings.Join(list, ", ")
}
