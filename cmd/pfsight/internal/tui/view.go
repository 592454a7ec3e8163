package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/clipperhouse/displaywidth"

	"pfsight/report"
	"pfsight/report/render"
	"pfsight/report/secrecy"
)

// headLines is the number of lines above the rows of a list. One line is below.
const headLines = 13

// Colours of the terminal's palette, which fit any theme (SGR parameters).
const (
	colorBold  = "1"
	colorDim   = "2"
	colorTab   = "7"
	colorAlarm = "1;31"
	colorWarn  = "33"
)

var colorVerdict = [4]string{secrecy.Unknown: "2", secrecy.Yes: "32", secrecy.No: "31", secrecy.Conditional: "33"}

func paint(code, s string) string { return "\x1b[" + code + "m" + s + "\x1b[0m" }

// rows returns how many rows of a list fit.
func (m *model) rows() int { return max(m.height-headLines-1, 1) }

// View implements tea.Model.
func (m *model) View() tea.View {
	var v tea.View
	v.AltScreen = true
	v.WindowTitle = "pfsight live"
	if m.width < 60 || m.height < 16 {
		v.Content = "Too small: 60x16 are needed. q quits."
		return v
	}
	lines := m.body()
	if m.help {
		lines = lines[:0]
		for i, s := range helpLines {
			s = clip(s, m.width)
			if i == 0 || s == "keys" {
				s = paint(colorBold, s)
			}
			lines = append(lines, s)
		}
	}
	lines = append([]string(nil), lines[:min(len(lines), m.height-1)]...)
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	v.Content = strings.Join(append(lines, m.foot()), "\n")
	if m.ascii {
		v.Content = toASCII.Replace(v.Content)
	}
	return v
}

// toASCII replaces the non-ASCII characters that the view draws, each by one of
// the same width.
var toASCII = strings.NewReplacer("█", "#", "▉", "#", "▊", "#", "▋", "#", "▌", "#", "▍", "#", "▎", "#", "▏", "#",
	"…", "~", "–", "-", "↑", "^", "↓", "v", "←", "<", "→", ">")

func (m *model) foot() string {
	keys := clip("q quit  p pause  tab next list  ↑↓ scroll  ? help", m.width-len(" paused  "))
	if m.help {
		return paint(colorDim, "any key goes back   q quit")
	}
	if m.paused {
		return paint(colorTab, " paused ") + " " + paint(colorDim, keys)
	}
	return paint(colorDim, keys)
}

func (m *model) body() []string {
	l := m.live
	var names []string
	for _, i := range l.Interfaces {
		n := render.Quote(i.Name)
		if !i.Up {
			n += " (down)"
		}
		names = append(names, n)
	}
	right := "running " + render.Span((l.Now-l.Started)/1e9*1e9) + "  " + time.Unix(0, l.Now).UTC().Format("15:04:05") + " UTC"
	left := clip("pfsight live  "+strings.Join(names, ", "), m.width-len(right)-2)
	out := []string{paint(colorBold, left) + strings.Repeat(" ", max(2, m.width-width(left)-len(right))) + paint(colorDim, right)}

	out = append(out, clip(fmt.Sprintf("%s packets, %s/s, %s, %s handshakes/s, %s open", render.Number(l.Packets), render.Rate(l.PacketRate),
		render.BitRate(l.BitRate), render.Rate(l.Handshakes), render.Number(l.Open)), m.width))
	drops := render.DropText(l.Drops, l.Packets)
	code := colorDim
	switch {
	case l.Minute.Drops > 0:
		code = colorAlarm
		drops += fmt.Sprintf(", %s in the last minute", render.Number(l.Minute.Drops))
	case l.Drops > 0:
		code = colorWarn
	}
	if rest := "; shares are of the rest"; l.Drops > 0 && width(drops+rest) <= m.width {
		drops += rest
	}
	drops = paint(code, clip(drops, m.width))
	out = append(out, drops, m.losses(), "")
	return append(append(out, m.shares()...), m.lower()...)
}

// losses describes in one line what else is missing.
func (m *model) losses() string {
	var parts []string
	for _, c := range m.live.SinkLoss {
		parts = append(parts, render.Number(c.N)+" rows lost to "+render.Quote(c.Label))
	}
	for _, x := range m.summary.Input.Loss {
		if x.Reason != "kernel_drops" {
			parts = append(parts, render.Number(x.Count)+" "+x.What)
		}
	}
	if n := m.summary.ClientOnly + m.summary.ServerOnly; n > 0 {
		parts = append(parts, render.Number(n)+" connections seen in one direction only")
	}
	if len(parts) == 0 {
		return paint(colorDim, "Nothing else that belongs to a handshake is known to be missing")
	}
	return paint(colorWarn, clip("Missing: "+strings.Join(parts, "; "), m.width))
}

// shares shows the verdicts of the last minute and those since the start.
func (m *model) shares() []string {
	a, b := &m.live.Minute, m.summary
	const number, share, leastBar = 11, 9, 8
	label := min(28, m.width-2*(number+share))
	bar := max(0, min(30, (m.width-label-2*(number+share)-4)/2))
	cell := func(n, of uint64, v secrecy.Verdict) string {
		text := fmt.Sprintf("%*s%*s", number, render.Number(n), share, render.Share(n, of))
		if bar >= leastBar {
			text += " " + paint(colorVerdict[v], render.Bar(n, of, bar)) + strings.Repeat(" ", bar-width(render.Bar(n, of, bar)))
		}
		return text
	}
	gap := 0
	if bar >= leastBar {
		gap = bar + 1
	}
	out := []string{paint(colorBold, fmt.Sprintf("%-*s%*s%s%*s", label, "Forward secrecy", number+share, "last minute", strings.Repeat(" ", gap), number+share, "since start"))}
	for _, v := range []secrecy.Verdict{secrecy.Yes, secrecy.No, secrecy.Conditional, secrecy.Unknown} {
		out = append(out, paint(colorVerdict[v], fmt.Sprintf("%-*s", label, clip(render.VerdictLabel(v), label)))+
			cell(a.Verdicts[v], a.Negotiated, v)+strings.TrimRight(cell(b.Verdicts[v], b.Negotiated, v), " "))
	}
	return append(out, "")
}

// lower shows the chosen list under the titles of all lists.
func (m *model) lower() []string {
	var tabs []string
	taken := 0
	for i, t := range listTitles {
		taken += len(t) + 3
		if listID(i) == m.list {
			t = paint(colorTab, " "+t+" ")
		} else {
			t = paint(colorDim, " "+t+" ")
		}
		tabs = append(tabs, t)
	}
	var table [][]string
	var fit []int // which columns are dropped first: those of the largest number; 0 never
	var right []bool
	var colors []string
	switch m.list {
	case listServers:
		table = [][]string{{"server", "name", "no", "cond.", "of", "why"}}
		fit, right = []int{0, 0, 0, 0, 0, 1}, []bool{false, false, true, true, true, false}
		for i := range m.servers {
			v := &m.servers[i]
			table = append(table, []string{v.Addr.String(), render.Quote(v.Name), render.Number(v.Verdicts[secrecy.No]),
				render.Number(v.Verdicts[secrecy.Conditional]), render.Number(v.N), v.Why})
		}
	case listNo:
		table, colors = m.rowTable(m.no, false)
		fit = []int{0, 4, 0, 0, 2, 3, 1}
	default:
		table, colors = m.rowTable(m.all, true)
		fit = []int{0, 4, 0, 0, 2, 3, 1}
	}
	rows := table[1:]
	if m.top[m.list] > max(0, len(rows)-m.rows()) {
		m.top[m.list] = max(0, len(rows)-m.rows())
	}
	from := m.top[m.list]
	to := min(len(rows), from+m.rows())
	shown := append([][]string{table[0]}, rows[from:to]...)
	lines := columns(shown, fit, right, m.width)
	for i := range lines {
		switch {
		case i == 0:
			lines[i] = paint(colorDim, lines[i])
		case colors != nil:
			lines[i] = paint(colors[from+i-1], lines[i])
		}
	}
	if len(rows) == 0 {
		lines = []string{"", paint(colorDim, "None was observed yet.")}
	}
	title := strings.Join(tabs, " ")
	if at := fmt.Sprintf(" %d–%d of %d", from+1, to, len(rows)); len(rows) > m.rows() && taken+width(at) <= m.width {
		title += paint(colorDim, at)
	}
	return append([]string{title}, lines...)
}

// rowTable returns a table of connections and the colour of each line.
func (m *model) rowTable(list []*report.Connection, verdict bool) ([][]string, []string) {
	last := "why"
	if verdict {
		last = "fs"
	}
	table := [][]string{{"time", "client", "server", "name", "version", "key exchange", last}}
	var colors []string
	for _, c := range list {
		version, why := "", ""
		if c.HasServerHello {
			version = c.Version.String()
		}
		if r, ok := c.Reasons.First(); ok {
			why = r.String()
		}
		color := "0"
		if verdict {
			why, color = c.ForwardSecrecy.String(), colorVerdict[c.ForwardSecrecy]
		}
		table = append(table, []string{time.Unix(0, c.Time).UTC().Format(time.TimeOnly), c.Client.Host().String(), c.Server.String(),
			render.Quote(c.ServerName), version, render.KeyExchange(c), why})
		colors = append(colors, color)
	}
	return table, colors
}

// columns lays out a table in lines of at most most screen columns.
func columns(table [][]string, fit []int, right []bool, most int) []string {
	n := len(table[0])
	keep := make([]bool, n)
	wide := make([]int, n)
	for i := range n {
		for _, r := range table {
			wide[i] = max(wide[i], width(r[i]))
		}
		keep[i] = len(table) == 1 || slices.ContainsFunc(table[1:], func(r []string) bool { return r[i] != "" })
	}
	total := func() int {
		sum := -2
		for i := range n {
			if keep[i] {
				sum += wide[i] + 2
			}
		}
		return sum
	}
	// First the widest columns are cut to a length that is still readable, then
	// whole columns are dropped.
	for total() > most {
		widest := 0
		for i := range n {
			if keep[i] && wide[i] > wide[widest] {
				widest = i
			}
		}
		if wide[widest] > 20 {
			wide[widest] = max(20, wide[widest]-(total()-most))
			continue
		}
		drop := -1
		for i := range n {
			if keep[i] && fit[i] > 0 && (drop < 0 || fit[i] > fit[drop]) {
				drop = i
			}
		}
		if drop < 0 {
			break
		}
		keep[drop] = false
	}
	var out []string
	for _, r := range table {
		var b strings.Builder
		for i := range n {
			if !keep[i] {
				continue
			}
			if b.Len() > 0 {
				b.WriteString("  ")
			}
			s := clip(r[i], wide[i])
			pad := strings.Repeat(" ", wide[i]-width(s))
			if i < len(right) && right[i] {
				b.WriteString(pad + s)
			} else {
				b.WriteString(s + pad)
			}
		}
		out = append(out, clip(strings.TrimRight(b.String(), " "), most))
	}
	return out
}

// width returns how many columns s takes.
func width(s string) int { return displaywidth.String(s) }

// clip shortens s to n columns.
func clip(s string, n int) string { return displaywidth.TruncateString(s, max(n, 1), "…") }

var helpLines = []string{
	"pfsight live: what is shown",
	"",
	"last minute, since start   verdicts over connections whose ServerHello was seen",
	"forward secret             the server's long-term key opens no recording of them",
	"not forward secret         it does, or nothing is encrypted",
	"depends on ...             resumed: on how long the server keeps its ticket key",
	"undetermined               never counted as one of the others",
	"open                       connections whose end was not seen yet",
	"The kernel dropped         packets that are in no share: the ring was full",
	"Missing                    what else is in no share, and why",
	"",
	"keys",
	"",
	"q, ^C           quit                    tab, ← →, 1-3   choose a list",
	"p, space        pause, go on            ↑ ↓, PgUp PgDn  scroll the list",
	"?, h            this help               Home, End       its first, last row",
	"",
	"pfsight explain CODE says what a reason such as rsa_key_transport means.",
}
