package main

import (
	"bytes"
	"maps"
	"net/http"
	"strconv"
	"time"
)

const (
	webRequests = 8 // answers made at once; more requests are told to come again
	webScrapes  = 2 // answers made at once for Prometheus and for health checks, beside them
	// webScrapeWait is how long a scrape waits for its turn.
	webScrapeWait = 3 * time.Second
)

// bounded makes webRequests answers at once and bids others come again. What
// watches the program, /metrics and /healthz, has places of its own. An answer
// is whole before the first byte of it is sent, so whoever takes one slowly
// holds a connection and no more.
func bounded(next http.Handler) http.Handler {
	room, scrapes := make(chan struct{}, webRequests), make(chan struct{}, webScrapes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place, wait := room, time.Duration(0)
		if r.URL.Path == "/metrics" || r.URL.Path == "/healthz" {
			place, wait = scrapes, webScrapeWait
		}
		if !enter(place, wait, r) {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
			return
		}
		c := guestFrom(r)
		c.become(phaseAnswer)
		a := &webAnswer{header: http.Header{}, status: http.StatusOK}
		func() {
			defer func() {
				<-place
				c.become(phaseTaking)
			}()
			next.ServeHTTP(a, r)
		}()
		a.send(w)
	})
}

// enter takes a place and reports whether there was one in time.
func enter(place chan struct{}, wait time.Duration, r *http.Request) bool {
	select {
	case place <- struct{}{}:
		return true
	default:
	}
	if wait == 0 {
		return false
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case place <- struct{}{}:
		return true
	case <-t.C:
	case <-r.Context().Done():
	}
	return false
}

// A webAnswer is an http.ResponseWriter that keeps what is written.
type webAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *webAnswer) Header() http.Header         { return a.header }
func (a *webAnswer) WriteHeader(status int)      { a.status = status }
func (a *webAnswer) Write(b []byte) (int, error) { return a.body.Write(b) }

// send writes the answer to w.
func (a *webAnswer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Length", strconv.Itoa(a.body.Len()))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes())
}
