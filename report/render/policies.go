package render

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"pfsight/parse/iana"
	"pfsight/report/policy"
	"pfsight/report/secrecy"
)

// Policies writes a table of policies.
func Policies(w io.Writer, list []*policy.Policy, opt Options, markdown bool) error {
	quote := Quote
	if markdown {
		quote = quoteMarkdown
	}
	g := &grid{header: []string{"name", "date", "sure", "target", "forward secret", "versions", "title"}, right: make([]bool, 7)}
	for _, p := range list {
		target := "yes"
		if !p.Target {
			target = "no"
		}
		g.rows = append(g.rows, []string{quote(p.Name), quote(p.Date), p.Confidence.String(), target, forwardSecret(p), versionRange(p), quote(p.Title)})
	}
	if markdown {
		return g.markdown(w)
	}
	g.narrow(opt.width())
	return g.text(w, "")
}

// narrow drops columns from the right, and shortens the last one that stays if
// enough of it remains. The first column is never shortened, because users type
// the names in it.
func (g *grid) narrow(width int) {
	at := 0
	for i, h := range g.header {
		n := utf8.RuneCountInString(h)
		for _, r := range g.rows {
			n = max(n, utf8.RuneCountInString(r[i]))
		}
		if left := width - at; n > left && i > 0 {
			keep := i
			if i == len(g.header)-1 && left >= 2*leastElastic {
				for _, r := range g.rows {
					r[i] = cut(r[i], left)
				}
				keep = i + 1
			}
			g.header, g.right = g.header[:keep], g.right[:keep]
			for j, r := range g.rows {
				g.rows[j] = r[:keep]
			}
			return
		}
		at += n + 2
	}
}

// forwardSecret describes how much of what p accepts is forward secret.
func forwardSecret(p *policy.Policy) string {
	switch p.ForwardSecret() {
	case secrecy.Yes:
		return "always"
	case secrecy.No:
		return "never"
	case secrecy.Conditional:
		return "in part"
	}
	return "not known"
}

func versionRange(p *policy.Policy) string {
	if len(p.Versions) == 0 {
		return "not stated"
	}
	s := p.MinVersion().String()
	if hi := p.MaxVersion().String(); hi != s {
		s += " to " + strings.TrimPrefix(hi, "TLS ")
	}
	if p.VersionsOpen {
		s += " and more"
	}
	return s
}

// Policy writes all properties of a policy.
func Policy(w io.Writer, p *policy.Policy, opt Options) error {
	out := &printer{opt: opt}
	out.line("%s", out.color("1", Quote(p.Name)))
	out.wrap("  ", Quote(p.Title))
	var rows [][]string
	row := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{fmt.Sprintf("%-19s", name), value}) // as wide as the longest name, in all lists
		}
	}
	flush := func(width int) {
		out.table(columnGrid(rows, width))
		rows = nil
	}
	width := opt.width() - len("  ") - 1
	row("source", Quote(p.Source))
	row("read from", Quote(p.ReadFrom))
	row("date", Quote(p.Date))
	row("confidence", p.Confidence.String())
	row("offered as a target", map[bool]string{true: "yes", false: "no"}[p.Target])
	row("note", Quote(p.Note))
	secret := forwardSecret(p)
	switch secret {
	case "always":
		secret += ", except for resumption (see pfsight explain ticket_resumption)"
	case "in part":
		secret += ", depending on the suite"
	}
	row("forward secret", secret)
	row("versions", strings.Join(labels(p.Versions), ", "))
	if p.VersionsOpen {
		row("", "others are not stated")
	}
	row("order of suites", map[policy.Order]string{policy.ServerOrder: "the server's", policy.ClientOrder: "the client's", policy.OrderUnknown: "not stated"}[p.Order])
	flush(width)
	suites := func(title string, list []iana.CipherSuite, bound []iana.Group) {
		if len(list) == 0 {
			return
		}
		out.line("\n  %s", title)
		for i, s := range list {
			v := suiteVerdict(s)
			text := out.color(verdictColor[v], verdictLabel[v])
			if i < len(bound) && bound[i] != 0 {
				text += ", with " + bound[i].String()
			}
			rows = append(rows, []string{"  " + s.String(), text})
		}
		flush(0) // colours have no width
	}
	suites("suites of TLS 1.3", p.Suites13, nil)
	suites("suites of TLS 1.2 and older", p.Suites, p.SuiteGroups)
	out.line("")
	groups := strings.Join(labels(p.Groups), ", ")
	switch {
	case groups == "":
		groups = "not stated"
	case p.GroupsOpen:
		groups += "; others are not stated"
	}
	if p.GroupsUnordered && len(p.Groups) > 1 {
		groups += "; their order is not stated"
	}
	row("groups", groups)
	row("post-quantum", postQuantum(p))
	signatures := strings.Join(labels(p.Signatures), ", ")
	if signatures == "" {
		signatures = "not stated"
	}
	row("signatures", signatures)
	if p.DHBits > 0 {
		row("group of DHE suites", fmt.Sprintf("%d bits", p.DHBits))
	}
	if p.RequireExtendedMaster {
		row("requires", "extended_master_secret in TLS 1.2 and older")
	}
	if p.RequireRenegotiationInfo {
		row("requires", "renegotiation_info in TLS 1.2 and older")
	}
	flush(width)
	return out.flush(w)
}

// suiteVerdict returns the verdict of a full handshake with a suite, where a
// TLS 1.3 suite is assumed to have a key share.
func suiteVerdict(s iana.CipherSuite) secrecy.Verdict {
	i := s.Info()
	if i.NoEncryption {
		return secrecy.No
	}
	if i.KeyExchange == iana.KexTLS13 {
		return secrecy.Yes
	}
	_, v, _ := secrecy.Family(i.KeyExchange)
	return v
}

func postQuantum(p *policy.Policy) string {
	has := slices.ContainsFunc(p.Groups, func(g iana.Group) bool { return g.Info().PostQuantum })
	only := has && !slices.ContainsFunc(p.Groups, func(g iana.Group) bool { return !g.Info().PostQuantum })
	switch {
	case p.MaxVersion() != iana.TLS13:
		return "no: it needs TLS 1.3"
	case only && !p.GroupsOpen && p.MinVersion() == iana.TLS13:
		return "always"
	case has && p.PostQuantumFirst:
		return "whenever the client supports it, with a HelloRetryRequest if needed"
	case has:
		return "with clients that send a key share for it, by its place in the order"
	case p.GroupsOpen:
		return "not stated"
	}
	return "no"
}

func labels[T fmt.Stringer](list []T) []string {
	var out []string
	for _, v := range list {
		out = append(out, v.String())
	}
	return out
}
