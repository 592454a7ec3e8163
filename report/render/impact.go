package render

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/impact"
	"pfsight/report/policy"
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
	doc := &document{title: "Effect of policies on the observed clients"}
	impactBase(doc, r)
	if r.Now.Complete.Connections == 0 {
		doc.text("No ClientHello was observed, so no policy can be evaluated.")
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
		doc.text("%s to %s UTC (%s). Clients that were not seen in this time are not covered.", stamp(n.First), stamp(n.Last), Span(n.Last-n.First))
	}
	for _, l := range in.Loss {
		doc.text("Missing: %s.", lossText(&l, func(s string) string { return s }))
	}
	doc.text("%s with a complete ClientHello, of %s at %s: %s. Every ClientHello is tested against every policy, including failed and resumed ones.",
		plural(n.Complete.Connections, "connection"), plural(n.Complete.Clients, "client"), plural(n.Complete.Servers, "server"), distinct(n.Hellos))
	var not []string
	for _, x := range []struct {
		n    uint64
		what string
	}{{n.NoHello, "without a ClientHello"}, {n.Incomplete, "with an incomplete one"}, {n.Beyond, "beyond the limits"}} {
		if x.n > 0 {
			not = append(not, Number(x.n)+" "+x.what)
		}
	}
	if len(not) > 0 {
		doc.text("Not covered: %s (%s).", plural(n.Connections-n.Complete.Connections, "connection"), strings.Join(not, ", "))
	}
	if n.ECH > 0 {
		doc.text("%s had encrypted_client_hello, real or GREASE: the answer is for the outer ClientHello, and the inner one may differ.", plural(n.ECH, "connection"))
	}
	switch {
	case r.Keys != "":
		doc.text("All servers are assumed to have certificates of type %s.", r.Keys)
	case n.KeysUnknown > 0:
		doc.text("For %s the server's certificate was never seen (TLS 1.3 encrypts it): both RSA and ECDSA are tried, and where the answers differ, they are undetermined. Use --certificate to state the type.", plural(n.KeysUnknown, "connection"))
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
	{"undetermined", "depend", func(o *impact.Outcome) impact.Tally { return o.Depends }, true},
	{"failed, would succeed", "mend", func(o *impact.Outcome) impact.Tally { return o.Mends }, true},
	{"failed, would still fail", "fail", func(o *impact.Outcome) impact.Tally { return o.Fails }, true},
	{"gain forward secrecy", "gain FS", func(o *impact.Outcome) impact.Tally { return o.GainsForwardSecrecy }, false},
	{"lose forward secrecy", "lose FS", func(o *impact.Outcome) impact.Tally { return o.LosesForwardSecrecy }, false},
	{"without forward secrecy", "no FS", func(o *impact.Outcome) impact.Tally { return o.NoForwardSecrecy }, false},
	{"gain post-quantum", "gain PQ", func(o *impact.Outcome) impact.Tally { return o.GainsPostQuantum }, false},
	{"lose post-quantum", "lose PQ", func(o *impact.Outcome) impact.Tally { return o.LosesPostQuantum }, false},
	{"need one more round trip", "retry", func(o *impact.Outcome) impact.Tally { return o.RoundTrip }, false},
	{"details undetermined", "doubt", func(o *impact.Outcome) impact.Tally { return o.Doubtful }, false},
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
	doc.note("The first six lines add up to all connections; the others overlap with them. A client may count in several lines.")
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
		doc.text("%s went to addresses or ports where the configuration does not listen; they are not covered.", plural(n, "connection"))
	}
	if o.Policy.Host != nil && o.Asked.Connections == 0 {
		doc.text("No observed connection goes to this server.")
		return
	}
	if o.Breaks.Connections == 0 {
		doc.text("No observed client breaks%s.", map[bool]string{true: ", except for undetermined connections"}[o.Depends.Connections > 0])
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
		doc.text("Undetermined whether they break: %s (%s).", plural(o.Depends.Connections, "connection"), causes(o.Causes))
	}
	if o.Doubtful.Connections > 0 {
		doc.text("Details undetermined: %s (%s).", plural(o.Doubtful.Connections, "connection"), causes(o.Doubts))
	}
	transitionTable(doc, o.Transitions, opt)
}

// transitionTable adds a table of transitions, most connections first. It sums
// up transitions with the same text; their clients are not added, because they
// may be the same.
func transitionTable(doc *document, list []impact.Transition, opt Options) {
	type text struct{ from, to string }
	type sum struct {
		text
		connections uint64
		clients     string
	}
	var sums []*sum
	byText := map[text]*sum{}
	for i := range list {
		x := &list[i]
		k := text{sideText(&x.From), sideText(&x.To)}
		if k.from == "" {
			k.from = "no answer"
		}
		if s := byText[k]; s != nil {
			s.connections += x.Connections
			s.clients = ""
			continue
		}
		s := &sum{k, x.Connections, Number(x.Clients)}
		byText[k], sums = s, append(sums, s)
	}
	slices.SortStableFunc(sums, func(a, b *sum) int { return cmp.Compare(b.connections, a.connections) })
	t := &table{header: []string{"from", "to", "connections", "clients"}, right: []bool{false, false, true, true}, drop: []int{0, 0, 0, 1}, elastic: 1}
	for _, s := range sums {
		t.rows = append(t.rows, []string{s.from, s.to, Number(s.connections), s.clients})
	}
	doc.add(t, opt.top())
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

// causes describes why something is undetermined.
func causes(c policy.Cause) string {
	return strings.ReplaceAll(strings.ReplaceAll(c.String(), "+", ", "), "_", " ")
}

// distinct returns the number of distinct ClientHellos in words.
func distinct(n uint64) string {
	if n == 1 {
		return "1 ClientHello"
	}
	return Number(n) + " distinct ClientHellos"
}
