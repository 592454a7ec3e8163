package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"pfsight/cmd/pfsight/internal/livestate"
	"pfsight/report"
	"pfsight/report/render"
	"pfsight/report/secrecy"
	"pfsight/report/where"
)

const (
	pageRows = 50   // newest connections on the page
	apiRows  = 100  // of the API, where no limit is asked for
	maxRows  = 2048 // that may be asked for: all that are kept
	maxWhere = 4096 // bytes of an expression
	pageTop  = 12   // rows of a list on the page
)

// newHandler returns the handler of all requests, behind login. With loopback the
// Host of a request must be this machine: a web site in a local browser must not
// reach the server through its own name (DNS rebinding).
func newHandler(st *livestate.State, loopback bool, login func(http.Handler) http.Handler) http.Handler {
	h := &handler{st}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.page)
	mux.HandleFunc("GET /page.js", file("static/page.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /icon.svg", file("static/icon.svg", "image/svg+xml"))
	mux.HandleFunc("GET /api/summary", h.summary)
	mux.HandleFunc("GET /api/connections", h.connections)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.Handle("GET /metrics", st.Metrics().Handler())
	return guard(login(bounded(mux)), loopback)
}

// contentPolicy is the Content-Security-Policy of every answer.
var contentPolicy = "default-src 'none'; script-src 'self'; style-src " + render.StyleSource + "; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard sets the security headers of every answer, and with loopback refuses other
// hosts.
func guard(next http.Handler, loopback bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if loopback && !localHost(r.Host) {
			http.Error(w, "this server answers to localhost, 127.0.0.1 and [::1] only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// localHost reports whether the Host of a request names this machine. Any port is
// allowed: a tunnel changes it.
func localHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if strings.EqualFold(name, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && a.Unmap().IsLoopback()
}

func file(name, contentType string) http.HandlerFunc {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err) // not embedded
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(b)
	}
}

type handler struct{ st *livestate.State }

func (h *handler) page(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	rows := &render.Rows{Verdict: q.Get("verdict"), Server: q.Get("server"), Where: q.Get("where")}
	match, err := rowFilter(q)
	if err != nil {
		rows.Err = err
	} else {
		rows.List, rows.Of = h.st.Newest(pageRows, match)
	}
	sum, live := h.st.Look()
	var b bytes.Buffer
	if err := render.LiveHTML(&b, sum, live, rows, render.Options{Top: pageTop}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

func (h *handler) summary(w http.ResponseWriter, r *http.Request) {
	top, err := number(r.URL.Query(), "top", 100, 1<<16)
	if err != nil {
		refuse(w, err)
		return
	}
	sum, live := h.st.Look()
	var b bytes.Buffer
	if err := render.SummaryJSON(&b, sum, live, render.Options{Top: top}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b.Bytes())
}

// connections serves the newest connections, newest first.
func (h *handler) connections(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for name := range q {
		if !slices.Contains([]string{"verdict", "server", "where", "limit"}, name) {
			refuse(w, fmt.Errorf("%s: use verdict, server, where and limit", name))
			return
		}
	}
	limit, err := number(q, "limit", apiRows, maxRows)
	if err != nil {
		refuse(w, err)
		return
	}
	match, err := rowFilter(q)
	if err != nil {
		refuse(w, err)
		return
	}
	rows, of := h.st.Newest(limit, match)
	var e render.Encoder
	b := fmt.Appendf(nil, `{"kept":%d,"connections":[`, of)
	for i, c := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, '\n'), e.Record(c)...)
	}
	b = append(b, "\n]}\n"...)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
}

func refuse(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
}

// number parses a parameter between 1 and most.
func number(q url.Values, name string, otherwise, most int) (int, error) {
	s := q.Get(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s: use 1 to %d", name, most)
	}
	return n, nil
}

// rowFilter returns a function that reports whether a query selects a connection,
// or nil if it selects all.
func rowFilter(q url.Values) (func(*report.Connection) bool, error) {
	var all []func(*report.Connection) bool
	if s := q.Get("verdict"); s != "" {
		v, ok := verdictNamed(s)
		if !ok {
			return nil, fmt.Errorf("verdict %q: use yes, no, conditional or unknown", s)
		}
		all = append(all, func(c *report.Connection) bool { return c.ForwardSecrecy == v })
	}
	if s := strings.ToLower(q.Get("server")); s != "" {
		all = append(all, func(c *report.Connection) bool {
			return strings.Contains(strings.ToLower(render.Quote(c.ServerName)), s) || strings.Contains(c.Server.String(), s)
		})
	}
	if s := q.Get("where"); s != "" {
		if len(s) > maxWhere {
			return nil, fmt.Errorf("where: use at most %d bytes", maxWhere)
		}
		f, err := where.Compile(s)
		if err != nil {
			return nil, fmt.Errorf("where: %w", err)
		}
		all = append(all, f.Match)
	}
	if len(all) == 0 {
		return nil, nil
	}
	return func(c *report.Connection) bool {
		for _, match := range all {
			if !match(c) {
				return false
			}
		}
		return true
	}, nil
}

func verdictNamed(s string) (secrecy.Verdict, bool) {
	for v := secrecy.Unknown; v <= secrecy.Conditional; v++ {
		if v.String() == s {
			return v, true
		}
	}
	return 0, false
}
