package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"pfsight/capture/stream"
	"pfsight/report"
	"pfsight/report/secrecy"
)

// pages renders a summary with s in every string from the wire, as a file and
// as a live page.
func pages(t *testing.T, s string) (file, live string) {
	t.Helper()
	r := report.NewReport()
	c := row(s)
	r.Add(c)
	sum := r.Summary()
	sum.Input = report.Input{Where: s, Files: []string{s, s}, Packets: 3, Bytes: 4, Last: 5, Loss: []report.Loss{{Reason: s, What: s, Count: 2}}}
	var b bytes.Buffer
	if err := SummaryHTML(&b, sum, Options{}); err != nil {
		t.Fatal(err)
	}
	file = b.String()
	b.Reset()
	l := &Live{Now: 9e9, Started: 1e9, Interfaces: []stream.InterfaceStats{{Name: s, Up: true}}, SinkLoss: []report.Count{{Label: s, N: 1}}}
	rows := &Rows{List: []*report.Connection{c}, Of: 1, Verdict: s, Server: s, Where: s, Err: errors.New("where: " + s)}
	if err := LiveHTML(&b, sum, l, rows, Options{}); err != nil {
		t.Fatal(err)
	}
	rows.Err = nil
	if err := LiveHTML(&b, sum, l, rows, Options{}); err != nil { // render the page with an error in place of rows, and with rows
		t.Fatal(err)
	}
	return file, b.String()
}

// An element is a start or an end tag of a page.
type element struct {
	name       string
	end, empty bool
}

// tags returns the tags of a page. html/template escapes all brackets in text
// and attributes, and the style sheet has none.
func tags(page string) []element {
	var out []element
	for {
		i := strings.IndexByte(page, '<')
		if i < 0 {
			return out
		}
		page = page[i+1:]
		i = strings.IndexByte(page, '>')
		if i < 0 {
			return append(out, element{name: "a bracket that does not close"})
		}
		text := page[:i]
		page = page[i+1:]
		e := element{end: strings.HasPrefix(text, "/"), empty: strings.HasSuffix(text, "/")}
		e.name, _, _ = strings.Cut(strings.Trim(text, "/"), " ")
		out = append(out, e)
	}
}

// void elements have no end tag.
var void = map[string]bool{"!DOCTYPE": true, "meta": true, "link": true, "br": true, "wbr": true, "input": true}

// checkHTML checks that a page is well-formed and has only allowed elements;
// nil allows all.
func checkHTML(t *testing.T, page string, allowed map[string]int) map[string]int {
	t.Helper()
	if !utf8.ValidString(page) {
		t.Fatal("not UTF-8")
	}
	for _, r := range page {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Fatalf("%U reaches the reader", r)
		}
	}
	var open []string
	n := map[string]int{}
	for _, e := range tags(page) {
		n[e.name]++
		if allowed != nil && allowed[e.name] == 0 {
			t.Fatalf("an element %q came from the wire", e.name)
		}
		switch {
		case e.empty || void[e.name]:
		case !e.end:
			open = append(open, e.name)
		case len(open) == 0 || open[len(open)-1] != e.name:
			t.Fatalf("</%s> ends %v", e.name, open)
		default:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Fatalf("%v are not ended", open)
	}
	return n
}

// elements are those of pages without hostile strings.
type elements struct{ file, live map[string]int }

func plainElements(t *testing.T) elements {
	file, live := pages(t, "plain")
	return elements{checkHTML(t, file, nil), checkHTML(t, live, nil)}
}

func checkPages(t *testing.T, s string, plain elements) {
	t.Helper()
	file, live := pages(t, s)
	checkHTML(t, file, plain.file)
	got := checkHTML(t, live, plain.live)
	for _, name := range []string{"script", "style", "svg", "table", "meta", "form", "a", "input"} {
		if got[name] != plain.live[name] {
			t.Fatalf("%d elements %q, want %d", got[name], name, plain.live[name])
		}
	}
	var b bytes.Buffer
	r := report.NewReport()
	r.Add(row(s))
	sum := r.Summary()
	sum.Input.Files = []string{s}
	if err := SummaryJSON(&b, sum, &Live{Interfaces: []stream.InterfaceStats{{Name: s}}, SinkLoss: []report.Count{{Label: s, N: 1}}}, Options{}); err != nil || !json.Valid(b.Bytes()) {
		t.Fatalf("%v: %s", err, &b)
	}
}

func TestPageHostile(t *testing.T) {
	plain := plainElements(t)
	for _, s := range append(hostile, `"><svg onload=alert(1)>`, "</style><script>", "{{.}}", "javascript:alert(1)", "a_b.c:d_") {
		checkPages(t, s, plain)
	}
}

func FuzzPage(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	var once sync.Once
	var plain elements
	f.Fuzz(func(t *testing.T, s string) {
		once.Do(func() { plain = plainElements(t) })
		if len(s) < 300 {
			checkPages(t, s, plain)
		}
	})
}

// TestPageEmpty renders a live capture without packets.
func TestPageEmpty(t *testing.T) {
	var b bytes.Buffer
	if err := LiveHTML(&b, report.NewReport().Summary(), &Live{}, &Rows{}, Options{}); err != nil {
		t.Fatal(err)
	}
	checkHTML(t, b.String(), nil)
	for _, want := range []string{"No connection was negotiated", "No handshake data is known to be missing"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(b.String(), "NaN") {
		t.Error("it divides by nothing")
	}
}

// TestPageAccessible checks what a screen reader needs.
func TestPageAccessible(t *testing.T) {
	_, page := pages(t, "example.org")
	for _, table := range strings.Split(page, "<table")[1:] {
		table = table[:strings.Index(table, "</table>")]
		if !strings.Contains(table, `<th scope="col"`) || !strings.Contains(table, `<th scope="row"`) {
			t.Errorf("a table without headers: %.300s", table)
		}
	}
	for _, svg := range strings.Split(page, "<svg")[1:] {
		if !strings.Contains(svg[:strings.Index(svg, ">")], `aria-hidden="true"`) {
			t.Error("a picture is read out")
		}
	}
	for _, id := range []string{"verdict", "server", "where"} {
		if !strings.Contains(page, `<label for="`+id+`"`) {
			t.Errorf("%s has no label", id)
		}
	}
	if !strings.Contains(page, `<html lang="en">`) || strings.Count(page, "<h1>") != 2 {
		t.Error("no language, or not one title")
	}
	page = page[strings.LastIndex(page, "<!DOCTYPE"):]
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if ids[m[1]] {
			t.Errorf("%s is there twice", m[1])
		}
		ids[m[1]] = true
	}
}

// TestContrast checks the colours against WCAG 2.2: 4.5 to 1 for text, 3 to 1
// for graphics.
func TestContrast(t *testing.T) {
	roots := strings.Split(styleText, ":root")[1:]
	if len(roots) != 2 {
		t.Fatalf("%d themes", len(roots))
	}
	for i, root := range roots {
		color := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6})`).FindAllStringSubmatch(root[:strings.Index(root, "}")], -1) {
			color[m[1]] = m[2]
		}
		check := func(front, back string, least float64) {
			if color[front] == "" || color[back] == "" {
				t.Errorf("theme %d has no %s or %s", i, front, back)
			} else if c := contrast(color[front], color[back]); c < least {
				t.Errorf("theme %d: %s on %s is %.2f", i, front, back, c)
			}
		}
		for _, back := range []string{"page", "card"} {
			for _, front := range []string{"text", "muted", "link"} {
				check(front, back, 4.5)
			}
		}
		check("text", "soft", 4.5)
		check("text", "cond-bg", 4.5)
		for _, v := range []string{"yes", "no", "cond", "unk"} {
			check(v+"-ink", v+"-bg", 4.5)
			check(v, "card", 3)
		}
	}
}

func contrast(a, b string) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(hex string) float64 {
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		panic(err)
	}
	lin := func(c uint64) float64 {
		x := float64(c&0xff) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return 0.2126*lin(n>>16) + 0.7152*lin(n>>8) + 0.0722*lin(n)
}

func TestBars(t *testing.T) {
	s := sharesOf("x", [4]uint64{secrecy.Yes: 1, secrecy.No: 1, secrecy.Conditional: 2}, 4)
	if got := fmt.Sprint(s.Parts); got != "[{yes 0.000 25.000} {no 25.000 25.000} {conditional 50.000 50.000}]" {
		t.Error(got)
	}
	if s = sharesOf("x", [4]uint64{}, 0); len(s.Parts) != 0 || len(s.Rows) != 4 {
		t.Errorf("%+v", s)
	}
}

func TestRates(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 0.04: "0.0", 1: "1.0", 9.94: "9.9", 9.96: "10", 1234.5: "1,235"} {
		if got := Rate(x); got != want {
			t.Errorf("%v is %q, want %q", x, got, want)
		}
	}
	for x, want := range map[float64]string{0: "0 bit/s", 12: "12 bit/s", 1500: "1.5 kbit/s", 12.34e6: "12.3 Mbit/s", 999.6e6: "1.0 Gbit/s", 123.4e9: "123 Gbit/s"} {
		if got := BitRate(x); got != want {
			t.Errorf("%v is %q, want %q", x, got, want)
		}
	}
	for x, want := range map[int64]string{0: "now", 1.5e9: "now", -5e9: "now", 61.7e9: "1 min 1 s ago"} {
		if got := ago(x); got != want {
			t.Errorf("%v is %q, want %q", x, got, want)
		}
	}
}
