package render

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/impact"
	"pfsight/report/policy"
	"pfsight/report/secrecy"
)

// ImpactFormats are the formats that Impact writes.
var ImpactFormats = []string{"table", "json", "csv", "markdown", "html"}

// An ImpactReport is the input of Impact.
type ImpactReport struct {
	Input    report.Input
	Now      impact.Now
	Outcomes []*impact.Outcome
	Advice   *impact.Advice // nil if it was not requested
	Config   string         // server configuration of the policy, "" for none
	Kind     string         // of Config
	Keys     string         // certificates given by the user, "" for the observed ones
}

// Impact writes the effect of policies in one of ImpactFormats.
func Impact(w io.Writer, r *ImpactReport, format string, opt Options) error {
	switch format {
	case "json":
		return impactJSON(w, r)
	case "csv":
		return impactCSV(w, r)
	}
	return impactDocument(r, opt, format).write(w, format, opt)
}

func impactDocument(r *ImpactReport, opt Options, format string) *document {
	doc := &document{title: "What servers with another policy would do to the clients that were observed"}
	impactBase(doc, r)
	if r.Now.Complete.Connections == 0 {
		doc.text("No ClientHello was observed: nothing can be said of any policy.")
		return doc
	}
	switch n := len(r.Outcomes); {
	case n == 0:
	case n <= 3:
		impactColumns(doc, r, format)
	default:
		impactRows(doc, r)
	}
	for _, o := range r.Outcomes {
		impactDetail(doc, o, opt, format, len(r.Outcomes) > 3 && format == "table")
	}
	if r.Advice != nil {
		impactAdvice(doc, r, opt, format)
	}
	if r.Config != "" {
		doc.heading("For %s", r.Kind)
		doc.code(r.Config)
	}
	return doc
}

// impactBase writes which observations the answers are based on.
func impactBase(doc *document, r *ImpactReport) {
	n, in := &r.Now, &r.Input
	doc.text("Read %s: %s.", inputName(in), inputSize(in))
	for _, text := range scope(in, unquoted) {
		doc.text("%s", text)
	}
	if n.Connections == 0 {
		doc.text("%s", noConnections(in))
		return
	}
	if n.First != 0 {
		doc.text("%s to %s UTC (%s). Nothing is said of clients that were not seen in that time.", stamp(n.First), stamp(n.Last), Span(n.Last-n.First))
	}
	for _, l := range in.Loss {
		doc.text("Missing: %s.", lossText(&l, func(s string) string { return s }))
	}
	doc.text("%s with a whole ClientHello, of %s at %s: %s. Each meets each policy, those that failed or continued a session too.",
		plural(n.Complete.Connections, "connection"), plural(n.Complete.Clients, "client"), plural(n.Complete.Servers, "server"), distinct(n.Hellos))
	var not []string
	for _, x := range []struct {
		n    uint64
		what string
	}{{n.NoHello, "without a ClientHello"}, {n.Incomplete, "with only a part of one"}, {n.Beyond, "beyond the limits of what is kept apart"}} {
		if x.n > 0 {
			not = append(not, Number(x.n)+" "+x.what)
		}
	}
	if len(not) > 0 {
		doc.text("Of %s nothing is said: %s.", plural(n.Connections-n.Complete.Connections, "connection"), strings.Join(not, ", "))
	}
	if n.ECH > 0 {
		doc.text("%s had encrypted_client_hello, real or GREASE: the answer is to what shows, and the inner ClientHello may offer something else.", plural(n.ECH, "connection"))
	}
	switch {
	case r.Keys != "":
		doc.text("The servers are taken to have certificates of type %s.", r.Keys)
	case n.KeysUnknown > 0:
		doc.text("Of %s the server's certificate was never seen (TLS 1.3 encrypts it): an RSA and an ECDSA one are both tried, and what differs is not told. --certificate says which there are.", plural(n.KeysUnknown, "connection"))
	}
}

// metrics are the rows of the comparison.
var metrics = []struct {
	name  string
	short string
	of    func(o *impact.Outcome) impact.Tally
	main  bool // the main metrics add up to all connections
}{
	{"keep what they have", "keep", func(o *impact.Outcome) impact.Tally { return o.Keeps }, true},
	{"change", "change", func(o *impact.Outcome) impact.Tally { return o.Changes }, true},
	{"break", "break", func(o *impact.Outcome) impact.Tally { return o.Breaks }, true},
	{"cannot be told", "depend", func(o *impact.Outcome) impact.Tally { return o.Depends }, true},
	{"failed, and would succeed", "mend", func(o *impact.Outcome) impact.Tally { return o.Mends }, true},
	{"failed, and fail still", "fail", func(o *impact.Outcome) impact.Tally { return o.Fails }, true},
	{"gain forward secrecy", "gain FS", func(o *impact.Outcome) impact.Tally { return o.GainsForwardSecrecy }, false},
	{"lose forward secrecy", "lose FS", func(o *impact.Outcome) impact.Tally { return o.LosesForwardSecrecy }, false},
	{"have no forward secrecy then", "no FS", func(o *impact.Outcome) impact.Tally { return o.NoForwardSecrecy }, false},
	{"gain post-quantum", "gain PQ", func(o *impact.Outcome) impact.Tally { return o.GainsPostQuantum }, false},
	{"lose post-quantum", "lose PQ", func(o *impact.Outcome) impact.Tally { return o.LosesPostQuantum }, false},
	{"need one more round trip", "retry", func(o *impact.Outcome) impact.Tally { return o.RoundTrip }, false},
	{"with a detail in doubt", "doubt", func(o *impact.Outcome) impact.Tally { return o.Doubtful }, false},
}

// impactColumns compares a few policies side by side.
func impactColumns(doc *document, r *ImpactReport, format string) {
	doc.heading("Connections and clients")
	t := &table{header: []string{""}, right: []bool{false}}
	for i, o := range r.Outcomes {
		name := "connections"
		if len(r.Outcomes) > 1 {
			if name = o.Name; format == "table" {
				name = string(rune('A' + i))
				doc.text("%s: %s", name, o.Name)
			}
		}
		t.header, t.right = append(t.header, name, "", "clients"), append(t.right, true, true, true)
		if len(r.Outcomes) == 1 {
			t.header, t.right = append(t.header, "servers", "bytes"), append(t.right, true, true)
		}
	}
	for _, m := range metrics {
		row := []string{m.name}
		some := false
		for _, o := range r.Outcomes {
			x := m.of(o)
			some = some || x.Connections > 0
			row = append(row, Number(x.Connections), Share(x.Connections, o.Asked.Connections), Number(x.Clients))
			if len(r.Outcomes) == 1 {
				row = append(row, Number(x.Servers), Size(x.Bytes))
			}
		}
		if !some && !m.main {
			continue
		}
		color := ""
		if some && m.short == "break" {
			color = "31"
		}
		t.rows, t.colors = append(t.rows, row), append(t.colors, color)
	}
	doc.add(fitShares(t, len(r.Outcomes)), len(t.rows))
	doc.note("The first six lines add up to all; the others are parts of them. A client with several kinds of connections counts in several lines.")
}

// fitShares makes the share columns drop first if there are several policies.
func fitShares(t *table, policies int) *table {
	t.drop = make([]int, len(t.header))
	if policies > 1 {
		for i := 2; i < len(t.drop); i += 3 {
			t.drop[i] = 1
		}
		return t
	}
	t.drop[5], t.drop[4] = 2, 1
	return t
}

// impactRows compares many policies, one on each line.
func impactRows(doc *document, r *ImpactReport) {
	doc.heading("Connections, by policy")
	t := &table{header: []string{"policy"}, right: []bool{false}, drop: []int{0}}
	parts := slices.ContainsFunc(r.Outcomes, func(o *impact.Outcome) bool { return o.Asked != r.Now.Complete })
	if parts {
		t.header, t.right, t.drop = append(t.header, "asked"), append(t.right, true), append(t.drop, 0)
	}
	drops := map[string]int{"doubt": 9, "mend": 8, "fail": 7, "lose PQ": 6, "keep": 5, "retry": 4, "change": 3, "gain PQ": 2, "lose FS": 1}
	for _, m := range metrics {
		t.header, t.right, t.drop = append(t.header, m.short), append(t.right, true), append(t.drop, drops[m.short])
		if m.short == "break" {
			t.header, t.right, t.drop = append(t.header, "clients"), append(t.right, true), append(t.drop, 0)
		}
	}
	for _, o := range r.Outcomes {
		row := []string{o.Name}
		if parts {
			row = append(row, Number(o.Asked.Connections))
		}
		for _, m := range metrics {
			x := m.of(o)
			row = append(row, Number(x.Connections))
			if m.short == "break" {
				row = append(row, Number(x.Clients))
			}
		}
		t.rows = append(t.rows, row)
	}
	doc.add(t, len(t.rows))
	doc.note("clients: those that break. FS: forward secrecy; PQ: post-quantum; retry: one more round trip.")
}

// impactDetail writes the effect of one policy. If brief, it writes only why
// clients break.
func impactDetail(doc *document, o *impact.Outcome, opt Options, format string, brief bool) {
	doc.heading("%s", o.Name+": "+o.Title)
	if o.Policy.Note != "" {
		doc.note("%s", o.Policy.Note)
	}
	if n := o.Elsewhere.Connections; n > 0 {
		doc.text("%s went to addresses or ports at which the configuration does not listen: nothing is said of them.", plural(n, "connection"))
	}
	if o.Policy.Host != nil && o.Asked.Connections == 0 {
		doc.text("No observed connection goes to this server.")
		return
	}
	if o.Breaks.Connections == 0 {
		doc.text("No observed client breaks%s.", map[bool]string{true: ", as far as can be told"}[o.Depends.Connections > 0])
	}
	if len(o.Failures) > 0 {
		t := &table{header: []string{"breaks because", "connections", "clients", "servers", ""}, right: []bool{false, true, true, true, true}, drop: []int{0, 0, 0, 1, 2}, elastic: 0}
		for _, f := range o.Failures {
			t.rows = append(t.rows, []string{f.Text, Number(f.Connections), Number(f.Clients), Number(f.Servers), Size(f.Bytes)})
		}
		doc.add(t, len(t.rows))
	}
	if brief {
		return
	}
	breakingTables(doc, o.Breaking, o.More, opt, format)
	if o.Depends.Connections > 0 {
		doc.text("Of %s it cannot be told if they break: %s.", plural(o.Depends.Connections, "connection"), causes(o.Causes))
	}
	if o.Doubtful.Connections > 0 {
		doc.text("Of %s it cannot be told for sure what they get: %s.", plural(o.Doubtful.Connections, "connection"), causes(o.Doubts))
	}
	if len(o.Transitions) > 0 {
		t := &table{header: []string{"from", "to", "connections", "clients"}, right: []bool{false, false, true, true}, drop: []int{0, 0, 0, 1}, elastic: 1}
		for _, x := range o.Transitions {
			from := sideText(&x.From)
			if from == "" {
				from = "no answer"
			}
			t.rows = append(t.rows, []string{from, sideText(&x.To), Number(x.Connections), Number(x.Clients)})
		}
		doc.add(mergeRows(t), opt.top())
	}
}

// sideText returns the version, the key exchange and the cipher of a Side.
func sideText(s *impact.Side) string {
	text := strings.TrimSpace(s.Version + " " + s.KeyExchange)
	if s.Group != "" {
		text += " " + s.Group
	}
	if i, ok := iana.LookupSuite(s.CipherSuite); ok && s.KeyExchange != "" {
		text += " " + shortCipher(i.Info().Encryption)
	}
	return text
}

func shortCipher(s string) string { return strings.ReplaceAll(s, "_", "-") }

// mergeTransitions sums up transitions with the same text, most connections
// first.
func mergeRows(t *table) *table {
	var out [][]string
	at := map[string]int{}
	for _, r := range t.rows {
		k := r[0] + "\x00" + r[1]
		i, ok := at[k]
		if !ok {
			at[k] = len(out)
			out = append(out, r)
			continue
		}
		out[i][2] = Number(number(out[i][2]) + number(r[2]))
		out[i][3] = ""
	}
	slices.SortStableFunc(out, func(a, b []string) int { return cmp.Compare(number(b[2]), number(a[2])) })
	t.rows = out
	return t
}

func number(s string) uint64 {
	n, _ := strconv.ParseUint(strings.ReplaceAll(s, ",", ""), 10, 64)
	return n
}

// causes describes why something is undetermined.
func causes(c policy.Cause) string {
	return strings.ReplaceAll(strings.ReplaceAll(c.String(), "+", ", "), "_", " ")
}

// A breakKey is what the members of a breakGroup have in common.
type fate struct{ client, ja4, lacks, offers string }

// A breakGroup sums up connections that break in the same way.
type group struct {
	fate
	n              uint64
	clients        map[report.Host]struct{}
	servers        map[report.Endpoint]string // with a name of each
	first, last    *impact.Breaking
	oneServer      report.Endpoint
	firstAt, until int64
}

// groupBreaking sums up clients with the same key, most connections first.
func groupBreaking(list []impact.Breaking, of func(b *impact.Breaking) fate) []*group {
	var out []*group
	at := map[fate]*group{}
	for i := range list {
		b := &list[i]
		k := of(b)
		g := at[k]
		if g == nil {
			g = &group{fate: k, clients: map[report.Host]struct{}{}, servers: map[report.Endpoint]string{}, first: b, last: b, oneServer: b.Server, firstAt: b.First, until: b.Last}
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
	slices.SortStableFunc(out, func(a, b *group) int { return cmp.Compare(b.n, a.n) })
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
	for _, g := range groupBreaking(list, func(b *impact.Breaking) fate { return fate{"", b.JA4, lacks(b.Failure), text(b)} }) {
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
	for _, g := range groupBreaking(list, func(b *impact.Breaking) fate { return fate{b.Client.String(), b.JA4, lacks(b.Failure), text(b)} }) {
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

// distinct returns the number of distinct ClientHellos in words.
func distinct(n uint64) string {
	if n == 1 {
		return "1 ClientHello"
	}
	return plural(n, "ClientHello") + " that differ"
}
