package render

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"pfsight/report"
)

type viewLive struct {
	Now, Running, Last        string
	Packets, PacketRate       string
	BitRate, Drops, DropShare string
	Handshakes, Open          string
	Interfaces                []viewInterface
	SinkLoss                  []viewRow
}

type viewInterface struct{ Name, State, Packets, Drops, Freezes string }

type viewConnections struct {
	Choices                []viewChoice
	Server, Where, Caption string
	Error                  []string // lines
	Rows                   []viewConnection
}

type viewChoice struct {
	Value, Label string
	Selected     bool
}

type viewConnection struct{ Time, Name, Server, Verdict, KeyExchange, Version, Why, Outcome, Client string }

func (v *view) addLive(s *report.Summary, l *Live, rows *Rows) {
	v.Title = "Forward secrecy, live"
	w := &l.Minute
	now := sharesOf("In the last minute", w.Verdicts, w.Negotiated)
	if w.Negotiated == 0 {
		now.Notes = append(now.Notes, "No connection was negotiated.")
	}
	now.Notes = append(now.Notes, DropText(w.Drops, w.Packets)+" in the last minute.")
	v.Shares[0].Notes = append(v.Shares[0].Notes, DropText(l.Drops, l.Packets)+" since the start.")
	v.Shares[0].Title = "Since the start"
	v.Shares = []viewShares{now, v.Shares[0]}
	v.VerdictTitle = "Forward secrecy of negotiated connections"

	x := &viewLive{
		Now: stamp(l.Now), Running: Span(l.Now - l.Started), Last: "–",
		Packets: Number(l.Packets), PacketRate: Rate(l.PacketRate), BitRate: BitRate(l.BitRate),
		Drops: Number(l.Drops), DropShare: Share(l.Drops, l.Packets+l.Drops), Handshakes: Rate(l.Handshakes), Open: Number(l.Open),
	}
	if l.Last != 0 {
		x.Last = ago(l.Now - l.Last)
	}
	for i := range l.Interfaces {
		f := &l.Interfaces[i]
		state := "down"
		if f.Up {
			state = "up"
		}
		x.Interfaces = append(x.Interfaces, viewInterface{Quote(f.Name), state, Number(f.Packets), Number(f.Drops), Number(f.Freezes)})
	}
	for _, c := range l.SinkLoss {
		x.SinkLoss = append(x.SinkLoss, viewRow{Label: Quote(c.Label), N: Number(c.N)})
	}
	v.Live = x
	v.connections(rows)
}

func (v *view) connections(rows *Rows) {
	c := &viewConnections{Server: Quote(rows.Server), Where: Quote(rows.Where)}
	c.Choices = append(c.Choices, viewChoice{"", "any", rows.Verdict == ""})
	for _, x := range verdictOrder {
		c.Choices = append(c.Choices, viewChoice{x.String(), x.String() + ": " + verdictLabel[x], rows.Verdict == x.String()})
	}
	if rows.Err != nil {
		for line := range strings.Lines(rows.Err.Error()) {
			c.Error = append(c.Error, Quote(strings.TrimSuffix(line, "\n")))
		}
	}
	c.Caption = fmt.Sprintf("%s of the latest %s connections, newest first", Number(uint64(len(rows.List))), Number(uint64(rows.Of)))
	for _, r := range rows.List {
		version := ""
		if r.HasServerHello {
			version = r.Version.String()
		}
		outcome := ""
		if r.Outcome != report.Established {
			outcome = r.Outcome.String()
			if r.Alert != "" {
				outcome += ": " + Quote(r.Alert)
			}
		}
		c.Rows = append(c.Rows, viewConnection{
			time.Unix(0, r.Time).UTC().Format(time.TimeOnly), Quote(r.ServerName), r.Server.String(), r.ForwardSecrecy.String(), KeyExchange(r), version,
			strings.Join(r.Reasons.Strings(), " "), outcome, r.Client.Host().String(),
		})
	}
	v.Connections = c
}

// DropText describes how many packets the kernel dropped.
func DropText(drops, packets uint64) string {
	if drops == 0 {
		return "The kernel dropped no packet"
	}
	return fmt.Sprintf("The kernel dropped %s (%s)", plural(drops, "packet"), Share(drops, packets+drops))
}

// Rate formats a number per second.
func Rate(x float64) string {
	if x < 9.95 && x != 0 {
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return Number(uint64(math.Round(x)))
}

// BitRate formats bits per second with decimal prefixes.
func BitRate(x float64) string {
	unit := "bit/s"
	for _, u := range []string{"kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"} {
		if x < 999.5 {
			break
		}
		x, unit = x/1000, u
	}
	if unit == "bit/s" || x >= 99.95 {
		return strconv.FormatFloat(x, 'f', 0, 64) + " " + unit
	}
	return strconv.FormatFloat(x, 'f', 1, 64) + " " + unit
}

// ago formats the age of something.
func ago(ns int64) string {
	if ns < int64(2*time.Second) {
		return "now"
	}
	return Span(ns/int64(time.Second)*int64(time.Second)) + " ago"
}
