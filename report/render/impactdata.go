package render

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"

	"pfsight/report/impact"
)

// breakingJSON is the JSON form of a client that breaks.
type breakingJSON struct {
	Policy      string          `json:"-"`
	Client      string          `json:"client_ip"`
	JA4         string          `json:"ja4,omitempty"`
	ServerName  string          `json:"server_name,omitempty"`
	ServerIP    string          `json:"server_ip"`
	ServerPort  uint16          `json:"server_port"`
	Connections uint64          `json:"connections"`
	Bytes       uint64          `json:"bytes"`
	First       string          `json:"first,omitempty"`
	Last        string          `json:"last,omitempty"`
	FirstPacket uint64          `json:"first_client_hello_packet,omitempty"`
	FirstSource string          `json:"first_source,omitempty"`
	LastPacket  uint64          `json:"last_client_hello_packet,omitempty"`
	LastSource  string          `json:"last_source,omitempty"`
	Failure     string          `json:"failure,omitempty"`
	Alert       string          `json:"alert,omitempty"`
	Version     string          `json:"version,omitempty"` // at which it fails
	Doubt       string          `json:"doubt,omitempty"`
	Offered     json.RawMessage `json:"offered,omitempty"`
}

func breakingOf(list []impact.Breaking) []breakingJSON {
	out := make([]breakingJSON, 0, len(list))
	for i := range list {
		b := &list[i]
		j := breakingJSON{
			Client: b.Client.String(), JA4: b.JA4, ServerName: b.ServerName, ServerIP: b.Server.Host().String(), ServerPort: b.Server.Port(), Connections: b.Connections, Bytes: b.Bytes,
			First: timeText(b.First), Last: timeText(b.Last), FirstPacket: b.FirstPacket, FirstSource: b.FirstSource, LastPacket: b.LastPacket, LastSource: b.LastSource,
		}
		if b.Cause != 0 && b.Failure == 0 {
			j.Doubt = b.Cause.String()
		}
		if b.Failure != 0 {
			j.Failure, j.Alert, j.Doubt = b.Failure.String(), b.Alert.String(), b.Cause.String()
		}
		if b.Version != 0 {
			j.Version = b.Version.String()
		}
		j.Offered = offeredJSON(b.Offered)
		out = append(out, j)
	}
	return out
}

func impactJSON(w io.Writer, r *ImpactReport) error {
	type outcome struct {
		*impact.Outcome
		Breaking  []breakingJSON `json:"breaking"`
		Depending []breakingJSON `json:"depending"`
	}
	type addition struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	}
	type gain struct {
		Additions        []addition   `json:"additions"`
		Opens            impact.Tally `json:"opens"`
		Breaks           impact.Tally `json:"still_breaks"`
		NoForwardSecrecy uint64       `json:"no_forward_secrecy"`
		Unauthenticated  uint64       `json:"unauthenticated"`
		Weak             uint64       `json:"weak"`
		LosesPostQuantum uint64       `json:"loses_post_quantum"`
	}
	type isolated struct {
		breakingJSON
		Needs []string `json:"needs"`
	}
	type opening struct {
		Policy    string       `json:"policy"`
		Additions []addition   `json:"additions"`
		Exact     bool         `json:"exact"`
		Price     impact.Tally `json:"no_forward_secrecy"`
		Left      impact.Tally `json:"still_breaks"`
		Gains     []gain       `json:"gains"` // the additions, in a greedy order by connections opened
		Isolate   []isolated   `json:"upgrade_or_isolate"`
	}
	type advice struct {
		Strictest    string         `json:"strictest,omitempty"`
		Next         string         `json:"next,omitempty"`
		NextBreaking []breakingJSON `json:"next_breaking,omitempty"`
		Openings     []opening      `json:"openings"`
		Steps        []impact.Step  `json:"steps"`
	}
	out := struct {
		Files    []string   `json:"files"`
		First    string     `json:"first,omitempty"`
		Last     string     `json:"last,omitempty"`
		Filter   string     `json:"filter,omitempty"`
		Where    string     `json:"where,omitempty"`
		Loss     []jsonLoss `json:"loss"` // losses by reason
		Keys     string     `json:"certificate,omitempty"`
		Observed impact.Now `json:"observed"`
		Policies []outcome  `json:"policies"`
		Advice   *advice    `json:"advice,omitempty"`
		Config   string     `json:"config,omitempty"`
	}{Files: r.Input.Files, Filter: r.Input.Filter, Where: r.Input.Where, Loss: jsonLosses(r.Input.Loss), Keys: r.Keys, Observed: r.Now, Config: r.Config, Policies: []outcome{}}
	if r.Now.First != 0 {
		out.First, out.Last = timeText(r.Now.First), timeText(r.Now.Last)
	}
	for _, o := range r.Outcomes {
		out.Policies = append(out.Policies, outcome{o, breakingOf(o.Breaking), breakingOf(o.Depending)})
	}
	if a := r.Advice; a != nil {
		out.Advice = &advice{Steps: a.Steps, Openings: []opening{}}
		if a.Strictest != nil {
			out.Advice.Strictest = a.Strictest.Name
		}
		if a.Next != nil {
			out.Advice.Next, out.Advice.NextBreaking = a.Next.Name, breakingOf(a.NextBreaking)
		}
		for _, o := range a.Openings {
			additions := func(list []impact.Addition) []addition {
				out := []addition{}
				for _, d := range list {
					out = append(out, addition{d.Kind(), d.String()})
				}
				return out
			}
			x := opening{Policy: o.Policy.Name, Exact: o.Exact, Price: o.Price, Left: o.Left, Additions: additions(o.Additions), Gains: []gain{}, Isolate: []isolated{}}
			for _, g := range o.Gains {
				x.Gains = append(x.Gains, gain{additions(g.Additions), g.Opens, g.Breaks, g.NoForwardSecrecy, g.Unauthenticated, g.Weak, g.LosesPostQuantum})
			}
			for _, i := range o.Isolate {
				x.Isolate = append(x.Isolate, isolated{breakingOf([]impact.Breaking{i.Breaking})[0], i.Needs.Names()})
			}
			out.Advice.Openings = append(out.Advice.Openings, x)
		}
	}
	return writeJSON(w, out, "  ")
}

// impactCSV writes one line for each number of a policy, and one for each
// client that breaks.
func impactCSV(w io.Writer, r *ImpactReport) error {
	c := csv.NewWriter(w)
	num := func(n uint64) string { return strconv.FormatUint(n, 10) }
	_ = c.Write([]string{"policy", "what", "connections", "clients", "servers", "bytes", "client_ip", "ja4", "server_name", "server_ip", "server_port", "first", "last",
		"first_client_hello_packet", "first_source", "last_client_hello_packet", "last_source", "failure", "alert"})
	blank := make([]string, 13)
	for _, o := range r.Outcomes {
		for _, m := range metrics {
			t := m.of(o)
			_ = c.Write(append([]string{Cell(o.Name), m.name, num(t.Connections), num(t.Clients), num(t.Servers), num(t.Bytes)}, blank...))
		}
		for _, l := range []struct {
			what string
			list []breakingJSON
		}{{"breaks", breakingOf(o.Breaking)}, {"depends", breakingOf(o.Depending)}} {
			for i := range l.list {
				b := &l.list[i]
				_ = c.Write([]string{Cell(o.Name), l.what, num(b.Connections), "", "", num(b.Bytes), b.Client, Cell(b.JA4), Cell(b.ServerName), b.ServerIP, num(uint64(b.ServerPort)),
					b.First, b.Last, nonzero(b.FirstPacket), Cell(b.FirstSource), nonzero(b.LastPacket), Cell(b.LastSource), b.Failure, b.Alert})
			}
		}
	}
	c.Flush()
	return c.Error()
}

// nonzero returns n in digits, "" for 0.
func nonzero(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
