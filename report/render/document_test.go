package render

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/diff"
	"pfsight/report/impact"
	"pfsight/report/policy"
	"pfsight/report/secrecy"
	"pfsight/report/visible"
)

// checkDocument checks that a document contains no hostile text, and that a
// terminal document keeps the width.
func checkDocument(t *testing.T, format, out string) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Fatalf("%s: not UTF-8: %q", format, out)
	}
	for _, r := range out {
		if r != '\n' && !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) {
			t.Fatalf("%s: %U reaches the reader", format, r)
		}
	}
	switch format {
	case "table":
		for line := range strings.Lines(out) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 && len(line) == n+1 { // wide characters count as one
				t.Errorf("%d columns: %s", n, line)
			}
		}
	case "markdown", "html":
		if strings.Contains(out, "<script") {
			t.Errorf("%s: a script: %s", format, out)
		}
		if format == "html" && (strings.Contains(out, "http:") || strings.Contains(out, "https:") || !strings.Contains(out, "</html>")) {
			t.Errorf("a page that is not whole, or needs something from outside")
		}
	case "json":
		if !json.Valid([]byte(out)) {
			t.Errorf("no JSON: %s", out)
		}
	}
}

func TestDiffHostile(t *testing.T) {
	for _, s := range hostile {
		before, after := diff.NewSide(), diff.NewSide()
		for i := range 10 {
			c := row(s)
			c.Client = report.Endpoint{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 1)}
			before.Add(c)
			c.ForwardSecrecy, c.KeyExchange = secrecy.Yes, s
			if i > 0 {
				after.Add(c)
			}
		}
		before.Input.Files, before.Input.Where = []string{s}, s[:min(len(s), 40)]
		d := diff.Compare(before, after)
		for _, f := range DiffFormats {
			var b bytes.Buffer
			if err := Diff(&b, d, f, Options{}); err != nil {
				t.Fatal(err)
			}
			if f == "json" || f == "csv" { // JSON escapes what it must
				if f == "json" {
					checkDocumentJSON(t, b.Bytes())
				}
				continue
			}
			checkDocument(t, f, b.String())
		}
	}
}

func checkDocumentJSON(t *testing.T, b []byte) {
	t.Helper()
	if !json.Valid(b) || bytes.ContainsFunc(b, func(r rune) bool { return r != '\n' && !visible.Rune(r) }) {
		t.Errorf("no JSON: %q", b)
	}
}

// TestFit checks that the remaining columns keep their alignment.
func TestFit(t *testing.T) {
	p := &printer{opt: Options{Width: 40}}
	if err := p.grid(&table{header: []string{"a", "", "b", ""}, right: []bool{false, true, false, true}, drop: []int{0, 9, 0, 0}, elastic: 0,
		rows: [][]string{{"left", strings.Repeat("x", 30), "l", "r"}, {"l", "", "left", "right"}}}); err != nil {
		t.Fatal(err)
	}
	if got, want := p.b.String(), "  a     b\n  left  l         r\n  l     left  right\n"; got != want {
		t.Errorf("got\n%s", got)
	}
}

// TestFitElastic drops the elastic column itself.
func TestFitElastic(t *testing.T) {
	g := grid{header: []string{"a", "b", "c"}, rows: [][]string{{strings.Repeat("x", 30), "b", strings.Repeat("y", 30)}}}
	g.fit(20, []int{0, 0, 1}, 2)
	if want := []string{strings.Repeat("x", 16) + "…", "b"}; !slices.Equal(g.rows[0], want) {
		t.Errorf("got %q, want %q", g.rows[0], want)
	}
}

func TestImpactHostile(t *testing.T) {
	for _, s := range hostile {
		sum := impact.NewSum()
		for i := range 3 {
			c := row(s)
			c.Offered = &report.Offer{Versions: []iana.Version{iana.TLS10}, CipherSuites: []iana.CipherSuite{0x000a, 0xfffe}, ALPN: []string{s}}
			c.JA4 = s
			c.Client = report.Endpoint{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 1)}
			sum.Add(c)
		}
		p := &policy.Policy{Name: s, Title: s, Note: s, Versions: []iana.Version{iana.TLS12, iana.TLS13}, Suites: []iana.CipherSuite{0xc02f}, Suites13: []iana.CipherSuite{0x1301}, Groups: []iana.Group{29}, Target: true}
		st := sum.Study(nil)
		where := s[:min(len(s), 40)]
		for _, n := range []int{1, 2, 5} {
			r := &ImpactReport{Input: report.Input{Files: []string{s}, Where: where, Records: 3, Saved: true}, Now: st.Now(), Config: "ssl_protocols TLSv1.2;\n", Kind: "nginx"}
			var list []*policy.Policy
			for range n {
				list = append(list, p)
				r.Outcomes = append(r.Outcomes, st.Ask(p))
			}
			r.Advice = st.Advise(list, list, 0)
			for _, f := range ImpactFormats {
				var b bytes.Buffer
				for _, width := range []int{40, 60} {
					if err := Impact(&b, r, f, Options{Width: width}); err != nil {
						t.Fatal(err)
					}
				}
				b.Reset()
				if err := Impact(&b, r, f, Options{}); err != nil {
					t.Fatal(err)
				}
				switch f {
				case "json":
					checkDocumentJSON(t, b.Bytes())
				case "csv":
					rows, err := csv.NewReader(&b).ReadAll()
					if err != nil {
						t.Fatal(err)
					}
					for _, r := range rows {
						for _, cell := range r {
							if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
								t.Errorf("a formula: %q", cell)
							}
						}
					}
				case "table":
					if len(s) < 60 && len(s) == utf8.RuneCountInString(s) {
						checkDocument(t, f, b.String())
					}
				default:
					checkDocument(t, f, b.String())
				}
			}
		}
	}
}
