package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"pfsight/capture"
	"pfsight/capture/stream"
	"pfsight/cmd/pfsight/internal/demo"
	"pfsight/cmd/pfsight/internal/livestate"
	"pfsight/report/render"
)

const captures = "../../../../testdata/captures"

// fed returns a State with the connections of the test captures.
func fed(t testing.TB) *livestate.State {
	t.Helper()
	st, _ := demo.State(t, captures)
	return st
}

// serve serves st on some port of the loopback and returns its URL.
func serve(t testing.TB, st *livestate.State) string {
	t.Helper()
	s, err := Start(context.Background(), st, "127.0.0.1:0", "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + s.addr.String()
}

// get asks for a URL as a client that names itself host would.
func get(t testing.TB, method, url, host string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a, string(b)
}

// TestWebExpressions serves what was chosen by -f and --where.
func TestWebExpressions(t *testing.T) {
	st := livestate.New(livestate.Options{Filter: "tcp port 443", Events: "server_name == '<b>'"})
	st.SetCapture(nil, demo.Feed(t, st, demo.Captures(t, captures)...))
	base := serve(t, st)
	for path, want := range map[string][]string{
		"/":            {"Only packets that match <code>tcp port 443</code>.", "events are written only where server_name == &#39;&lt;b&gt;&#39;."},
		"/api/summary": {`"filter":"tcp port 443"`, `"events_where":"server_name == '\u003cb\u003e'"`},
	} {
		_, body := get(t, "GET", base+path, "")
		for _, w := range want {
			if !strings.Contains(strings.ReplaceAll(body, `": `, `":`), w) {
				t.Errorf("%s does not say %s", path, w)
			}
		}
	}
}

func TestWeb(t *testing.T) {
	base := serve(t, fed(t))
	for _, c := range []struct {
		method, path, host string
		status             int
		kind, want         string
	}{
		{"GET", "/", "", 200, "text/html; charset=utf-8", "rsa_<wbr>key_<wbr>transport"},
		{"GET", "/?verdict=no&server=.", "", 200, "text/html; charset=utf-8", "no: not forward secret"},
		{"GET", "/?verdict=never", "", 200, "text/html; charset=utf-8", "use yes, no, conditional or unknown"},
		{"GET", "/?where=" + url.QueryEscape("version < \"TLS 1.2\""), "", 200, "text/html; charset=utf-8", "version &lt; &#34;TLS 1.2&#34;"},
		{"GET", "/?where=nonsense", "", 200, "text/html; charset=utf-8", `role="alert">where: at column 1`},
		{"GET", "/api/connections?where=nonsense", "", 400, "application/json", "where: at column 1"},
		{"GET", "/api/connections?where=" + strings.Repeat("(", 5000), "", 400, "application/json", "at most"},
		{"GET", "/page.js", "", 200, "text/javascript; charset=utf-8", "use strict"},
		{"GET", "/icon.svg", "", 200, "image/svg+xml", "<svg"},
		{"GET", "/healthz", "", 200, "text/plain; charset=utf-8", "ok"},
		{"GET", "/metrics", "", 200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", "pfsight_connections_total{"},
		{"GET", "/api/summary", "", 200, "application/json", `"forward_secrecy"`},
		{"GET", "/api/connections", "", 200, "application/json", `"client_ip"`},
		{"GET", "/api/connections?limit=0", "", 400, "application/json", "use 1 to"},
		{"GET", "/api/connections?verdict=x", "", 400, "application/json", "use yes"},
		{"GET", "/api/connections?nonsense=x", "", 400, "application/json", "nonsense: use"},
		{"GET", "/api/summary?top=x", "", 400, "application/json", "use 1 to"},
		{"GET", "/nothing", "", 404, "text/plain; charset=utf-8", "not found"},
		{"GET", "/web/page.js", "", 404, "text/plain; charset=utf-8", "not found"},
		{"POST", "/", "", 405, "text/plain; charset=utf-8", "Not Allowed"},
		{"DELETE", "/api/connections", "", 405, "text/plain; charset=utf-8", "Not Allowed"},
		{"GET", "/", "localhost", 200, "text/html; charset=utf-8", "</html>"},
		{"GET", "/", "LOCALHOST:1", 200, "text/html; charset=utf-8", "</html>"},
		{"GET", "/", "[::1]:9477", 200, "text/html; charset=utf-8", "</html>"},
		{"GET", "/", "127.8.9.1", 200, "text/html; charset=utf-8", "</html>"},
		{"GET", "/", "rebound.example", 421, "text/plain; charset=utf-8", "localhost"},
		{"GET", "/metrics", "rebound.example:9477", 421, "text/plain; charset=utf-8", "localhost"},
		{"GET", "/api/connections", "localhost.example", 421, "text/plain; charset=utf-8", "localhost"},
		{"GET", "/", "127.0.0.1.example", 421, "text/plain; charset=utf-8", "localhost"},
		{"GET", "/", "192.0.2.1", 421, "text/plain; charset=utf-8", "localhost"},
	} {
		a, body := get(t, c.method, base+c.path, c.host)
		if a.StatusCode != c.status || a.Header.Get("Content-Type") != c.kind || !strings.Contains(body, c.want) {
			t.Errorf("%s %s at %q: %d, %q, not with %q: %.200s", c.method, c.path, c.host, a.StatusCode, a.Header.Get("Content-Type"), c.want, body)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"X-Frame-Options": "DENY", "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if !strings.HasPrefix(a.Header.Get(name), want) {
				t.Errorf("%s: %s is %q", c.path, name, a.Header.Get(name))
			}
		}
		if csp := a.Header.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: %s", c.path, csp)
		}
		if v := a.Header.Get("Access-Control-Allow-Origin"); v != "" {
			t.Errorf("%s: %s may read", c.path, v)
		}
	}
}

// TestAPI holds the API to the report of the same captures.
func TestAPI(t *testing.T) {
	base := serve(t, fed(t))
	_, body := get(t, "GET", base+"/api/summary", "")
	var sum struct {
		Connections, Negotiated uint64
		Verdicts                map[string]uint64 `json:"forward_secrecy"`
		Servers                 []struct {
			Name string `json:"server_name"`
		}
		Input struct {
			Loss []struct {
				Name  string
				Count uint64
			}
		}
		Live struct {
			Drops uint64            `json:"kernel_drops"`
			Lost  map[string]uint64 `json:"sink_losses"`
		}
	}
	if err := json.Unmarshal([]byte(body), &sum); err != nil {
		t.Fatal(err)
	}
	var total uint64
	for _, n := range sum.Verdicts {
		total += n
	}
	rows := demo.Connections(t, demo.Captures(t, captures)...)
	want := map[string]uint64{}
	for _, r := range rows {
		if r.HasServerHello {
			want[r.ForwardSecrecy.String()]++
		}
	}
	if sum.Connections != uint64(len(rows)) || total != sum.Negotiated || len(rows) < 100 {
		t.Errorf("%d connections of %d, %d negotiated of %d", sum.Connections, len(rows), sum.Negotiated, total)
	}
	for v, n := range want {
		if sum.Verdicts[v] != n {
			t.Errorf("%s: %d, want %d", v, sum.Verdicts[v], n)
		}
	}
	if sum.Live.Drops != 7 || sum.Live.Lost["kafka"] != 3 || !strings.Contains(body, `"kernel_drops",`) {
		t.Errorf("drops %d, lost %v", sum.Live.Drops, sum.Live.Lost)
	}
	for query, check := range map[string]func(map[string]any) bool{
		"verdict=no&limit=20":         func(r map[string]any) bool { return r["forward_secrecy"] == "no" },
		"verdict=conditional&limit=2": func(r map[string]any) bool { return r["forward_secrecy"] == "conditional" },
		"server=127.0.0.1":            func(r map[string]any) bool { return strings.HasPrefix(r["server_ip"].(string), "127.0.0.1") },
		"where=" + url.QueryEscape("version is known and version < 'TLS 1.2'"): func(r map[string]any) bool {
			v := r["version"].(string)
			return v != "TLS 1.2" && v != "TLS 1.3"
		},
		"verdict=yes&where=" + url.QueryEscape("server_port == 4435"): func(r map[string]any) bool {
			return r["forward_secrecy"] == "yes" && r["server_port"] == 4435.0
		},
		"limit=3": func(map[string]any) bool { return true },
	} {
		_, body := get(t, "GET", base+"/api/connections?"+query, "")
		var got struct {
			Kept        int
			Connections []map[string]any
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if n := len(got.Connections); n == 0 || strings.Contains(query, "limit=3") && n != 3 || got.Kept == 0 {
			t.Errorf("%s: %d connections of %d", query, n, got.Kept)
		}
		for _, r := range got.Connections {
			if !check(r) {
				t.Errorf("%s: %v", query, r)
			}
		}
	}
}

// TestPageHostile sends what an attacker would through the page.
func TestPageHostile(t *testing.T) {
	st := livestate.New(livestate.Options{})
	evil := "\u202e</style><script>alert(1)</script>\x1b[2J\"'onload=x"
	for i, r := range demo.Connections(t, captures+"/rsa.pcap", captures+"/failed-suite.pcap") {
		r.ID, r.ServerName, r.ALPN = uint64(i), evil, evil
		if r.Certificate != nil {
			c := *r.Certificate
			c.Subject = evil
			r.Certificate = &c
		}
		st.Add(r)
		st.End(r)
	}
	st.SetCapture([]stream.InterfaceStats{{Name: evil}}, capture.Stats{})
	base := serve(t, st)
	_, body := get(t, "GET", base+"/?server="+"%22%3E%3Cscript%3Ealert(2)%3C/script%3E%1b", "")
	_, all := get(t, "GET", base+"/", "")
	for _, b := range []string{body, all} {
		if strings.Contains(b, "<script>") || strings.Contains(b, "\x1b") || strings.Contains(b, "\u202e") || strings.Count(b, "<style>") != 1 || strings.Count(b, "</style>") != 1 {
			t.Errorf("it gets through: %.2000s", b)
		}
	}
	if !strings.Contains(all, `\u202e&lt;/style&gt;`) {
		t.Error("the name is not shown")
	}
}

func TestListenRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := write("users.yml", fmt.Sprintf("basic_auth_users:\n  ops: %s\n", hash))
	for _, c := range []struct{ listen, config, want string }{
		{"0.0.0.0:0", "", "--web-config"},
		{":0", "", "--web-config"},
		{"[::]:0", "", "--web-config"},
		{"192.0.2.1:0", "", "--web-config"},
		{"9477", "", "127.0.0.1:9477"},
		{"127.0.0.1:99999", "", "127.0.0.1:9477"},
		{"0.0.0.0:0", filepath.Join(dir, "none.yml"), "no such file"},
		{"0.0.0.0:0", write("empty.yml", ""), "neither"},
		{"0.0.0.0:0", write("bad.yml", "nonsense: 1\n"), "nonsense"},
		{"127.0.0.1:0", write("bad2.yml", "tls_server_config: {cert_file: /no/such}\n"), "web-config"},
		{"127.0.0.1:0", "", ""},
		{"localhost:0", "", ""},
		{"0.0.0.0:0", users, ""},
	} {
		s, err := Start(context.Background(), livestate.New(livestate.Options{}), c.listen, c.config, slog.New(slog.DiscardHandler))
		switch {
		case err == nil && c.want != "":
			t.Errorf("%s with %q is served", c.listen, c.config)
		case err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s with %q: %v", c.listen, c.config, err)
		}
		if err == nil {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
			if err := s.Stop(); err != nil {
				t.Errorf("stopped twice: %v", err)
			}
		}
	}
	// Users are asked for, and then the name of the host does not matter.
	s, err := Start(context.Background(), livestate.New(livestate.Options{}), "0.0.0.0:0", users, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	r, _ := http.NewRequest("GET", strings.Replace("http://"+s.addr.String()+"/metrics", "[::]", "127.0.0.1", 1), nil)
	r.Host = "sensor.example"
	for password, want := range map[string]int{"": 401, "wrong": 401, "secret": 200} {
		if r.Header.Del("Authorization"); password != "" {
			r.SetBasicAuth("ops", password)
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != want {
			t.Errorf("password %q: %d, want %d", password, a.StatusCode, want)
		}
	}
}

func TestWebEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := Start(ctx, livestate.New(livestate.Options{}), "127.0.0.1:0", "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-s.done:
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
	if s.err != nil {
		t.Error(s.err)
	}
}

// TestBounded fills the server with requests that do not end.
func TestBounded(t *testing.T) {
	hold, entered := make(chan struct{}), make(chan struct{}, maxRequests+maxScrapes)
	h := bounded(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-hold
	}))
	for range maxRequests {
		go h.ServeHTTP(&discard{}, &http.Request{URL: &url.URL{Path: "/"}})
	}
	for range maxRequests {
		<-entered
	}
	w := &discard{}
	h.ServeHTTP(w, &http.Request{URL: &url.URL{Path: "/"}})
	// Scrapes have places of their own.
	for range maxScrapes {
		go h.ServeHTTP(&discard{}, &http.Request{URL: &url.URL{Path: "/metrics"}})
	}
	for range maxScrapes {
		<-entered
	}
	close(hold)
	if w.status != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("one too many gets %d", w.status)
	}
}

type discard struct {
	h      http.Header
	status int
}

func (d *discard) Header() http.Header {
	if d.h == nil {
		d.h = http.Header{}
	}
	return d.h
}
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(s int)           { d.status = s }

// BenchmarkPage is one look at the page of the captures.
func BenchmarkPage(b *testing.B) {
	st := fed(b)
	b.ReportAllocs()
	for b.Loop() {
		rows, of := st.Newest(pageRows, nil)
		sum, live := st.Look()
		var w bytes.Buffer
		if err := render.LiveHTML(&w, sum, live, &render.Rows{List: rows, Of: of}, render.Options{Top: pageTop}); err != nil {
			b.Fatal(err)
		}
	}
}
