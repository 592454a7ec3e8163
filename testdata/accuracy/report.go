package main

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A report holds the results of all kinds and tools.
type report struct {
	tools   []*tool
	seed    uint64
	scenes  []*scene
	corpora []*corpus
	results [][]*result // by corpus and tool
}

func (r *report) print(out io.Writer) error {
	w := bufio.NewWriter(out)
	r.head(w)
	r.table(w)
	r.summary(w, "Kinds that lose nothing", lossless)
	r.summary(w, "Kinds that lose something", lossy)
	r.matrices(w, "Verdicts where nothing is lost", lossless)
	r.matrices(w, "Verdicts where something is lost", lossy)
	r.byKind(w)
	r.byFamily(w)
	r.notRight(w)
	return w.Flush()
}

func (r *report) head(w io.Writer) {
	connections, packets := 0, 0
	for _, c := range r.corpora {
		connections += len(c.labels)
		packets += c.packets
	}
	fmt.Fprintf(w, "%s, %s, %s, seed %d\n", time.Now().UTC().Format(time.DateOnly), runtime.GOARCH, runtime.Version(), r.seed)
	origins := 0
	for _, s := range r.scenes {
		origins += len(s.labels)
	}
	fmt.Fprintf(w, "%d connections (%d of %d captures, in %d kinds), %d packets\n\n", connections, origins, len(r.scenes), len(r.corpora), packets)
	for _, t := range r.tools {
		fmt.Fprintf(w, "%-9s %s\n", t.name, t.versionLine())
		if t.note != "" {
			fill(w, "          ", strings.Fields(t.note))
		}
	}
	for _, t := range peers {
		if !slices.Contains(r.tools, t) {
			fmt.Fprintf(w, "%-9s is not installed\n", t.name)
		}
	}
	fmt.Fprint(w, `
A label holds the values that the TLS stack reported. Values that it did not report are not counted. A server name is
counted if the client sent one: crypto/tls read it from the original capture, or it is in the client's arguments.
  right         equal to the label
  undetermined  the tool lists the connection without this value
  missed        the tool does not list the connection
  wrong         different from the label
  extra         connections that the tool lists and that do not exist
The verdicts of the other tools are derived from their version, suite, group and resumption by the rule that makes the
labels (testdata/accuracy/rule.go). If a tool does not report resumption, the rule assumes none. A dash means that the
tool has no such field. Servers use the standard port of their protocol, except in "other ports".

Kinds
`)
	for _, c := range r.corpora {
		fmt.Fprintf(w, "  %-26s %s", c.kind.name, c.kind.about)
		if c.kind.mayLack != "" {
			fmt.Fprintf(w, "; may be undetermined: %s", c.kind.mayLack)
		}
		fmt.Fprintln(w)
	}
}

// A total holds the outcomes of one tool in several kinds.
type total struct {
	fields [numFields]tally
	found  tally
	extra  int
}

// totals returns the sums over the corpora for which include is true, by tool.
func (r *report) totals(include func(*corpus) bool) []total {
	sums := make([]total, len(r.tools))
	for i, c := range r.corpora {
		if !include(c) {
			continue
		}
		for t, res := range r.results[i] {
			for f := range res.fields {
				sums[t].fields[f].add(res.fields[f])
			}
			sums[t].found.add(res.found)
			sums[t].extra += res.extra
		}
	}
	return sums
}

func lossless(c *corpus) bool { return c.kind.mayLack == "" }
func lossy(c *corpus) bool    { return c.kind.mayLack != "" }

// table prints the table in README.md.
func (r *report) table(w io.Writer) {
	plain, lost := r.totals(lossless), r.totals(lossy)
	row := func(name string, cell func(t int) string) {
		fmt.Fprintf(w, "| %s |", name)
		for t := range r.tools {
			fmt.Fprintf(w, " %s |", cell(t))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
	row("", func(t int) string { return r.tools[t].name })
	row("---", func(int) string { return "---" })
	row("nothing lost: connections found", func(t int) string { return percent(plain[t].found[right], plain[t].found.of()) })
	for f, name := range fieldNames {
		row("nothing lost: "+name+" right", func(t int) string {
			if !r.tools[t].reports[f] {
				return "-"
			}
			return percent(plain[t].fields[f][right], plain[t].fields[f].of())
		})
	}
	row(fmt.Sprintf("nothing lost: verdict wrong, of %d", plain[0].fields[verdict].of()), func(t int) string { return fmt.Sprint(plain[t].fields[verdict][wrong]) })
	row("nothing lost: connections that do not exist", func(t int) string { return fmt.Sprint(plain[t].extra) })
	row("something lost: verdict right", func(t int) string { return percent(lost[t].fields[verdict][right], lost[t].fields[verdict].of()) })
	row(fmt.Sprintf("something lost: verdict wrong, of %d", lost[0].fields[verdict].of()), func(t int) string { return fmt.Sprint(lost[t].fields[verdict][wrong]) })
	row("something lost: any field wrong", func(t int) string {
		n := 0
		for _, f := range lost[t].fields {
			n += f[wrong]
		}
		return fmt.Sprint(n)
	})
}

// summary prints the outcomes of each field and tool over some corpora.
func (r *report) summary(w io.Writer, title string, include func(*corpus) bool) {
	if !slices.ContainsFunc(r.corpora, include) {
		return
	}
	sums := r.totals(include)
	fmt.Fprintf(w, "\n%s\n  %-10s %-10s %7s %7s %7s  %12s %7s %7s %7s\n", title, "tool", "field", "of", "right", "", "undetermined", "missed", "wrong", "extra")
	for t, tool := range r.tools {
		n := sums[t].found
		fmt.Fprintf(w, "  %-10s %-10s %7d %7d %7s  %12s %7d %7s %7d\n", tool.name, "connection", n.of(), n[right], percent(n[right], n.of()), "", n[missed], "", sums[t].extra)
		for f, n := range sums[t].fields {
			if !tool.reports[f] {
				fmt.Fprintf(w, "  %-10s %-10s %7d %7s\n", "", fieldNames[f], n.of(), "-")
				continue
			}
			fmt.Fprintf(w, "  %-10s %-10s %7d %7d %7s  %12d %7d %7d\n", "", fieldNames[f], n.of(), n[right], percent(n[right], n.of()), n[undetermined], n[missed], n[wrong])
		}
	}
}

// percent rounds down, so that only all is 100 %.
func percent(n, of int) string {
	if of == 0 {
		return ""
	}
	return fmt.Sprintf("%d.%d %%", n*100/of, n*1000/of%10)
}

var verdicts = []string{"yes", "no", "conditional"}

// matrices prints how often each tool gave which verdict, by the label's verdict.
func (r *report) matrices(w io.Writer, title string, include func(*corpus) bool) {
	counts := make([]map[[2]string]int, len(r.tools))
	total := 0
	for i, c := range r.corpora {
		if !include(c) {
			continue
		}
		for t, res := range r.results[i] {
			if counts[t] == nil {
				counts[t] = map[[2]string]int{}
			}
			for l, label := range c.labels {
				got := "missed"
				if g := res.got[l]; g != nil {
					if got = g.answer[verdict]; got == "" {
						got = "undetermined"
					}
				}
				if label.want[verdict] != "" {
					counts[t][[2]string{label.want[verdict], got}]++
					total++
				}
			}
		}
	}
	if total == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n  %-10s %-12s", title, "tool", "label")
	columns := append(slices.Clone(verdicts), "undetermined", "missed")
	for _, c := range columns {
		fmt.Fprintf(w, " %12s", c)
	}
	fmt.Fprintln(w)
	for t, tool := range r.tools {
		name := tool.name
		for _, v := range verdicts {
			fmt.Fprintf(w, "  %-10s %-12s", name, v)
			for _, c := range columns {
				fmt.Fprintf(w, " %12d", counts[t][[2]string{v, c}])
			}
			fmt.Fprintln(w)
			name = ""
		}
	}
}

// byKind prints the verdicts of each tool by kind.
func (r *report) byKind(w io.Writer) {
	fmt.Fprintf(w, "\nVerdicts by kind: right / undetermined / missed / wrong\n  %-26s %5s", "kind", "of")
	for _, t := range r.tools {
		fmt.Fprintf(w, "  %-17s", t.name)
	}
	fmt.Fprintln(w)
	for i, c := range r.corpora {
		var b strings.Builder
		of := 0
		for _, res := range r.results[i] {
			n := res.fields[verdict]
			of = n.of()
			cell := fmt.Sprintf("%d / %d / %d / %d", n[right], n[undetermined], n[missed], n[wrong])
			if res.failed != nil {
				cell = "cannot read"
			}
			fmt.Fprintf(&b, "  %-17s", cell)
		}
		fmt.Fprintf(w, "  %-26s %5d%s\n", c.kind.name, of, strings.TrimRight(b.String(), " "))
	}
}

// byFamily prints the verdicts of each tool by the protocol that carries TLS, for
// the kinds that lose nothing.
func (r *report) byFamily(w io.Writer) {
	families := map[string][]tally{}
	for i, c := range r.corpora {
		if c.kind.mayLack != "" {
			continue
		}
		for t, res := range r.results[i] {
			for l, label := range c.labels {
				if families[label.family] == nil {
					families[label.family] = make([]tally, len(r.tools))
				}
				families[label.family][t][res.outcomes[l][verdict]]++
			}
		}
	}
	if len(families) == 0 {
		return
	}
	fmt.Fprintf(w, "\nVerdicts by the protocol that carries TLS, where nothing is lost: right / undetermined / missed / wrong\n  %-10s %6s", "in", "of")
	for _, t := range r.tools {
		fmt.Fprintf(w, "  %-21s", t.name)
	}
	fmt.Fprintln(w)
	for _, f := range sortedKeys(families) {
		var b strings.Builder
		for _, n := range families[f] {
			fmt.Fprintf(&b, "  %-21s", fmt.Sprintf("%d / %d / %d / %d", n[right], n[undetermined], n[missed], n[wrong]))
		}
		fmt.Fprintf(w, "  %-10s %6d%s\n", f, families[f][0].of(), strings.TrimRight(b.String(), " "))
	}
}

// notRight lists the fields for which pfsight is wrong, is not right although
// nothing is lost, or is not right while another tool is. Each line has a kind, a
// field and the connections with the same values.
func (r *report) notRight(w io.Writer) {
	type line struct{ kind, field, got, better string }
	lists := map[line][]string{}
	var order []line
	total := 0
	for i, c := range r.corpora {
		ours := r.results[i][0]
		for l, label := range c.labels {
			for f, o := range ours.outcomes[l] {
				if o == right || o == unscored {
					continue
				}
				var better []string
				for t, res := range r.results[i][1:] {
					if res.outcomes[l][f] == right {
						better = append(better, r.tools[t+1].name)
					}
				}
				if o != wrong && len(better) == 0 && c.kind.mayLack != "" {
					continue
				}
				x := line{c.kind.name, fieldNames[f], "missed", strings.Join(better, ", ")}
				if o == undetermined {
					x.got = "undetermined"
				} else if o == wrong {
					x.got = ours.got[l].answer[f] + " for " + label.want[f]
				}
				if lists[x] == nil {
					order = append(order, x)
				}
				lists[x] = append(lists[x], fmt.Sprintf("%s/%d", label.scene, label.number))
				total++
			}
		}
	}
	fmt.Fprintf(w, "\nFields for which pfsight is wrong, is not right although nothing is lost, or is not right while another tool is: %d\n", total)
	for _, x := range order {
		head := fmt.Sprintf("  %s: %s %s", x.kind, x.field, x.got)
		if x.better != "" {
			head += "; right: " + x.better
		}
		fmt.Fprintf(w, "%s (%d)\n", head, len(lists[x]))
		fill(w, "      ", lists[x])
	}
}

// fill prints words in lines of up to 120 characters.
func fill(w io.Writer, indent string, words []string) {
	line := indent
	for _, x := range words {
		if len(line)+1+len(x) > 120 && line != indent {
			fmt.Fprintln(w, strings.TrimRight(line, " "))
			line = indent
		}
		line += x + " "
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}
