package render

import (
	"encoding/hex"
	"fmt"
	"html/template"
	"strconv"
	"strings"

	"pfsight/report"
	"pfsight/report/secrecy"
)

// A view is the data of the page template: quoted, formatted text.
type view struct {
	Title, Policy string
	Style         template.CSS

	Inputs          []string
	InputMore, Read string
	Reading         []string // why the input was not read to its end
	Filter, Where   string
	FilterNote      string // how many packets match Filter
	WhereNote       string // how many connections do not match Where
	Nothing         string // text if there are no connections
	Events          string // describes the filter of the written events
	VerdictTitle    string
	Shares          []viewShares
	Missing         []string
	Servers         []viewServer
	ServersNotes    []string
	Exposure        []viewExposure
	ExposureMore    string
	Counts          []viewCounts
	Notes           []string
	Undetermined    []viewUntold
	Live            *viewLive
	Connections     *viewConnections
}

type viewShares struct {
	Title string
	Parts []viewPart
	Rows  []viewRow
	Notes []string
}

// A viewPart is a segment of a bar, in percent.
type viewPart struct{ Verdict, X, W string }

type viewRow struct{ Verdict, Label, N, Share, W string }

type viewServer struct{ Name, Addr, No, Conditional, N, Clients, Bytes, Why string }

type viewExposure struct{ Name, Addr, Key, N, Bytes, Clients, Span, SPKI, ShortSPKI string }

type viewCounts struct {
	ID, Title, Column, More string
	Verdicts                bool
	Rows                    []viewRow
}

type viewUntold struct{ N, Code, Why string }

// maxInputs is the number of file names shown.
const maxInputs = 3

func newView(s *report.Summary, opt Options) *view {
	top := opt.top()
	v := &view{
		Title: "Forward secrecy report", Style: template.CSS(styleText),
		Policy:       "default-src 'none'; style-src " + StyleSource + "; base-uri 'none'; form-action 'none'",
		VerdictTitle: "Forward secrecy of " + plural(s.Negotiated, "negotiated connection"),
		Notes:        notes(s),
	}
	in := &s.Input
	for _, f := range in.Files[:min(len(in.Files), maxInputs)] {
		v.Inputs = append(v.Inputs, Quote(f))
	}
	v.InputMore = more(len(in.Files), maxInputs)
	v.Read = inputSize(in)
	if in.Timed() {
		v.Read += fmt.Sprintf(", %s to %s UTC (%s)", stamp(in.First), stamp(in.Last), Span(in.Last-in.First))
	}
	v.Reading = whyPartial(in)
	v.Filter, v.FilterNote, v.WhereNote = Quote(in.Filter), filterNote(in), whereNote(in)
	if in.Where != "" {
		v.Where = Quote(in.Where)
	}
	if in.Events != "" {
		v.Events = eventsWhere + Quote(in.Events) + "."
	}
	if s.Connections == 0 {
		v.Nothing = noConnections(in)
	}
	shares := sharesOf(shareTitle(in), s.Verdicts, s.Negotiated)
	if s.TicketKey > 0 {
		shares.Notes = append(shares.Notes, fmt.Sprintf("%s (%s) of the forward secret ones also depend on a ticket key (TLS 1.2 tickets).", Number(s.TicketKey), Share(s.TicketKey, s.Verdicts[secrecy.Yes])))
	}
	if n := s.Connections - s.Negotiated; n > 0 {
		rejected := min(n, s.Outcomes[report.Rejected])
		shares.Notes = append(shares.Notes, fmt.Sprintf("Not counted: %s without a ServerHello: %s rejected, %s incomplete.", plural(n, "connection"), Number(rejected), Number(n-rejected)))
	}
	v.Shares = []viewShares{shares}
	v.Missing = missing(s)
	v.servers(s, top)
	v.exposure(s, top)
	v.counts("kex", "Key exchange", "key exchange", s.KeyExchanges, s.Negotiated, top, true)
	v.counts("version", "Version", "version", s.Versions, s.Negotiated, top, false)
	v.counts("group", "Group", "group", s.Groups, s.Negotiated, top, false)
	v.counts("suite", "Cipher suite", "cipher suite", s.Suites, s.Negotiated, top, false)
	for _, c := range s.Undetermined {
		v.Undetermined = append(v.Undetermined, viewUntold{Number(c.N), Quote(c.Label), Quote(c.Note)})
	}
	return v
}

func more(n, top int) string {
	if n <= top {
		return ""
	}
	return "and " + Number(uint64(n-top)) + " more"
}

// clients formats the number of clients, which is a lower bound at the limit.
func clients(n uint64) string {
	if n >= report.MaxClients {
		return Number(n) + " or more"
	}
	return Number(n)
}

// percent formats n/of as a coordinate.
func percent(n, of uint64) string {
	if of == 0 {
		return "0"
	}
	return strconv.FormatFloat(100*float64(n)/float64(of), 'f', 3, 64)
}

func sharesOf(title string, verdicts [4]uint64, of uint64) viewShares {
	out := viewShares{Title: title}
	var sum uint64
	for _, v := range verdictOrder {
		n := verdicts[v]
		out.Rows = append(out.Rows, viewRow{Verdict: v.String(), Label: verdictLabel[v], N: Number(n), Share: Share(n, of)})
		if n > 0 {
			out.Parts = append(out.Parts, viewPart{v.String(), percent(sum, of), percent(n, of)})
		}
		sum += n
	}
	return out
}

// missing describes the losses, one reason in each string.
func missing(s *report.Summary) []string {
	var out []string
	for _, l := range s.Input.Loss {
		out = append(out, LossText(&l))
	}
	if n := s.ClientOnly + s.ServerOnly; n > 0 {
		out = append(out, fmt.Sprintf("%s of %s connections seen in one direction only", Number(n), Number(s.Connections)))
	}
	if s.Input.Saved {
		out = append(out, savedLoss)
	}
	return out
}

func (v *view) servers(s *report.Summary, top int) {
	n := 0
	for i := range s.Servers {
		x := &s.Servers[i]
		if x.Verdicts[secrecy.No]+x.Verdicts[secrecy.Conditional] == 0 {
			continue
		}
		if n++; n > top {
			continue
		}
		v.Servers = append(v.Servers, viewServer{
			Quote(x.Name), x.Addr.String(), Number(x.Verdicts[secrecy.No]), Number(x.Verdicts[secrecy.Conditional]), Number(x.N),
			clients(x.Clients), Size(x.Bytes), x.Why,
		})
	}
	if n > top {
		v.ServersNotes = append(v.ServersNotes, "and "+Number(uint64(n-top))+" more")
	}
	if s.ServersLost > 0 {
		v.ServersNotes = append(v.ServersNotes, fmt.Sprintf("Not listed: %s of servers beyond the limit of %s servers.", plural(s.ServersLost, "connection"), Number(s.ServersTotal)))
	}
}

func (v *view) exposure(s *report.Summary, top int) {
	for i := range s.Exposure[:min(len(s.Exposure), top)] {
		e := &s.Exposure[i]
		name := e.Subject
		if name == "" {
			name = e.Name
		}
		if name == "" {
			name = e.Server.String()
		}
		addr := e.Server.String()
		if e.Name != "" && e.Name != name {
			addr = Quote(e.Name) + ", " + addr
		}
		spki := hex.EncodeToString(e.SPKI[:])
		v.Exposure = append(v.Exposure, viewExposure{
			Quote(name), addr, strings.TrimSuffix(fmt.Sprintf("%s %d", Quote(e.Key), e.Bits), " 0"), Number(e.N), Size(e.Bytes),
			clients(e.Clients), Span(e.Last - e.First), spki, spki[:16] + "…",
		})
	}
	v.ExposureMore = more(len(s.Exposure), top)
}

func (v *view) counts(id, title, column string, list []report.Count, of uint64, top int, verdict bool) {
	if len(list) == 0 {
		return
	}
	c := viewCounts{ID: id, Title: title, Column: column, Verdicts: verdict, More: more(len(list), top)}
	for _, x := range list[:min(len(list), top)] {
		r := viewRow{Label: Quote(x.Label), N: Number(x.N), Share: Share(x.N, of), W: percent(x.N, of)}
		if verdict {
			r.Verdict = x.Note
		}
		c.Rows = append(c.Rows, r)
	}
	v.Counts = append(v.Counts, c)
}
